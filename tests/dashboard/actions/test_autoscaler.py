"""An autoscaler's settings and the patch that changes them."""

from typing import Any

import pytest

from dashboard.actions.autoscaler import checked, command, patch, settings
from dashboard.core.errors import InvalidOption

Json = dict[str, Any]

MEMORY_TARGET = {"type": "Utilization", "averageUtilization": 80}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": MEMORY_TARGET}}


def autoscaler(target: Json, kind: str = "resource") -> Json:
    metrics = [MEMORY, {kind: {"name": "cpu", "target": target}}]
    return {"spec": {"minReplicas": 2, "maxReplicas": 5, "metrics": metrics}}


PERCENT = autoscaler({"type": "Utilization", "averageUtilization": 70})


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"type": "Utilization", "averageUtilization": 70}, (70, "%")),
        ({"type": "AverageValue", "averageValue": "250m"}, (250, "m")),
        ({"type": "AverageValue", "averageValue": "2"}, (2_000, "m")),
        ({"type": "AverageValue", "averageValue": "0.5"}, (500, "m")),
        ({"type": "AverageValue", "averageValue": "1k"}, (1_000_000, "m")),
        ({"type": "AverageValue", "averageValue": "much"}, (None, None)),
    ],
)
def test_target_is_in_the_autoscalers_own_unit(target: Json, expected: tuple[int | None, str | None]) -> None:
    found = settings(autoscaler(target))
    assert (found["target"], found["unit"]) == expected


def test_patch_has_only_what_differs() -> None:
    assert patch(PERCENT, {"min": 2, "max": 5, "target": 70, "behavior": {}}) == []
    changed = patch(PERCENT, {"min": 3, "max": 8, "target": 50, "behavior": {"scaleUp": {}}})
    assert {one["path"]: one["value"] for one in changed} == {
        "/spec/minReplicas": 3, "/spec/maxReplicas": 8, "/spec/behavior": {"scaleUp": {}},
        "/spec/metrics/1/resource/target/averageUtilization": 50,
    }  # fmt: skip


def test_target_of_a_container_and_in_millicores_is_changed_in_place() -> None:
    (one,) = patch(autoscaler({"type": "AverageValue", "averageValue": "1"}, "containerResource"), {"target": 300})
    assert one == {"op": "add", "path": "/spec/metrics/1/containerResource/target/averageValue", "value": "300m"}


@pytest.mark.parametrize(
    "given",
    [{}, {"min": 0}, {"min": True}, {"max": 1.5}, {"max": "5"}, {"max": 100_000}, {"target": 0}, {"behavior": []},
     {"behavior": None}],
)  # fmt: skip
def test_malformed_settings_are_refused(given: Json) -> None:
    with pytest.raises(InvalidOption):
        checked(given)


def test_contradictory_settings_are_refused() -> None:
    with pytest.raises(InvalidOption, match="6 is more than 5"):
        patch(PERCENT, {"min": 6})
    with pytest.raises(InvalidOption, match="no target for CPU"):
        patch({"spec": {"maxReplicas": 5, "metrics": [MEMORY]}}, {"target": 50})


def test_command_is_quoted_for_a_shell() -> None:
    line = command([{"op": "add", "path": "/spec/maxReplicas", "value": 8}], "flask", "here")
    patch = '[{"op":"add","path":"/spec/maxReplicas","value":8}]'
    assert line == f"kubectl -n here patch hpa flask --type=json -p '{patch}'"
