"""Error handlers: every error becomes application/problem+json (RFC 9457) with its real status.

They cover werkzeug's HTTP errors, the document's, the store's, and any other exception, which becomes a 500 with a
traceback in the log.
"""

from __future__ import annotations

from http import HTTPStatus

import orjson
from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from service.document import BadId, Malformed
from service.store.outcomes import (
    BadCursor,
    Conflict,
    PreconditionFailed,
    Rejected,
    Reserved,
    StoreError,
    TooLarge,
    Unavailable,
    Unfinished,
    Unknown,
)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2  # about what a restart of MongoDB takes

NOT_APPLIED = "not-applied"
UNKNOWN = "unknown"

_STORE_STATUS: dict[type[StoreError], HTTPStatus] = {
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Unknown: HTTPStatus.GATEWAY_TIMEOUT,
    Conflict: HTTPStatus.CONFLICT,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    TooLarge: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reserved: HTTPStatus.UNPROCESSABLE_ENTITY,
    BadCursor: HTTPStatus.BAD_REQUEST,
    Unfinished: HTTPStatus.GATEWAY_TIMEOUT,
    Rejected: HTTPStatus.INTERNAL_SERVER_ERROR,
}

# MongoDB may still execute an unanswered command after the client has its response.
_UNKNOWN = {
    "POST": "MongoDB did not answer in time. The document may or may not be stored, now or later."
    " To be sure, send it again with the _id {}.",
    "PUT": "MongoDB did not answer in time. The document with the _id {} may or may not be replaced, now or later."
    " To be sure, send it again. If that is 412, read the document: this or another request has changed it.",
    "DELETE": "MongoDB did not answer in time. The document with the _id {} may or may not be deleted, now or later."
    " To be sure, delete it again: 204 and 404 both mean that it is gone.",
}


def problem(status: int, detail: str, **members: str) -> Response:
    """Return a problem response. A failed write adds `outcome` and `id` as members."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    body |= members
    if request_id := getattr(request, "id", ""):
        body["request_id"] = request_id
    return Response(orjson.dumps(body), status, content_type=CONTENT_TYPE)


def register(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Malformed, _malformed)
    app.register_error_handler(StoreError, _store)
    app.register_error_handler(Exception, _unexpected)


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
        detail = "MongoDB could not be reached, or the service was too busy. Nothing was applied."
        response = problem(status, detail, outcome=NOT_APPLIED)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    elif isinstance(error, Unknown):
        detail = _UNKNOWN[request.method].format(error.identity)
        response = problem(status, detail, outcome=UNKNOWN, id=error.identity)
    elif isinstance(error, Unfinished):
        detail = "MongoDB did not find that many documents in time. Bounds for _id in the filter make it faster."
        response = problem(status, detail)
    elif isinstance(error, Rejected):
        response = problem(status, "MongoDB rejected the request. See the service's log.", outcome=NOT_APPLIED)
    else:
        response = problem(status, str(error))
        if isinstance(error, PreconditionFailed):
            response.headers["ETag"] = error.tag
        return response
    current_app.logger.warning("%s: %s", type(error).__name__, error)
    return response


def _unexpected(error: Exception) -> Response:
    current_app.logger.exception("unexpected error", exc_info=error)
    return problem(500, "Internal error. See the service's log.")
