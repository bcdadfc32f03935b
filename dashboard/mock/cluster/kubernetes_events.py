"""The simulated Kubernetes Events: repeated ones are counted, and those older than an hour are deleted."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.core import events
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.manifests import Json, decoded

LONGEST_PREFIX = 236  # of an Event's name, which has 253 characters at most
KEPT = timedelta(hours=1)  # as the API server keeps them


@dataclass(frozen=True)
class InvolvedObject:
    """What an Event is about."""

    kind: str
    name: str
    uid: str
    container: str | None = None


class KubernetesEvents:
    """`emit` takes the events; `uid` makes identities."""

    def __init__(self, clock: SimulationClock, emit: Callable[[events.Event], None], uid: Callable[[], str]) -> None:
        self._clock = clock
        self._emit = emit
        self._uid = uid
        self._events: dict[
            tuple[InvolvedObject, str, str], tuple[datetime, Json]
        ] = {}  # in the order of their last time

    def listed(self) -> events.ObjectsListed:
        objects = [decoded("events", written) for _, written in self._events.values()]
        return events.ObjectsListed(at=self._clock.timestamp, kind="events", objects=objects)

    def note(
        self, about: InvolvedObject, reason: str, message: str, component: str = "kubelet", warning: bool = False
    ) -> None:
        key = about, reason, message
        _, before = self._events.pop(key, (None, None))
        written = self._again(before) if before else self._first(about, reason, message, component, warning)
        self._events[key] = (self._clock.at, written)
        self._emit(events.ObjectChanged(at=self._clock.timestamp, kind="events", object=decoded("events", written)))
        self._forget()

    def _first(self, about: InvolvedObject, reason: str, message: str, component: str, warning: bool) -> Json:
        uid = self._uid()
        name = f"{about.name[:LONGEST_PREFIX]}.{uid[:16]}"
        written: Json = {
            "metadata": {"name": name, "uid": uid, "creationTimestamp": self._clock.stamp},
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
        if component == "default-scheduler":  # the newer way to write them: no count, and to the microsecond
            return written | {"eventTime": self._clock.stamp.replace("Z", ".123456Z"), "lastTimestamp": None}
        return written | {
            "count": 1,
            "firstTimestamp": self._clock.stamp,
            "lastTimestamp": self._clock.stamp,
            "eventTime": None,
        }

    def _again(self, before: Json) -> Json:
        if "count" not in before:
            return before
        return before | {"count": before["count"] + 1, "lastTimestamp": self._clock.stamp}

    def _forget(self) -> None:
        while self._clock.at - next(iter(self._events.values()))[0] > KEPT:
            _, gone = self._events.pop(next(iter(self._events)))
            self._emit(events.ObjectDeleted(at=self._clock.timestamp, kind="events", uid=gone["metadata"]["uid"]))
