"""What is known of the controller's memory, and when it will act by it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dashboard.core import objects
from dashboard.core.hpa.behavior import Recommendation, behavior_of
from dashboard.core.hpa.recommendations import LOOK_SECONDS, Recommendations
from dashboard.core.hpa.spec import HpaSpec

NOW = 1_800_000_000.0
CASES = json.loads((Path(__file__).parents[3] / "cases/autoscaler.json").read_text())


def task(behavior: str, current: int, low: int = 2, high: int = 5) -> HpaSpec:
    spec = msgspec.convert({"behavior": CASES["behaviors"][behavior]}, objects.AutoscalerSpec)
    return HpaSpec(70, low, high, behavior_of(spec), current, "", 0)


@pytest.mark.parametrize("heard", ["at each look", "where something changed"])
@pytest.mark.parametrize("case", CASES["courses"], ids=lambda case: case["name"])
def test_it_foretells_when_the_controller_acts(case: dict[str, Any], heard: str) -> None:
    """Each change of the recorded runs, from every sync before it after which the proposal stayed the same."""
    current, proposal = case["start"], None
    memory = Recommendations(current, NOW)
    foretold: list[tuple[int, tuple[float, int] | None]] = []
    for look, (wanted, desired) in enumerate(zip(case["wanted"], case["desired"], strict=True)):
        at = NOW + look * 15.02 + 0.05
        now = task(case["behavior"], current, case["min"], case["max"])
        memory.pass_to(at, now.behavior)
        if wanted != proposal:
            foretold.clear()
        for since, told in foretold:
            due = told is not None and abs(told[0] - at) < LOOK_SECONDS / 2
            assert due == (desired != current), f"told at look {since}, now it is {look}"
            assert told is None or not due or told[1] == desired
        if desired != current:
            foretold.clear()
        if heard == "at each look" or wanted != proposal or desired != current:
            memory.sync(wanted, at)
        if desired != current:
            memory.change(desired - current, at)
        memory.recommend(wanted, at)
        current, proposal = desired, wanted
        foretold.append((look, memory.next_change(task(case["behavior"], current, case["min"], case["max"]), wanted)))


def test_looks_that_nobody_heard_of_are_remembered_with_what_was_wanted_then() -> None:
    memory, ours = Recommendations(2, NOW), task("ours", 2)
    memory.recommend(4, NOW + 1)
    memory.recommend(3, NOW + 20)
    memory.recommend(None, NOW + 40)
    memory.recommend(5, NOW + 50)
    memory.pass_to(NOW + 61, ours.behavior)
    assert [(one.at - NOW, one.replicas) for one in memory.recommended] == [(0, 2), (15, 4), (30, 3)]
    memory.pass_to(NOW + 62, ours.behavior)
    assert memory.recommended[-1] == Recommendation(NOW + 60, 5)


def test_a_look_that_is_heard_of_late_is_not_counted_twice() -> None:
    memory, ours = Recommendations(5, NOW), task("ours", 5)
    memory.recommend(5, NOW)
    memory.pass_to(NOW + 15.3, ours.behavior)
    memory.sync(2, NOW + 15.3)
    assert [one.replicas for one in memory.recommended] == [5, 2]
    assert memory.next_look == NOW + 30.3


def test_the_longest_windows_and_largest_policies_that_the_api_takes_are_looked_through() -> None:
    policies = [{"type": type, "value": 2**31 - 1, "periodSeconds": 1800} for type in ("Percent", "Pods")]
    rules = {"stabilizationWindowSeconds": 3600, "policies": policies}
    spec = msgspec.convert({"behavior": {"scaleUp": rules, "scaleDown": rules}}, objects.AutoscalerSpec)
    memory, slow = Recommendations(5, NOW), HpaSpec(70, 2, 2**31 - 1, behavior_of(spec), 5, "", 0)
    memory.recommend(5, NOW)
    memory.pass_to(NOW + 86_400, slow.behavior)
    assert len(memory.recommended) <= 3600 / LOOK_SECONDS + 2
    assert memory.next_change(slow, 5) is None
    at, replicas = memory.next_change(slow, 2**31 - 2) or (0.0, 0)
    assert (at - NOW) == pytest.approx(86_400 + 3600, abs=2 * LOOK_SECONDS) and replicas == 2**31 - 2
    assert slow.allowed(2**31 - 2, [], NOW) == 2**31 - 1


@pytest.mark.parametrize("seconds", [2**31 - 1, 10**18])
def test_a_window_beyond_what_the_api_takes_costs_no_more(seconds: int) -> None:
    policies = [{"type": "Pods", "value": 1, "periodSeconds": seconds}]
    rules = {"stabilizationWindowSeconds": seconds, "policies": policies}
    spec = msgspec.convert({"behavior": {"scaleDown": rules}}, objects.AutoscalerSpec)
    memory, slow = Recommendations(5, NOW), HpaSpec(70, 2, 5, behavior_of(spec), 5, "", 0)
    memory.recommend(5, NOW)
    memory.pass_to(NOW + 86_400, slow.behavior)
    assert slow.behavior.memory == 3600 and memory.next_change(slow, 2) is None


def test_a_day_of_silence_leaves_no_more_than_the_windows_hold() -> None:
    memory, ours = Recommendations(2, NOW), task("ours", 2)
    memory.recommend(2, NOW)
    memory.pass_to(NOW + 86_400, ours.behavior)
    assert 4 <= len(memory.recommended) <= 6 and NOW + 86_400 - memory.next_look <= LOOK_SECONDS
