"""The contract as an OpenAPI 3.1 document, GET /openapi.json: written here as data, with the limits that the code has.

Made once, at the start. The tests hold it against the routes, and ask the running service what it allows and forbids.
"""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response

from service import config, document, errors, filter, preconditions
from service.routes import documents
from service.routes import request_body as body
from service.store import keys
from service.store.collection import MARK
from webserver.framing import MOST_CHUNKS

Json = dict[str, Any]

_NO_NUL = "[^\\u0000]*"
_NO_DOLLAR = "(?:[^$\\u0000][^\\u0000]*)?"
_PART = "(?:[^.$\\u0000][^.\\u0000]*)?"  # of a field's name, between dots

ABOUT = f"""JSON documents, kept in MongoDB. What is accepted comes back exactly as it was sent.

**Bodies** are JSON in UTF-8 of at most {body.LIMIT:,} bytes, nested at most {document.MAX_DEPTH} levels deep, with
at most {document.MAX_NAMES:,} names, inner ones included. Refused is what would not come back as it was sent: integers
beyond 64 bits with a sign, decimals with more digits than a double holds, a name twice in one object, NUL in a name,
half a surrogate pair.

**Requests** have a line of at most {config.REQUEST_LINE_LIMIT:,} bytes and at most {config.HEADERS_LIMIT} headers of
at most {config.HEADER_SIZE_LIMIT:,} bytes each. `X-Request-Id` (up to 128 visible ASCII characters) and a W3C
`traceparent` are logged and given back; what is none is ignored. Under /data and /proofs, a query parameter that is
unknown is 400.

**Errors** are problem+json (RFC 9457). A write that fails says what became of it in `outcome`:
`{errors.NOT_APPLIED}`, or `{errors.UNKNOWN}` when MongoDB was sent it and did not answer in time; then the detail says
how to be sure.

**ETag** names a document's present content. `If-Match` lets a PUT or a DELETE change only the version that was seen;
else it is 412, with the ETag of the present one. MongoDB compares and changes in one step: of two requests with the
same ETag, one changes the document. `If-None-Match` lets a GET answer 304. Both headers have `*` or a list of tags.
Only `If-None-Match` matches weak tags (`W/"…"`). After a 504, a PUT with `If-Match` may have been applied, and is 412.

**HEAD** is answered as GET is, with the same headers and without the body. **OPTIONS** names a path's methods in
`Allow`, as does the 405 for a method that it lacks."""

PROBLEMS = {
    400: "The request or its JSON is malformed, or a query parameter is unknown or out of its bounds.",
    404: "There is no document with this id.",
    408: "The request took too long to arrive.",
    409: "Another document has this _id.",
    412: "The document is not of the version that If-Match or If-None-Match demands. Nothing was changed.",
    413: f"The body exceeds {body.LIMIT:,} bytes, or {MOST_CHUNKS:,} chunks.",
    414: f"The request's line exceeds {config.REQUEST_LINE_LIMIT:,} bytes.",
    415: "The body's Content-Type is not application/json, or its Content-Encoding not identity.",
    417: "Expect asks for something other than 100-continue.",
    421: "Host is a name that is not the service's own.",
    422: "The _id is neither 24 hexadecimal digits nor the path's, or the collection keeps one of the names for itself;"
    " or the stored document and what replaces it have over 16 MB, too much for If-Match or If-None-Match.",
    431: f"There are over {config.HEADERS_LIMIT} headers, or one of over {config.HEADER_SIZE_LIMIT:,} bytes.",
    500: "The service's own fault, or MongoDB refused.",
    501: "The Transfer-Encoding is not supported.",
    503: "MongoDB could not be asked in time, or too many pages were asked for at once. Nothing was applied.",
    504: "MongoDB was asked and did not answer in time.",
}
ANY = (400, 408, 414, 417, 421, 431, 500, 501)  # whatever is asked for
READ = (*ANY, 503, 504)
WRITE = (*READ, 413, 415, 422)

