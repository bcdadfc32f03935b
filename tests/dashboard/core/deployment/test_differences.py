"""What changed between two versions of an object, in words."""

from dashboard.core.deployment.differences import LONGEST, MOST, changed_by, differences


def test_equal_objects_have_no_differences() -> None:
    assert differences({"a": [1, {"b": {}}]}, {"a": [1, {"b": {}}]}) == []


def test_changed_added_and_removed_fields_are_named_by_path() -> None:
    before = {"maxReplicas": 5, "paused": True}
    after = {"maxReplicas": 8, "template": {"annotations": {"kubernetes.io/x": "1"}}}
    assert differences(before, after) == [
        "maxReplicas: 5 → 8", "template.annotations[kubernetes.io/x]: none → 1", "paused: True → none",
    ]  # fmt: skip


def test_elements_of_a_list_are_told_apart_by_name_or_by_place() -> None:
    before = {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:1"}], "args": ["one"]}
    after = {"containers": [{"name": "b", "image": "y:2"}, {"name": "a", "image": "x:1"}], "args": ["two"]}
    assert differences(before, after) == ["containers[b].image: y:1 → y:2", "args[0]: one → two"]


def test_many_and_long_differences_are_cut() -> None:
    found = differences({}, {f"field{number:02}": "x" * 1_000 for number in range(MOST + 5)})
    assert len(found) == MOST + 1 and found[-1] == "and 5 more"
    assert all(len(one) < LONGEST + 40 for one in found)


def test_last_change_of_the_spec_is_attributed_and_the_statuses_are_not() -> None:
    fields = [
        {"manager": "kubectl-edit", "time": "2026-11-28T10:00:00Z"},
        {"manager": "dashboard", "time": "2026-11-28T09:00:00Z"},
        {"manager": "kube-controller-manager", "time": "2026-11-28T11:00:00Z", "subresource": "status"},
    ]
    assert changed_by({"metadata": {"managedFields": fields}}) == "by kubectl-edit at 2026-11-28T10:00:00Z"
    assert changed_by({"metadata": {}}) == ""
