"""The mock's filter for documents: as much of the service's filter language as the page offers in its examples.

It has equality, $gt, $gte, $lt, $lte, $exists and $or, with a.b for the field b in a. It rejects all other operators,
also those that the real service allows, and does not repeat that one's limits.
"""

import operator
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Predicate = Callable[[Any], bool]  # whether a value, or a document, meets it

_MISSING = object()  # the value of a missing field


class FilterError(ValueError):
    """The filter is invalid, or has an operator that the mock lacks. The message is for the user."""


def compile_filter(filter_: Json) -> Predicate:
    """Return the filter's condition on a document. Raise FilterError."""
    conditions = [_or(value) if name == "$or" else _field(name, value) for name, value in filter_.items()]
    return lambda document: all(holds(document) for holds in conditions)


def _or(filters: Any) -> Predicate:
    if not isinstance(filters, list) or not filters or not all(isinstance(each, dict) for each in filters):
        raise FilterError('$or takes a list of filters: {"$or": [{…}, {…}]}.')
    conditions = [compile_filter(each) for each in filters]
    return lambda document: any(holds(document) for holds in conditions)


def _field(name: str, wanted: Any) -> Predicate:
    if name.startswith("$"):
        raise _unknown(name)
    if isinstance(wanted, dict) and any(key.startswith("$") for key in wanted):
        conditions = [_operator(*each) for each in wanted.items()]
    else:
        conditions = [lambda value: _equals(value, wanted)]
    return lambda document: all(holds(_value_at(document, name)) for holds in conditions)


def _operator(name: str, operand: Any) -> Predicate:
    if name == "$exists":
        if not isinstance(operand, bool):
            raise FilterError("$exists takes true or false.")
        return lambda value: (value is not _MISSING) is operand
    if name not in COMPARISONS:
        raise _unknown(name)
    compare = COMPARISONS[name]
    return lambda value: _is_comparable(value, operand) and compare(value, operand)


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def _value_at(document: Json, path: str) -> Any:
    value: Any = document
    for part in path.split("."):
        value = value.get(part, _MISSING) if isinstance(value, dict) else _MISSING
    return value


def _equals(value: Any, wanted: Any) -> bool:
    """As in MongoDB, a list equals each of its elements too, and a missing field equals null."""
    if value is _MISSING:
        return wanted is None
    return _is_same(value, wanted) or (isinstance(value, list) and any(_is_same(each, wanted) for each in value))


def _is_same(value: Any, wanted: Any) -> bool:
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


def _is_comparable(value: Any, operand: Any) -> bool:
    """Return whether both are strings, or both are numbers."""
    if isinstance(value, bool) or isinstance(operand, bool):
        return False
    return any(isinstance(value, type_) and isinstance(operand, type_) for type_ in (str, int | float))


def _unknown(name: str) -> FilterError:
    known = ", ".join(["$exists", *COMPARISONS, "$or"])
    return FilterError(f'The operator "{name}" is not allowed in the mock, which has {known} only.')
