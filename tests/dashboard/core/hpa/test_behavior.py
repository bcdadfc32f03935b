"""Windows, policies and bounds, compared with the recorded decisions of Kubernetes' own HPA controller."""

from typing import Any

import msgspec
import pytest

from dashboard.core import objects
from dashboard.core.hpa.behavior import Change, HpaBehavior, Recommendation, behavior_of, decide
from dashboard.core.hpa.utilization import Tolerance
from tests.dashboard.core.hpa.cases import CASES, NOW


def behavior(name: str) -> HpaBehavior:
    return behavior_of(msgspec.convert({"behavior": CASES["behaviors"][name]}, objects.AutoscalerSpec))


@pytest.mark.parametrize(
    "case", CASES["limits"], ids=[f"{case['behavior']}-{index}" for index, case in enumerate(CASES["limits"])]
)
def test_decisions_match_the_controller(case: dict[str, Any]) -> None:
    recommended = [Recommendation(NOW - ago, replicas) for ago, replicas in case["recommendations"]]
    changes = [Change(NOW - ago, change) for ago, change in case["ups"]]
    changes += [Change(NOW - ago, -change) for ago, change in case["downs"]]
    bounds = (case["min"], case["max"])
    decision = decide(behavior(case["behavior"]), bounds, case["current"], case["wanted"], recommended, changes, NOW)
    assert (decision.replicas, decision.limited) == (case["result"], case["limited"])
    assert (decision.stabilized != case["wanted"]) == (case["able"] != "ReadyForNewScale")


@pytest.mark.parametrize("case", CASES["courses"], ids=lambda case: case["name"])
def test_sequence_of_decisions_matches_the_controller(case: dict[str, Any]) -> None:
    current = case["start"]
    recommended, changes, decided = [Recommendation(NOW, current)], [], []
    for sync, wanted in enumerate(case["wanted"]):
        at = NOW + sync * 15.02
        decision = decide(
            behavior(case["behavior"]), (case["min"], case["max"]), current, wanted, recommended, changes, at
        )
        recommended.append(Recommendation(at, wanted))
        if decision.replicas != current:
            changes.append(Change(at, decision.replicas - current))
        current = decision.replicas
        decided.append(current)
    assert decided == case["desired"]


def test_unset_fields_have_defaults() -> None:
    unset, defaults = behavior("none"), behavior("defaults")
    assert (unset.up, unset.down, unset.tolerance) == (defaults.up, defaults.down, defaults.tolerance)
    assert (unset.given, defaults.given) == (False, True)
    assert (defaults.up.window, defaults.down.window, defaults.memory) == (0.0, 300.0, 300.0)


def test_each_direction_has_its_own_tolerance() -> None:
    spec = {"behavior": {"scaleUp": {"tolerance": "50m"}, "scaleDown": {"tolerance": "0.2"}}}
    tolerance = behavior_of(msgspec.convert(spec, objects.AutoscalerSpec)).tolerance
    assert (tolerance.down, tolerance.up) == (0.2, 0.05)


def test_tolerance_of_the_spec_is_also_the_widest() -> None:
    spec = objects.AutoscalerSpec(behavior=objects.Behavior(scale_up=objects.ScalingRules(tolerance="0.05")))
    assert behavior_of(spec).widest == Tolerance(down=0.3, up=0.1), "the default, for a controller that ignores it"
