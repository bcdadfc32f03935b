"""The reasons that end a run without a finding."""

from typing import Any

import pytest

from dashboard.runs.demos.autoscale.interruption import (
    BLIND_SECONDS,
    INACTIVE_SECONDS,
    JUMP_SECONDS,
    STALE_SECONDS,
    Watchdog,
    clock_jump,
    late_samples,
    unprovable,
)
from dashboard.runs.demos.autoscale.observed.observation import Observation
from tests.dashboard.runs.demos.autoscale.observations import START, T0, observation, pod

SPEC = (("scaleTargetRef", "Deployment flask"), ("minReplicas", 2), ("maxReplicas", 5))


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"spec": (("scaleTargetRef", "Deployment other"),)}, "scaleTargetRef"),
        ({"high": 2}, "maxReplicas"),
        ({"disabled": ("scaleUp",)}, "scaleUp"),
        ({"disabled": ("scaleDown",)}, "scaleDown"),
        ({"target": 400}, "400 %"),
        ({"up_window": 1201.0}, "stabilizationWindowSeconds"),
        ({"asked": 0}, "scale it to 1"),
    ],
)
def test_misconfiguration_is_named(fields: dict[str, Any], cause: str) -> None:
    assert cause in (unprovable(observation(**fields), "flask") or "")


def test_one_pod_whose_cpu_limit_allows_the_target_is_enough() -> None:
    assert unprovable(observation(spec=SPEC), "flask") is None
    assert unprovable(observation(target=400, pods=(pod(0), pod(1, limit=None))), "flask") is None


def interruptions(*observations: Observation) -> list[str | None]:
    """Return the watchdog's reason after each observation."""
    watchdog = Watchdog(observation(spec=SPEC))
    return [watchdog.disturbance(one) or watchdog.see(one, 15.0) for one in observations]


@pytest.mark.parametrize(("name", "value"), [("scaleTargetRef", "Deployment other"), ("maxReplicas", 3)])
def test_change_of_the_autoscalers_spec_ends_the_run(name: str, value: Any) -> None:
    (reason,) = interruptions(observation(1, spec=tuple((dict(SPEC) | {name: value}).items())))
    assert reason and name in reason


def test_rollout_ends_the_run() -> None:
    (reason,) = interruptions(observation(1, updated=False))
    assert reason and "rolled out" in reason


def test_inactive_autoscaler_ends_the_run_after_a_while() -> None:
    inactive: dict[str, Any] = {"active": False, "inactive": "FailedGetResourceMetric"}
    limit = INACTIVE_SECONDS + 2 * 15
    early, late = interruptions(observation(1, **inactive), observation(2 + limit, **inactive))
    assert early is None and late and "FailedGetResourceMetric" in late
    observations = [observation(at, **({} if at == 30 else inactive)) for at in (1, 30, 40, 80)]
    assert interruptions(*observations) == [None] * 4


def test_autoscaler_that_is_inactive_again_and_again_ends_the_run() -> None:
    inactive: dict[str, Any] = {"active": False, "inactive": "FailedGetResourceMetric"}
    observations = [observation(at, **(inactive if at % 60 < 40 else {})) for at in range(1, 240)]
    reasons = [reason for reason in interruptions(*observations) if reason]
    assert reasons and "again and again" in reasons[0]


@pytest.mark.parametrize("fields", [{"away": "metrics"}, {"samples": {}}, {"samples": START.samples}])
def test_missing_samples_end_the_run_after_a_while(fields: dict[str, Any]) -> None:
    limit = BLIND_SECONDS + 2 * 15
    early, late = interruptions(observation(limit, **fields), observation(limit + 1, **fields))
    assert early is None and late and "CPU samples" in late


@pytest.mark.parametrize("skew", [0, 120])
def test_clock_skew_does_not_make_samples_old(skew: float) -> None:
    observations = [
        observation(at, samples={"u0": (T0 + at - skew, 5.0, 15.0), "u1": (T0 + at - skew, 5.0, 15.0)})
        for at in range(15, 300, 15)
    ]
    assert interruptions(*observations) == [None] * len(observations)


def test_samples_that_are_old_by_the_dashboards_clock_are_named() -> None:
    sampled = {"u0": (T0, 5.0, 15.0), "u1": (T0, 5.0, 15.0)}
    reasons = [late_samples(observation(age, samples=sampled), 15.0) for age in (60, 120, 121)]
    assert [reason is not None for reason in reasons] == [False, False, True]
    assert late_samples(observation(samples={}), 15.0) is None


def test_clock_that_jumps_either_way_ends_the_run() -> None:
    gaps = (-JUMP_SECONDS - 1, -JUMP_SECONDS, 1.0, JUMP_SECONDS, JUMP_SECONDS + 1)
    assert [clock_jump(T0, T0 + gap) is not None for gap in gaps] == [True, False, False, False, True]


def test_controller_that_does_not_follow_the_samples_ends_the_run() -> None:
    early, late = interruptions(observation(1, used=133.0), observation(92, used=133.0))
    assert early is None and late and "sync" in late
    assert interruptions(observation(1, used=133.0), observation(92, used=133.0, figure=133)) == [None, None]
    assert interruptions(observation(1, used=72.0), observation(92, used=72.0)) == [None, None], "within the tolerance"


def test_figure_that_the_samples_left_long_ago_ends_the_run_in_either_direction() -> None:
    late = 2 + STALE_SECONDS + 2 * 15
    for used, figure in ((72.0, 5), (5.0, 133)):
        before, at_first, reason = interruptions(*(observation(at, used=used, figure=figure) for at in (0, 1, late)))
        assert before is None and at_first is None and reason and "sync" in reason
    fresh = [observation(at, used=133.0, figure=130 + at) for at in (0, 1, 2)]
    assert interruptions(*fresh, observation(late, used=133.0, figure=133)) == [None] * 4
    near = [observation(at, used=72.0, figure=60) for at in (0, 1, late)]
    assert interruptions(*near) == [None] * 3, "it may measure other pods"


def test_deployment_that_is_scaled_to_zero_ends_the_run() -> None:
    (reason,) = interruptions(observation(1, asked=0))
    assert reason and "scaled to 0" in reason
