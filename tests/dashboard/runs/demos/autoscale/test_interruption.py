"""What ends a run without a finding."""

from typing import Any

import pytest

from dashboard.load.options import LoadTotals
from dashboard.runs.demos.autoscale.interruption import (
    BLIND_SECONDS,
    FAILING_SECONDS,
    INACTIVE_SECONDS,
    Failing,
    Watchdog,
    unprovable,
)
from dashboard.runs.demos.autoscale.observation import Observation
from tests.dashboard.runs.demos.autoscale.observations import START, T0, pod, seen

SPEC = (("scaleTargetRef", "Deployment flask"), ("minReplicas", 2), ("maxReplicas", 5))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": (("scaleTargetRef", "Deployment other"),)}, "scaleTargetRef"),
        ({"high": 2}, "maxReplicas"),
        ({"disabled": ("scaleUp",)}, "scaleUp"),
        ({"disabled": ("scaleDown",)}, "scaleDown"),
        ({"target": 400}, "400 %"),
    ],
)
def test_misconfiguration_is_named(change: dict[str, Any], words: str) -> None:
    assert words in (unprovable(seen(**change), "flask") or "")


def test_one_pod_that_can_reach_the_target_is_enough_and_no_limit_is_none() -> None:
    assert unprovable(seen(spec=SPEC), "flask") is None
    assert unprovable(seen(target=400, there=(pod(0), pod(1, limit=None))), "flask") is None


def watched(*observations: Observation) -> list[str | None]:
    watchdog = Watchdog(seen(spec=SPEC))
    return [watchdog.see(one, 15.0) for one in observations]


@pytest.mark.parametrize(("name", "value"), [("scaleTargetRef", "Deployment other"), ("maxReplicas", 3)])
def test_autoscaler_that_was_changed_ends_it(name: str, value: Any) -> None:
    (why,) = watched(seen(1, spec=tuple((dict(SPEC) | {name: value}).items())))
    assert why and name in why


def test_roll_out_ends_it() -> None:
    (why,) = watched(seen(1, updated=False))
    assert why and "rolled out" in why


def test_one_that_can_not_scale_ends_it_after_a_while() -> None:
    off: dict[str, Any] = {"active": False, "inactive": "FailedGetResourceMetric"}
    early, late = watched(seen(1, **off), seen(2 + INACTIVE_SECONDS, **off))
    assert early is None and late and "FailedGetResourceMetric" in late
    assert watched(seen(1, **off), seen(30), seen(40, **off), seen(80, **off)) == [None] * 4


@pytest.mark.parametrize("more", [{"away": "metrics"}, {"samples": {}}, {"samples": START.samples}])
def test_no_new_samples_end_it_after_a_while(more: dict[str, Any]) -> None:
    limit = BLIND_SECONDS + 2 * 15
    early, late = watched(seen(limit, **more), seen(limit + 1, **more))
    assert early is None and late and "no new CPU samples" in late


@pytest.mark.parametrize("behind", [0, 120])
def test_new_samples_are_new_whatever_their_clock_says(behind: float) -> None:
    looks = [
        seen(at, samples={"u0": (T0 + at - behind, 5.0, 15.0), "u1": (T0 + at - behind, 5.0, 15.0)})
        for at in range(15, 300, 15)
    ]
    assert watched(*looks) == [None] * len(looks)


def test_controller_that_does_not_follow_the_samples_ends_it() -> None:
    early, late = watched(seen(1, used=133.0), seen(92, used=133.0))
    assert early is None and late and "does not sync" in late
    assert watched(seen(1, used=133.0), seen(92, used=133.0, figure=133)) == [None, None]
    assert watched(seen(1, used=72.0), seen(92, used=72.0)) == [None, None], "within the tolerance"


def test_more_than_half_of_the_requests_for_too_long_are_failing() -> None:
    failing = Failing()
    looks = [failing.see(LoadTotals(achieved=10 * at, errors=6 * at), float(at)) for at in range(1, 14)]
    assert looks.index(True) == FAILING_SECONDS
    assert not any(Failing().see(LoadTotals(achieved=10 * at, errors=5 * at), float(at)) for at in range(1, 30))