# To JSON Schema 1e30 and its digits are one number; of the two, the service keeps the float alone.
NUMBERS = [
    {"type": "integer", "minimum": document.INT64.start, "maximum": document.INT64.stop - 1},
    {"type": "number", "minimum": document.INT64.start, "maximum": document.INT64.stop - 1},
]
SIMPLE = [{"type": "null"}, {"type": "boolean"}, {"type": "string"}, *NUMBERS]


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(names: str, values: str, **more: Any) -> Json:
    """An object whose names are like this, and whose values are those."""
    return {"type": "object", "patternProperties": {f"^{names}$": _ref(values)}, "additionalProperties": False, **more}


_VALUES = {"type": "array", "items": _ref("Compared"), "maxItems": filter.MAX_LIST}
_FILTERS = {"type": "array", "items": _ref("Filter"), "minItems": 1, "maxItems": filter.MAX_LIST}

SCHEMAS: Json = {
    "Id": {"type": "string", "pattern": "^[0-9a-fA-F]{24}$", "description": "An ObjectId: 24 hexadecimal digits."},
    "Shown": {
        "type": "string",
        "pattern": f"^{keys.PLAIN}$",
        "description": "The _id of a document as it is shown, and found by: an ObjectId's 24 digits; another program's"
        " text as it is, and its other types as relaxed Extended JSON. What would not lead back to its document, as a"
        f" text of 24 digits or with a slash, is `{keys.FOREIGN}` and its BSON in base64. Above about"
        f" {keys.LONGEST:,} bytes in a URL it is `{keys.UNNAMEABLE}`, and the document can't be asked for.",
    },
    "Value": {"anyOf": [*SIMPLE, {"type": "array", "items": _ref("Value")}, _object(_NO_NUL, "Value")]},
    "Document": _object(
        _NO_NUL, "Value", properties={"_id": _ref("Id")}, maxProperties=document.MAX_NAMES, description="What is sent."
    ),
    "Proof": _object(
        _NO_NUL,
        "Value",
        properties={"_id": _ref("Id"), MARK: False},
        maxProperties=document.MAX_NAMES,
        description="What is sent; one name is kept for the date.",
    ),
    "Stored": {
        "type": "object",
        "properties": {"_id": _ref("Shown")},
        "required": ["_id"],
        "description": "What is shown: the document and its _id. BSON types that JSON lacks, which others may have"
        " written, are shown as relaxed Extended JSON. A PUT stores what the JSON says, and not those types.",
    },
    "Identity": {
        "type": "object",
        "properties": {"id": _ref("Shown")},
        "required": ["id"],
        "additionalProperties": False,
    },
    "Filter": _object(
        rf"{_PART}(?:\.{_PART}){{0,{filter.MAX_PARTS - 1}}}",
        "Condition",
        properties=dict.fromkeys(sorted(filter.JOINING), _FILTERS),
        description=f"What the fields are to be, in MongoDB's form; a.b is the field b inside of a. At most"
        f" {filter.MAX_BYTES:,} bytes, {filter.MAX_ESCAPED_BYTES:,} bytes in a Link,"
        f" {filter.MAX_CONDITIONS} conditions, {filter.MAX_DEPTH} levels of nesting, {filter.MAX_PARTS} parts a name.",
    ),
    "Condition": {"anyOf": [_ref("Compared"), _ref("Operators")]},
    "Operators": {
        "type": "object",
        "properties": {
            **dict.fromkeys(sorted(filter.VALUE_OPERATORS), _ref("Compared")),
            **dict.fromkeys(sorted(filter.LIST_OPERATORS), _VALUES),
            "$exists": {"type": "boolean"},
            "$not": _ref("Operators"),
        },
        "additionalProperties": False,
        "minProperties": 1,
    },
    "Compared": {"anyOf": [*SIMPLE, _VALUES, _object(_NO_DOLLAR, "Compared")]},
    "Problem": {
        "type": "object",
        "properties": {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "request_id": {"type": "string"},
            "outcome": {"enum": [errors.NOT_APPLIED, errors.UNKNOWN]},
            "id": _ref("Shown"),
        },
        "required": ["type", "title", "status"],
        "additionalProperties": False,
    },
}


