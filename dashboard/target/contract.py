"""The contract of a service under proof, as its file says it (docs/contract.md). Pure.

Two routes are needed: a write of a document under an id that its caller made, which may be sent twice without harm, and
a read of it. With a replacement, a deletion and a list a proof sees more. What a contract does not name is not used.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec
import yaml
from msgspec import UNSET, Struct

from dashboard.target import pointer, template

LARGEST = 64 << 10  # bytes of a file
MOST_VALUES = 10_000  # in it
VALUES = {  # the placeholders of paths and bodies
    "id": "the document's id",
    "payload": "its content, which is different in each version: 96 hexadecimal digits",
    "run": "the run's id",
    "writer": "the writer's number",
    "number": "the number of the write in its run",
    "version": "1, and one more for each replacement",
    "sha256": "of the payload",
}
IDS = {"objectid": "24 hexadecimal digits, the time first", "uuid": "a UUID of version 7, the time first"}
JSON_TYPES = ("application/json", "application/problem+json")
_CLASS = re.compile(r"[1-5]xx")
_SPAN = re.compile(r"([1-5][0-9]{2})-([1-5][0-9]{2})")

T = TypeVar("T")

Status = int | str  # 404, "4xx", "409-499"


class ContractError(ValueError):
    """The file is not a contract. The message is a sentence that names the place."""


class AnswerRule(Struct, frozen=True, forbid_unknown_fields=True):
    """Some of the answers: those with one of these statuses, this media type, and this value in their body. What is
    not given may be anything."""

    status: tuple[Status, ...] = ()
    media_type: str = ""
    pointer: str | None = None
    equals: Any = UNSET


NOT_APPLIED = AnswerRule(status=("400-407", "409-499"))  # a proxy may send 408 for a request that it has passed on
NOT_DELETED = AnswerRule(status=("400-403", "405-407", "409-499"))  # 404 may follow on the same deletion


class Route(Struct, frozen=True, kw_only=True):
    path: str
    headers: Mapping[str, str] = {}


class Write(Route, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A write or a replacement. What is neither `acknowledged` nor `not_applied` may be applied or not."""

    method: Literal["POST", "PUT", "PATCH"] = "PUT"
    body: Any = None
    acknowledged: tuple[Status, ...] = (200, 201, 204)
    not_applied: tuple[AnswerRule, ...] = (NOT_APPLIED,)


class Delete(Route, frozen=True, kw_only=True, forbid_unknown_fields=True):
    method: Literal["DELETE", "POST"] = "DELETE"
    acknowledged: tuple[Status, ...] = (200, 204)
    not_applied: tuple[AnswerRule, ...] = (NOT_DELETED,)


class Read(Route, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`payload` is a pointer, and `id` one to the document's id: without it, the answer has the document that was asked
    for."""

    payload: str
    id: str | None = None
    absent: AnswerRule = AnswerRule(status=(404,))


class List(Route, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of documents, the newest id first. `items`, and within an item `id`, `payload` and `run`, are pointers;
    `next` says where the next page's address is: nowhere, or in a Link header (RFC 8288)."""

    items: str = ""
    id: str
    payload: str
    run: str | None = None
    next: Literal["", "link"] = ""


class Contract(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`headers` are of all routes, `media_types` of the service's own answers: another one's is a proxy's, and says
    nothing. `list` is a page of the newest documents, `search` has all documents of a run, page by page."""

    write: Write
    read: Read
    id: Literal["objectid", "uuid"] = "uuid"
    headers: Mapping[str, str] = {}
    media_types: tuple[str, ...] = JSON_TYPES
    replace: Write | None = None
    delete: Delete | None = None
    list: List | None = None
    search: List | None = None

    def routes(self) -> Mapping[str, Route]:
        """Return the routes that there are, by name."""
        named = {name: getattr(self, name) for name in ("write", "read", "replace", "delete", "list", "search")}
        return {name: route for name, route in named.items() if route is not None}

    def secrets(self) -> set[str]:
        """Return the names of the secrets in the headers."""
        given = [self.headers, *(route.headers for route in self.routes().values())]
        return {name for headers in given for value in headers.values() for name in template.secrets(value)}


def loaded(text: str) -> Any:
    """Return what a YAML or JSON text holds. Raise ContractError."""
    if len(text.encode("utf-8", "replace")) > LARGEST:
        raise ContractError(f"The file is larger than {LARGEST >> 10} KiB.")
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError) as error:  # of a value's own tag
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise ContractError(f"The file is not YAML{line}.") from error
    if not _has_room_for(found):
        raise ContractError(f"The file has more than {MOST_VALUES:,} values, or refers to itself.")
    return found


def _has_room_for(found: Any) -> bool:
    """Return whether there are MOST_VALUES at most. A short text may have endless ones, by its aliases."""
    left, count = [found], 0
    while left and count <= MOST_VALUES:
        each = left.pop()
        count += 1
        left += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return not left


def convert(found: Any, type_: type[T]) -> T:
    """Return it as this type. Raise ContractError."""
    try:
        return msgspec.convert(found, type_)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ContractError(f"The file is not valid: {error}.") from error


def matches(rule: AnswerRule, status: int, media_type: str, body: Any) -> bool:
    """Return whether a rule holds for an answer. `body` is its JSON, `pointer.MISSING` if it has none."""
    return (
        (not rule.status or includes(rule.status, status))
        and (not rule.media_type or rule.media_type == media_type)
        and (rule.pointer is None or _equal(pointer.find(rule.pointer, body), rule.equals))
    )


def includes(statuses: tuple[Status, ...], status: int) -> bool:
    return any(low <= status <= high for low, high in map(span, statuses))


def span(status: Status) -> tuple[int, int]:
    """Return the lowest and the highest status. Raise ValueError."""
    if isinstance(status, int):
        found = (status, status)
    elif _CLASS.fullmatch(status):
        found = (int(status[0]) * 100, int(status[0]) * 100 + 99)
    elif span := _SPAN.fullmatch(status):
        found = (int(span[1]), int(span[2]))
    else:
        raise ValueError(status)
    if not 100 <= found[0] <= found[1] <= 599:
        raise ValueError(status)
    return found


def _equal(found: Any, wanted: Any) -> bool:
    return type(found) is type(wanted) and found == wanted  # 1 is not true
