"""Kubernetes' own Events of the story: repeated ones are counted, and those of over an hour ago are forgotten."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.core import events
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.manifests import Json, decoded

KEPT = timedelta(hours=1)  # as the API server keeps them


@dataclass(frozen=True)
class InvolvedObject:
    """What an Event is about."""

    kind: str
    name: str
    uid: str
    container: str | None = None


class KubernetesEvents:
    """`tell` takes the events about them; `uid` makes identities."""

    def __init__(self, moments: SimulationClock, tell: Callable[[events.Event], None], uid: Callable[[], str]) -> None:
        self._moments = moments
        self._tell = tell
        self._uid = uid
        self._events: dict[
            tuple[InvolvedObject, str, str], tuple[datetime, Json]
        ] = {}  # in the order of their last time

    def listed(self) -> events.ObjectsListed:
        objects = [decoded("events", written) for _, written in self._events.values()]
        return events.ObjectsListed(at=self._moments.told, kind="events", objects=objects)

    def note(
        self, about: InvolvedObject, reason: str, message: str, component: str = "kubelet", warning: bool = False
    ) -> None:
        key = about, reason, message
        _, before = self._events.pop(key, (None, None))
        written = self._again(before) if before else self._first(about, reason, message, component, warning)
        self._events[key] = (self._moments.at, written)
        self._tell(events.ObjectChanged(at=self._moments.told, kind="events", object=decoded("events", written)))
        self._forget()

    def _first(self, about: InvolvedObject, reason: str, message: str, component: str, warning: bool) -> Json:
        uid = self._uid()
        written: Json = {
            "metadata": {"name": f"{about.name}.{uid[:16]}", "uid": uid, "creationTimestamp": self._moments.stamp},
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
            return written | {"eventTime": self._moments.stamp.replace("Z", ".123456Z"), "lastTimestamp": None}
        return written | {
            "count": 1,
            "firstTimestamp": self._moments.stamp,
            "lastTimestamp": self._moments.stamp,
            "eventTime": None,
        }

    def _again(self, before: Json) -> Json:
        if "count" not in before:
            return before
        return before | {"count": before["count"] + 1, "lastTimestamp": self._moments.stamp}

    def _forget(self) -> None:
        while self._moments.at - next(iter(self._events.values()))[0] > KEPT:
            _, gone = self._events.pop(next(iter(self._events)))
            self._tell(events.ObjectDeleted(at=self._moments.told, kind="events", uid=gone["metadata"]["uid"]))
