"""Reading of a request's body, bounded in size here and in time by `worker`."""

from __future__ import annotations

from typing import IO

from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout, UnsupportedMediaType

LIMIT = 1024 * 1024  # bytes
DRAIN_LIMIT = 64 * LIMIT  # bytes read of a body that is too large
CHUNK = 64 * 1024


def read_json(request: Request) -> bytes:
    """Return the bytes of a body that declares itself JSON. Raise werkzeug's 400, 408, 413 or 415."""
    try:
        body = _read(request.environ["wsgi.input"], request.content_length)
    except BlockingIOError:  # EAGAIN: the read timed out
        raise RequestTimeout("The body stalled.") from None
    except OSError:
        raise BadRequest("The connection closed within the body.") from None
    if not request.is_json:
        raise UnsupportedMediaType("The Content-Type must be application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("The Content-Encoding must be identity.")
    if request.content_length is not None and len(body) < request.content_length:
        raise BadRequest("The body is shorter than its Content-Length.")
    return body


def _read(stream: IO[bytes], length: int | None) -> bytes:
    """Return the body if it is small enough. Read a larger one to its end before raising: a client that still sends
    when the connection closes would see a reset instead of the 413."""
    left = DRAIN_LIMIT if length is None else min(length, DRAIN_LIMIT)
    body = bytearray()
    size = 0
    while left > 0 and (chunk := stream.read(min(CHUNK, left))):
        left -= len(chunk)
        size += len(chunk)
        if size <= LIMIT:
            body += chunk
    if size > LIMIT:
        raise RequestEntityTooLarge(f"The body must not exceed {LIMIT:,} bytes.")
    return bytes(body)
