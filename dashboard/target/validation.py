"""What is wrong with a contract that has the right form: what could not be sent, or would mean something else. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import orjson
from msgspec import UNSET

from dashboard.dataservice.http_client import WITHOUT_BODY
from dashboard.target import pointer, template
from dashboard.target.contract import (
    VALUES,
    AnswerRule,
    Contract,
    ContractError,
    Delete,
    Read,
    Route,
    Status,
    Write,
    convert,
    loaded,
    span,
)

SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
OWN_HEADERS = frozenset({"accept", "connection", "content-length", "host", "transfer-encoding"})
ADDRESSED = {"read": {"id"}, "delete": {"id"}, "list": set[str](), "search": {"run"}}  # what their paths may name
SAMPLE: Mapping[str, template.Value] = {name: 1 if name in ("writer", "number", "version") else "0" for name in VALUES}

FAULTS = (408, 429, *range(500, 600))  # statuses

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


def parse(text: str) -> Contract:
    """Return the contract in a YAML or JSON text. Raise ContractError with the first mistake."""
    contract = convert(loaded(text), Contract)
    for problem in problems(contract):
        raise ContractError(problem)
    return contract


def problems(contract: Contract) -> Iterator[str]:
    """Yield what is wrong with a contract, as sentences."""
    yield from _header_problems("headers", contract.headers)
    if not (types := [each for each in contract.media_types if each != WITHOUT_BODY]):
        yield "media_types has no type: name at least one."
    yield from _media_type_problems("media_types", types)
    for name, route in contract.routes().items():
        yield from _header_problems(f"{name}.headers", route.headers)
        yield from _path_problems(name, route)
        for field in ("payload", "items", "id", "run"):
            yield from _pointer_problems(f"{name}.{field}", getattr(route, field, None))
        if isinstance(route, Write | Delete):
            yield from _status_problems(name, route)
        if isinstance(route, Write):
            yield from _body_problems(name, route)
        if isinstance(route, Read):
            yield from _rule_problems(f"{name}.absent", route.absent)
            yield from _fault_problems(f"{name}.absent", route.absent)
    for name in ("read", "replace", "delete"):
        named = contract.routes().get(name)
        if named and "id" not in _named(named):
            yield f"{name} does not say which document it is about: put {{id}} into its path."
    if contract.search and "run" not in _named(contract.search):
        yield "search does not say which run's documents it wants: put {run} into its path."


def _named(route: Route) -> set[str]:
    """Return the placeholders of a route."""
    return {*template.placeholders([route.path, getattr(route, "body", None)])}


def _header_problems(place: str, headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in OWN_HEADERS:
            yield f"{place} has a name that cannot be sent: {name!r}."
        elif not value.isascii() or not value.isprintable():
            yield f"{place} has a value that cannot be sent, under {name}."
        elif "{" in template.SECRET.sub("", value):
            yield f"{place} has something in braces that is no {{secret:NAME}}, under {name}."
        elif name.lower() in SECRET_HEADERS and not template.secrets(value):
            yield f"{place}.{name} would stand in a ConfigMap: put {{secret:NAME}} in the place of what is secret."


def _media_type_problems(place: str, types: Collection[str]) -> Iterator[str]:
    for type_ in types:
        if not _MEDIA_TYPE.fullmatch(type_):
            yield f"{place} has no type and subtype in lower case, without parameters: {type_!r}."


def _path_problems(name: str, route: Route) -> Iterator[str]:
    path = route.path
    if not path.startswith("/") or path.startswith("//") or not path.isprintable() or "#" in path:
        yield f"{name}.path must begin with one slash, and be a path with a query at most: {path!r}."
    if template.secrets(path):
        yield f"{name}.path has a secret: only headers have them, since addresses are logged."
    yield from _placeholder_problems(f"{name}.path", path, ADDRESSED.get(name, VALUES.keys()))


def _body_problems(name: str, route: Write) -> Iterator[str]:
    yield from _placeholder_problems(f"{name}.body", route.body, VALUES.keys())
    if any(map(template.secrets, template.texts(route.body))):
        yield f"{name}.body has a secret: only headers have them, since documents stay."
    if "payload" not in {*template.placeholders(route.body)}:
        yield f"{name}.body has no content: put {{payload}} into it."
    if "id" not in _named(route):
        yield f"{name} does not say the document's id: put {{id}} into its path or its body."
    if not {*template.placeholders(route.body)} - VALUES.keys():
        try:
            orjson.dumps(template.body(route.body, SAMPLE))
        except (TypeError, ValueError) as error:
            yield f"{name}.body is no JSON: {error}."


def _placeholder_problems(place: str, templates: Any, known: Collection[str]) -> Iterator[str]:
    for unknown in sorted({*template.placeholders(templates)} - {*known}):
        names = ", ".join(f"{{{name}}}" for name in VALUES if name in known)
        yield f"{place} has a placeholder that has no value there: {{{unknown}}}. It may have {names or 'none'}."


def _pointer_problems(place: str, given: object) -> Iterator[str]:
    if isinstance(given, str) and not pointer.is_valid(given):
        yield f"{place} is no JSON Pointer: {given!r}. One begins with a slash, such as /payload."


def _status_problems(name: str, route: Write | Delete) -> Iterator[str]:
    yield from _span_problems(f"{name}.acknowledged", route.acknowledged)
    spans = [*_spans(route.acknowledged)]
    if not spans or not all(200 <= low <= high <= 299 for low, high in spans):
        yield f"{name}.acknowledged must have statuses of 2xx, and no others."
    for number, rule in enumerate(route.not_applied):
        yield from _rule_problems(f"{name}.not_applied[{number}]", rule)


def _rule_problems(place: str, rule: AnswerRule) -> Iterator[str]:
    yield from _span_problems(f"{place}.status", rule.status)
    yield from _pointer_problems(f"{place}.pointer", rule.pointer)
    yield from _media_type_problems(f"{place}.media_type", [rule.media_type] if rule.media_type else [])
    if (rule.pointer is None) != (rule.equals is UNSET):
        yield f"{place} has a pointer without the value that it equals, or the value without a pointer."
    if not rule.status and rule.pointer is None:
        yield f"{place} is about every answer: give its status, or a pointer and what it equals."


def _fault_problems(place: str, rule: AnswerRule) -> Iterator[str]:
    """A fault of the service says nothing of a document."""
    spans = [*_spans(rule.status)]
    if rule.pointer is None and any(low <= fault <= high for low, high in spans for fault in FAULTS):
        yield f"{place} would take a fault for an absent document: leave 408, 429 and 5xx out, or give a pointer too."


def _span_problems(place: str, statuses: tuple[Status, ...]) -> Iterator[str]:
    for status in statuses:
        if not [*_spans([status])]:
            yield f"{place} has no such status: {status!r}. Write 404, 4xx or 409-499."


def _spans(statuses: Collection[Status]) -> Iterator[tuple[int, int]]:
    """Yield the lowest and the highest of each that is valid."""
    for status in statuses:
        try:
            yield span(status)
        except ValueError:
            continue
