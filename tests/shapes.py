"""What a JSON value is made of, to compare a simulated's with a real one's."""

from collections.abc import Iterator
from typing import Any

FREE = ("document", "evaluation")  # keys whose value may be shaped as it likes


def shape(value: Any) -> dict[str, set[str]]:
    """path → the types met there: "pods[].name" → {"string"}. Elements of a list share a path."""
    found: dict[str, set[str]] = {}
    for path, name in _walk(value, ""):
        found.setdefault(path, set()).add(name)
    return found


def differences(simulated: Any, real: Any) -> list[str]:
    """Where the simulated's shape is not the real one's, in words. What one of them has nothing for is not compared."""
    ours, theirs = shape(simulated), shape(real)
    words = [
        f"{path}: only the simulated has it" for path in sorted(ours.keys() - theirs.keys()) if _known(path, theirs)
    ]
    words += [f"{path}: the simulated lacks it" for path in sorted(theirs.keys() - ours.keys()) if _known(path, ours)]
    for path in sorted(ours.keys() & theirs.keys()):
        one, other = ours[path] - {"null"}, theirs[path] - {"null"}
        if one and other and one != other:
            words.append(f"{path}: {sorted(one)} and not {sorted(other)}")
    return words


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
    """Whether the other side has what the path leads through, so that it could have had it."""
    parent = path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]
    return "object" in types.get(parent, set())
