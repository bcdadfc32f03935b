"""The simulated HorizontalPodAutoscaler and its controller, which decides by `core.hpa`."""

import math
from collections import deque
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from dashboard.core import objects
from dashboard.core.hpa import behavior
from dashboard.core.hpa.recommendations import SYNC_SECONDS
from dashboard.core.hpa.spec import HpaSpec, cpu_metric
from dashboard.core.hpa.utilization import Figures
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.autoscaler_variants import altered
from dashboard.mock.cluster.manifests import BEHAVIOR, Json, metadata

TARGET_PERCENT = 70
REQUEST = 100  # millicores of a pod
EXTRA_PODS = 3  # maxReplicas less minReplicas

MESSAGES = {  # of the conditions, by their reasons
    behavior.WITHIN: "the desired count is within the acceptable range",
    behavior.UP_RATE: "the desired replica count is increasing faster than the maximum scale rate",
    behavior.DOWN_RATE: "the desired replica count is decreasing faster than the maximum scale rate",
    behavior.TOO_MANY: "the desired replica count is more than the maximum replica count",
    behavior.TOO_FEW: "the desired replica count is less than the minimum replica count",
    "ReadyForNewScale": "recommended size matches current size",
    "ScaleDownStabilized": "recent recommendations were higher than current one, applying the highest recent"
    " recommendation",
    "SucceededRescale": "the HPA controller was able to update the target scale to {desired}",
    "ValidMetricFound": "the HPA was able to successfully calculate a replica count from cpu resource utilization"
    " (percentage of request)",
}


class SimulatedAutoscaler:
    """Decides `desired`, the Deployment's replicas. minReplicas is `pods`.

    It decides in simulated time. The object has its stabilization window in real seconds, `speed` times shorter.
    """

    def __init__(self, clock: SimulationClock, pods: int, speed: float, variant: str = "") -> None:
        self.desired = pods
        self.variant = variant  # of autoscaler_variants
        self.reason = ""  # of the last scaling, in the controller's words
        rules = behavior.behavior_of(msgspec.convert({"behavior": BEHAVIOR}, objects.AutoscalerSpec))
        self._spec = HpaSpec(TARGET_PERCENT, pods, pods + EXTRA_PODS, rules, current=pods, container="", others=0)
        self._clock = clock
        self._speed = speed
        self._window = max(1, round(rules.down.window / speed))
        self._behavior = BEHAVIOR | {"scaleDown": BEHAVIOR["scaleDown"] | {"stabilizationWindowSeconds": self._window}}
        self._current = pods
        self._percent: int | None = None
        syncs = int(rules.memory // SYNC_SECONDS) + 1
        self._recommended: deque[behavior.Recommendation] = deque(maxlen=syncs)
        self._changes: deque[behavior.Change] = deque(maxlen=syncs)
        self._sync_at = 0.0
        self._scaled_at: str | None = None
        self._able = "ReadyForNewScale"
        self._limited = behavior.WITHIN

    def step(self, cpu: Sequence[float | None]) -> bool:
        """Sync every 15 s. `cpu` are the pods' millicores, None without a sample. Return whether `desired` changed."""
        now = self._clock.simulated
        if now < self._sync_at:
            return False
        self._sync_at = now + SYNC_SECONDS
        self._current = len(cpu)
        used = [math.ceil(each) for each in cpu if each is not None]
        if not used:
            return False
        figures = Figures(len(used), sum(used), REQUEST * len(used), missing=(REQUEST,) * (len(cpu) - len(used)))
        self._percent = figures.percent
        return self._scale(figures, now)

    def change(self, spec: Json) -> None:
        """Take a changed spec, whose scale-down window is in real seconds. The next sync is at once."""
        self._behavior = spec.get("behavior") or {}
        given = msgspec.convert(spec, objects.AutoscalerSpec)
        rules = behavior.behavior_of(given)
        target = cpu_metric(given.metrics)
        self._spec = replace(
            self._spec,
            low=given.min_replicas,
            high=given.max_replicas,
            target=(target.target.average_utilization if target else None) or TARGET_PERCENT,
            behavior=replace(rules, down=replace(rules.down, window=rules.down.window * self._speed)),
        )
        self._sync_at = 0.0

    def manifest(self, name: str, deployment: str, created: str) -> Json:
        """Return the object as the API server has it."""
        target = {"type": "Utilization", "averageUtilization": self._spec.target}
        current = {"averageUtilization": self._percent, "averageValue": f"{self._percent}m"}
        whole = {
            "metadata": metadata(name, f"uid-{name}-autoscaler", created),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
                "minReplicas": self._spec.low,
                "maxReplicas": self._spec.high,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
                "behavior": self._behavior,
            },
            "status": {
                "currentReplicas": self._current,
                "desiredReplicas": self.desired,
                "lastScaleTime": self._scaled_at,
                "currentMetrics": []
                if self._percent is None
                else [{"type": "Resource", "resource": {"name": "cpu", "current": current}}],
                "conditions": [
                    self._condition("AbleToScale", True, self._able),
                    self._condition("ScalingActive", True, "ValidMetricFound"),
                    self._condition("ScalingLimited", self._limited != behavior.WITHIN, self._limited),
                ],
            },
        }
        return altered(self.variant, whole)

    def _scale(self, figures: Figures, now: float) -> bool:
        """Decide `desired`. Return whether it changed."""
        before = self.desired
        spec = replace(self._spec, current=before)
        if not spec.low <= before <= spec.high:  # whatever the CPU value is
            self.desired = spec.clamp(before)
            self._changes.append(behavior.Change(now, self.desired - before))
            self._able, self._scaled_at = "SucceededRescale", self._clock.stamp()
            bound = "below Spec.MinReplicas" if before < spec.low else "above Spec.MaxReplicas"
            self.reason = f"Current number of replicas {bound}"
            return True
        wanted = spec.propose(figures, figures.percent).wanted
        self._recommended.append(behavior.Recommendation(now, wanted))
        decision = spec.decide(wanted, list(self._recommended), list(self._changes), now)
        self.desired, self._limited = decision.replicas, decision.limited
        if self.desired == before:
            self._able = "ReadyForNewScale" if decision.stabilized == wanted else "ScaleDownStabilized"
            return False
        self._changes.append(behavior.Change(now, self.desired - before))
        self._able, self._scaled_at = "SucceededRescale", self._clock.stamp()
        self.reason = (
            "cpu resource utilization (percentage of request) above target"
            if self.desired > before
            else "All metrics below target"
        )
        return True

    def _condition(self, type_: str, holds: bool, reason: str) -> Json:
        message = MESSAGES[reason].format(desired=self.desired)
        return {"type": type_, "status": str(holds), "reason": reason, "message": message}
