"""GET /: the service's name, version and links, as JSON, or as HTML for a browser.

Every pod sends the same bytes: load generators such as ab count a different length as a failure.
"""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, request

LINKS = {
    "documents": "/data",
    "contract": "/openapi.json",
    "metrics": "/metrics",
    "health": "/healthz",
    "readiness": "/readyz",
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Data service</title>
<h1>Data service</h1>
<p>Version {version}. It stores JSON documents in MongoDB.</p>
<ul>
{links}
</ul>
<pre>curl -X POST -H "Content-Type: application/json" -d '{{"key":"value"}}' {root}data</pre>
</html>
"""


def blueprint(version: str) -> Blueprint:
    """Return GET /."""
    routes = Blueprint("welcome", __name__)
    as_json = orjson.dumps({"service": "flask-mongodb", "version": version, "links": LINKS})
    links = "\n".join(f'<li><a href="{path}">{name}</a></li>' for name, path in LINKS.items())

    @routes.get("/")
    def welcome() -> Response:
        content_types = ["application/json", "text/html"]
        if request.accept_mimetypes.best_match(content_types) == "text/html":
            response = Response(_PAGE.format(version=version, links=links, root="http://localhost:5000/"))
            response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        else:
            response = Response(as_json, content_type="application/json")
        response.headers["Vary"] = "Accept"
        return response

    return routes
