"""The events that the sources emit to the hub. The state changes through events only."""

from collections.abc import Callable
from typing import Any

import msgspec

from dashboard.core.objects import PodMetrics


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """The base of all events. `at` is the time of receipt, RFC 3339 UTC: the core reads no clock. As JSON, an event
    has its class' name as `type`."""

    at: str


class UnreadableObject(msgspec.Struct, frozen=True, gc=False):
    """An object that can't be decoded, and why. An empty uid is unknown."""

    uid: str
    name: str
    error: str


class ObjectsListed(Event, frozen=True):
    """All objects of a kind. Objects that are not in the list were deleted."""

    kind: str
    objects: list[Any]
    unreadable: list[UnreadableObject] = []


class ObjectChanged(Event, frozen=True):
    """An object was created or modified."""

    kind: str
    object: Any


class ObjectUnreadable(Event, frozen=True):
    """An object was created or modified, and can't be decoded. Its last version is shown, if there was one."""

    kind: str
    object: UnreadableObject


class ObjectDeleted(Event, frozen=True):
    """An object was deleted."""

    kind: str
    uid: str


class MetricsSampled(Event, frozen=True):
    """The current samples of all pods, from metrics.k8s.io."""

    samples: list[PodMetrics]
    unreadable: list[UnreadableObject] = []


class Document(msgspec.Struct, frozen=True, gc=False):
    """A document as the page shows it: extended JSON without `_id`, or a placeholder if it is too large."""

    id: str
    document: dict[str, Any]
    inserted: str | None
    truncated: bool = False
    text: str | None = None  # the exact JSON, if a browser would round one of its numbers


class PodsEvaluated(Event, frozen=True):
    """The autoscaler is evaluated with the pods' changes so far: once for many changes, when the state is read."""


class CollectionRead(Event, frozen=True):
    """The collection's size and newest documents."""

    version: str
    count: int
    size_bytes: int
    newest: list[Document]


class VolumeUsage(Event, frozen=True):
    """The usage of the file system that holds the database."""

    used_bytes: int
    total_bytes: int


class OperationRate(Event, frozen=True):
    """Document reads and writes of the database per second, since the last event."""

    per_second: float


class MongoUnavailable(Event, frozen=True):
    """The database does not answer, or refuses the dashboard's user (`forbidden`)."""

    error: str
    forbidden: bool = False


class Counters(msgspec.Struct, frozen=True, gc=False):
    """The request counters of one service pod since its start, without probes and scrapes."""

    requests: float
    errors: float  # 5xx responses
    buckets: tuple[tuple[float, float], ...]  # cumulative: (upper bound in seconds, requests), ascending


class CountersScraped(Event, frozen=True):
    """The counters of the service pods that answered this scrape, by pod name; and why pods that run are not Ready, in
    their own words."""

    pods: dict[str, Counters]
    unready: dict[str, str] = msgspec.field(default_factory=dict)


class LoadUpdated(Event, frozen=True):
    """The load generator's progress: the state's `load`."""

    load: dict[str, Any]


class RunUpdated(Event, frozen=True):
    """The current or last run: the state's `run`."""

    run: dict[str, Any]


class RunHistoryUpdated(Event, frozen=True):
    """The summaries of earlier runs, newest first."""

    runs: list[dict[str, Any]]


class LeaseChanged(Event, frozen=True):
    """The lease's holder: {"holder", "run", "since"}, or None if it is free."""

    lease: dict[str, Any] | None


class ActionRecorded(Event, frozen=True):
    """An action of a user or of a run. `tone`, `about` and `mark` are as in core.timeline.entry."""

    tone: str
    text: str
    about: dict[str, Any] | None = None
    mark: str | None = None


class FiringAlert(msgspec.Struct, frozen=True, gc=False):
    """An alert of Prometheus. `id` stays while it fires; `since` is when its cause was first seen, RFC 3339."""

    id: str
    name: str
    severity: str  # of the rule's label: critical or warning, or another one
    summary: str
    since: str


class AlertsRead(Event, frozen=True):
    """All alerts that fire."""

    alerts: list[FiringAlert]


class ActionsAllowed(Event, frozen=True):
    """The actions that the cluster lets the dashboard take: of "rollout", "autoscaler" and "pods"."""

    actions: list[str]


class ClusterVersion(Event, frozen=True):
    """The API server's version."""

    kubernetes: str


class SourceStatus(Event, frozen=True):
    """A source's state: `live`, `stale`, `connecting` or `forbidden`; and its last error, if any."""

    source: str
    state: str
    error: str | None = None


Emit = Callable[[Event], None]
