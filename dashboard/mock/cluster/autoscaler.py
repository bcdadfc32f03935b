"""The HorizontalPodAutoscaler's controller: its arithmetic on the samples that there are, and its policies."""

import math
from collections import deque
from collections.abc import Sequence

from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.manifests import BEHAVIOR, Json, metadata

TARGET_PERCENT = 70
TOLERANCE = 0.1
PERIOD_SECONDS = 15.0  # of simulated time
WINDOW_SECONDS = 60.0  # of simulated time: how long a recommendation holds a scale-down back
MOST_MORE = 3  # pods over those at rest
REQUEST = 100.0  # millicores of a pod


class SimulatedAutoscaler:
    """Decides how many pods there shall be."""

    def __init__(self, clock: SimulationClock, pods: int, speed: float) -> None:
        self.desired = pods
        self.reason = ""  # of the last change, in the controller's words
        self._clock = clock
        self._least, self._most = pods, pods + MOST_MORE
        self._window = max(1, round(WINDOW_SECONDS / speed))  # as shown: in real seconds
        self._current = pods
        self._percent: int | None = None
        self._recommended: deque[tuple[float, int]] = deque()
        self._due = 0.0
        self._scaled: str | None = None
        self._able = ("ReadyForNewScale", "recommended size matches current size")
        self._limited = ("DesiredWithinRange", "the desired count is within the acceptable range")

    def step(self, used: Sequence[float | None]) -> bool:
        """Looks at the pods' CPU (None: no sample yet) when it is time to; whether it changed its mind."""
        if self._clock.seconds < self._due:
            return False
        self._due = self._clock.seconds + PERIOD_SECONDS
        known = [cpu for cpu in used if cpu is not None]
        self._current = len(used)
        if not known:
            return False
        self._percent = int(100 * sum(known) / (REQUEST * len(known)))
        before, self.desired = self.desired, self._decide(known, len(used))
        if self.desired == before:
            return False
        self._scaled = self._clock.stamp
        self._able = "SucceededRescale", f"the HPA controller was able to update the target scale to {self.desired}"
        self.reason = (
            "cpu resource utilization (percentage of request) above target"
            if self.desired > before
            else "All metrics below target"
        )
        return True

    def written(self, name: str, deployment: str, created: str) -> Json:
        """The object as the API server has it."""
        target = {"type": "Utilization", "averageUtilization": TARGET_PERCENT}
        current = {"averageUtilization": self._percent, "averageValue": f"{self._percent}m"}
        behavior = BEHAVIOR | {"scaleDown": BEHAVIOR["scaleDown"] | {"stabilizationWindowSeconds": self._window}}
        limited = self._limited[0] != "DesiredWithinRange"
        active = "the HPA was able to successfully calculate a replica count from cpu resource utilization"
        return {
            "metadata": metadata(name, f"uid-{name}-autoscaler", created),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
                "minReplicas": self._least,
                "maxReplicas": self._most,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
                "behavior": behavior,
            },
            "status": {
                "currentReplicas": self._current,
                "desiredReplicas": self.desired,
                "lastScaleTime": self._scaled,
                "currentMetrics": []
                if self._percent is None
                else [{"type": "Resource", "resource": {"name": "cpu", "current": current}}],
                "conditions": [
                    _condition("AbleToScale", True, *self._able),
                    _condition("ScalingActive", True, "ValidMetricFound", f"{active} (percentage of request)"),
                    _condition("ScalingLimited", limited, *self._limited),
                ],
            },
        }

    def _decide(self, known: list[float], pods: int) -> int:
        now = self._clock.seconds
        wanted = self._wanted(known, pods)
        self._recommended.append((now, wanted))
        while self._recommended[0][0] < now - WINDOW_SECONDS:
            self._recommended.popleft()
        held = max(one for _, one in self._recommended)
        stabilized = wanted if wanted >= self.desired else min(self.desired, held)
        if stabilized != wanted:
            self._able = (
                "ScaleDownStabilized",
                "recent recommendations were higher than current one, applying the highest recent recommendation",
            )
        else:
            self._able = "ReadyForNewScale", "recommended size matches current size"
        return self._limit(stabilized)

    def _wanted(self, known: list[float], pods: int) -> int:
        """A pod without a sample counts as idle where more are wanted, and as busy where fewer are."""
        ratio = sum(known) / (REQUEST * len(known)) * 100 / TARGET_PERCENT
        missing = pods - len(known)
        if missing:
            assumed = 0.0 if ratio > 1 else missing * REQUEST
            again = (sum(known) + assumed) / (REQUEST * pods) * 100 / TARGET_PERCENT
            if abs(again - 1) <= TOLERANCE or (again > 1) != (ratio > 1):
                return self.desired
            ratio = again
        return self.desired if abs(ratio - 1) <= TOLERANCE else math.ceil(ratio * pods)

    def _limit(self, wanted: int) -> int:
        """Within min and max, and no faster than the policies allow."""
        most, least = max(2 * self.desired, self.desired + 4), self.desired // 2
        self._limited = "DesiredWithinRange", "the desired count is within the acceptable range"
        if wanted > self._most:
            self._limited = "TooManyReplicas", "the desired replica count is more than the maximum replica count"
        elif wanted < self._least:
            self._limited = "TooFewReplicas", "the desired replica count is less than the minimum replica count"
        return min(self._most, most, max(self._least, least, wanted))


def _condition(type_: str, holds: bool, reason: str, message: str) -> Json:
    return {"type": type_, "status": str(holds), "reason": reason, "message": message}
