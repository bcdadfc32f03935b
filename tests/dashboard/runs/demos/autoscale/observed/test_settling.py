"""Settling before the load: the reasons to wait, and when the deployment has settled."""

from typing import Any

import pytest

from dashboard.core.hpa.recommendations import SYNC_SECONDS
from dashboard.runs.demos.autoscale.observed.observation import Observation
from dashboard.runs.demos.autoscale.observed.settling import SETTLED_SECONDS, SYNCS, Settling
from tests.dashboard.runs.demos.autoscale.observations import STARTING, T0, observation, pod

BEGAN = T0 - 100


def reason_to_wait(observed: Observation, began: float = BEGAN) -> str:
    reason = Settling(began).waits_for(observed, 15.0)
    assert reason is not None
    return reason


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"away": "metrics"}, "metrics"),
        ({"active": False, "inactive": "FailedGetResourceMetric: no metrics"}, "FailedGetResourceMetric"),
        ({"updated": False}, "rollout"),
        ({"pods": (pod(0), pod(1, **STARTING))}, "1 of 2 Ready"),
        ({"pods": (pod(0), pod(1), pod(2)), "desired": 2}, "3 of 2 Ready"),
        ({"pods": (pod(0), pod(1, phase="Terminating"))}, "1 terminating"),
        ({"pods": (pod(0),), "desired": 2, "failure": "exceeded quota"}, "exceeded quota"),
        ({"used": None}, "2 of 2 pods"),
        ({"next_change": (T0 + 40, 3)}, "from 2 to 3 pods, in about 40 s"),
        ({"used": 133.0}, "CPU 133 %"),
    ],
)
def test_each_reason_is_named(fields: dict[str, Any], cause: str) -> None:
    assert cause in reason_to_wait(observation(**fields))


def test_only_samples_whose_window_began_after_the_run_count() -> None:
    assert "16 s more" in reason_to_wait(observation(), began=T0 - 14.0)
    assert "samples" not in reason_to_wait(observation(), began=T0 - 15.0)
    late = observation(200, samples={"u0": (T0, 5.0, 15.0), "u1": (T0, 5.0, 15.0)})
    assert "due now" in reason_to_wait(late, began=T0)


def test_deployment_has_settled_after_a_while_without_a_reason_to_wait() -> None:
    settling = Settling(BEGAN)
    assert settling.waits_for(observation(0), 15.0) is not None
    assert settling.waits_for(observation(SETTLED_SECONDS - 0.5), 15.0) is not None
    assert settling.waits_for(observation(SETTLED_SECONDS), 15.0) is None


def test_reason_to_wait_restarts_the_while() -> None:
    settling = Settling(BEGAN)
    settling.waits_for(observation(0), 15.0)
    settling.waits_for(observation(2, away="pods"), 15.0)
    assert settling.waits_for(observation(4), 15.0) is not None


def test_pods_over_min_settle_after_the_stabilization_window() -> None:
    settling = Settling(BEGAN)
    window = 60.0 + SYNCS * SYNC_SECONDS
    busy: dict[str, Any] = {"count": 3, "used": 60.0, "figure": 60}
    assert "over min 2" in (settling.waits_for(observation(0, **busy), 15.0) or "")
    assert "1.0 s more" in (settling.waits_for(observation(window - 1, **busy), 15.0) or "")
    settling.waits_for(observation(window, **busy), 15.0)
    assert settling.waits_for(observation(window + SETTLED_SECONDS, **busy), 15.0) is None


def test_idle_pods_that_another_metric_asks_for_settle() -> None:
    settling = Settling(BEGAN)
    window = 60.0 + SYNCS * SYNC_SECONDS
    held: dict[str, Any] = {"count": 4, "others": (("memory", 4),)}
    assert "memory" in (settling.waits_for(observation(0, **held), 15.0) or "")
    settling.waits_for(observation(window, **held), 15.0)
    assert settling.waits_for(observation(window + SETTLED_SECONDS, **held), 15.0) is None


def test_idle_pods_over_min_do_not_settle() -> None:
    assert "waiting for the autoscaler" in reason_to_wait(observation(count=4))
