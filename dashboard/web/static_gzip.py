"""Gzips the page and the static files if the client accepts it: a sixth of the bytes.

Static files are compressed once and cached. Scripts lose their comments, which are a fifth of their gzipped bytes; the
lines stay, so that errors name the source's line numbers. The page contains the session's CSRF token, so it is
compressed each time. It echoes nothing of a request, so its length reveals nothing about the token (no BREACH attack).
"""

import gzip
import re

from flask import Flask, Response, request

LEVEL = 6
SMALLEST_BYTES = 300  # compressing less gains nothing
TYPES = ("text/", "application/javascript", "application/json", "image/svg+xml")
COMMENT_LINES = re.compile(rb"^[ \t]*//.*$", re.MULTILINE)  # tests/js/comments.test.js: no other line begins like that
ENDPOINTS = ("static", "static_files.file", "pages.index")


def install(app: Flask) -> None:
    """Compress the responses of ENDPOINTS."""
    cache: dict[str, bytes] = {}  # ETag, which names the file → gzipped. Not by path: a file has any number of them

    @app.after_request
    def compress(response: Response) -> Response:
        text = (response.mimetype or "").startswith(TYPES)
        if request.endpoint not in ENDPOINTS or response.status_code != 200 or not text:
            return response
        response.vary.add("Accept-Encoding")
        if request.accept_encodings.quality("gzip") <= 0 or (response.content_length or 0) < SMALLEST_BYTES:
            return response
        etag = response.get_etag()[0]
        if etag is None:
            return _replaced(response, gzip.compress(response.get_data(), LEVEL, mtime=0))
        file, response.direct_passthrough = response.response, False
        if etag not in cache:
            cache[etag] = gzip.compress(_without_comments(response), LEVEL, mtime=0)
        if close := getattr(file, "close", None):
            close()
        return _replaced(response, cache[etag])


def _without_comments(response: Response) -> bytes:
    content = response.get_data()
    return COMMENT_LINES.sub(b"", content) if response.mimetype == "text/javascript" else content


def _replaced(response: Response, gzipped: bytes) -> Response:
    response.set_data(gzipped)
    response.content_encoding = "gzip"
    return response
