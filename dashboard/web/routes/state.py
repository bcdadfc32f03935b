"""The state and the history as JSON, for scripts."""

import gzip
import math
import time
from collections.abc import Callable, Hashable

import msgspec
from flask import Blueprint, Response, abort, current_app, request
from flask.blueprints import BlueprintSetupState

from dashboard.web.auth import require
from dashboard.web.hub import Hub
from dashboard.web.response_cache import ResponseCache

GZIP_OVER_BYTES = 4 << 10
GZIP_LEVEL = 1  # a fifth larger than with the default level, in a seventh of the time

api = Blueprint("api", __name__, url_prefix="/api")


@api.record_once
def _prepare(setup: BlueprintSetupState) -> None:
    setup.app.extensions["response_cache"] = ResponseCache()


@api.get("/state")
@require("viewer")
def state() -> Response:
    """The state, as in a snapshot on the socket."""
    hub: Hub = current_app.extensions["hub"]
    return Response(hub.state(), content_type="application/json")


@api.get("/history")
@require("viewer")
def history() -> Response:
    """The charts' points after ?since= (seconds since 1970), by default all."""
    hub: Hub = current_app.extensions["hub"]
    since = _since(request.args.get("since", "0"))
    key = (since, hub.taken_in(), int(time.monotonic()))  # with the second, since `as_of` changes without a point
    return _cached(key, lambda: hub.history(since))


def _cached(key: Hashable, make: Callable[[], bytes]) -> Response:
    """Return a cached JSON response, gzipped if it is large and the client accepts it."""
    cache: ResponseCache = current_app.extensions["response_cache"]
    body = cache.get(key, make)
    response = Response(body, content_type="application/json")
    response.vary.add("Accept-Encoding")
    if len(body) > GZIP_OVER_BYTES and request.accept_encodings.quality("gzip") > 0:
        response.data = cache.get((key, "gzip"), lambda: gzip.compress(body, GZIP_LEVEL, mtime=0))
        response.content_encoding = "gzip"
    return response


def _since(text: str) -> float:
    try:
        since = msgspec.json.decode(text, type=float)
    except msgspec.MsgspecError:
        since = math.nan
    if not math.isfinite(since):
        abort(400, "since must be a number of seconds since 1970.")
    return since
