"""An autoscaler's spec: its CPU target, its bounds and its behavior."""

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
    """The CPU target, minReplicas (`low`), maxReplicas (`high`) and the behavior, with the Deployment's replicas.

    `unit` is the unit of the target and of all CPU values: percent of the requests, or millicores per pod.
    """

    target: int
    low: int
    high: int
    behavior: HpaBehavior
    current: int
    container: str  # the measured container, "" for whole pods
    others: int  # number of other metrics
    unit: str = PERCENT

    @property
    def band(self) -> tuple[int, int]:
        """The lowest and the highest CPU value within the tolerance."""
        return band(self.target, self.behavior.tolerance)

    @property
    def busy(self) -> int:
        """The CPU value assumed for a pod without a sample when scaling down."""
        return busy(self.target, self.unit)

    def clamp(self, wanted: int) -> int:
        return min(max(wanted, self.low), self.high)

    def propose(self, given: Figures, percent: int) -> Proposal:
        return propose(given, percent, self.target, self.current, self.behavior.tolerance, self.unit)

    def decide(self, wanted: int, recommended: list[Recommendation], changes: list[Change], at: float) -> Decision:
        """Return the decision of a sync at time `at`."""
        return decide(self.behavior, (self.low, self.high), self.current, wanted, recommended, changes, at)

    def allowed(self, wanted: int, changes: list[Change], at: float) -> int:
        """Return how many pods the policies allow to be added or, negative, removed."""
        if wanted == self.current:
            return 0
        if wanted > self.current:
            most = allowed_up(self.behavior.up, self.current, changes, at)
            return (most if self.behavior.given else max(2 * self.current, 4)) - self.current
        least = allowed_down(self.behavior.down, self.current, changes, at)
        return (least if self.behavior.given else self.low) - self.current


def cpu_metric(metrics: list[Metric] | None) -> ResourceMetric | None:
    """Return the CPU metric, of the pods or of one of their containers."""
    found = (one.resource or one.container_resource for one in metrics or ())
    return next((one for one in found if one and one.name == "cpu"), None)


def target_of(autoscaler: Autoscaler) -> tuple[int | None, str]:
    """Return the CPU target, or None, and its unit. Like the controller, prefer millicores."""
    metric = cpu_metric(autoscaler.spec.metrics)
    target = metric.target if metric else MetricValue()
    unit = PERCENT if target.average_value is None else MILLICORES
    found = figure(target, unit) or 0
    return found if found > 0 else None, unit


def seen_of(status: AutoscalerStatus, unit: str) -> int | None:
    """Return the controller's CPU value. A status always has millicores, also beside percent."""
    metric = cpu_metric(status.current_metrics)
    return figure(metric.current, unit) if metric else None


def figure(value: MetricValue, unit: str) -> int | None:
    if unit == PERCENT:
        return value.average_utilization
    return None if value.average_value is None else millicores(value.average_value)


def spec_of(autoscaler: Autoscaler, replicas: int | None) -> HpaSpec | None:
    """Return the spec, or None without a CPU target. `replicas` default to the status' desiredReplicas."""
    spec = autoscaler.spec
    metric = cpu_metric(spec.metrics)
    target, unit = target_of(autoscaler)
    if metric is None or target is None:
        return None
    current = autoscaler.status.desired_replicas if replicas is None else replicas
    others = len(spec.metrics or ()) - 1
    behavior = behavior_of(spec)
    return HpaSpec(target, spec.min_replicas, spec.max_replicas, behavior, current, metric.container, others, unit)
