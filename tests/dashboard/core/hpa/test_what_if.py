"""What an autoscaler would do, compared with what its evaluation says and its controller decides."""

# ruff: noqa: RUF001 - the texts have multiplication signs

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dashboard.core import objects
from dashboard.core.hpa.behavior import Change, HpaBehavior, Recommendation, behavior_of
from dashboard.core.hpa.spec import HpaSpec
from dashboard.core.hpa.utilization import Figures, Unmeasurable
from dashboard.core.hpa.what_if import MOST_PODS, MOST_SCALINGS, MOST_USAGE, what_if
from dashboard.core.wire import WhatIf
from dashboard.mock.cluster.manifests import BEHAVIOR
from tests.dashboard.core.hpa.cases import CASES
from tests.dashboard.core.hpa.test_evaluation import autoscaler, evaluated, pods, samples
from tests.dashboard.stubs import ROOT


def behavior(given: dict[str, Any] | None = BEHAVIOR) -> HpaBehavior:
    return behavior_of(msgspec.convert({"behavior": given}, objects.AutoscalerSpec))


def spec(current: int, target: int = 70, low: int = 2, high: int = 5, **more: Any) -> HpaSpec:
    return HpaSpec(target, low, high, more.pop("behavior", behavior()), current, "", 0, **more)


def steps(answer: WhatIf) -> list[tuple[float, int, int]]:
    return [(one.after, one.start, one.to) for one in answer.scalings]


def test_more_work_gives_pods_at_the_next_sync() -> None:
    answer = what_if(spec(3, high=8), 120)
    assert (answer.formula, answer.wanted, answer.clamped) == ("ceil(3 × 120 / 70) = 6", 6, 6)
    assert steps(answer) == [(0.0, 3, 6)]
    assert (answer.ends_at, answer.percent_at_end, answer.settled) == (6, 60, True)


def test_another_target_gives_another_number() -> None:
    assert what_if(replace(spec(3, high=8), target=50), 120).wanted == 8
    assert what_if(spec(3, high=8), 70).scalings == []


def test_less_work_waits_for_the_window() -> None:
    assert steps(what_if(spec(5), 20)) == [(60.0, 5, 2)]


def test_policies_make_several_scalings() -> None:
    slow = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}]}}
    assert steps(what_if(spec(2, behavior=behavior(slow)), 200)) == [(0.0, 2, 3), (30.0, 3, 4), (60.0, 4, 5)]


def test_least_permissive_policy_counts_with_min() -> None:
    pods_rule = {"type": "Pods", "value": 4, "periodSeconds": 15}
    policies = [pods_rule, {"type": "Percent", "value": 50, "periodSeconds": 15}]
    up = {"policies": policies, "selectPolicy": "Min"}
    assert what_if(spec(2, behavior=behavior({"scaleUp": up})), 200).scalings[0].to == 3


def test_disabled_direction_does_nothing() -> None:
    answer = what_if(spec(2, behavior=behavior({"scaleUp": {"selectPolicy": "Disabled"}})), 200)
    assert (answer.wanted, answer.scalings, answer.settled) == (6, [], True)


def test_unmeasured_pods_count_as_idle_on_the_way_up_and_as_busy_on_the_way_down() -> None:
    assert what_if(spec(4, high=20), 140, unready=2).wanted == 4
    assert what_if(spec(4, high=20), 20, missing=2).wanted == 4
    assert what_if(spec(4, high=20), 20).wanted == 2


def test_pods_out_of_bounds_are_brought_back_whatever_cpu_is() -> None:
    above = what_if(spec(8), 500)
    assert (above.wanted, above.clamped, above.scalings[0].to) == (None, 5, 5)
    assert what_if(spec(1), 1).scalings[0].to == 2


@pytest.mark.parametrize(("current", "missing"), [(0, 0), (2, 2), (2, 3)])
def test_nothing_to_measure_is_no_answer(current: int, missing: int) -> None:
    with pytest.raises(Unmeasurable):
        what_if(spec(current), 100, missing)


def test_endless_scalings_end() -> None:
    slow = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}}
    answer = what_if(spec(1, low=1, high=10_000, behavior=behavior(slow)), 100_000)
    assert (len(answer.scalings), answer.settled) == (MOST_SCALINGS, False)


SPECS = st.builds(
    lambda current, target, low, more, case: spec(current, target, low, low + more, behavior=behavior(case)),
    st.integers(1, 60),
    st.integers(1, 300),
    st.integers(1, 40),
    st.integers(0, 60),
    st.sampled_from([None, BEHAVIOR, *CASES["behaviors"].values()]),
)
PERCENTS = st.integers(0, 2_000)


@given(SPECS, PERCENTS)
def test_first_number_is_the_proposal_of_the_evaluation(spec: HpaSpec, percent: int) -> None:
    answer = what_if(spec, percent)
    if spec.low <= spec.current <= spec.high:
        figures = Figures(spec.current, percent * spec.current, 100 * spec.current)
        assert answer.wanted == spec.propose(figures, percent).wanted
        history = [Recommendation(0.0, spec.current), Recommendation(0.0, answer.wanted)]
        at_once = spec.decide(answer.wanted, history, [], 0.0).replicas
        assert (answer.scalings[0].to if answer.scalings and not answer.scalings[0].after else spec.current) == at_once


