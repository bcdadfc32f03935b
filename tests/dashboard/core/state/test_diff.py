"""Diff and patch. tests/js runs the same cases with the page's state.js."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core.state.diff import diff, patch

CASES = json.loads((Path(__file__).parents[3] / "cases" / "patches.json").read_text())

KEYS = st.sampled_from(["a", "b", "uid", "id", "l", "__proto__", "", "0", "ключ"])
IDENTITIES = st.sampled_from(["1", "2", "3", "0", "a"])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0]) | st.sampled_from(["", "1", "x"])


def _containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects, lists and keyed lists. Some keyed lists have elements without a key, or repeat one."""
    objects = st.dictionaries(KEYS, children, max_size=4)
    with_uid = st.builds(lambda uid, rest: {**rest, "uid": uid}, IDENTITIES, objects)
    with_id = st.builds(lambda id_, rest: {**rest, "id": id_}, IDENTITIES, objects)
    lists = [st.lists(element, max_size=5) for element in (children, with_uid, with_id, with_uid | with_id)]
    return st.one_of(objects, *lists)


STATES = st.recursive(SCALARS, _containers, max_leaves=25)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_shared_cases(case: dict[str, Any]) -> None:
    assert json.dumps(diff(case["old"], case["new"])) == json.dumps(case["changes"])
    assert is_same_json(patch(case["old"], case["changes"]), case["new"])


@pytest.mark.slow
@given(STATES, STATES)
def test_patch_of_the_diff_gives_the_new_state(old: Any, new: Any) -> None:
    before = copy.deepcopy(old)
    changes = json.loads(json.dumps(diff(old, new)))  # like over the socket
    assert is_same_json(patch(old, changes), new)
    assert is_same_json(old, before), "the old state was changed in place"


@pytest.mark.slow
@given(STATES)
def test_copy_has_no_diff(state: Any) -> None:
    assert diff(state, copy.deepcopy(state)) == []


def test_unknown_change_raises() -> None:
    with pytest.raises(ValueError, match="not a change"):
        patch({}, [["move", ["a"], ["b"]]])


def is_same_json(one: Any, other: Any) -> bool:
    """Return whether the values are equal as JSON: true differs from 1, and 1 equals 1.0."""
    return tagged(one) == tagged(other)


def tagged(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: tagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    return (isinstance(value, bool), value)
