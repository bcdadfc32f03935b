"""The page's own files, gzipped for whoever takes that: a sixth of the bytes on a slow line.

Each file is packed once and kept; what is kept are the files of static/, and so bounded.
"""

import gzip

from flask import Flask, Response, request

LEVEL = 6
SMALLEST_BYTES = 860  # what fits a packet needs no packing
TYPES = ("text/", "application/javascript", "application/json", "image/svg+xml")


def install(app: Flask) -> None:
    """Packs the responses of the static endpoint."""
    packed: dict[tuple[str, str], bytes] = {}  # (path, ETag) → gzipped

    @app.after_request
    def pack(response: Response) -> Response:
        text = (response.mimetype or "").startswith(TYPES)
        if request.endpoint != "static" or response.status_code != 200 or not text:
            return response
        response.vary.add("Accept-Encoding")
        if request.accept_encodings.quality("gzip") <= 0 or (response.content_length or 0) < SMALLEST_BYTES:
            return response
        key = request.path, response.get_etag()[0] or ""
        file, response.direct_passthrough = response.response, False
        if key not in packed:
            packed[key] = gzip.compress(response.get_data(), LEVEL, mtime=0)
        if close := getattr(file, "close", None):
            close()
        response.set_data(packed[key])
        response.content_encoding = "gzip"
        return response
