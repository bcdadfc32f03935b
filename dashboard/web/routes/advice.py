"""Advice, computed on request: what the autoscaler would do, and requests and limits that fit the usage."""

import msgspec
from flask import Blueprint, Response, abort, current_app, request

from dashboard.core.hpa.utilization import Unmeasurable
from dashboard.core.hpa.what_if import MOST_PODS, MOST_USAGE, Supposition
from dashboard.web.auth import require
from dashboard.web.hub import Hub

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
    supposed = Supposition(**{name: _whole(name, value) for name, value in _given(BOUNDS).items()})
    try:
        answer = hub.what_if(supposed)
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
    _given({})
    return Response(msgspec.json.encode(hub.sizing()), content_type="application/json")


def _given(known: dict[str, tuple[int, int]]) -> dict[str, str]:
    """Return the query's parameters. Abort with 400 if one is unknown or given twice."""
    for name, values in request.args.lists():
        if name not in known:
            abort(400, f"Unknown parameter {name[:40]!r}." + (f" Known: {', '.join(known)}." if known else ""))
        if len(values) > 1:
            abort(400, f"{name} must be given once.")
    return dict(request.args)


def _whole(name: str, text: str) -> int:
    least, most = BOUNDS[name]
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        abort(400, f"{name} must be a whole number from {least} to {most}.")
    return int(text)
