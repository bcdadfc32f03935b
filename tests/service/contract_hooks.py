"""What a JSON Schema cannot say of a request, said to schemathesis: its cases are bent, and no check is left out."""

from __future__ import annotations

import json
from typing import Any

import schemathesis

from service.document import INT64, is_id


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    case.body = _in_digits(case.body)
    if "filter" in case.query:
        case.query["filter"] = _text_in_digits(case.query["filter"])
    if case.method == "PUT" and isinstance(case.body, dict) and is_id(str(case.body.get("_id"))):
        case.body["_id"] = case.path_parameters.get(
            "id"
        )  # the one that is allowed; others are test_documents' business


def _in_digits(value: Any) -> Any:
    """1e30 written out, as an integer. To JSON Schema the two are one number, so the contract forbids both; the service
    refuses the integer, which it can't keep, and keeps the float."""
    if isinstance(value, float) and value.is_integer() and int(value) not in INT64:
        return int(value)
    if isinstance(value, dict):
        return {name: _in_digits(inner) for name, inner in value.items()}
    return [_in_digits(inner) for inner in value] if isinstance(value, list) else value


def _text_in_digits(value: Any) -> Any:
    """The same of a parameter, which may be JSON text by now."""
    try:
        return json.dumps(_in_digits(json.loads(value)))
    except (TypeError, ValueError):
        return _in_digits(value)
