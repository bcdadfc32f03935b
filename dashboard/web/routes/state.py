"""The HTTP API for scripts: what the page sees, as JSON."""

import gzip
import math
import time
from collections.abc import Callable, Hashable

from flask import Blueprint, Response, abort, current_app, request
from flask.blueprints import BlueprintSetupState

from dashboard.web.auth import require
from dashboard.web.hub import Hub
from dashboard.web.response_cache import ResponseCache

PACK_OVER_BYTES = 4 << 10
PACK_LEVEL = 1  # a fifth larger than by the usual level, in a seventh of its time

api = Blueprint("api", __name__, url_prefix="/api")


@api.record_once
def _prepare(setup: BlueprintSetupState) -> None:
    setup.app.extensions["answers"] = ResponseCache()


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
    since = _since(request.args.get("since", "0"))
    moment = (since, hub.taken_in(), int(time.monotonic()))  # the second is for `as_of`, which no point moves
    return _packed(moment, lambda: hub.history(since))


def _packed(moment: Hashable, make: Callable[[], bytes]) -> Response:
    """JSON that is the same for all who ask at this moment, as gzip for whoever takes it where that is worth it."""
    answers: ResponseCache = current_app.extensions["answers"]
    body = answers.get(moment, make)
    response = Response(body, content_type="application/json")
    response.vary.add("Accept-Encoding")
    if len(body) > PACK_OVER_BYTES and request.accept_encodings.quality("gzip") > 0:
        response.data = answers.get((moment, "gzip"), lambda: gzip.compress(body, PACK_LEVEL, mtime=0))
        response.content_encoding = "gzip"
    return response


def _since(text: str) -> float:
    try:
        since = float(text)
    except ValueError:
        since = math.nan
    if not math.isfinite(since):
        abort(400, "since must be a number of seconds since 1970.")
    return since
