"""Parsing and checks of a query filter. Pure: no database, no web.

A filter is a JSON object in a subset of MongoDB's query language:

    filter      {"<field>": value, …}                  the field equals the value; a.b is the field b inside of a
                {"<field>": {"<operator>": …}, …}      $eq $ne $gt $gte $lt $lte: a value    $in $nin: a list of values
                                                       $exists: true or false                $not: {"<operator>": …}
                {"$and": [filter, …]}, {"$or": [filter, …]}

Any other name that starts with $ is rejected, at any depth and inside values too: some of MongoDB's operators run code
($where, $function), and one $regex can keep it busy for minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from service import document
from service.document import Malformed

Filter = dict[str, Any]

MAX_BYTES = 4096
MAX_ESCAPED_BYTES = 7880  # in the Link to the next page, which a request's line has to hold with a position
UNESCAPED = "!$'()*,/:;?@"  # what a value in a URL's query may have beside letters and digits (RFC 3986)
MAX_DEPTH = 10  # nested objects and lists, values included
MAX_PARTS = document.MAX_DEPTH  # of a field's name: no document is nested deeper, and MongoDB refuses 185
MAX_CONDITIONS = 50
MAX_LIST = 100  # elements of one list

VALUE_OPERATORS = frozenset({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"})
LIST_OPERATORS = frozenset({"$in", "$nin"})
FIELD_OPERATORS = VALUE_OPERATORS | LIST_OPERATORS | {"$exists", "$not"}
_AS_LIST = {"$eq": "$in", "$ne": "$nin"}
JOINING = frozenset({"$and", "$or"})


class BadFilter(Malformed):
    """The filter is invalid or not supported. The message says why."""


def parse(text: str) -> Filter:
    """Parse a filter. Raise Malformed if it is invalid."""
    body = text.encode("utf-8", "surrogatepass")
    if len(body) > MAX_BYTES:
        raise BadFilter(f"The filter must not exceed {MAX_BYTES:,} bytes.")
    found = document.decode(body, "filter")
    if len(quote_plus(text, UNESCAPED)) > MAX_ESCAPED_BYTES:
        raise BadFilter(f"The filter must not exceed {MAX_ESCAPED_BYTES:,} bytes as the Link to the next page has it.")
    conditions = _filter(found, 1)
    if conditions > MAX_CONDITIONS:
        raise BadFilter(f"The filter has {conditions} conditions, and at most {MAX_CONDITIONS} are answered.")
    return found


def with_ids(found: Filter, identity: Callable[[str], Any]) -> Filter:
    """Return the filter with `identity` applied to each id that _id is compared with.

    Clients see ids as 24 hexadecimal digits; MongoDB stores ObjectIds. Another program may have stored such digits as
    text, which looks the same: equality means both.
    """
    converted: Filter = {}
    for name, value in found.items():
        if name in JOINING:
            converted[name] = [with_ids(each, identity) for each in value]
        elif name == "_id":
            converted[name] = _with_ids(value, identity)
        else:
            converted[name] = value
    return converted


def _with_ids(value: Any, identity: Callable[[str], Any]) -> Any:
    """Convert the condition on _id: a value, or operators."""
    if _is_id(value):
        return {"$in": [identity(value), value]}
    if not (isinstance(value, dict) and _has_operators(value)):
        return value
    converted: dict[str, Any] = {}
    for operator, given in value.items():
        if operator == "$not":
            converted[operator] = _with_ids(given, identity)
        elif operator in LIST_OPERATORS:
            among = [each for listed in given for each in _both(listed, identity)]
            converted[operator] = _merged(operator, converted.get(operator), among)
        elif operator in _AS_LIST and _is_id(given):
            listing = _AS_LIST[operator]
            converted[listing] = _merged(listing, converted.get(listing), _both(given, identity))
        else:
            converted[operator] = identity(given) if _is_id(given) else given
    return converted


def _merged(operator: str, one: list[Any] | None, other: list[Any]) -> list[Any]:
    """Return the list of an operator that has to hold for both lists."""
    if one is None:
        return other
    return [each for each in one if each in other] if operator == "$in" else one + other


def _both(value: Any, identity: Callable[[str], Any]) -> list[Any]:
    return [identity(value), value] if _is_id(value) else [value]


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and document.is_id(value)


def _filter(found: Any, depth: int) -> int:
    """Check a filter. Return the number of its conditions."""
    _bound(depth)
    conditions = 0
    for name, value in found.items():
        if name in JOINING:
            conditions += _joined(name, value, depth)
        elif name in FIELD_OPERATORS:
            raise BadFilter(f'{name} belongs inside of a field: {{"<field>": {{"{name}": …}}}}.')
        else:
            _field(name)
            conditions += _condition(value, depth + 1)
    return conditions


def _joined(operator: str, filters: Any, depth: int) -> int:
    if not isinstance(filters, list) or not filters or not all(isinstance(each, dict) for each in filters):
        raise BadFilter(f'{operator} takes a list of filters: {{"{operator}": [{{…}}, {{…}}]}}.')
    _short(filters)
    return sum(_filter(each, depth + 2) for each in filters) + 1


def _condition(value: Any, depth: int) -> int:
    """Check the condition on one field. Return the number of its conditions."""
    if isinstance(value, dict) and _has_operators(value):
        return _operators(value, depth)
    _value(value, depth)
    return 1


def _operators(given: dict[str, Any], depth: int) -> int:
    _bound(depth)
    conditions = 0
    for name, value in given.items():
        if name in JOINING:
            raise BadFilter(f'{name} joins whole filters, and stands outside of a field: {{"{name}": [{{…}}, {{…}}]}}.')
        if not name.startswith("$"):
            raise BadFilter(f"{_quoted(name)} and operators stand side by side in one field.")
        if name not in FIELD_OPERATORS:
            raise _unknown(name)
        conditions += _operator(name, value, depth + 1)
    return conditions


def _operator(name: str, value: Any, depth: int) -> int:
    if name == "$exists" and not isinstance(value, bool):
        raise BadFilter("$exists takes true or false.")
    if name in LIST_OPERATORS and not isinstance(value, list):
        raise BadFilter(f"{name} takes a list of values.")
    if name == "$not":
        if not (isinstance(value, dict) and _has_operators(value)):
            raise BadFilter('$not takes operators: {"$not": {"$gt": 5}}.')
        return _operators(value, depth)
    _value(value, depth)
    return 1


def _value(value: Any, depth: int) -> None:
    """Check a value that a field is compared with: plain data, in which no name starts with $."""
    if isinstance(value, dict):
        _bound(depth)
        for name, inner in value.items():
            if name.startswith("$"):
                if name in FIELD_OPERATORS:
                    raise BadFilter(f'{name} stands inside of a value. A field of a field is named "outer.inner".')
                raise _unknown(name)
            _value(inner, depth + 1)
    elif isinstance(value, list):
        _bound(depth)
        _short(value)
        for inner in value:
            _value(inner, depth + 1)


def _field(name: str) -> None:
    if name.startswith("$"):
        raise _unknown(name)
    parts = name.split(".")
    if len(parts) > MAX_PARTS:
        raise BadFilter(f"The field {_quoted(name)} has {len(parts)} parts, and at most {MAX_PARTS} are answered.")
    for part in parts:
        if part.startswith("$"):
            raise BadFilter(f"No part of a field's name may start with $: {_quoted(name)}.")


def _has_operators(value: dict[str, Any]) -> bool:
    return any(name.startswith("$") for name in value)


def _bound(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadFilter(f"The filter is nested deeper than {MAX_DEPTH} levels.")


def _short(values: list[Any]) -> None:
    if len(values) > MAX_LIST:
        raise BadFilter(f"A list in the filter has {len(values)} elements, and at most {MAX_LIST} are answered.")


def _unknown(name: str) -> BadFilter:
    known = ", ".join(sorted(FIELD_OPERATORS | JOINING))
    return BadFilter(f"The operator {_quoted(name)} is not allowed in a filter; these are: {known}.")


def _quoted(name: str) -> str:
    return f'"{name}"' if len(name) <= 60 else f'"{name[:57]}…"'
