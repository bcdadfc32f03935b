"""The mock's data service: it keeps documents in memory and has the answers of the real one."""

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson

from dashboard.dataservice.protocol import LARGEST_DOCUMENT, DataServiceAnswer
from dashboard.mock.database.document_filter import FilterError, compile_filter

Json = dict[str, Any]

KEPT = 5_000  # documents, the newest
MAX_LIMIT = 1_000

_ID = re.compile(r"[0-9a-fA-F]{24}")
_LIMIT = re.compile(r"[0-9]{1,4}")


class RequestError(Exception):
    """A request that is answered with an error. The message is its detail."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class MockDataService:
    """A `DataService`. The simulation stores its documents; `changed` receives what users do to one: its id, and what
    it was and is, None if it was not or is not."""

    def __init__(self, changed: Callable[[str, Json | None, Json | None], None] = lambda id_, was, is_: None) -> None:
        self._changed = changed
        self._documents: dict[str, Json] = {}
        self._lock = threading.Lock()

    def store(self, id_: str, document: Json) -> None:
        """Store a document. Drop the oldest if there are more than KEPT."""
        with self._lock:
            self._documents[id_] = document
            if len(self._documents) > KEPT:
                del self._documents[min(self._documents)]

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        try:
            limit = _limit(parameters.get("limit", "100"))
            before = _before(parameters.get("before"))
            matches = compile_filter(_parse(parameters.get("filter", "{}").encode(), "filter"))
        except RequestError as error:
            return _problem(error)
        except FilterError as error:
            return _problem(RequestError(400, str(error)))
        with self._lock:
            ids = sorted((id_ for id_ in self._documents if before is None or id_ < before), reverse=True)
            documents = [{"_id": id_, **self._documents[id_]} for id_ in ids]
        found = [document for document in documents if matches(document)]
        next_ = None
        if len(found) > limit:
            next_ = {**parameters, "limit": str(limit), "before": found[limit - 1]["_id"]}
        return DataServiceAnswer(200, orjson.dumps(found[:limit]), next=next_)

    def document(self, id_: str) -> DataServiceAnswer:
        found = self._documents.get(id_.lower())
        if found is None:
            return _problem(RequestError(404, "There is no document with this id."))
        return DataServiceAnswer(200, orjson.dumps({"_id": id_.lower(), **found}), etag=_etag(found))

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        try:
            document = _document(body, content_type)
            id_ = _take_id(document)
        except RequestError as error:
            return _problem(error)
        if (stored := self._documents.get(id_)) is not None:
            if orjson.dumps(stored, option=orjson.OPT_SORT_KEYS) != orjson.dumps(document, option=orjson.OPT_SORT_KEYS):
                return _problem(RequestError(409, f"Another document has the _id {id_}."))
            return DataServiceAnswer(200, orjson.dumps({"id": id_}), id=id_, etag=_etag(stored))
        self.store(id_, document)
        self._changed(id_, None, document)
        return DataServiceAnswer(201, orjson.dumps({"id": id_}), id=id_, etag=_etag(document))

    def replace(self, id_: str, body: bytes, content_type: str, if_match: str = "") -> DataServiceAnswer:
        try:
            document = _document(body, content_type)
            if "_id" in document and _take_id(document) != id_.lower():
                raise RequestError(422, f"The document's _id is not the path's, which is {id_.lower()}.")
        except RequestError as error:
            return _problem(error)
        if refusal := self._change(id_.lower(), document, if_match):
            return refusal
        return DataServiceAnswer(200, orjson.dumps({"id": id_.lower()}), etag=_etag(document))

    def delete(self, id_: str, if_match: str = "") -> DataServiceAnswer:
        return self._change(id_.lower(), None, if_match) or DataServiceAnswer(204, b"", "")

    def _change(self, id_: str, document: Json | None, if_match: str) -> DataServiceAnswer | None:
        """Put the document in the place of the present one, or delete that. Return a problem if it may not be."""
        with self._lock:
            present = self._documents.get(id_)
            if present is None:
                return _problem(RequestError(404, "There is no document with this id."))
            if if_match not in ("", "*", _etag(present)):
                problem = _problem(RequestError(412, f"The document has changed: its ETag is {_etag(present)} now."))
                return msgspec.structs.replace(problem, etag=_etag(present))
            if document is None:
                del self._documents[id_]
            else:
                self._documents[id_] = document
        self._changed(id_, present, document)
        return None


def _etag(document: Json) -> str:
    return f'"{hashlib.blake2b(orjson.dumps(document), digest_size=16).hexdigest()}"'


def _document(body: bytes, content_type: str) -> Json:
    if len(body) > LARGEST_DOCUMENT:
        raise RequestError(413, f"The body must not exceed {LARGEST_DOCUMENT:,} bytes.")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise RequestError(415, "The Content-Type must be application/json.")
    return _parse(body, "body")


def _parse(text: bytes, name: str) -> Json:
    """Parse a JSON object. `name` stands in the error."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, f"The {name} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        types = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
        raise RequestError(400, f"The {name} must be a JSON object, not {types.get(type(value), 'null')}.")
    return value


def _take_id(document: Json) -> str:
    """Remove the document's _id and return it, or return a new one."""
    if "_id" not in document:
        seconds, rest = divmod(time.time_ns(), 1_000_000_000)
        return f"{seconds:08x}{(rest << 24) // 1_000_000_000:06x}{secrets.token_hex(5)}"
    id_ = document.pop("_id")
    if not (isinstance(id_, str) and _ID.fullmatch(id_)):
        raise RequestError(422, "_id must be a string of 24 hexadecimal digits.")
    return id_.lower()


def _limit(text: str) -> int:
    if not (_LIMIT.fullmatch(text) and 1 <= int(text) <= MAX_LIMIT):
        raise RequestError(400, f"limit must be a whole number from 1 to {MAX_LIMIT:,}.")
    return int(text)


def _before(text: str | None) -> str | None:
    if text is not None and not _ID.fullmatch(text):
        raise RequestError(400, "before must be an id of 24 hexadecimal digits.")
    return text.lower() if text else None


def _problem(error: RequestError) -> DataServiceAnswer:
    body = {"type": "about:blank", "title": "Refused", "status": error.status, "detail": str(error)}
    return DataServiceAnswer(error.status, orjson.dumps(body), "application/problem+json")
