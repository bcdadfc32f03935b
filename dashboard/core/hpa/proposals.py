"""What each of an autoscaler's metrics proposes, and what they ask for together, by its controller's rules.

CPU and memory are computed from the pods' samples. Of all other metrics the dashboard has no source of its own: the
controller's figure in the object's status counts, which is as old as its last sync.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from dashboard.core.hpa.behavior import behavior_of
from dashboard.core.hpa.explanation import MINUS, TIMES, pods
from dashboard.core.hpa.metrics import (
    CPU,
    MEMORY,
    MILLICORES,
    PERCENT,
    WHOLE,
    MetricsReader,
    MetricsView,
    PodFacts,
)
from dashboard.core.hpa.spec import cpu_metric
from dashboard.core.hpa.utilization import (
    Figures,
    Proposal,
    Tolerance,
    Unmeasurable,
    figures,
    figures_from,
    propose,
    replicas,
)
from dashboard.core.objects import Autoscaler, CustomMetric, Metric, MetricValue, Pod, PodMetrics, ResourceMetric
from dashboard.core.quantity import milli
from dashboard.core.text import plain
from dashboard.core.wire import AskView, MetricView

UTILIZATION, PER_POD, IN_ALL = "Utilization", "AverageValue", "Value"  # the types of a target
MOST_METRICS = 20
LONGEST_NAME = 253
BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
Json = dict[str, Any]

UNSEEN = "The controller has no figure for it."


class MetricTarget(Struct, frozen=True):
    """A metric of the spec. `amount` is in percent of the requests, or in thousandths; None if the spec has none."""

    type: str
    name: str
    container: str
    object: str
    kind: str
    amount: int | None

    @property
    def resource(self) -> bool:
        return self.type in ("Resource", "ContainerResource") and self.name in (CPU, MEMORY)

    @property
    def unit(self) -> str:
        """The unit in which pods' figures are compared with the target."""
        return PERCENT if self.kind == UTILIZATION else MILLICORES

    def shown(self, amount: int) -> str:
        """Return a value of the metric as text: "84 %", "250 m", "70 Mi", "12.5"."""
        if self.kind == UTILIZATION:
            return f"{amount} %"
        if not self.type.endswith("Resource"):
            return f"{amount / 1000:.10g}"
        return f"{amount} m" if self.name == CPU else _binary(amount / 1000)


class Proposals(Struct, frozen=True):
    """The metrics' views. The one of CPU, at the index `cpu`, gets its proposal from the evaluation."""

    views: list[MetricView]
    cpu: int | None

    @property
    def others(self) -> list[int | None]:
        """The proposals of the metrics but CPU."""
        return [view.proposed for index, view in enumerate(self.views) if index != self.cpu]

    def state(self, evaluation: Json | None, current: int) -> Json:
        """Return the fields of the state. `current` are the Deployment's spec.replicas."""
        views = self.views
        if self.cpu is not None:
            views = [*views[: self.cpu], _evaluated(views[self.cpu], evaluation), *views[self.cpu + 1 :]]
        asks = ask(current, views)
        return {"metrics": [asdict(view) for view in views], "asks": asdict(asks) if asks else None}


class ProposalReader:
    """Computes the proposals of one autoscaler's metrics. It keeps parsed pods and samples between two calls."""

    def __init__(self) -> None:
        self._readers: dict[tuple[str, str, str], MetricsReader] = {}

    def read(
        self, autoscaler: Autoscaler, members: Iterable[Pod], samples: dict[str, PodMetrics], at: float, current: int
    ) -> Proposals:
        """Return the proposals at `at` (seconds since 1970). `current` are the Deployment's spec.replicas."""
        members, metrics = list(members), (autoscaler.spec.metrics or [])[:MOST_METRICS]
        cpu = next((index for index, metric in enumerate(metrics) if cpu_metric([metric])), None)
        readers, self._readers = self._readers, {}
        found = []
        for index, metric in enumerate(metrics):
            view = _unproposed(str(index), target := target_of_metric(metric))
            if index != cpu:
                key = target.name, target.container, target.unit
                self._readers[key] = readers.get(key) or MetricsReader(target.container, key[2], target.name)
                seen = _seen(target, _status_of(autoscaler, index, metric))
                parsed = self._readers[key].view(members, samples, at)
                view = _proposed(view, target, parsed, seen, current, behavior_of(autoscaler.spec).tolerance)
            found.append(view)
        return Proposals(found, cpu)


