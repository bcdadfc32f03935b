"""The journal of the state: the events that led to it, as records from which another builder makes the same state.

It begins with `Began` and with what was known then, as events and `Remembered`. It has the objects of the observed
deployment, the samples and the counters, and no user's documents.
"""

import math
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from dashboard.core import events, objects
from dashboard.core.events import Event
from dashboard.core.hpa.evaluation import EvaluatorMemory
from dashboard.core.state.history import Values
from dashboard.core.state.observed_objects import ObservedObjects
from dashboard.core.state.source_states import SourceStates
from dashboard.core.state.traffic import TrafficRates

Json = dict[str, Any]

KINDS = ("pods", "deployments", "statefulsets", "horizontalpodautoscalers", "endpointslices")  # that are recorded


class PodCounters(msgspec.Struct, frozen=True, gc=False):
    """A pod's counters. The bound of the last bucket, which is infinite, is null: JSON has no infinity."""

    requests: float
    errors: float
    buckets: tuple[tuple[float | None, float], ...]


class Scraped(Event, frozen=True):
    """The counters of the service pods that answered this scrape, by pod name; and why pods that run are not Ready, in
    their own words."""

    pods: dict[str, PodCounters]
    unready: dict[str, str] = msgspec.field(default_factory=dict)


class Began(Event, frozen=True):
    """The journal begins: the names of the observed objects (Targets), and of the sources."""

    targets: dict[str, str]
    sources: list[str]


class Remembered(Event, frozen=True):
    """What was known that follows from earlier events: the evaluator's memory, each pod's last counters with
    their time, the rates, the autoscaler's view, and the newest points of the charts."""

    evaluator: EvaluatorMemory
    counters: dict[str, tuple[float, PodCounters]]
    rates: TrafficRates | None
    autoscaler: Json | None
    unevaluated: str | None
    points: dict[str, list[tuple[float, Values]]]


class Looked(Event, frozen=True):
    """A run read the state, after all events before this one."""


Recorded = (
    Began
    | events.ObjectsListed
    | events.ObjectChanged
    | events.ObjectUnreadable
    | events.ObjectDeleted
    | events.MetricsSampled
    | events.LoadUpdated
    | events.SourceStatus
    | events.PodsEvaluated
    | Scraped
    | Remembered
    | Looked
)


def pod_counters(counters: events.Counters) -> PodCounters:
    buckets = tuple((None if math.isinf(bound) else bound, count) for bound, count in counters.buckets)
    return PodCounters(counters.requests, counters.errors, buckets)


def counters_of(pod: PodCounters) -> events.Counters:
    buckets = tuple((math.inf if bound is None else bound, count) for bound, count in pod.buckets)
    return events.Counters(pod.requests, pod.errors, buckets)


def event_of(record: Recorded) -> Event:
    """Return the event of a decoded record. Raise `msgspec.ValidationError` if its object is invalid."""
    match record:
        case events.ObjectsListed():
            kind = objects.KINDS.get(record.kind, dict)
            return replace(record, objects=[msgspec.convert(each, kind) for each in record.objects])
        case events.ObjectChanged():
            return replace(record, object=msgspec.convert(record.object, objects.KINDS.get(record.kind, dict)))
        case Scraped():
            pods = {name: counters_of(pod) for name, pod in record.pods.items()}
            return events.CountersScraped(at=record.at, pods=pods, unready=record.unready)
    return record


def listed(observed: ObservedObjects, at: str) -> list[Event]:
    """Return the lists of the objects that are known."""
    return [
        events.ObjectsListed(at=at, kind=kind, objects=_ours(observed, kind, observed.of(kind)))
        for kind in observed.kinds()
        if kind in KINDS
    ]


def record_of(event: Event, observed: ObservedObjects, sources: SourceStates) -> Event | None:
    """Return what the journal has of an event that is about to be applied, or None."""
    match event:
        case events.MetricsSampled() | events.LoadUpdated() | events.PodsEvaluated():
            return event
        case events.SourceStatus(source=source, state=state):
            return None if state == "live" and sources.is_live(source) else event
        case events.CountersScraped():
            pods = {name: pod_counters(counters) for name, counters in event.pods.items()}
            return Scraped(at=event.at, pods=pods, unready=event.unready)
        case events.ObjectsListed(kind=kind) if kind in KINDS:
            return replace(event, objects=_ours(observed, kind, event.objects))
        case events.ObjectDeleted(kind=kind, uid=uid) if kind in KINDS:
            known = observed.by_uid(kind, uid)
            is_ours = known is not None and observed.is_ours(kind, known)
            return event if is_ours else _revived(kind, event.at, sources)
        case events.ObjectChanged(kind=kind, object=changed) if kind in KINDS:
            if not observed.is_ours(kind, changed):
                return _revived(kind, event.at, sources)
            return replace(event, object=_without_manifest(changed))
        case events.ObjectUnreadable(kind=kind) if kind in KINDS:
            return event
    return None


def _ours(observed: ObservedObjects, kind: str, found: Iterable[Any]) -> list[Any]:
    return [_without_manifest(each) for each in found if observed.is_ours(kind, each)]


def _revived(source: str, at: str, sources: SourceStates) -> Event | None:
    """Return that a source is live again, by an event that the journal leaves out."""
    return None if sources.is_live(source) else events.SourceStatus(at=at, source=source, state="live")


def _without_manifest(object_: Any) -> Any:
    """Return an object without the manifest that was applied, which is long, and not needed."""
    annotations = object_.metadata.annotations if isinstance(object_, objects.Workload) else None
    if annotations is None or annotations.applied is None:
        return object_
    return replace(object_, metadata=replace(object_.metadata, annotations=replace(annotations, applied=None)))
