"""The timeline: Kubernetes Events, actions, and notable changes between two states; newest first."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from heapq import nlargest
from typing import Any, NamedTuple

import msgspec

from dashboard.core import events
from dashboard.core.objects import KubernetesEvent, Regarding
from dashboard.core.state.kept import KeptEntry
from dashboard.core.text import plain, shorten
from dashboard.core.timeline.changes import ChangeDetector
from dashboard.core.timeline.entry import Entry
from dashboard.core.timestamps import rfc3339, seconds

ENTRIES = 200
ASSURED = ENTRIES // 2  # reserved for Kubernetes Events, and as many for the rest: neither displaces the other
MESSAGE_LENGTH = 240
WORD_LENGTH = 100  # of one word of a message, such as a name or an address
REASON_LENGTH = 60
NAME_LENGTH = 253  # the longest that Kubernetes allows

# Reasons of Warning Events for which something does not run.
BAD = frozenset({
    "BackOff", "Evicted", "Failed", "FailedCreate", "FailedMount", "NodeNotReady", "OOMKilling", "ProvisioningFailed",
    "SystemOOM",
})  # fmt: skip

Json = dict[str, Any]


class TimelineRow(NamedTuple):
    """An entry with its sort key: its time, then its arrival."""

    at: float
    arrival: int
    entry: Json
    event: str | None  # the Event's uid
    times: int  # the Event's count


class Timeline:
    """The newest ENTRIES entries."""

    def __init__(self) -> None:
        self._rows: list[TimelineRow] = []  # oldest first
        self._events: dict[str, TimelineRow] = {}  # Event's uid → row
        self._arrivals = 0
        self._changes = ChangeDetector()
        self._entries: list[Json] = []
        self._changed = False  # since the last call of `entries`

    def apply(self, event: events.Event) -> None:
        """Add a Kubernetes Event or an action, and ignore other events. Expired Kubernetes Events stay."""
        match event:
            case events.ObjectsListed(kind="events", objects=listed):
                # A list may have tens of thousands of Events.
                for each in reversed(nlargest(ENTRIES, listed, key=lambda one: _time(one, event.at))):
                    self._add_event(each, event.at)
            case events.ObjectChanged(kind="events", object=changed):
                self._add_event(changed, event.at)
            case events.ActionRecorded():
                self.add("action", Entry(event.at, event.tone, event.text, event.about, event.mark))

    def compare(self, before: Json, after: Json, at: str) -> None:
        """Add the changes between two states."""
        for entry in self._changes.between(before, after, at):
            self.add("change", entry)

    def add(self, kind: str, entry: Entry) -> None:
        """Add an "action" or a "change"."""
        self._insert(f"{kind}/{self._arrivals}", kind, seconds(entry.at), entry)

    def entries(self) -> list[Json]:
        """Return at most ENTRIES entries, newest first. The list object stays the same while nothing changes."""
        if self._changed:
            self._changed = False
            entries = [row.entry for row in reversed(self._rows)]
            if entries != self._entries:
                self._entries = entries
        return self._entries

    def adopt(self, kept: Iterable[KeptEntry], before: float, latest: float) -> None:
        """Add the entries, oldest first, that another timeline has and this one has not: changes before `before`, when
        this one began, and Events and actions until `latest`."""
        known = {(row.entry["at"], row.entry["text"]) for row in self._rows}
        ids = {row.entry["id"] for row in self._rows}
        for one in kept:
            at = seconds(one.at)
            uid, _, number = one.id.rpartition("/")
            count = int(number) if number.isascii() and number.isdecimal() and len(number) < 12 else 1
            if (one.at, one.text) in known or at >= (before if one.kind == "change" else latest):
                continue
            about = msgspec.structs.asdict(one.about) if one.about else None
            entry = Entry(one.at, one.tone, one.text, about, one.mark)
            if one.kind != "event":
                self._arrivals = max(self._arrivals, count + 1)  # so that no later entry has the same id
                id_ = one.id if one.id not in ids else f"{one.kind}/{self._arrivals}"
                self._insert(id_, one.kind, at, entry)
                ids.add(id_)
            elif uid not in self._events:
                self._insert(one.id, "event", at, entry, uid, count)

    def _add_event(self, event: KubernetesEvent, received: str) -> None:
        """Add an Event. A repetition replaces its earlier entry; an Event that is only listed again is ignored."""
        uid = event.metadata.uid or event.metadata.name
        count = _count(event)
        known = self._events.get(uid)
        if known and known.times >= count:
            return
        if known:
            self._drop(known)
        at = _time(event, received)
        entry = Entry(rfc3339(at), _tone(event), _text(event, count), _about(event.involved_object))
        self._insert(f"{uid}/{count}", "event", at, entry, uid, count)

    def _insert(self, id_: str, kind: str, at: float, entry: Entry, uid: str | None = None, times: int = 1) -> None:
        fields = {
            "id": id_,
            "at": entry.at,
            "kind": kind,
            "tone": entry.tone,
            "text": entry.text,
            "about": entry.about,
            "mark": entry.mark,
        }
        row = TimelineRow(at, self._arrivals, fields, uid, times)
        self._arrivals += 1
        insort(self._rows, row)
        if uid is not None:
            self._events[uid] = row
        if len(self._rows) > ENTRIES:
            crowded = len(self._events) > ASSURED
            self._drop(next(row for row in self._rows if (row.event is not None) == crowded))
        self._changed = True

    def _drop(self, row: TimelineRow) -> None:
        del self._rows[bisect_left(self._rows, row)]
        if row.event is not None:
            del self._events[row.event]


def _time(event: KubernetesEvent, received: str) -> float:
    """Return the time of the Event's last occurrence, which is in one of four fields; at most the time of receipt.

    Before 1970 is Go's zero time or a mistake: no time.
    """
    at = (
        (event.series and event.series.last_observed_time)
        or event.last_timestamp
        or event.event_time
        or event.metadata.creation_timestamp
        or received
    )
    latest = seconds(received)
    try:
        time = seconds(at)
    except (ValueError, OverflowError):
        return latest
    return time if 0 < time < latest else latest


def _count(event: KubernetesEvent) -> int:
    return max(event.series.count if event.series else 1, event.count or 1)


def _tone(event: KubernetesEvent) -> str:
    if event.type == "Normal":
        return "off"
    return "bad" if event.reason in BAD else "warn"


def _text(event: KubernetesEvent, count: int) -> str:
    """Return the reason, the object and the message: "Unhealthy mongodb-0/mongod: Startup probe failed …"."""
    of = event.involved_object
    # The kubelet repeats the pod's name at the end of its messages.
    message = event.message[: 4 * MESSAGE_LENGTH].partition(f" in pod {of.name}_")[0]
    message = plain(" ".join(shorten(word, WORD_LENGTH) for word in message.split()), MESSAGE_LENGTH)
    subject = " ".join(filter(None, (plain(event.reason, REASON_LENGTH), _subject(of))))
    times = f"({count}\N{MULTIPLICATION SIGN})" if count > 1 else ""
    return " ".join(filter(None, (": ".join(filter(None, (subject, message))), times)))


def _subject(of: Regarding) -> str:
    """Return the object's name and the container's, from a fieldPath such as "spec.containers{mongod}"."""
    container = of.field_path.partition("{")[2].rstrip("}")
    return f"{shorten(of.name)}/{shorten(container)}" if container else shorten(of.name)


def _about(of: Regarding) -> Json:
    return {"kind": plain(of.kind, NAME_LENGTH), "name": plain(of.name, NAME_LENGTH), "uid": plain(of.uid, NAME_LENGTH)}
