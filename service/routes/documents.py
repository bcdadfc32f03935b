"""The blueprint of one collection of documents, mounted at /data and at /proofs."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from flask import Blueprint, Response
from werkzeug.exceptions import BadRequest, NotFound

from service import document, filter, preconditions
from service.application import JsonResponse, current_request
from service.config import REQUEST_LINE_LIMIT
from service.preconditions import Preconditions
from service.routes import request_body as body
from service.store.collection import Collection, Stored
from service.store.outcomes import PreconditionFailed, Unavailable

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
SMALL_ANSWER = 64 << 10  # bytes, which the kernel takes at once
QUERY = ("limit", "before", "filter")

_LIMIT = re.compile(r"[0-9]{1,4}")


def blueprint(name: str, collection: Collection) -> Blueprint:
    """Return GET and POST /<name>, and GET, PUT and DELETE /<name>/<id>, where <id> is an _id as a list shows it."""
    routes = Blueprint(name, __name__, url_prefix=f"/{name}")

    @routes.get("")
    def newest() -> Response:
        """Return the newest documents that meet the filter, with a Link to the next page."""
        parameters = _parameters(*QUERY)
        limit = _limit(parameters.get("limit"))
        condition = filter.parse(parameters["filter"]) if "filter" in parameters else None
        page = collection.newest(limit, parameters.get("before"), condition)
        response = _large(page.json)
        if page.next:
            query = urlencode({**parameters, "limit": limit, "before": page.next}, safe=filter.UNESCAPED)
            response.headers.add("Link", f'<{_followed(f"/{name}?{query}")}>; rel="next"')
        return response

    @routes.post("")
    def store() -> Response:
        """Store a document: 201. An equal one is already stored under the client's own _id: 200."""
        _parameters()
        text = body.read_json(current_request())
        with collection.storing(text):
            stored = collection.insert(collection.parse(text))
        response = _identity(stored, 201 if stored.is_new else 200)
        response.headers.add("Location", f"/{name}/{stored.identity}")
        return response

    @routes.get("/<id>")
    def one(id: str) -> Response:
        """Return the document with its ETag: 200. If-None-Match has that: 304. If-Match lacks it: 412."""
        _parameters()
        demanded = _preconditions()
        with collection.reading():
            found = collection.get(id)
            if found is None:
                raise _not_found()
            tag = found.tag
            if demanded and not demanded.is_matched(tag):
                raise PreconditionFailed(tag)
            json = None if demanded and demanded.is_known(tag) else collection.json(found)
        response = _empty(304) if json is None else _large(json)
        response.headers.add("ETag", tag)
        return response

    @routes.put("/<id>")
    def replace(id: str) -> Response:
        """Replace the whole document: 200. It creates none: a retry must not bring back a document that another
        client has deleted in between. With If-Match, it replaces only a version that the client has seen: else 412."""
        _parameters()
        demanded = _preconditions()
        text = body.read_json(current_request())
        with collection.storing(text):
            stored = collection.replace(collection.parse(text, id), demanded)
        if stored is None:
            raise _not_found()
        return _identity(stored)

    @routes.delete("/<id>")
    def delete(id: str) -> Response:
        """Delete the document: 204. A second time: 404. With If-Match, it deletes only the version that the client has
        seen, else 412."""
        _parameters()
        demanded = _preconditions()
        if not collection.delete(id, demanded):
            raise _not_found()
        return _empty(204)

    return routes


def _not_found() -> NotFound:
    return NotFound("There is no document with this id.")


def _followed(target: str) -> str:
    """Return the target of a Link. An _id of another program can be so long that no request's line holds it."""
    if (length := len(f"HEAD {target} HTTP/1.1")) > REQUEST_LINE_LIMIT:
        raise BadRequest(
            f"The next page would begin behind a long _id, and its request's line have {length:,} bytes instead of at"
            f" most {REQUEST_LINE_LIMIT:,}. Ask for another limit, or shorten the filter."
        )
    return target


def _parameters(*known: str) -> dict[str, str]:
    """Return the query's parameters. An unknown or repeated one is an error."""
    current = current_request()
    if not current.query_string:
        return {}
    given = current.args.to_dict(flat=False)
    for name, values in given.items():
        if name not in known:
            raise BadRequest(f"The query parameter {name!r} is unknown here.")
        if len(values) > 1:
            raise BadRequest(f"The query parameter {name!r} is given twice.")
    return {name: values[0] for name, values in given.items()}


def _preconditions() -> Preconditions | None:
    """Return what the request's headers demand; None without any."""
    headers = current_request().environ  # where a look-up costs a tenth of that in request.headers
    if "HTTP_IF_MATCH" not in headers and "HTTP_IF_NONE_MATCH" not in headers:
        return None
    return preconditions.parse(headers.get("HTTP_IF_MATCH"), headers.get("HTTP_IF_NONE_MATCH"))


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (_LIMIT.fullmatch(text) and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest(f"limit must be a whole number from 1 to {MAX_LIMIT:,}.")
    return int(text)


def _identity(stored: Stored, status: int = 200) -> Response:
    response = JsonResponse(document.encode({"id": stored.identity}), status)
    response.headers.add("ETag", stored.tag)  # cheaper than to set one that may be there
    return response


def _empty(status: int) -> Response:
    response = Response(status=status)
    del response.headers["Content-Type"]
    return response


def _large(value: bytes) -> Response:
    """Return an answer that may be large: 503 while too many bytes wait for their clients."""
    channel = current_request().environ.get("gunicorn.socket")
    if channel and len(value) > SMALL_ANSWER and not channel.reserve(len(value)):
        raise Unavailable("Too many large answers wait for their clients.")
    return JsonResponse(value)