def combined(current: int, proposals: Sequence[int | None]) -> int | None:
    """Return the largest proposal. Return None, for nothing happens, without any, and where one is missing (None) and
    the others would scale down."""
    known = [one for one in proposals if one is not None]
    if not known or (len(known) < len(proposals) and max(known) < current):
        return None
    return max(known)


def ask(current: int, views: Sequence[MetricView]) -> AskView | None:
    """Return what several metrics, or one other than CPU, ask for together; None for CPU alone."""
    if not views or (len(views) == 1 and views[0].name == CPU and views[0].type.endswith("Resource")):
        return None
    asked = combined(current, [view.proposed for view in views])
    unknown = [_name(view) for view in views if view.proposed is None]
    if len(unknown) == len(views):
        return AskView(None, "No metric has a figure, so the number of pods stays.")
    if asked is None:
        return AskView(None, f"{' and '.join(unknown)}: no figure. So no pod goes, though the others ask for fewer.")
    largest = next(_name(view) for view in views if view.proposed == asked)
    if len(views) == 1:
        return AskView(asked, f"{largest} asks for {pods(asked)}.")
    return AskView(asked, f"The largest proposal counts: {largest} asks for {pods(asked)}.")


def target_of_metric(metric: Metric) -> MetricTarget:
    """Return what a metric of the spec measures, and its target."""
    source: ResourceMetric | CustomMetric | None
    for source in (metric.resource, metric.container_resource, metric.pods, metric.object, metric.external):
        if source is not None:
            break
    if source is None:
        return MetricTarget(plain(metric.type, LONGEST_NAME), "", "", "", PER_POD, None)
    kind = _kind(source.target, by_pods=metric.object is None)
    amount = _value(source.target, kind)
    container, about = source.container if isinstance(source, ResourceMetric) else "", ""
    name = source.name if isinstance(source, ResourceMetric) else source.metric.name
    if isinstance(source, CustomMetric) and source.described_object.name:
        about = f"{source.described_object.kind} {source.described_object.name}"
    type_, name, container, about = (plain(text, LONGEST_NAME) for text in (metric.type, name, container, about))
    return MetricTarget(type_, name, container, about, kind, amount if amount and amount > 0 else None)


def _kind(target: MetricValue, *, by_pods: bool) -> str:
    """Return the target's type. With several values the controller prefers the one per pod, of an object the whole."""
    if target.average_utilization is not None and target.average_value is None:
        return UTILIZATION
    if target.value is not None and (target.average_value is None or not by_pods):
        return IN_ALL
    return PER_POD


def _value(value: MetricValue, kind: str) -> int | None:
    if kind == UTILIZATION:
        return value.average_utilization
    text = value.average_value if kind == PER_POD else value.value
    return None if text is None else milli(text)


def _unproposed(id_: str, target: MetricTarget) -> MetricView:
    shown = "none" if target.amount is None else target.shown(target.amount)
    suffix = {UTILIZATION: " of the requests", PER_POD: " a pod", IN_ALL: " in all"}[target.kind]
    return MetricView(
        id=id_,
        type=target.type,
        name=target.name,
        container=target.container or None,
        object=target.object or None,
        target=shown if target.amount is None else shown + suffix,
        current=None,
        measured_by=None,
        proposed=None,
        formula=None,
        problem=None,
    )


def _evaluated(view: MetricView, evaluation: Json | None) -> MetricView:
    """Return the CPU metric's view with the evaluation's proposal."""
    if evaluation is None:
        return replace(view, problem="It has no target.")
    if evaluation["wanted"] is None:
        return replace(view, problem=evaluation["sentence"])
    return replace(
        view,
        current=f"{evaluation['percent']} {evaluation['unit']}",
        measured_by="samples" if evaluation["newest"] else "controller",
        proposed=evaluation["wanted"],
        formula=evaluation["formula"],
    )


def _proposed(
    view: MetricView, target: MetricTarget, parsed: MetricsView, seen: int | None, current: int, tolerance: Tolerance
) -> MetricView:
    """Return the view with the proposal, or with the reason why there is none."""
    try:
        if current == 0:
            raise Unmeasurable("The Deployment is scaled to zero, so the autoscaler does nothing.")
        if target.amount is None:
            raise Unmeasurable("It has no target.")
        proposal, sampled = _propose(target, target.amount, parsed, seen, current, tolerance)
    except Unmeasurable as error:
        return replace(view, current=None if seen is None else target.shown(seen), problem=str(error))
    return replace(
        view,
        current=target.shown(proposal.percent),
        measured_by="samples" if sampled else "controller",
        proposed=proposal.wanted,
        formula=_formula(target, target.amount, proposal, tolerance),
    )


