"""The simulated autoscaler."""

from datetime import UTC, datetime
from typing import Any

from dashboard.core.hpa.recommendations import SYNC_SECONDS
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.autoscaler import SimulatedAutoscaler


class Controlled:
    """An autoscaler of 2 to 5 pods with a target of 70 %; a pod requests 100 millicores."""

    def __init__(self) -> None:
        self._clock = SimulationClock(datetime(2026, 11, 24, 12, tzinfo=UTC))
        self.autoscaler = SimulatedAutoscaler(self._clock, pods=2, speed=1)

    def sync(self, *cpu: float | None) -> int:
        """Sync with the pods' millicores. Return the desired replicas."""
        self._clock.simulated += SYNC_SECONDS
        before = self.autoscaler.desired
        assert self.autoscaler.step(cpu) == (self.autoscaler.desired != before)
        return self.autoscaler.desired

    def reasons(self) -> dict[str, Any]:
        conditions = self.autoscaler.manifest("flask", "flask", "")["status"]["conditions"]
        return {each["type"]: each["reason"] for each in conditions}


def test_scales_up_to_the_maximum() -> None:
    hpa = Controlled()
    assert hpa.sync(133.0, 133.0) == 4
    assert hpa.reasons()["AbleToScale"] == "SucceededRescale"
    assert hpa.sync(100.0, 100.0, 100.0, 100.0) == 5
    assert hpa.reasons()["ScalingLimited"] == "TooManyReplicas"


def test_scales_down_after_the_stabilization_window() -> None:
    hpa = Controlled()
    assert hpa.sync(200.0, 200.0) == 5
    assert [hpa.sync(*[5.0] * 5) for _ in range(3)] == [5, 5, 5]
    assert hpa.reasons()["AbleToScale"] == "ScaleDownStabilized"
    assert hpa.sync(*[5.0] * 5) == 2


def test_pod_without_a_sample_counts_as_idle_when_scaling_up() -> None:
    assert Controlled().sync(150.0, None) == 2
    assert Controlled().sync(190.0, None) == 3


def test_without_samples_nothing_changes() -> None:
    hpa = Controlled()
    assert hpa.sync(None, None) == 2
    assert hpa.autoscaler.manifest("flask", "flask", "")["status"]["currentMetrics"] == []


def test_syncs_every_15_seconds() -> None:
    clock = SimulationClock(datetime(2026, 11, 24, 12, tzinfo=UTC))
    autoscaler = SimulatedAutoscaler(clock, pods=2, speed=1)
    autoscaler.step([50.0, 50.0])
    clock.simulated += SYNC_SECONDS - 0.5
    assert not autoscaler.step([200.0, 200.0])
    clock.simulated += 0.5
    assert autoscaler.step([200.0, 200.0])
