"""Schemathesis hooks for rules that JSON Schema cannot express. They change or skip cases, never checks."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import schemathesis

from service.document import INT64, is_id
from service.filter import MAX_BYTES, MAX_CONDITIONS, MAX_DEPTH, MAX_ESCAPED_BYTES, UNESCAPED


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: dict[str, Any] | None) -> bool:
    """Skip filters over the limits of a whole filter, which the contract states in prose. test_filter tests them."""
    condition = _parsed((query or {}).get("filter"))
    text = json.dumps(condition, default=str)
    if len(text) > MAX_BYTES or len(quote_plus(text, UNESCAPED)) > MAX_ESCAPED_BYTES:
        return False
    return _depth(condition) <= MAX_DEPTH and text.count(":") <= MAX_CONDITIONS


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    case.body = _as_integers(case.body)
    if case.meta and case.meta.generation.mode.is_positive:
        for name in ("If-Match", "If-None-Match"):
            if case.headers.get(name) == "0":  # schemathesis loses the quotes, which the contract's pattern demands
                case.headers[name] = '"0"'
    if "filter" in case.query:
        condition = _as_integers(_parsed(case.query["filter"]))
        case.query["filter"] = condition if isinstance(condition, str) else json.dumps(condition)
    if case.method == "PUT" and isinstance(case.body, dict) and is_id(str(case.body.get("_id"))):
        # Only the path's id is allowed. test_documents tests others.
        case.body["_id"] = case.path_parameters.get("id")


def _depth(value: Any) -> int:
    """Return how deep objects and lists are nested."""
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


def _as_integers(value: Any) -> Any:
    """Replace floats such as 1e30 by the integer. JSON Schema does not distinguish the two, so the contract forbids
    both. The service refuses the integer, which it cannot store, and stores the float."""
    if isinstance(value, float) and value.is_integer() and int(value) not in INT64:
        return int(value)
    if isinstance(value, dict):
        return {name: _as_integers(inner) for name, inner in value.items()}
    return [_as_integers(inner) for inner in value] if isinstance(value, list) else value


def _parsed(value: Any) -> Any:
    """Return the parsed parameter. An earlier hook may have made it JSON text."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value
