"""What an autoscaler would do: at another CPU value, with another number of pods, with other settings.

Nothing is observed here: the answer follows from the spec and the figures, by the rules of the evaluation.
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from dashboard.core.hpa import explanation
from dashboard.core.hpa.behavior import Change, Recommendation
from dashboard.core.hpa.explanation import EvaluationFacts, pods, window
from dashboard.core.hpa.findings import Surroundings, findings
from dashboard.core.hpa.recommendations import SYNC_SECONDS
from dashboard.core.hpa.spec import HpaSpec, cpu_metric, spec_of
from dashboard.core.hpa.utilization import Figures, Unmeasurable
from dashboard.core.objects import Autoscaler, Metric, MetricValue, ResourceMetric
from dashboard.core.wire import Scaling, WhatIf

MOST_SCALINGS = 20
MOST_PODS = 10_000
MOST_USAGE = 100_000  # percent, or millicores of a pod
REQUEST = 100  # of each pod, so that its usage is its percentage

Json = dict[str, Any]


class Supposition(Struct, frozen=True):
    """What is supposed of the present; None: it stays as it is. `percent` and `target` are in the target's unit."""

    percent: int | None = None
    replicas: int | None = None
    missing: int = 0
    unready: int = 0
    target: int | None = None
    min: int | None = None
    max: int | None = None


class Present(Struct, frozen=True):
    """The autoscaler with its surroundings, the Deployment's replicas and the CPU value, None while that is unknown."""

    autoscaler: Autoscaler
    around: Surroundings
    replicas: int
    percent: int | None


def suppose(present: Present, supposed: Supposition) -> WhatIf | None:
    """Return what the autoscaler would do, with findings about its settings; None without a CPU target.

    Raise ValueError if the CPU value is neither supposed nor known, or if min exceeds max, and Unmeasurable.
    """
    autoscaler = changed(present.autoscaler, supposed)
    replicas = present.replicas if supposed.replicas is None else supposed.replicas
    percent = present.percent if supposed.percent is None else supposed.percent
    spec = spec_of(autoscaler, replicas)
    if spec is None:
        return None
    if spec.low > spec.high:
        raise ValueError(f"min must not exceed max: {spec.low} and {spec.high}.")
    if percent is None:
        raise ValueError("percent is needed: the autoscaler has no figure now.")
    answer = what_if(spec, percent, supposed.missing, supposed.unready)
    return replace(answer, findings=findings(autoscaler, present.around))


def changed(autoscaler: Autoscaler, supposed: Supposition) -> Autoscaler:
    """Return the autoscaler with the supposed target of CPU and bounds."""
    spec = autoscaler.spec
    low = spec.min_replicas if supposed.min is None else supposed.min
    high = spec.max_replicas if supposed.max is None else supposed.max
    metrics = spec.metrics or []
    cpu = next((index for index, metric in enumerate(metrics) if cpu_metric([metric])), None)
    if supposed.target is not None and cpu is not None:
        metrics = [*metrics[:cpu], _retargeted(metrics[cpu], supposed.target), *metrics[cpu + 1 :]]
    return replace(autoscaler, spec=replace(spec, min_replicas=low, max_replicas=high, metrics=metrics))


def _retargeted(metric: Metric, to: int) -> Metric:
    """Return the CPU metric with another target, in the same unit."""
    kind = "resource" if metric.resource else "container_resource"
    resource: ResourceMetric = getattr(metric, kind)
    target = MetricValue(to) if resource.target.average_value is None else MetricValue(average_value=f"{to}m")
    return replace(metric, **{kind: replace(resource, target=target)})


def what_if(spec: HpaSpec, percent: int, missing: int = 0, unready: int = 0) -> WhatIf:
    """Return what the controller does with `spec.current` pods whose CPU is at `percent`, in the target's unit.

    `missing` and `unready` of the pods are not measured. The pods were as many for long: every window has their number
    alone, and no policy is used up. Afterwards the same work is spread evenly over the pods, and each is measured.

    Other settings are another spec: replace(spec, current=3, target=50, low=2, high=8, behavior=behavior_of(...)).
    Raise Unmeasurable where the controller can't compute a number either.
    """
    if spec.current == 0:
        raise Unmeasurable("With 0 pods the autoscaler does nothing.")
    if missing + unready >= spec.current:
        raise Unmeasurable("No pod has a CPU sample, so the autoscaler does nothing.")
    given = _figures(spec.current, percent, missing, unready)
    scalings, last, settled = _scalings(spec, given)
    at_end = percent if last == spec.current else given.used // last if last else 0
    answer: Json = {
        "replicas": spec.current,
        "percent": percent,
        "target": spec.target,
        "unit": spec.unit,
        "min": spec.low,
        "max": spec.high,
        "low": spec.band[0],
        "high": spec.band[1],
        "scalings": scalings,
        "ends_at": last,
        "percent_at_end": at_end,
        "settled": settled,
        "findings": [],
    }
    return WhatIf(**answer, **_first(spec, given, scalings), summary=_summary(spec, scalings, last, at_end, settled))


