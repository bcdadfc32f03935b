"""What the sources tell the hub: the only way in which anything comes into the state."""

from collections.abc import Callable
from typing import Any

import msgspec

from dashboard.core.objects import PodMetrics


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is when it was heard, RFC 3339 UTC: the core has no clock of its own."""

    at: str


class ObjectsListed(Event, frozen=True):
    """All objects of a kind; what is not among them is gone."""

    kind: str
    objects: list[Any]


class ObjectChanged(Event, frozen=True):
    """An object that is new, or not as it was."""

    kind: str
    object: Any


class ObjectDeleted(Event, frozen=True):
    kind: str
    uid: str


class MetricsSampled(Event, frozen=True):
    """All pods' samples as metrics.k8s.io has them now."""

    samples: list[PodMetrics]


class Document(msgspec.Struct, frozen=True, gc=False):
    """A document as it is shown: extended JSON, without its `_id`, or a marker in its place when it is too large."""

    id: str
    document: dict[str, Any]
    inserted: str | None
    truncated: bool = False
    text: str | None = None  # its exact JSON, where a browser's numbers could not hold it


class CollectionRead(Event, frozen=True):
    """What the collection holds: its size and its newest documents."""

    version: str
    count: int
    size_bytes: int
    newest: list[Document]


class VolumeUsage(Event, frozen=True):
    """The file system that the database stores on."""

    used_bytes: int
    total_bytes: int


class OperationRate(Event, frozen=True):
    """Reads and writes of documents that the database carried out, per second since the last time."""

    per_second: float


class MongoUnavailable(Event, frozen=True):
    error: str
    forbidden: bool = False


class Counters(msgspec.Struct, frozen=True, gc=False):
    """What one pod of the service has counted since it started, probes and scrapes left out."""

    requests: float
    errors: float  # answered with 5xx
    buckets: tuple[tuple[float, float], ...]  # (upper bound in seconds, requests that took at most so long), ascending


class CountersScraped(Event, frozen=True):
    """The counters of the service's pods, by pod name: those that answered at this moment."""

    pods: dict[str, Counters]


class LoadUpdated(Event, frozen=True):
    """How the load generator does: `load` as it stands in the state, and whether it runs."""

    load: dict[str, Any]


class RunUpdated(Event, frozen=True):
    """The run that is under way, or that was the last one, as it stands in the state."""

    run: dict[str, Any]


class RunHistoryUpdated(Event, frozen=True):
    """The summaries of earlier runs, newest first."""

    runs: list[dict[str, Any]]


class LeaseChanged(Event, frozen=True):
    """Who may run a demo now: {"holder", "run", "since"}, or None when nobody does."""

    lease: dict[str, Any] | None


class ActionRecorded(Event, frozen=True):
    """What somebody did through the dashboard, or what it did for them. `tone`, `about` and `mark` as in core/news."""

    tone: str
    text: str
    about: dict[str, Any] | None = None
    mark: str | None = None


class ClusterVersion(Event, frozen=True):
    """The cluster's own version."""

    kubernetes: str


class SourceStatus(Event, frozen=True):
    """How a source does: `live`, `stale`, `connecting` or `forbidden`, and what went wrong, if anything did."""

    source: str
    state: str
    error: str | None = None


Emit = Callable[[Event], None]
