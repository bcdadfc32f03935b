"""What an autoscaler is to do, as its object says."""

from msgspec import Struct

from dashboard.core.hpa.behavior import (
    Change,
    Decision,
    HpaBehavior,
    Recommendation,
    allowed_down,
    allowed_up,
    behavior_of,
    decide,
)
from dashboard.core.hpa.metrics import MILLICORES, PERCENT
from dashboard.core.hpa.utilization import Figures, Proposal, band, busy, propose
from dashboard.core.objects import Autoscaler, AutoscalerStatus, Metric, MetricValue, ResourceMetric
from dashboard.core.quantity import millicores


class HpaSpec(Struct, frozen=True):
    """The target, the least and the most pods; `current` is how many the Deployment asks for.

    `unit` is that of the target and of all figures: percent of the requests, or millicores a pod.
    """

    target: int
    low: int
    high: int
    behavior: HpaBehavior
    current: int
    container: str  # that is measured, "" for whole pods
    others: int  # metrics that are not about CPU
    unit: str = PERCENT

    @property
    def band(self) -> tuple[int, int]:
        """The lowest and the highest figure at which nothing changes."""
        return band(self.target, self.behavior.tolerance)

    @property
    def busy(self) -> int:
        """What a pod without a sample counts as on the way down."""
        return busy(self.target, self.unit)

    def clamp(self, wanted: int) -> int:
        return min(max(wanted, self.low), self.high)

    def propose(self, given: Figures, percent: int) -> Proposal:
        return propose(given, percent, self.target, self.current, self.behavior.tolerance, self.unit)

    def decide(self, wanted: int, recommended: list[Recommendation], changes: list[Change], at: float) -> Decision:
        """What the controller would make of it, looking at `at`."""
        return decide(self.behavior, (self.low, self.high), self.current, wanted, recommended, changes, at)

    def allowed(self, wanted: int, changes: list[Change], at: float) -> int:
        """How many pods the policies let come or, negative, go."""
        if wanted == self.current:
            return 0
        if wanted > self.current:
            most = allowed_up(self.behavior.up, self.current, changes, at)
            return (most if self.behavior.given else max(2 * self.current, 4)) - self.current
        least = allowed_down(self.behavior.down, self.current, changes, at)
        return (least if self.behavior.given else self.low) - self.current


def cpu_metric(metrics: list[Metric] | None) -> ResourceMetric | None:
    """The one that is about CPU: of the pods, or of one of their containers."""
    found = (one.resource or one.container_resource for one in metrics or ())
    return next((one for one in found if one and one.name == "cpu"), None)


def target_of(autoscaler: Autoscaler) -> tuple[int | None, str]:
    """The CPU target with its unit, None without one. The controller looks for millicores first."""
    metric = cpu_metric(autoscaler.spec.metrics)
    target = metric.target if metric else MetricValue()
    unit = PERCENT if target.average_value is None else MILLICORES
    return figure(target, unit) or None, unit


def seen_of(status: AutoscalerStatus, unit: str) -> int | None:
    """The controller's own figure. Beside percent it always writes millicores, too."""
    metric = cpu_metric(status.current_metrics)
    return figure(metric.current, unit) if metric else None


def figure(value: MetricValue, unit: str) -> int | None:
    if unit == PERCENT:
        return value.average_utilization
    return None if value.average_value is None else millicores(value.average_value)


def spec_of(autoscaler: Autoscaler, replicas: int | None) -> HpaSpec | None:
    """None where CPU has no target. Without `replicas`, what was last asked for is taken for them."""
    spec = autoscaler.spec
    metric = cpu_metric(spec.metrics)
    target, unit = target_of(autoscaler)
    if metric is None or target is None:
        return None
    current = autoscaler.status.desired_replicas if replicas is None else replicas
    others = len(spec.metrics or ()) - 1
    behavior = behavior_of(spec)
    return HpaSpec(target, spec.min_replicas, spec.max_replicas, behavior, current, metric.container, others, unit)
