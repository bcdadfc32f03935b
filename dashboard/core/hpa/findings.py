"""Findings about an autoscaler: settings by which it can't do its work, each with the reason in words."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import DecodeError, Struct, json

from dashboard.core.hpa.behavior import Rules, behavior_of
from dashboard.core.hpa.explanation import pods as pods_of
from dashboard.core.hpa.explanation import window
from dashboard.core.hpa.metrics import CPU, limit_of, pod_facts
from dashboard.core.hpa.proposals import UTILIZATION, MetricTarget, target_of_metric
from dashboard.core.hpa.utilization import Tolerance
from dashboard.core.objects import Autoscaler, Metric, Pod, Workload
from dashboard.core.text import plain
from dashboard.core.wire import Finding

LONGEST_NAMES = 500


class Surroundings(Struct, frozen=True):
    """What an autoscaler's settings are judged by: its pods and Deployment, the namespace's other autoscalers, and the
    seconds that a load lasts, if one is known."""

    pods: Sequence[Pod]
    deployment: Workload | None
    autoscalers: Sequence[Autoscaler]
    load_seconds: float | None


def findings(autoscaler: Autoscaler, around: Surroundings) -> list[Finding]:
    """Return what is wrong, the worst first."""
    found = [
        *_shared(autoscaler, around.autoscalers),
        *(one for metric in autoscaler.spec.metrics or () for one in _of_metric(autoscaler, metric, around.pods)),
        *_of_bounds(autoscaler, around.deployment),
        *_of_behavior(autoscaler, around.load_seconds),
        *_applied(around.deployment),
    ]
    first_of_each = {one.id: one for one in reversed(found)}
    return sorted(first_of_each.values(), key=lambda one: (one.tone != "bad", found.index(one)))


def applied_replicas(deployment: Workload) -> int | None:
    """Return the replicas that `kubectl apply` last set, and sets again; None if it leaves them alone."""
    annotations = deployment.metadata.annotations
    if not annotations or not annotations.applied:
        return None
    try:
        return json.decode(annotations.applied, type=_Applied).spec.replicas
    except (DecodeError, RecursionError):
        return None


class _AppliedSpec(Struct, frozen=True):
    replicas: int | None = None


class _Applied(Struct, frozen=True):
    spec: _AppliedSpec = _AppliedSpec()


def _shared(autoscaler: Autoscaler, others: Iterable[Autoscaler]) -> Iterator[Finding]:
    target = autoscaler.spec.scale_target_ref
    names = sorted(
        one.metadata.name
        for one in others
        if one.spec.scale_target_ref == target and one.metadata.uid != autoscaler.metadata.uid
    )
    if names and target.name:
        also = plain(", ".join(names), LONGEST_NAMES)
        what = plain(f"{target.kind} {target.name}", LONGEST_NAMES)
        text = f"{what} is scaled by {also} too: the controller then scales by none of them."
        yield Finding("SharedTarget", "bad", text)


def _of_metric(autoscaler: Autoscaler, metric: Metric, pods: Sequence[Pod]) -> Iterator[Finding]:
    target = target_of_metric(metric)
    if not pods or not target.resource or target.amount is None:
        return
    pod = max(pods, key=lambda one: one.metadata.creation_timestamp or "")
    request = pod_facts(pod, target.container, target.unit, target.name).request
    limit = limit_of(pod, target.container, target.name)
    if not request:
        text = f"A container of {pod.metadata.name} has no {_name(target)} request, so there is no percentage of it."
        yield Finding("NoRequest", "bad", text)
    elif limit is not None:
        tolerance = behavior_of(autoscaler.spec).tolerance
        yield from _over_limit(target, target.amount, limit * 100 // request, tolerance)


def _over_limit(target: MetricTarget, amount: int, most: int, tolerance: Tolerance) -> Iterator[Finding]:
    """A pod gets no more than its limit, `most`: above it, the usage that adds a pod is never reached."""
    if most / amount <= 1 + tolerance.up:
        needed = target.shown(int(amount * (1 + tolerance.up)))
        of = " of its request" if target.kind == UTILIZATION else ""
        text = f"It adds pods above {needed}, but a pod's limit is {target.shown(most)}{of}: none comes."
        yield Finding("TargetOverLimit", "bad", text)


def _of_bounds(autoscaler: Autoscaler, deployment: Workload | None) -> Iterator[Finding]:
    spec = autoscaler.spec
    if spec.min_replicas > spec.max_replicas:
        text = f"min {spec.min_replicas} is more than max {spec.max_replicas}: no number of pods is right."
        yield Finding("MinOverMax", "bad", text)
    elif spec.min_replicas == spec.max_replicas:
        text = f"min and max are both {spec.max_replicas}: it keeps {pods_of(spec.max_replicas)}, whatever it measures."
        yield Finding("MinIsMax", "warn", text)
    by_pods_only = all(metric.object is None and metric.external is None for metric in spec.metrics or ())
    if spec.min_replicas == 0 and by_pods_only:
        text = "min is 0: without a pod nothing is measured, and only an Object or External metric brings one back."
        yield Finding("MinZero", "bad", text)
    if deployment and deployment.spec.replicas == 0 and spec.min_replicas > 0:
        text = "The Deployment is scaled to 0, which turns the autoscaler off: scale it to 1 or more."
        yield Finding("ScaledToZero", "warn", text)


def _of_behavior(autoscaler: Autoscaler, load_seconds: float | None) -> Iterator[Finding]:
    behavior = behavior_of(autoscaler.spec)
    if not behavior.given:
        return
    for rules, way in ((behavior.up, "up"), (behavior.down, "down")):
        if rules.select == "Disabled":
            never = "its metrics add no pod" if way == "up" else "its metrics remove no pod"
            text = f"Its behavior disables scale{way.capitalize()}: {never}."
            yield Finding(f"Scale{way.capitalize()}Disabled", "warn", text)
    if behavior.tolerance.down >= 1 and behavior.down.select != "Disabled":
        text = "Its tolerance for less is 100 % or more: no value is low enough to remove a pod."
        yield Finding("ToleranceTooWide", "warn", text)
    yield from _window(behavior.up, load_seconds)


def _window(up: Rules, load_seconds: float | None) -> Iterator[Finding]:
    if load_seconds and up.select != "Disabled" and up.window >= load_seconds:
        text = (
            f"It adds pods after {window(up.window)} of more,"
            f" and the load lasts {window(load_seconds)}: none comes by it."
        )
        yield Finding("WindowOverLoad", "warn", text)


def _applied(deployment: Workload | None) -> Iterator[Finding]:
    replicas = applied_replicas(deployment) if deployment else None
    if replicas is not None:
        text = (
            f"The Deployment was applied with replicas: {replicas}. Each kubectl apply undoes the autoscaler's number."
        )
        yield Finding("ReplicasApplied", "warn", text)


def _name(target: MetricTarget) -> str:
    return "CPU" if target.name == CPU else target.name