def _first(spec: HpaSpec, given: Figures, scalings: list[Scaling]) -> Json:
    """Return the fields about the first sync."""
    if not spec.low <= spec.current <= spec.high:
        to, bound = spec.clamp(spec.current), "more than the" if spec.current > spec.high else "fewer than the"
        sentence = f"{pods(spec.current)}, {bound} {to} allowed: whatever CPU is, it asks for {to}."
        return {"wanted": None, "clamped": to, "formula": None, "sentence": sentence, "notes": []}
    proposal = spec.propose(given, given.percent)
    history = [Recommendation(0.0, spec.current)]
    decision = spec.decide(proposal.wanted, history, [], 0.0)
    allowed = spec.allowed(spec.clamp(proposal.wanted), [], 0.0)
    then = scalings[0].to if scalings else None
    words = explanation.explain(EvaluationFacts(spec, given, proposal, proposal.wanted, decision, allowed, then))
    more = "one more metric" if spec.others == 1 else f"{spec.others} more metrics"
    notes = [*words["notes"], *([f"It has {more}: the largest proposal counts."] if spec.others else [])]
    named = {"formula": words["formula"], "sentence": words["sentence"], "notes": notes}
    return {"wanted": proposal.wanted, "clamped": spec.clamp(proposal.wanted), **named}


def _scalings(spec: HpaSpec, given: Figures) -> tuple[list[Scaling], int, bool]:
    """Return the scalings from the first sync on, the number of pods at their end, and whether it then stays."""
    scalings: list[Scaling] = []
    history, changes = [Recommendation(0.0, spec.current)], list[Change]()
    at, work = 0.0, given.used
    while len(scalings) < MOST_SCALINGS:
        scaling = _scaling(spec, given, history, changes, at)
        if scaling is None:
            return scalings, spec.current, True
        scalings.append(scaling)
        changes.append(Change(scaling.after, scaling.to - scaling.start))
        spec, at = replace(spec, current=scaling.to), scaling.after + SYNC_SECONDS
        if scaling.to == 0:
            return scalings, 0, True
        given = _figures(scaling.to, work // scaling.to, 0, 0)
    return scalings, spec.current, False


def _scaling(
    spec: HpaSpec, given: Figures, history: list[Recommendation], changes: list[Change], at: float
) -> Scaling | None:
    """Return the next scaling, by the sync at `at` or a later one; None if there is none.

    All these syncs recommend the same. So `history` gets their latest recommendation alone: the windows ask which
    numbers they contain, and an hour of syncs would cost a second.
    """
    start, percent = spec.current, given.percent
    if not spec.low <= start <= spec.high:
        return Scaling(after=at, start=start, to=spec.clamp(start), percent=percent, formula=None)
    proposal = spec.propose(given, percent)
    is_final, last = spec.clamp(proposal.wanted) == start, at + spec.behavior.memory
    history.append(Recommendation(at, proposal.wanted))
    while (to := spec.decide(proposal.wanted, history, changes, at).replicas) == start:
        if is_final or at > last:
            return None
        at += SYNC_SECONDS
        history[-1] = Recommendation(at, proposal.wanted)
    formula = explanation.formula(spec, given, proposal)
    return Scaling(after=at, start=start, to=to, percent=percent, formula=formula)


def _figures(count: int, percent: int, missing: int, unready: int) -> Figures:
    measured = count - missing - unready
    return Figures(measured, percent * measured, REQUEST * measured, (REQUEST,) * missing, (REQUEST,) * unready)


def _summary(spec: HpaSpec, scalings: list[Scaling], last: int, percent: int, settled: bool) -> str:
    """Return the consequence in words: when which number of pods, and what the same work is then."""
    if not scalings:
        return f"It stays at {pods(spec.current)}."
    steps = ", ".join(f"{step.to} {_when(step.after)}" for step in scalings)
    if not settled:
        return f"From {pods(spec.current)}: {steps}, and so on."
    return f"From {pods(spec.current)}: {steps}. The same work is then about {percent} {spec.unit} of {pods(last)}."


def _when(after: float) -> str:
    return f"after {window(after)}" if after else "at the next sync"
