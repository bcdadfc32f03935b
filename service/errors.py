"""Every error as application/problem+json (RFC 9457), under its real status.

Handlers for what the parts raise: werkzeug's HTTP errors (404, 405 and their like), the document's, the store's, and
whatever else, which is a 500 and a trace in the log.
"""

from __future__ import annotations

from http import HTTPStatus

import orjson
from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from service.document import BadId, Malformed
from service.store import BadCursor, Conflict, Rejected, Reserved, StoreError, Unavailable, Unfinished, Unknown

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2  # about what a restart of MongoDB takes

NOT_APPLIED = "not-applied"
UNKNOWN = "unknown"

_STORE_STATUS: dict[type[StoreError], HTTPStatus] = {
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Unknown: HTTPStatus.GATEWAY_TIMEOUT,
    Conflict: HTTPStatus.CONFLICT,
    Reserved: HTTPStatus.UNPROCESSABLE_ENTITY,
    BadCursor: HTTPStatus.BAD_REQUEST,
    Unfinished: HTTPStatus.GATEWAY_TIMEOUT,
    Rejected: HTTPStatus.INTERNAL_SERVER_ERROR,
}

# A request that MongoDB has and did not answer may also be carried out after the answer to the client.
_UNKNOWN = {
    "POST": "MongoDB was sent the document and did not answer in time: it is stored, or not, or yet to be."
    " To be sure, send it again with the _id {}.",
    "PUT": "MongoDB was sent the document and did not answer in time: it has replaced the one with the _id {}, or not,"
    " or is yet to. To be sure, send it again.",
    "DELETE": "MongoDB was told to delete the document with the _id {} and did not answer in time: it is gone, or not,"
    " or yet to go. To be sure, delete it again: 204 and 404 both mean that it is gone.",
}


def problem(status: int, detail: str, **members: str) -> Response:
    """The answer that says what went wrong; further members tell a writer what became of its document."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    body |= members
    if request_id := g.get("request_id"):
        body["request_id"] = request_id
    return Response(orjson.dumps(body), status, content_type=CONTENT_TYPE)


def register(app: Flask) -> None:
    """Installs the handlers."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Malformed, _malformed)
    app.register_error_handler(StoreError, _store)
    app.register_error_handler(Exception, _unforeseen)


def _http(error: HTTPException) -> Response:
    response = problem(error.code or 500, error.description or "")
    for name, value in error.get_headers():  # Allow, Retry-After
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _malformed(error: Malformed) -> Response:
    return problem(422 if isinstance(error, BadId) else 400, str(error))


def _store(error: StoreError) -> Response:
    status = _STORE_STATUS[type(error)]
    if isinstance(error, Unavailable):
        response = problem(status, "MongoDB did not answer in time. Nothing was applied.", outcome=NOT_APPLIED)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    elif isinstance(error, Unknown):
        detail = _UNKNOWN[request.method].format(error.identity)
        response = problem(status, detail, outcome=UNKNOWN, id=error.identity)
    elif isinstance(error, Unfinished):
        detail = "MongoDB did not find that many documents in time. A filter with bounds for _id has fewer to look at."
        response = problem(status, detail)
    elif isinstance(error, Rejected):
        response = problem(status, "MongoDB refused. The service's log says more.", outcome=NOT_APPLIED)
    else:
        return problem(status, str(error))
    current_app.logger.warning("%s: %s", type(error).__name__, error)
    return response


def _unforeseen(error: Exception) -> Response:
    current_app.logger.exception("unforeseen", exc_info=error)
    return problem(500, "This is the service's own fault; its log says more.")