def _header(description: str, required: bool = True, **schema: Any) -> Json:
    return {"description": description, "required": required, "schema": {"type": "string", **schema}}


LINK = _header("The next page, if there is one.", required=False, pattern='^</.*>; rel="next"$')
LOCATION = _header("The document's path.", pattern="^/[a-z]+/[0-9a-f]{24}$")
ETAG = _header("The tag of the document's content.", pattern='^"[0-9a-f]{32}"$')
RETRY_AFTER = _header("Seconds.", pattern="^[0-9]+$")


def _problem(description: str, **headers: Json) -> Json:
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    return {"description": description, "content": content, "headers": headers}


def _answers(*problems: int, **successes: Json) -> Json:
    """The responses of an operation: successes by a name such as _200, and these problems."""
    found = {name.removeprefix("_"): each for name, each in successes.items()}
    return found | {str(each): {"$ref": f"#/components/responses/Problem{each}"} for each in sorted(problems)}


def _json(description: str, schema: Json, **more: Any) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}, **more}


def _parameter(name: str, where: str, description: str, **more: Any) -> Json:
    return {"name": name, "in": where, "description": description, "required": where == "path", **more}


def _condition(name: str, description: str) -> Json:
    return _parameter(name, "header", description, schema={"type": "string", "pattern": f"^({preconditions.PATTERN})$"})


CONDITIONS = [
    _condition("If-Match", "`*` or ETags, one of which must be the document's: else 412. Weak ones match nothing."),
    _condition("If-None-Match", "`*` or ETags, none of which may be the document's: else 304 for a GET, or 412."),
]
PAGING = [
    _parameter(
        "limit",
        "query",
        "How many documents at most.",
        schema={"type": "integer", "minimum": 1, "maximum": documents.MAX_LIMIT, "default": documents.DEFAULT_LIMIT},
    ),
    _parameter(
        "before",
        "query",
        "Only documents with smaller ids: an id; or as a Link to a next page has it, where ids are no ObjectIds.",
        schema=_ref("Id"),
    ),
    _parameter(
        "filter",
        "query",
        "Only documents that meet it. No operators but those that are named here.",
        content={"application/json": {"schema": _ref("Filter")}},
    ),
]


def _collection(name: str, schema: str, kind: str) -> Json:
    """The paths of one collection."""
    sent = {"required": True, "content": {"application/json": {"schema": _ref(schema)}}}
    identity = _parameter("id", "path", "The document's _id, as it is shown.", schema=_ref("Shown"))
    links = {
        method: {"operationId": f"{name}.{method}", "parameters": {"id": "$response.body#/id"}}
        for method in ("one", "replace", "delete")
    }
    stored = _ref("Stored")
    tagged = {"ETag": ETAG}
    made = {"Location": LOCATION, **tagged}
    return {
        f"/{name}": {
            "get": {
                "operationId": f"{name}.newest",
                "summary": f"The newest {kind}",
                "parameters": PAGING,
                "responses": _answers(
                    *READ, _200=_json("Newest first.", {"type": "array", "items": stored}, headers={"Link": LINK})
                ),
            },
            "post": {
                "operationId": f"{name}.store",
                "summary": "Store a document",
                "description": "With an _id of one's own it may be repeated: the same document again is 200.",
                "requestBody": sent,
                "responses": _answers(
                    *WRITE,
                    409,
                    _200=_json("It was there already.", _ref("Identity"), headers=made, links=links),
                    _201=_json("It is stored.", _ref("Identity"), headers=made, links=links),
                ),
            },
        },
        f"/{name}/{{id}}": {
            "parameters": [identity],
            "get": {
                "operationId": f"{name}.one",
                "summary": "One document",
                "parameters": CONDITIONS,
                "responses": _answers(
                    *READ,
                    404,
                    412,
                    _200=_json("The document.", stored, headers=tagged),
                    _304={"description": "The client has it already.", "headers": tagged},
                ),
            },
            "put": {
                "operationId": f"{name}.replace",
                "summary": "Replace a document whole",
                "description": "It makes none where there is none. An _id in it is the path's. It may be repeated.",
                "parameters": CONDITIONS,
                "requestBody": sent,
                "responses": _answers(
                    *WRITE, 404, 412, _200=_json("It is replaced.", _ref("Identity"), headers=tagged)
                ),
            },
            "delete": {
                "operationId": f"{name}.delete",
                "summary": "Delete a document",
                "description": "Once more, it is 404; both mean that it is gone.",
                "parameters": CONDITIONS,
                "responses": _answers(*READ, 404, 412, 422, _204={"description": "It is gone."}),
            },
        },
    }


