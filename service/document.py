"""Parsing and checks of one document. Pure: no clock, no database, no web.

An accepted document comes back exactly as it was sent. A body that could not (a number that would be rounded, a
duplicate name, half a surrogate pair) is rejected with the reason, before anything is stored.

    Malformed           the body is not a JSON object that can be stored unchanged: 400
    └── BadId           its _id is not 24 hexadecimal digits: 422
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

Document = dict[str, Any]

MAX_DEPTH = 100  # nested objects and lists; below MongoDB's own limit
MAX_NAMES = 10_000  # inner ones included
INT64 = range(-(2**63), 2**63)

_ID = re.compile(r"[0-9a-fA-F]{24}")
# What orjson could round: integers from 19 digits, decimals from 16 on, and numbers close to zero. Numbers that are too
# large it refuses itself. A digit before an e is no sign of a number: ids in hexadecimal have both.
_LONG_NUMBER = b"0" * 16
_AS_ZEROS = bytes(ord("0") if byte in b"0123456789." else ord(" ") for byte in range(256))
_TINY_NUMBERS = (re.compile(rb"e-[0-9]{3}"), re.compile(rb"E-[0-9]{3}"))


class Malformed(Exception):
    """The body can't become a document. The message says why."""


class BadId(Malformed):
    """The document's _id is not an ObjectId."""


def decode(body: bytes, called: str = "body") -> Document:
    """Parse a JSON object. Raise Malformed, whose message calls the text `called`."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(_reason(error, called)) from None
    if not isinstance(value, dict):
        raise Malformed(f"The {called} must be a JSON object, not {_kind(value)}.")
    names = _check(value)
    # orjson silently rounds long numbers and keeps the last of duplicate names. Only bodies that may hold either are
    # parsed a second time, by the slower parser, which reports both.
    if _may_be_rounded(body) or body.count(b":") != names:
        json.loads(body, parse_int=_int64, parse_float=_double, object_pairs_hook=_distinct)
    return value


def _may_be_rounded(body: bytes) -> bool:
    """Return whether the text has what looks like such a number.

    One expression for all takes a millisecond for 50 KB. This takes 60 µs: a translation, and expressions that begin
    with a fixed text.
    """
    return _LONG_NUMBER in body.translate(_AS_ZEROS) or any(tiny.search(body) for tiny in _TINY_NUMBERS)


def take_id(document: Document) -> str | None:
    """Remove and return the document's _id in lower case; None if there is none. Raise BadId if it is not an id."""
    if "_id" not in document:
        return None
    value = document.pop("_id")
    if not (isinstance(value, str) and is_id(value)):
        raise BadId("_id must be a string of 24 hexadecimal digits.")
    return value.lower()


def is_id(text: str) -> bool:
    """Return whether the text is 24 hexadecimal digits."""
    return _ID.fullmatch(text) is not None


def new_id(now_ns: int, random: int) -> str:
    """Return the hex of a new ObjectId: 4 bytes of seconds, 3 of their fraction, 5 of `random`.

    Between processes, the driver's own ids are ordered by whole seconds only. The fraction keeps "newest first" right
    for documents that are posted within one second through different pods.
    """
    seconds, rest = divmod(now_ns, 1_000_000_000)
    fraction = (rest << 24) // 1_000_000_000
    return f"{seconds & 0xFFFFFFFF:08x}{fraction:06x}{random & 0xFFFFFFFFFF:010x}"


def encode(value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    """Return stored data as JSON; `default` converts types that JSON lacks."""
    return orjson.dumps(value, default, orjson.OPT_PASSTHROUGH_DATETIME)


def canonical(document: Document, default: Callable[[Any], Any] | None = None) -> bytes:
    """Return bytes that are equal for equal documents. The order of names does not count; 1, 1.0 and true differ."""
    return orjson.dumps(document, default, orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_SORT_KEYS)


def _reason(error: orjson.JSONDecodeError, called: str) -> str:
    if "depth limit" in error.msg or "allocate" in error.msg:  # orjson's messages for too deep nesting
        return f"The document is nested deeper than {MAX_DEPTH} levels."
    return f"The {called} is not JSON: {error}."


def _check(document: Document) -> int:
    """Check depth, names and integers. Return the number of names, inner ones included."""
    names = 0
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for container in level:
            if isinstance(container, dict):
                names += len(container)
                for name in container:
                    if "\0" in name:
                        raise Malformed("A name holds a NUL character, which BSON can't store.")
                values: Any = container.values()
            else:
                values = container
            for value in values:
                if isinstance(value, (dict, list)):
                    inner.append(value)
                elif type(value) is int and value not in INT64:
                    raise Malformed(_beyond(str(value)))
        if names > MAX_NAMES:
            raise Malformed(f"The document has more than {MAX_NAMES:,} names, inner ones included.")
        if not inner:
            return names
        level = inner
    raise Malformed(f"The document is nested deeper than {MAX_DEPTH} levels.")


def _int64(digits: str) -> int:
    if len(digits) > 20 or int(digits) not in INT64:
        raise Malformed(_beyond(digits))
    return int(digits)


def _double(text: str) -> float:
    number = float(text)
    if repr(number) != text and not _equals(number, text):
        raise Malformed(f"The number {_shown(text)} has more digits than a double holds, and would be stored rounded.")
    return number


def _equals(number: float, text: str) -> bool:
    try:
        return Decimal(repr(number)) == Decimal(text)
    except InvalidOperation:  # an exponent beyond those of Decimal
        return False


def _shown(digits: str) -> str:
    return digits if len(digits) <= 40 else f"{digits[:37]}…"


def _beyond(digits: str) -> str:
    return f"The integer {_shown(digits)} does not fit in 64 bits with a sign, and would be stored rounded."


def _distinct(pairs: list[tuple[str, Any]]) -> Document:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Malformed(f"The name {twice!r} occurs twice in one object.")
    return document


def _kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")
