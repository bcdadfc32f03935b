"""Spoiled JSON: objects as the API server writes them, with anything anywhere in them."""

import json
from collections.abc import Iterator
from functools import reduce
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
Path = tuple[str | int, ...]

REMOVED, TWICE = object(), object()


def _nested(depth: int) -> Any:
    return {"in": _nested(depth - 1)} if depth else None


INTEGERS = [
    0, -1, 1, 7, -(2**31), 2**31 - 1, 2**31, 2_000_000_000, 2**53 - 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**64),
    10**40,
]  # fmt: skip
QUANTITIES = [
    "0", "1", "250m", "1n", "1.5Gi", ".5", "5.", "+5", "-5", "-1Ki", "1e3", "1E3", "12E", "1Ei", "1e400", "1E-400",
    "9223372036854775808", "1e999999999", "1e9999999999", "9" * 4_000, "1e3k", "1gi", "1 Gi", "1_000", "NaN", "0x10",
    "Infinity", "\u0661",
]  # fmt: skip
TIMES = [
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z",
    "2026-02-29T00:00:00Z", "2028-02-29T12:00:00Z", "2026-11-24T12:00:00", "2026-11-24T12:00:00.123456789Z",
    "2026-11-24t12:00:00z", "2026-11-24T11:59:60Z", "2026-11-24T12:04:00Z", "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999999-23:59", "10000-01-01T00:00:00Z", "yesterday",
]  # fmt: skip
TEXTS = [
    "", " ", "x", "flask", "mongodb-0", "uid-pods", "uid-flask", "True", "False", "Percent", "Disabled", "Failed",
    "Pending", "x" * 253, "x" * 254, "x" * 65_536, "a b\n" * 9_000, "\x00\x1b[31m", "\u202e", "<script>", "__proto__",
    "15s", "1..5s", "-15s", "99999999999h", "spec.containers{" + "x" * 300, "a\r\nb: c", "9" * 5_000,
]  # fmt: skip
OTHERS = [
    None, True, False, 0.5, -0.0, 1e308, [], {}, [None], [[]], {"": None}, {"uid": 7}, _nested(100), [{}] * 300,
    ["10.0.0.1"] * 1000, REMOVED, TWICE,
]  # fmt: skip
ANYTHING = st.sampled_from([*INTEGERS, *QUANTITIES, *TIMES, *TEXTS, *OTHERS]) | st.integers() | st.text(max_size=20)


def spoiled(base: Json) -> st.SearchStrategy[str]:
    """Return JSON texts of the object with up to three parts replaced, removed, or there twice.

    Half of the new values are of the old one's type, since others are refused early.
    """
    parts = list(_parts(base))
    alike = st.sampled_from([(path, new) for path, value in parts for new in _alike(value)])
    edits = st.lists(alike | st.tuples(st.sampled_from([path for path, _ in parts]), ANYTHING), max_size=3)
    return edits.map(lambda edits: _text(reduce(_edited, edits, base)))


def edited(base: Json, path: str, new: Any) -> str:
    """Return the JSON text of the object with this part replaced: "spec.containers.0.name"."""
    keys = tuple(int(key) if key.isdecimal() else key for key in path.split("."))
    return _text(_edited(base, (keys, new)))


def cut(texts: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Return their bytes: mostly all of them, sometimes with a few bytes in the place of one."""
    damage = st.none() | st.tuples(st.floats(0, 1), st.sampled_from([b"", rb"\ud800", b"\xff"]) | st.binary(max_size=3))
    return st.builds(_damaged, texts.map(str.encode), damage)


def _damaged(text: bytes, damage: tuple[float, bytes] | None) -> bytes:
    if damage is None:
        return text
    at = int(damage[0] * len(text))
    return text[:at] + damage[1].replace(b"\n", b"") + text[at + 1 :]


def _parts(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from _parts(each, (*path, key))


def _alike(value: Any) -> list[Any]:
    if isinstance(value, str):
        return TIMES if value[:2] == "20" else QUANTITIES if value[:1].isdigit() else TEXTS
    return INTEGERS if isinstance(value, int) else OTHERS


def _edited(value: Any, edit: tuple[Path, Any]) -> Any:
    """Return a copy with the edit, or the value itself if an earlier edit has removed the place."""
    if not isinstance(value, dict | list):
        return value
    (key, *rest), new = edit
    there = key in value if isinstance(value, dict) else isinstance(key, int) and key in range(len(value))
    if not there:
        return value
    copy: Any = value.copy()
    if rest:
        copy[key] = _edited(value[key], (tuple(rest), new))
    elif new is REMOVED:
        del copy[key]
    elif new is TWICE and isinstance(copy, list):
        copy.append(copy[key])
    elif new is TWICE:
        copy[f"{key}{MARK}"] = 7
    else:
        copy[key] = new
    return copy


MARK = "\u0000twice"


def _text(value: Any) -> str:
    """Encode the value; a name with the mark is the same name once more."""
    return json.dumps(value).replace(json.dumps(MARK)[1:-1], "")
