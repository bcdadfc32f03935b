"""The shape of JSON values, to compare the mock's with the cluster's."""

from collections.abc import Iterator
from typing import Any

FREE = ("document", "evaluation")  # keys whose values may have any shape


def shape(value: Any) -> dict[str, set[str]]:
    """Return path → types, such as "pods[].name" → {"string"}. Elements of a list share a path."""
    found: dict[str, set[str]] = {}
    for path, name in _walk(value, ""):
        found.setdefault(path, set()).add(name)
    return found


def differences(mock: Any, real: Any) -> list[str]:
    """Return a sentence for each path that differs. Paths whose parent one of them lacks are not compared."""
    mocked, actual = shape(mock), shape(real)
    found = [f"{path}: only the mock has it" for path in sorted(mocked.keys() - actual.keys()) if _known(path, actual)]
    found += [f"{path}: the mock lacks it" for path in sorted(actual.keys() - mocked.keys()) if _known(path, mocked)]
    for path in sorted(mocked.keys() & actual.keys()):
        one, other = mocked[path] - {"null"}, actual[path] - {"null"}
        if one and other and one != other:
            found.append(f"{path}: {sorted(one)} and not {sorted(other)}")
    return found


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield path, "object"
        for key, item in value.items():
            if key in FREE:
                yield f"{path}.{key}", "null" if item is None else "object"
            else:
                yield from _walk(item, f"{path}.{key}")
    elif isinstance(value, list):
        yield path, "list"
        for item in value:
            yield from _walk(item, f"{path}[]")
    else:
        yield path, _name(value)


def _name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def _known(path: str, types: dict[str, set[str]]) -> bool:
    """Return whether the parent of a path is an object in `types`."""
    parent = path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]
    return "object" in types.get(parent, set())