@given(SPECS, PERCENTS)
def test_scalings_are_a_chain_within_bounds_and_policies(spec: HpaSpec, percent: int) -> None:
    answer = what_if(spec, percent)
    changes: list[Change] = []
    current = spec.current
    for one in answer.scalings:
        assert (one.start, one.to != one.start) == (current, True)
        assert spec.low <= one.to <= spec.high
        if spec.low <= current <= spec.high:
            allowed = replace(spec, current=current).allowed(one.to, changes, one.after)
            assert one.to - current <= allowed if one.to > current else one.to - current >= allowed
        changes.append(Change(one.after, one.to - current))
        current = one.to
    assert answer.ends_at == current
    assert [one.after for one in answer.scalings] == sorted({one.after for one in answer.scalings})


@given(SPECS, PERCENTS)
def test_settled_number_asks_for_no_other(spec: HpaSpec, percent: int) -> None:
    answer = what_if(spec, percent)
    if answer.settled:
        assert what_if(replace(spec, current=answer.ends_at), answer.percent_at_end).scalings == []


RULES = st.builds(
    lambda window, policies, select: {
        "stabilizationWindowSeconds": window,
        "selectPolicy": select,
        "policies": [{"type": type_, "value": value, "periodSeconds": period} for type_, value, period in policies],
    },
    st.integers(0, 3600) | st.sampled_from([0, 15, 30, 60, 300]),
    st.lists(
        st.tuples(
            st.sampled_from(["Pods", "Percent"]), st.integers(1, 200), st.integers(1, 1800) | st.sampled_from([15, 30])
        ),
        max_size=3,
    ),
    st.sampled_from(["Max", "Min", "Disabled"]),
)
BEHAVIORS = st.none() | st.fixed_dictionaries({}, optional={"scaleUp": RULES, "scaleDown": RULES})


@given(SPECS, PERCENTS, BEHAVIORS, st.integers(0, 3), st.integers(0, 3))
def test_scalings_are_those_of_each_sync_by_itself(
    spec: HpaSpec, percent: int, rules: dict[str, Any] | None, missing: int, unready: int
) -> None:
    spec = replace(spec, behavior=behavior(rules), current=spec.current + missing + unready)
    answer = what_if(spec, percent, missing, unready)
    measured = spec.current - missing - unready
    figures = Figures(measured, percent * measured, 100 * measured, (100,) * missing, (100,) * unready)
    assert (steps(answer), answer.ends_at, answer.settled) == sync_by_sync(spec, figures)


def sync_by_sync(spec: HpaSpec, given: Figures) -> tuple[list[tuple[float, int, int]], int, bool]:
    """Return the scalings, with the whole history of an hour kept and read at each sync, as the controller does."""
    found: list[tuple[float, int, int]] = []
    history, changes = [Recommendation(0.0, spec.current)], list[Change]()
    at = quiet = 0.0
    work = given.used
    while len(found) < MOST_SCALINGS:
        to, settled = spec.clamp(spec.current), False
        if to == spec.current:
            wanted = spec.propose(given, given.percent).wanted
            history.append(Recommendation(at, wanted))
            to = spec.decide(wanted, history, changes, at).replicas
            settled = spec.clamp(wanted) == spec.current
        if to != spec.current:
            found.append((at, spec.current, to))
            changes.append(Change(at, to - spec.current))
            spec, quiet = replace(spec, current=to), at
            if to == 0:
                return found, 0, True
            given = Figures(to, work // to * to, 100 * to)
        elif settled or at - quiet > spec.behavior.memory:
            return found, spec.current, True
        at += 15.0
        history = [one for one in history if one.at > at - spec.behavior.memory - 15.0]
    return found, spec.current, False


def test_long_windows_and_many_pods_cost_little() -> None:
    """Each question holds up all threads of the dashboard, and every viewer may ask."""
    rules = {
        "stabilizationWindowSeconds": 3600,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 1800}],
    }
    patient = spec(10_000, low=1, high=10_000, behavior=behavior({"scaleUp": rules, "scaleDown": rules}))
    began = time.thread_time()
    answer = what_if(patient, 1, missing=1_000)
    assert (len(answer.scalings), answer.scalings[-1].after) == (MOST_SCALINGS, 3600 + 19 * 1800)
    assert time.thread_time() - began < 0.2  # it took 20 ms, and over half a second with a history of each sync


@pytest.mark.parametrize("percent", [10, 35, 63, 70, 77, 78, 140, 900])
def test_answer_about_the_present_is_the_evaluation(percent: int) -> None:
    hpa = autoscaler(3, 3, percent)
    evaluation = evaluated(hpa, pods(3), samples(percent, 3))
    answer = what_if(spec(3), percent)
    assert (answer.formula, answer.sentence) == (evaluation["formula"], evaluation["sentence"])
    assert (answer.wanted, answer.clamped) == (evaluation["wanted"], evaluation["clamped"])


def test_limits_are_those_of_the_page() -> None:
    limits = json.loads((ROOT / "tests/cases/limits.json").read_text())
    assert limits["what_if"] == {"pods": MOST_PODS, "usage": MOST_USAGE}
