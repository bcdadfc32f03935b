"""A data service without a database: documents in memory, and the answers that the real one gives."""

import operator
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from dashboard.dataservice.contract import LARGEST_DOCUMENT, DataServiceAnswer

Json = dict[str, Any]
Test = Callable[[Any, bool, Any], bool]  # the field's value, whether it is there, the operator's operand

KEPT = 5_000  # documents, the newest
DEFAULT_LIMIT = 100
MOST = 1_000
LONGEST_FILTER = 4_096  # bytes

_ID = re.compile(r"[0-9a-fA-F]{24}")
_LIMIT = re.compile(r"[0-9]{1,4}")


class MockRefused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class MockDataService:
    """Takes documents from readers and from the simulation. `tell` passes a reader's document to the simulation."""

    def __init__(self, emit: Callable[[str, Json], None] = lambda id_, document: None) -> None:
        self._emit = emit
        self._documents: dict[str, Json] = {}
        self._lock = threading.Lock()

    def keep(self, id_: str, document: Json) -> None:
        """Stores a document; the oldest goes when there are too many."""
        with self._lock:
            self._documents[id_] = document
            if len(self._documents) > KEPT:
                del self._documents[min(self._documents)]

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        try:
            limit = _limit(parameters.get("limit"))
            before = _before(parameters.get("before"))
            condition = _condition(parameters["filter"]) if "filter" in parameters else {}
        except MockRefused as refusal:
            return _problem(refusal)
        with self._lock:
            ids = sorted((id_ for id_ in self._documents if before is None or id_ < before), reverse=True)
            shown = [{"_id": id_, **self._documents[id_]} for id_ in ids]
        found = [document for document in shown if meets(document, condition)]
        following = None
        if len(found) > limit:
            following = {**parameters, "limit": str(limit), "before": found[limit - 1]["_id"]}
        return DataServiceAnswer(200, orjson.dumps(found[:limit]), next=following)

    def document(self, id_: str) -> DataServiceAnswer:
        found = self._documents.get(id_.lower())
        if found is None:
            return _problem(MockRefused(404, "There is no document with this id."))
        return DataServiceAnswer(200, orjson.dumps({"_id": id_.lower(), **found}))

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        try:
            document = _document(body, content_type)
            id_ = _take_id(document)
        except MockRefused as refusal:
            return _problem(refusal)
        if (there := self._documents.get(id_)) is not None:
            if orjson.dumps(there, option=orjson.OPT_SORT_KEYS) != orjson.dumps(document, option=orjson.OPT_SORT_KEYS):
                return _problem(MockRefused(409, f"Another document has the _id {id_}."))
            return DataServiceAnswer(200, orjson.dumps({"id": id_}), id=id_)
        self.keep(id_, document)
        self._emit(id_, document)
        return DataServiceAnswer(201, orjson.dumps({"id": id_}), id=id_)


def meets(document: Json, condition: Json) -> bool:
    """Whether a document meets a filter, for the plain cases: the real service leaves this to MongoDB."""
    return all(_meets(document, name, wanted) for name, wanted in condition.items())


def _meets(document: Json, name: str, wanted: Any) -> bool:
    if name == "$and":
        return all(meets(document, each) for each in wanted)
    if name == "$or":
        return any(meets(document, each) for each in wanted)
    value, there = _reach(document, name.split("."))
    if isinstance(wanted, dict) and any(key.startswith("$") for key in wanted):
        return all(TESTS[key](value, there, operand) for key, operand in wanted.items())
    return _equal(value, there, wanted)


def _reach(value: Any, path: list[str]) -> tuple[Any, bool]:
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return None, False
        value = value[part]
    return value, True


def _equal(value: Any, there: bool, wanted: Any) -> bool:
    """A list equals what it holds, too, and what is not there equals null."""
    if isinstance(value, list) and any(_same(each, wanted) for each in value):
        return True
    return _same(value, wanted)


def _same(value: Any, wanted: Any) -> bool:
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


def _compared(compare: Callable[[Any, Any], Any]) -> Test:
    """Only what is of one kind is compared."""

    def test(value: Any, there: bool, wanted: Any) -> bool:
        if isinstance(value, str) and isinstance(wanted, str):
            return bool(compare(value, wanted))
        numbers = [one for one in (value, wanted) if isinstance(one, int | float) and not isinstance(one, bool)]
        return len(numbers) == 2 and bool(compare(value, wanted))

    return test


