"""Reading of a request's body. `webserver` has received it before, and bounds its time."""

from __future__ import annotations

from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

LIMIT = 1024 * 1024  # bytes


def read_json(request: Request) -> bytes:
    """Return the bytes of a body that declares itself JSON. Raise werkzeug's 400, 413 or 415."""
    body = _read(request)
    if not request.is_json:
        raise UnsupportedMediaType("The Content-Type must be application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("The Content-Encoding must be identity.")
    if request.content_length is not None and len(body) < request.content_length:
        raise BadRequest("The body is shorter than its Content-Length.")
    return body


def _read(request: Request) -> bytes:
    channel = request.environ.get("gunicorn.socket")
    too_large = (request.content_length or 0) > LIMIT or (channel and channel.framing.is_cut)
    body: bytes = b"" if too_large else request.environ["wsgi.input"].read(LIMIT + 1)
    if too_large or len(body) > LIMIT:
        raise RequestEntityTooLarge(f"The body must not exceed {LIMIT:,} bytes.")
    return body
