"""What is waited for before the load, each with its words; and when it has settled."""

from typing import Any

import pytest

from dashboard.core.hpa.recommendations import SYNC_SECONDS
from dashboard.runs.demos.autoscale.observation import Observation
from dashboard.runs.demos.autoscale.settling import SETTLED_SECONDS, SYNCS, Settling
from tests.dashboard.runs.demos.autoscale.observations import ON_ITS_WAY, T0, pod, seen

BEGAN = T0 - 100


def waits(one: Observation, began: float = BEGAN) -> str:
    why = Settling(began).waits_for(one, 15.0)
    assert why is not None
    return why


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"away": "metrics"}, "metrics"),
        ({"active": False, "inactive": "FailedGetResourceMetric: no metrics"}, "FailedGetResourceMetric"),
        ({"updated": False}, "rollout"),
        ({"there": (pod(0), pod(1, **ON_ITS_WAY))}, "1 of 2 Ready"),
        ({"there": (pod(0), pod(1), pod(2)), "desired": 2}, "3 of 2 Ready"),
        ({"there": (pod(0), pod(1, phase="Terminating"))}, "1 terminating"),
        ({"there": (pod(0),), "desired": 2, "failure": "exceeded quota"}, "exceeded quota"),
        ({"used": None}, "2 of 2 pods"),
        ({"next_change": (T0 + 40, 3)}, "from 2 to 3 pods, in about 40 s"),
        ({"used": 133.0}, "CPU 133 %"),
    ],
)
def test_each_reason_is_named(change: dict[str, Any], words: str) -> None:
    assert words in waits(seen(**change))


def test_samples_count_whose_window_began_after_the_run_did() -> None:
    assert "16 s more" in waits(seen(), began=T0 - 14.0)
    assert "samples" not in waits(seen(), began=T0 - 15.0)
    late = seen(200, samples={"u0": (T0, 5.0, 15.0), "u1": (T0, 5.0, 15.0)})
    assert "due now" in waits(late, began=T0)


def test_it_has_settled_once_all_was_so_for_a_while() -> None:
    settling = Settling(BEGAN)
    assert settling.waits_for(seen(0), 15.0) is not None
    assert settling.waits_for(seen(SETTLED_SECONDS - 0.5), 15.0) is not None
    assert settling.waits_for(seen(SETTLED_SECONDS), 15.0) is None


def test_whatever_comes_between_makes_it_begin_anew() -> None:
    settling = Settling(BEGAN)
    settling.waits_for(seen(0), 15.0)
    settling.waits_for(seen(2, away="pods"), 15.0)
    assert settling.waits_for(seen(4), 15.0) is not None


def test_above_min_it_waits_whether_fewer_are_enough() -> None:
    settling = Settling(BEGAN)
    window = 60.0 + SYNCS * SYNC_SECONDS
    busy: dict[str, Any] = {"pods": 3, "used": 60.0, "figure": 60}
    assert "over min 2" in (settling.waits_for(seen(0, **busy), 15.0) or "")
    assert "1.0 s more" in (settling.waits_for(seen(window - 1, **busy), 15.0) or "")
    settling.waits_for(seen(window, **busy), 15.0)
    assert settling.waits_for(seen(window + SETTLED_SECONDS, **busy), 15.0) is None


def test_idle_pods_over_min_have_not_settled() -> None:
    assert "waiting for the autoscaler" in waits(seen(pods=4))
