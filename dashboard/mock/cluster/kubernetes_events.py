"""The simulation's Kubernetes Events. A repeated Event is counted, and each is deleted an hour after its last time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.core import events
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.manifests import Json, decoded

TTL = timedelta(hours=1)  # the API server's default
LONGEST_PREFIX = 236  # of an Event's name, which has 253 characters at most


@dataclass(frozen=True)
class InvolvedObject:
    kind: str
    name: str
    uid: str
    container: str | None = None


class KubernetesEvents:
    """`uid` returns a new uid."""

    def __init__(self, clock: SimulationClock, emit: events.Emit, uid: Callable[[], str]) -> None:
        self._clock = clock
        self._emit = emit
        self._uid = uid
        # (object, reason, message) → (last time, manifest), the oldest last time first
        self._events: dict[tuple[InvolvedObject, str, str], tuple[datetime, Json]] = {}

    def listed(self) -> events.ObjectsListed:
        objects = [decoded("events", manifest) for _, manifest in self._events.values()]
        return events.ObjectsListed(at=self._clock.timestamp, kind="events", objects=objects)

    def record(
        self, about: InvolvedObject, reason: str, message: str, component: str = "kubelet", warning: bool = False
    ) -> None:
        key = about, reason, message
        _, before = self._events.pop(key, (None, None))
        manifest = self._repeated(before) if before else self._new(about, reason, message, component, warning)
        self._events[key] = (self._clock.now, manifest)
        self._emit(events.ObjectChanged(at=self._clock.timestamp, kind="events", object=decoded("events", manifest)))
        self._delete_expired()

    def _new(self, about: InvolvedObject, reason: str, message: str, component: str, warning: bool) -> Json:
        uid, now = self._uid(), self._clock.stamp()
        manifest: Json = {
            "metadata": {"name": f"{about.name[:LONGEST_PREFIX]}.{uid[:16]}", "uid": uid, "creationTimestamp": now},
            "involvedObject": {
                "kind": about.kind,
                "name": about.name,
                "uid": about.uid,
                "fieldPath": f"spec.containers{{{about.container}}}" if about.container else "",
            },
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message,
            "reportingComponent": component,
        }
        if component == "default-scheduler":  # uses events.k8s.io/v1: no count, and a time in microseconds
            return manifest | {"eventTime": now.replace("Z", ".123456Z"), "lastTimestamp": None}
        return manifest | {"count": 1, "firstTimestamp": now, "lastTimestamp": now, "eventTime": None}

    def _repeated(self, before: Json) -> Json:
        if "count" not in before:
            return before
        return before | {"count": before["count"] + 1, "lastTimestamp": self._clock.stamp()}

    def _delete_expired(self) -> None:
        while self._clock.now - next(iter(self._events.values()))[0] > TTL:
            _, gone = self._events.pop(next(iter(self._events)))
            self._emit(events.ObjectDeleted(at=self._clock.timestamp, kind="events", uid=gone["metadata"]["uid"]))