def _paths() -> Json:
    any_object = {"type": "object"}
    text = {"schema": {"type": "string"}}
    not_ready = _problem("MongoDB was not reached yet, or the pod is draining.")
    paths: Json = {
        "/": {
            "get": {
                "operationId": "welcome.welcome",
                "summary": "What this is, and where to go from here",
                "responses": _answers(
                    *ANY,
                    _200={
                        "description": "As JSON, or as a page for browsers.",
                        "content": {"application/json": {"schema": any_object}, "text/html": text},
                    },
                ),
            }
        },
        **_collection("data", "Document", "documents"),
        **_collection("proofs", "Proof", "documents of those that expire an hour after they were posted or put"),
        "/metrics": {
            "get": {
                "operationId": "metrics.metrics",
                "summary": "What Prometheus scrapes",
                "responses": _answers(*ANY, _200={"description": "Series.", "content": {"text/plain": text}}),
            }
        },
        "/healthz": {
            "get": {
                "operationId": "health.healthz",
                "summary": "Whether the service lives",
                "responses": _answers(*ANY, _200=_json("It does.", any_object)),
            }
        },
        "/readyz": {
            "get": {
                "operationId": "health.readyz",
                "summary": "Whether the service takes requests",
                "responses": _answers(*ANY, _200=_json("It does.", any_object), _503=not_ready),
            }
        },
        "/openapi.json": {
            "get": {
                "operationId": "openapi.openapi",
                "summary": "This document",
                "responses": _answers(*ANY, _200=_json("OpenAPI 3.1.", any_object)),
            }
        },
    }
    for operations in paths.values():
        operations["head"] = _head(operations["get"])
    return paths


def _head(get: Json) -> Json:
    """GET without its bodies."""
    responses = {status: {"description": "As GET's, without the body."} for status in get["responses"]}
    return {"summary": "GET's headers", "parameters": get.get("parameters", []), "responses": responses}


def contract(version: str) -> Json:
    """The whole document."""
    problems = {f"Problem{status}": _problem(text) for status, text in PROBLEMS.items()}
    problems["Problem412"]["headers"] = {"ETag": ETAG}
    problems["Problem503"]["headers"] = {"Retry-After": RETRY_AFTER}
    return {
        "openapi": "3.1.0",
        "info": {"title": "flask-mongodb", "version": version, "description": ABOUT},
        "servers": [{"url": "/"}],
        "paths": _paths(),
        "components": {"schemas": SCHEMAS, "responses": problems},
    }


def blueprint(version: str) -> Blueprint:
    """GET /openapi.json."""
    routes = Blueprint("openapi", __name__)
    text = orjson.dumps(contract(version))

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return Response(text, content_type="application/json")

    return routes
