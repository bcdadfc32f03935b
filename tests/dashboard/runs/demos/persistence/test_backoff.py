"""Kubelet's back-off, as a pod's status shows it."""

import pytest

from dashboard.core.timestamps import rfc3339
from dashboard.kube.pods.control import PodIdentity
from dashboard.runs.demos.persistence.backoff import BackOff, back_off

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("waited", "ran", "expected"),
    [
        (10.0, 60.0, BackOff(20.0, 540.0)),
        (80.0, 60.0, BackOff(160.0, 540.0)),
        (301.0, 599.0, BackOff(300.0, 1.0)),
        (80.0, 600.0, None),
        (3600.0, 60.0, None),  # the node was away
        (-5.0, 60.0, None),
    ],
)
def test_next_wait_is_twice_the_last_one_until_it_is_forgotten(
    waited: float, ran: float, expected: BackOff | None
) -> None:
    started = NOW - ran
    pod = PodIdentity("m", "u", "c", "n", True, started=rfc3339(started), ended=rfc3339(started - waited))
    assert back_off(pod, NOW) == expected


def test_mongod_that_never_ended_has_none() -> None:
    assert back_off(PodIdentity("m", "u", "c", "n", True, started=rfc3339(NOW)), NOW) is None
