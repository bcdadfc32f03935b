"""Generator of the JSON Schemas and the page's types: `python -m tools.docs.schemas`. The state, the messages and the
runs come from dashboard.core.wire, the lines of an evidence file from the records' structs."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from dashboard.core import objects, wire
from dashboard.core.state import journal
from dashboard.runs.demos.records import EvidenceLine

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "schema" / "dashboard.json"
RUN = ROOT / "docs" / "schema" / "run.json"
EVIDENCE = ROOT / "docs" / "schema" / "evidence.json"
TYPES = ROOT / "static" / "js" / "wire.d.ts"
REF = "#/$defs/"

Json = dict[str, Any]


def main() -> None:
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"written: {path.relative_to(ROOT)}")


def files() -> Mapping[Path, str]:
    """Return the generated files as {path: text}."""
    schema = _schema("The dashboard's state, socket messages and runs", wire.__doc__, wire.DOCUMENTS)
    evidence = _schema(
        "A line of an evidence file",
        "The file is gzip of such lines. The objects in ObjectsListed and ObjectChanged are of the types Pod, Workload,"
        " Autoscaler and EndpointSlice.",
        [EvidenceLine],
        [objects.KINDS[kind] for kind in journal.KINDS],
    )
    run = _schema("A run, GET /api/runs/<id>", wire.RunView.__doc__, [wire.RunView])
    return {SCHEMA: _text(schema), RUN: _text(run), EVIDENCE: _text(evidence), TYPES: "\n".join(_types(schema)) + "\n"}


def _text(schema: Json) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _schema(title: str, description: str | None, types: Sequence[Any], more: Sequence[Any] = ()) -> Json:
    """Return the schema of one of `types`, with definitions of `more`."""
    documents, components = msgspec.json.schema_components([*types, *more], ref_template=REF + "{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": inspect.cleandoc(description or ""),
        "oneOf": list(documents)[: len(types)],
        "$defs": {name: _cleaned(schema) for name, schema in sorted(components.items())},
    }


def _cleaned(schema: Any) -> Any:
    """Remove line breaks from descriptions, and the base class' docstring from each type that inherits it."""
    if isinstance(schema, dict):
        kept = {key: _cleaned(value) for key, value in schema.items()}
        if "description" in kept:
            kept["description"] = " ".join(str(kept["description"]).split())
            if kept["description"] == wire.Wire.__doc__:
                del kept["description"]
        return kept
    return [_cleaned(each) for each in schema] if isinstance(schema, list) else schema


def _types(schema: Json) -> Iterator[str]:
    yield "// Made by `python -m tools.docs.schemas` from dashboard/core/wire.py."
    yield "export as namespace wire; // so that every module's comments can name wire.State"
    for name, definition in schema["$defs"].items():
        yield ""
        if "description" in definition:
            yield f"/** {definition['description']} */"
        required = set(definition.get("required", ()))
        yield f"export interface {name} {{"
        for field, type_ in definition.get("properties", {}).items():
            yield f"  {_key(field)}{'' if field in required else '?'}: {_type(type_)};"
        yield "}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else json.dumps(name)


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REF)
    if "anyOf" in schema:
        return " | ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(json.dumps(each) for each in schema["enum"])
    match schema.get("type"):
        case "array":
            if "prefixItems" in schema:
                return f"[{', '.join(_type(each) for each in schema['prefixItems'])}]"
            inner = _type(schema.get("items") or {})
            return f"({inner})[]" if " | " in inner else f"{inner}[]"
        case "object":
            return f"Record<string, {_type(schema.get('additionalProperties') or {})}>"
        case "integer" | "number":
            return "number"
        case "string" | "boolean" | "null" as plain:
            return str(plain)
    return "any"


if __name__ == "__main__":
    main()
