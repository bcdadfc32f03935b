"""Structural diff and patch of JSON states: `patch(old, diff(old, new)) == new`.

A change is a JSON array:

    ["set", path, value]            set an object's key, or replace an element of a keyed list
    ["remove", path]                remove an object's key, or an element of a keyed list
    ["insert", path, index, value]  insert into the keyed list at path, so that the value ends up at index

A path is a list of object keys and, inside a keyed list, of element ids. A list is keyed if every element is an object
with a string "uid", or if none has a "uid" and every element has a string "id"; the ids must be unique. So a pod that
is replaced by one of the same name is a removal and an insertion, not a change of every field.

Values are compared as JSON. A subtree that is the same Python object on both sides is skipped: states share the parts
that did not change, so a thousand unchanged pods cost nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


def diff(old: Any, new: Any) -> list[list[Any]]:
    """Return the changes that turn `old` into `new`, in order of application; an empty list for equal states."""
    return list(_changes(old, new, []))


def patch(state: Any, changes: Sequence[Sequence[Any]]) -> Any:
    """Return the state after the changes. `state` is not modified: the containers on each path are copied."""
    for change in changes:
        state = _applied(state, change)
    return state


def identity(elements: Sequence[Any]) -> str | None:
    """Return the key that identifies the list's elements: "uid", "id", or None."""
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
    if [id_ for id_ in before if id_ in after] != [id_ for id_ in after if id_ in before]:
        yield ["set", path, new]
        return
    for id_ in before:
        if id_ not in after:
            yield ["remove", [*path, id_]]
    for index, (id_, element) in enumerate(after.items()):
        if id_ not in before:
            yield ["insert", path, index, element]
    for id_, element in after.items():
        if id_ in before:
            yield from _changes(before[id_], element, [*path, id_])


def _common_identity(old: list[Any], new: list[Any]) -> str | None:
    """Return the key that identifies the elements of both lists, or None. An empty list fits any key."""
    keys = {identity(elements) for elements in (old, new) if elements}
    return keys.pop() if len(keys) == 1 else None


def _same(old: Any, new: Any) -> bool:
    """Return whether the values are equal as JSON: in Python, True equals 1."""
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
    """Return a copy of the node in which the value at the path is edited."""
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


def _position(elements: list[Any], id_: str) -> int:
    key = identity(elements)
    return next(index for index, element in enumerate(elements) if key is not None and element[key] == id_)
