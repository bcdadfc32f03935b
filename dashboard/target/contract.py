"""The contract of a service under proof, as its file says it (docs/contract.md). Pure.

Two routes are needed: a write of a document under an id that its caller made, which may be sent twice without harm, and
a read of it. With a replacement, a deletion and a list a proof sees more. What a contract does not name is not used.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar

import msgspec
import yaml
from msgspec import Struct

from dashboard.target import pointer, template

LARGEST = 64 << 10  # bytes of a file
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
OWN_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding"})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
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
    equals: Any = None


class Route(Struct, frozen=True, kw_only=True):
    path: str
    headers: Mapping[str, str] = {}


class Write(Route, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A write or a replacement. What is neither `acknowledged` nor `not_applied` may be applied or not."""

    method: Literal["POST", "PUT", "PATCH"] = "PUT"
    body: Any = None
    acknowledged: tuple[Status, ...] = (200, 201, 204)
    not_applied: tuple[AnswerRule, ...] = (
        AnswerRule(status=("400-407", "409-499")),
    )  # a proxy may send 408 for what it passed on


class Delete(Route, frozen=True, kw_only=True, forbid_unknown_fields=True):
    method: Literal["DELETE", "POST"] = "DELETE"
    acknowledged: tuple[Status, ...] = (200, 204)
    not_applied: tuple[AnswerRule, ...] = (
        AnswerRule(status=("400-403", "405-407", "409-499")),
    )  # 404 may follow on the same request


class Read(Route, frozen=True, kw_only=True, forbid_unknown_fields=True):
    payload: str
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


def parse(text: str) -> Contract:
    """Return the contract in a YAML or JSON text. Raise ContractError with the first mistake."""
    contract = convert(loaded(text), Contract)
    for problem in problems(contract):
        raise ContractError(problem)
    return contract


def loaded(text: str) -> Any:
    """Return what a YAML or JSON text holds. Raise ContractError."""
    if len(text.encode()) > LARGEST:
        raise ContractError(f"The file is larger than {LARGEST >> 10} KiB.")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise ContractError(f"The file is not YAML{line}.") from error


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
    return any(low <= status <= high for low, high in map(_span, statuses))


def _span(status: Status) -> tuple[int, int]:
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


def problems(contract: Contract) -> Iterator[str]:
    """Yield what is wrong with a contract, as sentences."""
    yield from _header_problems("headers", contract.headers)
    if not contract.media_types:
        yield "media_types is empty: name at least one."
    for name, route in contract.routes().items():
        yield from _header_problems(f"{name}.headers", route.headers)
        yield from _path_problems(name, route.path)
        for field in ("payload", "items", "id", "run"):
            yield from _pointer_problems(f"{name}.{field}", getattr(route, field, None))
        if isinstance(route, Write | Delete):
            yield from _status_problems(name, route)
        if isinstance(route, Write):
            yield from _body_problems(name, route)
        if isinstance(route, Read):
            yield from _rule_problems(f"{name}.absent", route.absent)
    for name in ("read", "replace", "delete"):
        named = contract.routes().get(name)
        if named and "id" not in {*template.placeholders([named.path, getattr(named, "body", None)])}:
            yield f"{name} does not say which document it is about: put {{id}} into its path."
    if contract.search and "run" not in {*template.placeholders(contract.search.path)}:
        yield "search does not say which run's documents it wants: put {run} into its path."


def _header_problems(place: str, headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in OWN_HEADERS:
            yield f"{place} has a name that cannot be sent: {name!r}."
        elif not value.isascii() or not value.isprintable():
            yield f"{place} has a value that cannot be sent, under {name}."


def _path_problems(name: str, path: str) -> Iterator[str]:
    if not path.startswith("/") or path.startswith("//") or not path.isprintable() or "#" in path:
        yield f"{name}.path must begin with one slash, and be a path with a query at most: {path!r}."
    yield from _placeholder_problems(f"{name}.path", path)


def _body_problems(name: str, route: Write) -> Iterator[str]:
    yield from _placeholder_problems(f"{name}.body", route.body)
    if "payload" not in {*template.placeholders(route.body)}:
        yield f"{name}.body has no content: put {{payload}} into it."
    if "id" not in {*template.placeholders([route.path, route.body])}:
        yield f"{name} does not say the document's id: put {{id}} into its path or its body."


def _placeholder_problems(place: str, templates: Any) -> Iterator[str]:
    for unknown in sorted({*template.placeholders(templates)} - VALUES.keys()):
        yield f"{place} has an unknown placeholder: {{{unknown}}}. Known are {', '.join(VALUES)}."


def _pointer_problems(place: str, given: object) -> Iterator[str]:
    if isinstance(given, str) and not pointer.is_valid(given):
        yield f"{place} is no JSON Pointer: {given!r}. One begins with a slash, such as /payload."


def _status_problems(name: str, route: Write | Delete) -> Iterator[str]:
    yield from _span_problems(f"{name}.acknowledged", route.acknowledged)
    if not route.acknowledged or not all(str(status).startswith("2") for status in route.acknowledged):
        yield f"{name}.acknowledged must have statuses of 2xx, and no others."
    for number, rule in enumerate(route.not_applied):
        yield from _rule_problems(f"{name}.not_applied[{number}]", rule)


def _rule_problems(place: str, rule: AnswerRule) -> Iterator[str]:
    yield from _span_problems(f"{place}.status", rule.status)
    yield from _pointer_problems(f"{place}.pointer", rule.pointer)
    if not rule.status and rule.pointer is None:
        yield f"{place} is about every answer: give its status, or a pointer and what it equals."


def _span_problems(place: str, statuses: tuple[Status, ...]) -> Iterator[str]:
    for status in statuses:
        try:
            _span(status)
        except ValueError:
            yield f"{place} has no such status: {status!r}. Write 404, 4xx or 409-499."
