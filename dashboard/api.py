"""The HTTP API for scripts: what the page sees, as JSON."""

import math

from flask import Blueprint, Response, abort, current_app, request

from dashboard.auth import require
from dashboard.hub import Hub

api = Blueprint("api", __name__, url_prefix="/api")


@api.get("/state")
@require("viewer")
def state() -> Response:
    """The state, as a snapshot on the socket has it."""
    hub: Hub = current_app.extensions["hub"]
    return Response(hub.state(), content_type="application/json")


@api.get("/history")
@require("viewer")
def history() -> Response:
    """The charted figures after ?since= (seconds since 1970; all without it)."""
    hub: Hub = current_app.extensions["hub"]
    return Response(hub.history(_since(request.args.get("since", "0"))), content_type="application/json")


def _since(text: str) -> float:
    try:
        since = float(text)
    except ValueError:
        since = math.nan
    if not math.isfinite(since):
        abort(400, "since must be a number of seconds since 1970.")
    return since
