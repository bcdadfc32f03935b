"""The only loop and the only lock: queue → apply → diff → timeline → publish.

Sources put events in from threads of their own; the hub's thread alone changes the state. The first change after a
quiet time goes out at once, later ones together, every PUBLISH_SECONDS at most. Nothing grows without bound: sources
wait while the queue is full, and a viewer that does not acknowledge what it was sent gets no more patches until it
does, and then a snapshot.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from dashboard.clock import now
from dashboard.core import events
from dashboard.core.diff import diff
from dashboard.core.snapshot import Snapshot, Targets
from dashboard.core.timeline.timeline import Timeline

PUBLISH_SECONDS = 0.1
TICK_SECONDS = 1.0
QUEUE_EVENTS = 10_000  # a source that finds so many waits, and with it the API server's stream
APPLY_EVENTS = 1_000  # at most between two looks at the clock
UNSEEN_PATCHES = 60  # a viewer acknowledges each second, so that some ten patches are on their way in good times
UNSEEN_BYTES = 4 << 20
UNSEEN_SNAPSHOTS = 3
SNAPSHOT_SECONDS = 0.25  # at least between two snapshots to one viewer
EVICT_SECONDS = 120.0  # a slow client that is silent for so long is disconnected; a hidden page wakes once a minute
ALIVE_SECONDS = 10.0

log = logging.getLogger(__name__)


class Broadcaster(Protocol):
    """Where the hub publishes to. Messages are JSON, encoded once; none of these may block."""

    def send(self, viewer: str, name: str, message: bytes) -> None: ...
    def patch(self, message: bytes) -> None: ...
    def tick(self, message: bytes) -> None: ...
    def follow(self, viewer: str) -> None: ...
    def unfollow(self, viewer: str) -> None: ...
    def disconnect(self, viewer: str) -> None: ...


class TooManyViewers(Exception):
    """The cap on viewers is reached."""


@dataclass
class Viewer:
    """What one page was sent and has not acknowledged: (seq, bytes, whether it is a snapshot) of each message."""

    heard: float  # monotonic seconds
    unseen: deque[tuple[int, int, bool]] = field(default_factory=deque)
    snapshot_at: float = float("-inf")
    waits: bool = False  # asked for a snapshot too soon
    lagging: bool = False

    def sent(self, seq: int, size: int, snapshot: bool = False) -> None:
        self.unseen.append((seq, size, snapshot))

    def has_seen(self, seq: int) -> None:
        while self.unseen and self.unseen[0][0] <= seq:
            self.unseen.popleft()

    def overwhelmed(self) -> bool:
        """Whether so much is on its way that more would only wait in memory. One large snapshot alone is not."""
        patches = [size for _, size, snapshot in self.unseen if not snapshot]
        return len(patches) > UNSEEN_PATCHES or sum(patches) > UNSEEN_BYTES

    def snapshots(self) -> int:
        return sum(snapshot for _, _, snapshot in self.unseen)


@dataclass
class Counts:
    """For /metrics."""

    patches: int = 0
    patch_bytes: int = 0
    snapshots: int = 0
    slow_clients: int = 0
    evicted: int = 0
    events: Counter[str] = field(default_factory=Counter)
    event_at: dict[str, float] = field(default_factory=dict)  # source → monotonic seconds


class Hub:
    def __init__(self, targets: Targets, sources: Iterable[str], *, epoch: str, viewers: int) -> None:
        self.epoch = epoch
        self.counts = Counts()
        self._cap = viewers
        self._snapshot = Snapshot(targets, sources, now())
        self._timeline = Timeline()
        self._inbox: queue.Queue[events.Event | None] = queue.Queue(QUEUE_EVENTS)
        # Guards what follows. Taken again by the same thread when a message finds its page gone, which then leaves.
        self._lock = threading.RLock()
        self._seq = 0
        self._state = self._snapshot.state(0) | {"timeline": self._timeline.entries()}
        self._viewers: dict[str, Viewer] = {}
        self._broadcaster: Broadcaster | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
        self._beat = time.monotonic()

    def start(self, broadcaster: Broadcaster) -> None:
        self._broadcaster = broadcaster
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        with contextlib.suppress(queue.Full):
            self._inbox.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(5)

    def put(self, told: events.Event) -> None:
        """Takes an event from a source's thread, which waits here while the queue is full."""
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._inbox.put(told, timeout=1)
                return

    def alive(self) -> bool:
        """Whether the loop still turns."""
        return time.monotonic() - self._beat < ALIVE_SECONDS

    def viewers(self) -> int:
        return len(self._viewers)

    def full(self) -> bool:
        return len(self._viewers) >= self._cap

    def sources(self) -> dict[str, Any]:
        return dict(self._state["sources"])

    def contents(self) -> dict[str, Any] | None:
        mongo: dict[str, Any] | None = self._state["mongo"]
        return mongo

    def state(self) -> bytes:
        """The state as JSON, with `epoch`, `seq` and `as_of`."""
        with self._lock:
            seq, state = self._seq, self._state
        return orjson.dumps({"epoch": self.epoch, "seq": seq, "as_of": now()} | state)

    def history(self, since: float) -> bytes:
        """The charted figures after `since` (seconds since 1970) as JSON, with `epoch` and `as_of`."""
        with self._lock:
            history = self._snapshot.history.since(since)
        return orjson.dumps({"epoch": self.epoch, "as_of": now()} | history)

    def taken_in(self) -> int:
        """How many points the history has taken in: while it is the same, it tells the same."""
        return self._snapshot.history.taken_in

    def view(self) -> dict[str, Any]:
        """The state, not to be changed (with `samples` and `down_window`: runs.ports.View)."""
        return self._state

    def samples(self) -> dict[str, tuple[float, float, float]]:
        with self._lock:
            return self._snapshot.samples()

    def down_window(self) -> float:
        with self._lock:
            return self._snapshot.down_window()

    def pods(self) -> list[dict[str, Any]]:
        """The pods as they stand in the state."""
        pods: list[dict[str, Any]] = self._state["pods"]
        return pods

    # Called from the viewers' threads

    def join(self, viewer: str) -> None:
        """Adds a viewer and sends it a snapshot; the patches that follow continue from it, since the lock is held."""
        with self._lock:
            if len(self._viewers) >= self._cap:
                raise TooManyViewers
            joined = self._viewers[viewer] = Viewer(heard=time.monotonic())
            self._send_snapshot(viewer, joined)
        self._wake()

    def leave(self, viewer: str) -> None:
        with self._lock:
            self._viewers.pop(viewer, None)
        self._wake()

    def request_snapshot(self, viewer: str) -> None:
        """The viewer wants a snapshot: now, or with the next tick if it just had one."""
        with self._lock:
            if asking := self._viewers.get(viewer):
                asking.heard = time.monotonic()
                asking.waits = not self._send_snapshot(viewer, asking)

    def ack(self, viewer: str, seq: int) -> None:
        """The viewer has applied everything up to seq; a slow client that has caught up with its queue goes on."""
        with self._lock:
            if not (seeing := self._viewers.get(viewer)):
                return
            seeing.heard = time.monotonic()
            seeing.has_seen(seq)
            if seeing.lagging and not seeing.unseen:
                seeing.waits = not self._send_snapshot(viewer, seeing)

    # The loop

    def _run(self) -> None:
        publish_at, tick_at, changed = 0.0, time.monotonic() + TICK_SECONDS, False
        while not self._stopped.is_set():
            self._beat = time.monotonic()
            until = min(publish_at, tick_at) if changed else tick_at
            changed |= self._take(max(0.0, until - self._beat))
            at = time.monotonic()
            try:
                if changed and at >= publish_at:
                    changed, publish_at = False, at + PUBLISH_SECONDS
                    self._publish()
                if at >= tick_at:
                    tick_at = at + TICK_SECONDS
                    self._tick()
            except Exception:  # the loop outlives a message that could not be made, and says so
                log.exception("could not publish")

    def _take(self, seconds: float) -> bool:
        """Applies what is waiting, or the first event to come within the time; whether there was any."""
        try:
            told = self._inbox.get(timeout=seconds) if seconds > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return False
        for _ in range(APPLY_EVENTS):
            self._apply(told)
            try:
                told = self._inbox.get_nowait()
            except queue.Empty:
                return True
        self._apply(told)
        return True

    def _apply(self, told: events.Event | None) -> None:
        if told is None:  # only a viewer that came or went
            return
        source = source_of(told)
        self.counts.events[source] += 1
        self.counts.event_at[source] = time.monotonic()
        try:
            with self._lock:  # whoever asks for the history must not meet it half written
                self._snapshot.apply(told)
            self._timeline.apply(told)
        except Exception:  # one malformed object must not stop the page for all
            log.exception("could not apply an event of %s", source)

    def _publish(self) -> None:
        with self._lock:
            state = self._snapshot.state(len(self._viewers))
            self._timeline.compare(self._state, state, now())
            state["timeline"] = self._timeline.entries()
            changes = diff(self._state, state)
            if not changes:
                return
            self._seq += 1
            self._state = state
            message = orjson.dumps({"epoch": self.epoch, "seq": self._seq, "changes": changes})
            self.counts.patches += 1
            self.counts.patch_bytes += len(message)
            if self._broadcaster:
                self._broadcaster.patch(message)
            for viewer, sent in self._viewers.items():
                self._account(viewer, sent, len(message))

    def _account(self, viewer: str, sent: Viewer, size: int) -> None:
        """Notes that the viewer was sent a patch, which may be the last one until it acknowledges."""
        if sent.lagging:
            return
        sent.sent(self._seq, size)
        if sent.overwhelmed():
            sent.lagging = True
            self.counts.slow_clients += 1
            if self._broadcaster:
                self._broadcaster.unfollow(viewer)

    def _tick(self) -> None:
        """Sends the time, the last seq and the charts' new points to all; slow clients notice by it, and ask again."""
        at = time.monotonic()
        with self._lock:
            points = self._snapshot.history.take()
            told = {"epoch": self.epoch, "seq": self._seq, "as_of": now()} | ({"points": points} if points else {})
            message = orjson.dumps(told)
            if self._broadcaster:
                self._broadcaster.tick(message)
            for viewer, sent in list(self._viewers.items()):
                if sent.waits:
                    sent.waits = not self._send_snapshot(viewer, sent)
                if sent.lagging and at - sent.heard > EVICT_SECONDS:
                    self._evict(viewer)

    def _send_snapshot(self, viewer: str, to: Viewer) -> bool:
        """Sends it unless the last one is too fresh, or too many are unacknowledged. The lock is held."""
        at = time.monotonic()
        if self._broadcaster is None or to.snapshots() >= UNSEEN_SNAPSHOTS or at - to.snapshot_at < SNAPSHOT_SECONDS:
            return False
        state = {"epoch": self.epoch, "seq": self._seq, "as_of": now()} | self._state
        message = orjson.dumps({"epoch": self.epoch, "seq": self._seq, "state": state})
        self._broadcaster.send(viewer, "snapshot", message)
        self._broadcaster.follow(viewer)
        self.counts.snapshots += 1
        to.sent(self._seq, len(message), snapshot=True)
        to.snapshot_at = at
        to.lagging = to.waits = False
        return True

    def _evict(self, viewer: str) -> None:
        self.counts.evicted += 1
        del self._viewers[viewer]
        if self._broadcaster:
            self._broadcaster.disconnect(viewer)

    def _wake(self) -> None:
        """Has the loop look at the number of viewers."""
        with contextlib.suppress(queue.Full):
            self._inbox.put_nowait(None)


def source_of(told: events.Event) -> str:
    """The source that told it, by the names in the state's `sources`."""
    match told:
        case events.SourceStatus(source=source):
            return source
        case events.ObjectsListed(kind=kind) | events.ObjectChanged(kind=kind) | events.ObjectDeleted(kind=kind):
            return kind
        case events.CollectionRead() | events.OperationRate() | events.VolumeUsage() | events.MongoUnavailable():
            return "mongo"
        case events.CountersScraped():
            return "traffic"
        case (
            events.LoadUpdated()
            | events.RunUpdated()
            | events.RunHistoryUpdated()
            | events.LeaseChanged()
            | events.ActionRecorded()
        ):
            return "runs"  # no source, but counted as one
    return "metrics"
