"""The page and its own files, gzipped for whoever takes that: a sixth of the bytes on a slow line.

Each file is packed once and kept; what is kept are the files of static/, and so bounded. The page is packed each time:
it carries the session's token. It repeats nothing of a request, so its length tells nobody that token.
"""

import gzip

from flask import Flask, Response, request

LEVEL = 6
SMALLEST_BYTES = 300  # with less there is nothing to gain
TYPES = ("text/", "application/javascript", "application/json", "image/svg+xml")
ENDPOINTS = ("static", "pages.index")


def install(app: Flask) -> None:
    """Packs the responses of these endpoints."""
    packed: dict[tuple[str, str], bytes] = {}  # (path, ETag) → gzipped

    @app.after_request
    def pack(response: Response) -> Response:
        text = (response.mimetype or "").startswith(TYPES)
        if request.endpoint not in ENDPOINTS or response.status_code != 200 or not text:
            return response
        response.vary.add("Accept-Encoding")
        if request.accept_encodings.quality("gzip") <= 0 or (response.content_length or 0) < SMALLEST_BYTES:
            return response
        etag = response.get_etag()[0]
        if etag is None:
            return _replaced(response, gzip.compress(response.get_data(), LEVEL, mtime=0))
        key = request.path, etag
        file, response.direct_passthrough = response.response, False
        if key not in packed:
            packed[key] = gzip.compress(response.get_data(), LEVEL, mtime=0)
        if close := getattr(file, "close", None):
            close()
        return _replaced(response, packed[key])


def _replaced(response: Response, packed: bytes) -> Response:
    response.set_data(packed)
    response.content_encoding = "gzip"
    return response
