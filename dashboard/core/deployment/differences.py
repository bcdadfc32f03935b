"""The differences between two versions of a Kubernetes object, as sentences. Pure."""

from collections.abc import Iterator
from typing import Any

from dashboard.core.text import plain

MOST = 20  # sentences
LONGEST = 80  # characters of a value
LONGEST_PATH = 200

Json = dict[str, Any]

_ABSENT = object()


def differences(before: Any, after: Any) -> list[str]:
    """Return what differs, by path: "maxReplicas: 5 → 8". Elements of a list are told apart by their names."""
    was, now = dict(_leaves(before)), dict(_leaves(after))
    paths = [path for path in (now | was) if path and was.get(path, _ABSENT) != now.get(path, _ABSENT)]
    found = [f"{_shown_path(path)}: {_shown(was, path)} → {_shown(now, path)}" for path in paths[:MOST]]
    more = len(paths) - len(found)
    return [*found, f"and {more} more"] if more else found


def changed_by(object_: Json) -> str:
    """Return who changed the object last, and when; "" if it does not say. Changes of its status do not count."""
    entries = [one for one in object_["metadata"].get("managedFields") or [] if not one.get("subresource")]
    last = max(entries, key=lambda one: str(one.get("time") or ""), default=None)
    if last is None:
        return ""
    return plain(f"by {last.get('manager') or 'somebody'} at {last.get('time') or 'an unknown time'}", LONGEST)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (path, value) of everything that is no object and no list; of those that are empty too."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, (*path, key))
    elif isinstance(value, list) and value:
        names = [each.get("name") if isinstance(each, dict) else None for each in value]
        named = all(names) and len({*names}) == len(names)
        for index, each in enumerate(value):
            yield from _leaves(each, (*path, f"[{names[index] if named else index}]"))
    else:
        yield path, value


def _shown_path(path: tuple[str, ...]) -> str:
    text = ""
    for part in path:
        bracketed = part if part.startswith("[") else f"[{part}]" if "." in part or "/" in part else f".{part}"
        text += bracketed
    return plain(text.lstrip("."), LONGEST_PATH)


def _shown(leaves: dict[tuple[str, ...], Any], path: tuple[str, ...]) -> str:
    value = leaves.get(path, _ABSENT)
    return "none" if value is _ABSENT or value in (None, {}, []) else plain(str(value), LONGEST)
