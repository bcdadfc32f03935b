"""The HTTP API for scripts: what the page sees, as JSON."""

from flask import Blueprint, Response, current_app

from dashboard.auth import require
from dashboard.hub import Hub

api = Blueprint("api", __name__, url_prefix="/api")


@api.get("/state")
@require("viewer")
def state() -> Response:
    """The state, as a snapshot on the socket has it."""
    hub: Hub = current_app.extensions["hub"]
    return Response(hub.state(), content_type="application/json")
