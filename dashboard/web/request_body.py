"""Reads a request's body, completely or not at all."""

from collections.abc import Collection
from typing import Any

import orjson
from flask import abort, request

from webserver.framing import MOST_CHUNKS

SMALL = 4 << 10  # bytes, enough for every JSON body of the API
DEEPEST = 16  # levels, too: what is passed on is copied, compared and encoded by functions that call themselves


def whole(most: int, what: str) -> bytes:
    """Return the complete body. Abort with 413 if it is larger than `most` bytes, 415 if it is compressed, 400 if it is
    incomplete.

    The framework returns the beginning of a chunked body that is too large, and of one that broke off. The server
    passes on nothing of one that is too large for it.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        abort(415, "The Content-Encoding must be identity.")
    channel = request.environ.get("gunicorn.socket")
    request.max_content_length = most + 1
    length = request.content_length or 0
    body = request.get_data(cache=False) if length <= most else b""
    if max(length, len(body)) > most or (channel and channel.framing.is_cut):
        abort(413, f"{what} must not exceed {most:,} bytes, nor {MOST_CHUNKS:,} chunks.")
    if len(body) < length:
        abort(400, "The body is shorter than its Content-Length.")
    return body


def members(known: Collection[str]) -> dict[str, Any]:
    """Return the body as a small JSON object with no other members than these; abort with 4xx otherwise."""
    if not request.is_json:
        abort(415, "The body must be JSON, with Content-Type: application/json.")
    try:
        body = orjson.loads(whole(SMALL, "The body"))
    except orjson.JSONDecodeError:
        abort(400, "The body is not JSON.")
    if not isinstance(body, dict):
        abort(422, f"The body must be an object with the members {', '.join(known)}.")
    if _is_deeper(body, DEEPEST):
        abort(400, f"The body is nested deeper than {DEEPEST} levels.")
    for name in body:
        if name not in known:
            abort(422, f"Unknown member {name[:40]!r}. Allowed: {', '.join(known)}.")
    return body


def _is_deeper(value: object, levels: int) -> bool:
    """Return whether objects and arrays are nested deeper than these levels."""
    level = [value]
    for _ in range(levels):
        inner = [each for each in level if isinstance(each, dict | list)]
        level = [part for each in inner for part in (each.values() if isinstance(each, dict) else each)]
    return any(isinstance(each, dict | list) for each in level)
