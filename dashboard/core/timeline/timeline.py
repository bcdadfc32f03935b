"""What happened, newest first: Kubernetes' own Events, and the changes between two states that are worth telling."""

from bisect import bisect_left, insort
from heapq import nlargest
from typing import Any, NamedTuple

from dashboard.core import events
from dashboard.core.objects import KubernetesEvent, Regarding
from dashboard.core.timeline.changes import ChangeDetector
from dashboard.core.timeline.entry import Entry, plain, shorten
from dashboard.core.timestamps import rfc3339, seconds

ENTRIES = 200
ASSURED = ENTRIES // 2  # for Kubernetes' Events, and as many for the rest: neither pushes the other out
MESSAGE_LENGTH = 240
WORD_LENGTH = 100  # of a message: a name in it, or an address
REASON_LENGTH = 60
NAME_LENGTH = 253  # the longest that Kubernetes allows

# Warnings that say that something does not run, and not only that it was tried again.
BAD = frozenset({
    "BackOff", "Evicted", "Failed", "FailedCreate", "FailedMount", "NodeNotReady", "OOMKilling", "ProvisioningFailed",
    "SystemOOM",
})  # fmt: skip

Json = dict[str, Any]


class TimelineRow(NamedTuple):
    """An entry in its place: by time, and by arrival within it."""

    at: float
    arrival: int
    entry: Json
    event: str | None  # its Event's uid
    times: int  # that the Event happened


class Timeline:
    def __init__(self) -> None:
        self._rows: list[TimelineRow] = []  # oldest first
        self._events: dict[str, TimelineRow] = {}  # Event's uid → its row
        self._arrivals = 0
        self._changes = ChangeDetector()
        self._entries: list[Json] = []
        self._moved = False  # since the entries were last asked for

    def tell(self, told: events.Event) -> None:
        """Takes in what a source told, if it belongs here. A deleted Event only has outlived its time: it stays."""
        match told:
            case events.ObjectsListed(kind="events", objects=listed):
                # A list may have tens of thousands.
                for happened in reversed(nlargest(ENTRIES, listed, key=lambda one: _moment(one, told.at))):
                    self._hear(happened, told.at)
            case events.ObjectChanged(kind="events", object=happened):
                self._hear(happened, told.at)
            case events.ActionRecorded():
                self.note("action", Entry(told.at, told.tone, told.text, told.about, told.mark))

    def compare(self, before: Json, after: Json, at: str) -> None:
        """Notes what changed between two states."""
        for news in self._changes.between(before, after, at):
            self.note("change", news)

    def note(self, kind: str, news: Entry) -> None:
        """Adds what somebody did ("action") or what came of it ("change")."""
        self._insert(f"{kind}/{self._arrivals}", kind, seconds(news.at), news)

    def entries(self) -> list[Json]:
        """At most ENTRIES, newest first: the same list while nothing happened."""
        if self._moved:
            self._moved = False
            entries = [row.entry for row in reversed(self._rows)]
            if entries != self._entries:
                self._entries = entries
        return self._entries

    def _hear(self, happened: KubernetesEvent, heard: str) -> None:
        """An Event that repeats has moved on to its new time; one that was listed again has not."""
        uid = happened.metadata.uid or happened.metadata.name
        count = _count(happened)
        known = self._events.get(uid)
        if known and known.times >= count:
            return
        if known:
            self._drop(known)
        at = _moment(happened, heard)
        news = Entry(rfc3339(at), _tone(happened), _text(happened, count), _about(happened.involved_object))
        self._insert(f"{uid}/{count}", "event", at, news, uid, count)

    def _insert(self, entry_id: str, kind: str, at: float, news: Entry, uid: str | None = None, times: int = 1) -> None:
        entry = {
            "id": entry_id,
            "at": news.at,
            "kind": kind,
            "tone": news.tone,
            "text": news.text,
            "about": news.about,
            "mark": news.mark,
        }
        row = TimelineRow(at, self._arrivals, entry, uid, times)
        self._arrivals += 1
        insort(self._rows, row)
        if uid is not None:
            self._events[uid] = row
        if len(self._rows) > ENTRIES:
            crowded = len(self._events) > ASSURED
            self._drop(next(row for row in self._rows if (row.event is not None) == crowded))
        self._moved = True

    def _drop(self, row: TimelineRow) -> None:
        del self._rows[bisect_left(self._rows, row)]
        if row.event is not None:
            del self._events[row.event]


def _moment(happened: KubernetesEvent, heard: str) -> float:
    """When it last happened, written in one of four places. Not after it was heard, whatever a node's clock says."""
    at = (
        (happened.series and happened.series.last_observed_time)
        or happened.last_timestamp
        or happened.event_time
        or happened.metadata.creation_timestamp
        or heard
    )
    latest = seconds(heard)
    try:
        return min(seconds(at), latest)
    except (ValueError, OverflowError):
        return latest


def _count(happened: KubernetesEvent) -> int:
    return max(happened.series.count if happened.series else 1, happened.count or 1)


def _tone(happened: KubernetesEvent) -> str:
    if happened.type == "Normal":
        return "off"
    return "bad" if happened.reason in BAD else "warn"


def _text(happened: KubernetesEvent, count: int) -> str:
    """Reason and object as `kubectl get events` has them, then the message: "Unhealthy mongodb-0/mongod: Startup …"."""
    of = happened.involved_object
    # The kubelet repeats there which pod it speaks of.
    message = happened.message[: 4 * MESSAGE_LENGTH].partition(f" in pod {of.name}_")[0]
    message = plain(" ".join(shorten(word, WORD_LENGTH) for word in message.split()), MESSAGE_LENGTH)
    subject = " ".join(filter(None, (plain(happened.reason, REASON_LENGTH), _subject(of))))
    times = f"({count}\N{MULTIPLICATION SIGN})" if count > 1 else ""
    return " ".join(filter(None, (": ".join(filter(None, (subject, message))), times)))


def _subject(of: Regarding) -> str:
    """The object's name, and the container's: a fieldPath is "spec.containers{mongod}"."""
    container = of.field_path.partition("{")[2].rstrip("}")
    return f"{shorten(of.name)}/{shorten(container)}" if container else shorten(of.name)


def _about(of: Regarding) -> Json:
    return {"kind": plain(of.kind, NAME_LENGTH), "name": plain(of.name, NAME_LENGTH), "uid": plain(of.uid, NAME_LENGTH)}