def _propose(
    target: MetricTarget, amount: int, parsed: MetricsView, seen: int | None, current: int, tolerance: Tolerance
) -> tuple[Proposal, bool]:
    """Return the proposal, and whether it is from samples of the dashboard's own."""
    unit = target.unit
    if target.resource:
        try:
            given = figures(parsed.pods, parsed.samples, parsed.at, target.name)
        except Unmeasurable:
            if parsed.samples or seen is None:
                raise
            given = figures_from(parsed.pods, seen)
            return propose(given, seen, amount, current, tolerance, unit), False
        return propose(given, given.percent, amount, current, tolerance, unit), True
    if seen is None:
        raise Unmeasurable(UNSEEN)
    alive = [pod for pod in parsed.pods if pod.leaving is None and pod.phase not in ("Failed", "Succeeded")]
    if not alive:
        raise Unmeasurable("There are no pods.")
    if target.type == "Pods":
        return propose(_figures_of_pods(parsed.pods, seen), seen, amount, current, tolerance, unit), False
    counted = len(alive) if target.kind == PER_POD else sum(_ready(pod) for pod in alive)
    within = tolerance.holds(seen / amount)
    wanted = current if within else replicas(seen / amount * counted)
    return Proposal(wanted, counted, seen, None, "tolerated" if within else "scale"), False


def _figures_of_pods(pods: Sequence[PodFacts], seen: int) -> Figures:
    """Return the figures of a Pods metric from its mean, taken as that of all running pods, ready or not.

    As of a resource, pending pods count as idle on the way up, and ended ones as pods without a sample.
    """
    phases = [pod.phase for pod in pods if pod.leaving is None and pod.phase != "Failed"]
    pending, ended = phases.count("Pending"), phases.count("Succeeded")
    running = len(phases) - pending - ended
    if not running:
        raise Unmeasurable("No pod runs yet, so none has a figure.")
    return Figures(running, seen * running, WHOLE * running, (WHOLE,) * ended, (WHOLE,) * pending)


def _formula(target: MetricTarget, amount: int, proposal: Proposal, tolerance: Tolerance) -> str:
    """Return the calculation: "ceil(3 x 84 Mi / 50 Mi) = 6", with a multiplication sign."""
    value = proposal.percent if proposal.adjusted is None else proposal.adjusted
    shown = f"{target.shown(value)} / {target.shown(amount)}"
    ratio = value / amount
    if proposal.why == "tolerated":
        most = tolerance.up if ratio > 1 else tolerance.down
        return f"|{shown} {MINUS} 1| = {abs(ratio - 1):.2g} ≤ {most:g}"
    if proposal.why != "scale":
        return f"{shown} = {ratio:.2f}, by pods without a sample"
    return f"ceil({proposal.counted} {TIMES} {shown}) = {proposal.wanted}"


def _status_of(autoscaler: Autoscaler, index: int, metric: Metric) -> Metric | None:
    """Return the metric's status. The controller writes one for each metric, in order; a blank one if it failed."""
    found = autoscaler.status.current_metrics or []
    wanted = target_of_metric(metric)
    same = [one for one in (*found[index : index + 1], *found) if _same(target_of_metric(one), wanted)]
    return same[0] if same else None


def _same(one: MetricTarget, other: MetricTarget) -> bool:
    return (one.type, one.name, one.container, one.object) == (other.type, other.name, other.container, other.object)


def _seen(target: MetricTarget, status: Metric | None) -> int | None:
    """Return the controller's figure, in the target's unit."""
    if status is None:
        return None
    sources = (status.resource, status.container_resource, status.pods, status.object, status.external)
    source = next(one for one in sources if one is not None)
    return _value(source.current, target.kind)


def _ready(pod: PodFacts) -> bool:
    return pod.phase == "Running" and pod.ready == "True"


def _name(view: MetricView) -> str:
    return f"{view.name} of {view.container or view.object}" if view.container or view.object else view.name


def _binary(amount: float) -> str:
    power = 0
    while abs(amount) >= 1024 and power < len(BINARY) - 1:
        amount, power = amount / 1024, power + 1
    return f"{amount:.4g} {BINARY[power]}".rstrip()