TESTS: dict[str, Test] = {
    "$eq": _equal,
    "$ne": lambda value, there, wanted: not _equal(value, there, wanted),
    "$gt": _compared(operator.gt),
    "$gte": _compared(operator.ge),
    "$lt": _compared(operator.lt),
    "$lte": _compared(operator.le),
    "$in": lambda value, there, wanted: any(_equal(value, there, each) for each in wanted),
    "$nin": lambda value, there, wanted: not any(_equal(value, there, each) for each in wanted),
    "$exists": lambda value, there, wanted: there is wanted,
    "$not": lambda value, there, wanted: not all(TESTS[key](value, there, each) for key, each in wanted.items()),
}


def _condition(text: str) -> Json:
    """The filter, refused in the real service's words where it holds what that one refuses."""
    if len(text.encode()) > LONGEST_FILTER:
        raise MockRefused(400, f"The filter must not exceed {LONGEST_FILTER:,} bytes.")
    condition = _object(text.encode(), "filter")
    for name in _dollars(condition):
        if name not in TESTS and name not in ("$and", "$or"):
            known = ", ".join(sorted([*TESTS, "$and", "$or"]))
            raise MockRefused(400, f'The operator "{name}" is not allowed in a filter; these are: {known}.')
    _check(condition)
    return condition


def _dollars(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [
            found
            for name, inner in value.items()
            for found in ([name] if name.startswith("$") else []) + _dollars(inner)
        ]
    return [found for inner in value for found in _dollars(inner)] if isinstance(value, list) else []


def _check(condition: Json) -> None:
    for name, wanted in condition.items():
        if name in ("$and", "$or"):
            if not isinstance(wanted, list) or not wanted or not all(isinstance(each, dict) for each in wanted):
                raise MockRefused(400, f'{name} takes a list of filters: {{"{name}": [{{…}}, {{…}}]}}.')
            for each in wanted:
                _check(each)
        elif name.startswith("$"):
            raise MockRefused(400, f'{name} belongs inside of a field: {{"<field>": {{"{name}": …}}}}.')
        elif isinstance(wanted, dict) and any(key.startswith("$") for key in wanted):
            _check_operators(wanted)


def _check_operators(given: Json) -> None:
    for name, operand in given.items():
        if name not in TESTS:
            raise MockRefused(400, f'"{name}" and operators stand side by side in one field.')
        if name in ("$in", "$nin") and not isinstance(operand, list):
            raise MockRefused(400, f"{name} takes a list of values.")
        if name == "$exists" and not isinstance(operand, bool):
            raise MockRefused(400, "$exists takes true or false.")
        if name == "$not":
            if not isinstance(operand, dict) or not any(key.startswith("$") for key in operand):
                raise MockRefused(400, '$not takes operators: {"$not": {"$gt": 5}}.')
            _check_operators(operand)


def _document(body: bytes, content_type: str) -> Json:
    if len(body) > LARGEST_DOCUMENT:
        raise MockRefused(413, f"The body must not exceed {LARGEST_DOCUMENT:,} bytes.")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise MockRefused(415, "The Content-Type must be application/json.")
    return _object(body, "body")


def _object(text: bytes, called: str) -> Json:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MockRefused(400, f"The {called} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        kinds = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
        raise MockRefused(400, f"The {called} must be a JSON object, not {kinds.get(type(value), 'null')}.")
    return value


def _take_id(document: Json) -> str:
    """The document's own _id, taken out of it; or a new one."""
    if "_id" not in document:
        seconds, rest = divmod(time.time_ns(), 1_000_000_000)
        return f"{seconds:08x}{(rest << 24) // 1_000_000_000:06x}{secrets.token_hex(5)}"
    id_ = document.pop("_id")
    if not (isinstance(id_, str) and _ID.fullmatch(id_)):
        raise MockRefused(422, "_id must be a string of 24 hexadecimal digits.")
    return id_.lower()


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (_LIMIT.fullmatch(text) and 1 <= int(text) <= MOST):
        raise MockRefused(400, f"limit must be a whole number from 1 to {MOST:,}.")
    return int(text)


def _before(text: str | None) -> str | None:
    if text is not None and not _ID.fullmatch(text):
        raise MockRefused(400, "before must be an id of 24 hexadecimal digits.")
    return text.lower() if text else None


def _problem(refusal: MockRefused) -> DataServiceAnswer:
    body = {"type": "about:blank", "title": "Refused", "status": refusal.status, "detail": str(refusal)}
    return DataServiceAnswer(refusal.status, orjson.dumps(body), "application/problem+json")
