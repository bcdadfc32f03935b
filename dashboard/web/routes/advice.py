"""Advice, computed on request: what the autoscaler would do, and requests and limits that fit the usage."""

import msgspec
from flask import Blueprint, Response, abort, current_app

from dashboard.core.hpa.utilization import Unmeasurable
from dashboard.core.hpa.what_if import MOST_PODS, MOST_USAGE, Supposition
from dashboard.web.auth import require
from dashboard.web.hub import Hub
from dashboard.web.query import parameters, whole

BOUNDS = {  # of the query's parameters
    "percent": (0, MOST_USAGE),
    "replicas": (1, MOST_PODS),
    "missing": (0, MOST_PODS),
    "unready": (0, MOST_PODS),
    "target": (1, MOST_USAGE),
    "min": (0, MOST_PODS),
    "max": (1, MOST_PODS),
}

advice = Blueprint("advice", __name__, url_prefix="/api")


@advice.get("/autoscaler/what-if")
@require("viewer")
def what_if() -> Response:
    """The autoscaler's answer to other figures: ?percent=&replicas=&missing=&unready=&target=&min=&max=.

    Without parameters: its answer to the present ones.
    """
    hub: Hub = current_app.extensions["hub"]
    given = parameters(*BOUNDS)
    figures = {name: whole(given, name, least, most, least) for name, (least, most) in BOUNDS.items() if name in given}
    try:
        answer = hub.what_if(Supposition(**figures))
    except (Unmeasurable, ValueError) as error:
        abort(400, str(error))
    if answer is None:
        abort(404, "There is no autoscaler with a target for CPU.")
    return Response(msgspec.json.encode(answer), content_type="application/json")


@advice.get("/sizing")
@require("viewer")
def sizing() -> Response:
    """Requests and limits that fit the usage of the last hour, for each container."""
    hub: Hub = current_app.extensions["hub"]
    parameters()
    return Response(msgspec.json.encode(hub.sizing()), content_type="application/json")
