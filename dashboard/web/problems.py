"""Errors as application/problem+json (RFC 9457)."""

import logging
from collections.abc import Mapping

from flask import Flask, Response, json
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

log = logging.getLogger(__name__)


def problem(status: int, detail: str, members: Mapping[str, object] | None = None, **headers: str) -> Response:
    """Return a problem response with additional members. Header names have underscores: Retry_After."""
    body = {"type": "about:blank", "title": HTTP_STATUS_CODES[status], "status": status, "detail": detail}
    body |= members or {}
    response = Response(json.dumps(body), status, content_type="application/problem+json")
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def install(app: Flask) -> None:
    """Answer every error with a problem, including the framework's own."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _http_error(error: HTTPException) -> Response:
    """Keep the error's own headers, such as a 405's Allow. An abort with a response returns that response."""
    if isinstance(error.response, Response):
        return error.response
    response = problem(error.code or 500, error.description or "")
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    log.exception("request failed", exc_info=error)
    return problem(500, "Internal error: see the dashboard's log.")
