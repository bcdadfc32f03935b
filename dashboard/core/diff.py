"""What changed between two states, and the same changes put back: `patch(old, diff(old, new)) == new`.

A change is a JSON array, so that it can be sent as it is:

    ["set", path, value]            an object's key (new or not), or an element of an identified list
    ["remove", path]                an object's key, or an element of an identified list
    ["insert", path, index, value]  into the identified list at path, so that the value ends at index

A path is a list of object keys and, inside an identified list, an element's identity. A list is identified when every
element is an object with a string "uid", or when none has one and every element has a string "id", and no two are the
same. Addressing elements by identity is what lets a replaced pod of the same name be a removal and an insertion,
and not a pod whose every field happened to change.

Values are taken as JSON. A subtree that is the very same Python object on both sides is not looked into: whoever builds
states shares what did not change, and a thousand quiet pods cost nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


def diff(old: Any, new: Any) -> list[list[Any]]:
    """The changes that make new of old, in the order in which they are to be applied; none for equal states."""
    return list(_changes(old, new, []))


def patch(state: Any, changes: Sequence[Sequence[Any]]) -> Any:
    """The state after the changes. The one given stays as it is: only what lies on a change's path is copied."""
    for change in changes:
        state = _applied(state, change)
    return state


def identity(elements: Sequence[Any]) -> str | None:
    """The key by which the list's elements are told apart: "uid", "id", or None."""
    if not all(isinstance(element, dict) for element in elements):
        return None
    if all(isinstance(element.get("uid"), str) for element in elements):
        key = "uid"
    elif all(isinstance(element.get("id"), str) and "uid" not in element for element in elements):
        key = "id"
    else:
        return None
    return key if len({element[key] for element in elements}) == len(elements) else None


def _changes(old: Any, new: Any, path: list[str]) -> Iterator[list[Any]]:
    if old is new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _changes_of_object(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _changes_of_list(old, new, path)
    elif not _same(old, new):
        yield ["set", path, new]


def _changes_of_object(old: dict[str, Any], new: dict[str, Any], path: list[str]) -> Iterator[list[Any]]:
    for key in old:
        if key not in new:
            yield ["remove", [*path, key]]
    for key, value in new.items():
        if key in old:
            yield from _changes(old[key], value, [*path, key])
        else:
            yield ["set", [*path, key], value]


def _changes_of_list(old: list[Any], new: list[Any], path: list[str]) -> Iterator[list[Any]]:
    key = _common_identity(old, new)
    if key is None:
        if not _same(old, new):
            yield ["set", path, new]
        return
    before = {element[key]: element for element in old}
    after = {element[key]: element for element in new}
    if [one for one in before if one in after] != [one for one in after if one in before]:
        yield ["set", path, new]
        return
    for one in before:
        if one not in after:
            yield ["remove", [*path, one]]
    for index, (one, element) in enumerate(after.items()):
        if one not in before:
            yield ["insert", path, index, element]
    for one, element in after.items():
        if one in before:
            yield from _changes(before[one], element, [*path, one])


def _common_identity(old: list[Any], new: list[Any]) -> str | None:
    """One key for both lists, or None. Two empty lists are equal under any."""
    keys = {identity(elements) for elements in (old, new) if elements}
    return keys.pop() if len(keys) == 1 else None


def _same(old: Any, new: Any) -> bool:
    """Equal as JSON: Python alone would take true for 1."""
    if old is new:
        return True
    if isinstance(old, bool) or isinstance(new, bool):
        return False
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same(value, new[key]) for key, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new)


def _applied(state: Any, change: Sequence[Any]) -> Any:
    match change:
        case ["set", [], value]:
            return value
        case ["set", [*path, key], value]:
            return _edited(state, path, lambda parent: _replaced(parent, key, value))
        case ["remove", [*path, key]]:
            return _edited(state, path, lambda parent: _without(parent, key))
        case ["insert", path, index, value]:
            return _edited(state, path, lambda elements: [*elements[:index], value, *elements[index:]])
    raise ValueError(f"not a change: {change!r}")


def _edited(node: Any, path: Sequence[str], edit: Callable[[Any], Any]) -> Any:
    """The node with what lies at the end of the path edited."""
    if not path:
        return edit(node)
    key, *rest = path
    child = node[_position(node, key)] if isinstance(node, list) else node[key]
    return _replaced(node, key, _edited(child, rest, edit))


def _replaced(parent: Any, key: str, value: Any) -> Any:
    if isinstance(parent, list):
        position = _position(parent, key)
        return [*parent[:position], value, *parent[position + 1 :]]
    return {**parent, key: value}


def _without(parent: Any, key: str) -> Any:
    if isinstance(parent, list):
        position = _position(parent, key)
        return [*parent[:position], *parent[position + 1 :]]
    return {name: value for name, value in parent.items() if name != key}


def _position(elements: list[Any], one: str) -> int:
    key = identity(elements)
    return next(index for index, element in enumerate(elements) if key is not None and element[key] == one)
