"""What an autoscaler is to do, as its object says."""

from msgspec import Struct

from dashboard.core.autoscaler.behavior import (
    Behavior,
    Change,
    Decision,
    Recommendation,
    allowed_down,
    allowed_up,
    behavior_of,
    decide,
)
from dashboard.core.autoscaler.utilization import Figures, Proposal, band, propose
from dashboard.core.objects import Autoscaler, Metric, ResourceMetric


class Task(Struct, frozen=True):
    """Percent of the requests, the least and the most pods; `current` is how many the Deployment asks for."""

    target: int
    low: int
    high: int
    behavior: Behavior
    current: int
    container: str  # that is measured, "" for whole pods
    others: int  # metrics that are not about CPU

    @property
    def band(self) -> tuple[int, int]:
        """The lowest and the highest percent at which nothing changes."""
        return band(self.target, self.behavior.tolerance)

    def clamp(self, wanted: int) -> int:
        return min(max(wanted, self.low), self.high)

    def propose(self, given: Figures, percent: int) -> Proposal:
        return propose(given, percent, self.target, self.current, self.behavior.tolerance)

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


def task_of(autoscaler: Autoscaler, replicas: int | None) -> Task | None:
    """None where CPU has no target in percent. Without `replicas`, what was last asked for is taken for them."""
    spec = autoscaler.spec
    metric = cpu_metric(spec.metrics)
    target = metric.target.average_utilization if metric else None
    if metric is None or not target:
        return None
    current = autoscaler.status.desired_replicas if replicas is None else replicas
    others = len(spec.metrics or ()) - 1
    behavior = behavior_of(spec)
    return Task(target, spec.min_replicas, spec.max_replicas, behavior, current, metric.container, others)
