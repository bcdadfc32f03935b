"""What a JSON Schema cannot say of a request, said to schemathesis: cases are bent or left out, and checks never."""

from __future__ import annotations

import json
from typing import Any

import schemathesis

from service.document import INT64, is_id
from service.filter import MAX_BYTES, MAX_CONDITIONS, MAX_DEPTH


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: dict[str, Any] | None) -> bool:
    """Leaves out filters that are too large as a whole: the contract's words say so, and test_filter tries them."""
    asked = _parsed((query or {}).get("filter"))
    text = json.dumps(asked, default=str)
    return len(text) <= MAX_BYTES and _depth(asked) <= MAX_DEPTH and text.count(":") <= MAX_CONDITIONS


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    case.body = _in_digits(case.body)
    if "filter" in case.query:
        asked = _in_digits(_parsed(case.query["filter"]))
        case.query["filter"] = asked if isinstance(asked, str) else json.dumps(asked)
    if case.method == "PUT" and isinstance(case.body, dict) and is_id(str(case.body.get("_id"))):
        # The one that is allowed; others are test_documents' business.
        case.body["_id"] = case.path_parameters.get("id")


def _depth(value: Any) -> int:
    """How many objects and lists are inside of each other."""
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


def _in_digits(value: Any) -> Any:
    """1e30 written out, as an integer. To JSON Schema the two are one number, so the contract forbids both; the service
    refuses the integer, which it can't keep, and keeps the float."""
    if isinstance(value, float) and value.is_integer() and int(value) not in INT64:
        return int(value)
    if isinstance(value, dict):
        return {name: _in_digits(inner) for name, inner in value.items()}
    return [_in_digits(inner) for inner in value] if isinstance(value, list) else value


def _parsed(value: Any) -> Any:
    """A parameter may be JSON text by now."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value
