"""The journal of a snapshot: the events that led to it, as records from which another snapshot becomes the same.

It begins with `Began` and with what the snapshot held then, as events and `Remembered`. It has the objects of the
observed deployment, the samples and the counters, and no user's documents.
"""

import math
from typing import Any

import msgspec
from msgspec.structs import replace

from dashboard.core import events, objects
from dashboard.core.events import Event
from dashboard.core.hpa.evaluation import EvaluatorMemory
from dashboard.core.state.history import Values
from dashboard.core.state.traffic import TrafficRates

Json = dict[str, Any]


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
    """The journal begins: the names of the observed objects (core.state.snapshot.Targets), and of the sources."""

    targets: dict[str, str]
    sources: list[str]


class Remembered(Event, frozen=True):
    """What the snapshot held that follows from earlier events: the evaluator's memory, each pod's last counters with
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
