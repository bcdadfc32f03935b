"""The hub: one loop that owns the state. Queue → apply → diff → timeline → publish.

Sources put events into the queue from their own threads; only the hub's thread changes the state. The history saver
adds the past of the history and the timeline (`adopt`), under the hub's lock. The first change after a pause is
published at once, later ones in batches, at most every PUBLISH_SECONDS.

Backpressure: sources wait while the queue is full. A viewer that does not acknowledge its messages gets no more patches
until it does, and then a snapshot.
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
from dashboard.core.hpa.what_if import Supposition, suppose
from dashboard.core.objects import Autoscaler
from dashboard.core.state.builder import Journal, Look, StateBuilder
from dashboard.core.state.diff import diff
from dashboard.core.state.kept import Kept, KeptLine
from dashboard.core.state.kept import entry as kept_entry
from dashboard.core.targets import Targets
from dashboard.core.timeline.timeline import Timeline
from dashboard.core.wire import SizingView, WhatIf

PUBLISH_SECONDS = 0.1
TICK_SECONDS = 1.0
QUEUE_EVENTS = 10_000  # when the queue is full, the sources and their streams wait
APPLY_EVENTS = 1_000  # at most, in one iteration of the loop
UNACKED_PATCHES = 60  # a viewer acknowledges each second, so about ten patches are normal
UNACKED_BYTES = 4 << 20
UNACKED_SNAPSHOTS = 3
SNAPSHOT_SECONDS = 0.25  # at least, between two snapshots to one viewer
EVICT_SECONDS = 120.0  # without an ack, after which a slow client is disconnected; a hidden page wakes once a minute
ALIVE_SECONDS = 10.0

log = logging.getLogger(__name__)


class Broadcaster(Protocol):
    """Sends the hub's messages to the viewers. Messages are encoded JSON. No method may block."""

    def send(self, viewer: str, name: str, message: bytes) -> None: ...
    def patch(self, message: bytes) -> None: ...
    def tick(self, message: bytes) -> None: ...
    def follow(self, viewer: str) -> None: ...
    def unfollow(self, viewer: str) -> None: ...
    def disconnect(self, viewer: str) -> None: ...


class TooManyViewers(Exception):
    """The maximum number of viewers is reached."""


@dataclass
class Viewer:
    """A page, and the messages that it has not acknowledged: (seq, bytes, whether it is a snapshot) of each."""

    acked_at: float  # monotonic seconds of its last message
    unacked: deque[tuple[int, int, bool]] = field(default_factory=deque)
    snapshot_at: float = float("-inf")
    snapshot_due: bool = False  # it requested a snapshot too soon
    slow: bool = False

    def sent(self, seq: int, size: int, snapshot: bool = False) -> None:
        self.unacked.append((seq, size, snapshot))

    def ack(self, seq: int) -> None:
        while self.unacked and self.unacked[0][0] <= seq:
            self.unacked.popleft()

    def overloaded(self) -> bool:
        """Return whether there are so many unacknowledged patches that more would only fill the memory."""
        patches = [size for _, size, snapshot in self.unacked if not snapshot]
        return len(patches) > UNACKED_PATCHES or sum(patches) > UNACKED_BYTES

    def snapshots(self) -> int:
        return sum(snapshot for _, _, snapshot in self.unacked)


@dataclass
class Counts:
    """Counters for /metrics."""

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
        self.most = viewers
        self._began = round(time.time(), 3)  # seconds since 1970
        self._builder = StateBuilder(targets, sources, now())
        self._timeline = Timeline()
        self._inbox: queue.Queue[events.Event | None] = queue.Queue(QUEUE_EVENTS)
        # Guards what follows. Re-entrant: a send may find its page gone, which then leaves in the same thread.
        self._lock = threading.RLock()
        self._seq = 0
        self._state = self._builder.state(0) | {"timeline": self._timeline.entries()}
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

    def put(self, event: events.Event) -> None:
        """Queue an event. Called from the sources' threads; waits while the queue is full."""
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._inbox.put(event, timeout=1)
                return

    def alive(self) -> bool:
        """Return whether the loop has run within ALIVE_SECONDS."""
        return time.monotonic() - self._beat < ALIVE_SECONDS

    def viewers(self) -> int:
        return len(self._viewers)

    def full(self) -> bool:
        return len(self._viewers) >= self.most

    def sources(self) -> dict[str, Any]:
        return dict(self._state["sources"])

    def contents(self) -> dict[str, Any] | None:
        mongo: dict[str, Any] | None = self._state["mongo"]
        return mongo

    def state(self) -> bytes:
        """Return the state as JSON, with `epoch`, `seq` and `as_of`."""
        with self._lock:
            seq, state = self._seq, self._state
        return orjson.dumps({"epoch": self.epoch, "seq": seq, "as_of": now()} | state)

    def history(self, since: float) -> bytes:
        """Return the charts' points after `since` (seconds since 1970) as JSON, with `epoch`, `as_of` and `began`: the
        points before that are another process's."""
        with self._lock:
            history = self._builder.history.since(since)
        return orjson.dumps({"epoch": self.epoch, "as_of": now(), "began": self._began} | history)

    def kept(self, by: str, audit: list[KeptLine]) -> Kept:
        """Return what outlives this process, with `by`, its name, and the audit."""
        with self._lock:
            tables, pods = self._builder.history.kept(time.time())
            entries = self._timeline.entries()
        return Kept(by, tables, pods, [kept_entry(each) for each in reversed(entries)], audit)

    def adopt(self, kept: Kept) -> None:
        """Add what another process has kept of the time before this one began. The pages get snapshots, upon which they
        read the history's last minutes again."""
        with self._lock:
            known = self.taken_in()
            self._builder.history.adopt(kept.tables, kept.pods, self._began)
            for viewer in self._viewers.values() if self.taken_in() > known else ():
                viewer.snapshot_due = True
            self._timeline.adopt(kept.timeline, self._began, time.time())
        self._wake()

    def what_if(self, supposed: Supposition) -> WhatIf | None:
        """Return what the autoscaler would do (see core.hpa.what_if)."""
        with self._lock:
            present = self._builder.present()
        return suppose(present, supposed) if present else None

    def sizing(self) -> list[SizingView]:
        """Return requests and limits that fit the usage of the last hour."""
        with self._lock:
            return self._builder.sizing(now())

    def taken_in(self) -> int:
        """Return the number of points that the history has received. While it is equal, the history is unchanged."""
        return self._builder.history.taken_in

    def view(self) -> dict[str, Any]:
        """Return the state, which the caller must not change (see runs.ports.View)."""
        return self._state

    def look(self, at: str) -> Look:
        """Return the state as it is now, which may be newer than what is published (see runs.ports.View)."""
        with self._lock:
            return self._builder.look(at)

    def evaluation_with(self, autoscaler: Autoscaler) -> dict[str, Any] | None:
        """Return what the autoscaler's controller would do now by another spec (see actions.actions.StateView)."""
        with self._lock:
            return self._builder.evaluation_with(autoscaler, now())

    def record(self, take: Journal | None, at: str) -> None:
        """Give `take` the journal of the state from now on; None ends it."""
        with self._lock:
            self._builder.record(take, at)

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods in the state."""
        pods: list[dict[str, Any]] = self._state["pods"]
        return pods

    # Called from the viewers' threads

    def join(self, viewer: str) -> None:
        """Add a viewer and send it a snapshot. The lock is held, so the next patch continues from it."""
        with self._lock:
            if len(self._viewers) >= self.most:
                raise TooManyViewers
            joined = self._viewers[viewer] = Viewer(acked_at=time.monotonic())
            self._send_snapshot(viewer, joined)
        self._wake()

    def leave(self, viewer: str) -> None:
        with self._lock:
            self._viewers.pop(viewer, None)
        self._wake()

    def request_snapshot(self, viewer: str) -> None:
        """Send the viewer a snapshot now, or with the next tick if it just had one."""
        with self._lock:
            if found := self._viewers.get(viewer):
                found.acked_at = time.monotonic()
                found.snapshot_due = not self._send_snapshot(viewer, found)

    def ack(self, viewer: str, seq: int) -> None:
        """Note that the viewer has applied everything up to `seq`. A slow client that has caught up gets a snapshot."""
        with self._lock:
            if not (found := self._viewers.get(viewer)):
                return
            found.acked_at = time.monotonic()
            found.ack(seq)
            if found.slow and not found.unacked:
                found.snapshot_due = not self._send_snapshot(viewer, found)

    # The loop

    def _run(self) -> None:
        publish_at, tick_at, changed = 0.0, time.monotonic() + TICK_SECONDS, False
        while not self._stopped.is_set():
            self._beat = time.monotonic()
            until = min(publish_at, tick_at) if changed else tick_at
            changed |= self._drain(max(0.0, until - self._beat))
            at = time.monotonic()
            try:
                if changed and at >= publish_at:
                    changed, publish_at = False, at + PUBLISH_SECONDS
                    self._publish()
                if at >= tick_at:
                    tick_at = at + TICK_SECONDS
                    self._tick()
            except Exception:  # the loop must go on
                log.exception("could not publish")

    def _drain(self, seconds: float) -> bool:
        """Apply the queued events, or wait up to `seconds` for the first one. Return whether there was any."""
        try:
            event = self._inbox.get(timeout=seconds) if seconds > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return False
        for _ in range(APPLY_EVENTS):
            self._apply(event)
            try:
                event = self._inbox.get_nowait()
            except queue.Empty:
                return True
        self._apply(event)
        return True

    def _apply(self, event: events.Event | None) -> None:
        if event is None:  # a viewer has joined or left
            return
        source = type(event).__name__  # until it is known
        try:
            source = source_of(event)
            self.counts.events[source] += 1
            self.counts.event_at[source] = time.monotonic()
            with self._lock:  # `history` must not read a half-written table
                self._builder.apply(event)
                self._timeline.apply(event)
        except Exception:  # one malformed object must not stop the hub
            log.exception("could not apply an event of %s", source)

    def _publish(self) -> None:
        with self._lock:
            state = self._builder.state(len(self._viewers))
            self._timeline.compare(self._state, state, now())
            state["timeline"] = self._timeline.entries()
            message = self._patch(state)
            if message is None:
                return
            self._seq += 1
            self._state = state
            self.counts.patches += 1
            self.counts.patch_bytes += len(message)
            if self._broadcaster:
                self._broadcaster.patch(message)
            for viewer, sent in self._viewers.items():
                self._account(viewer, sent, len(message))

    def _patch(self, state: dict[str, Any]) -> bytes | None:
        """Encode the changes from the current state to `state`, which becomes it only then; None without changes.

        A part that can't be encoded stays as it was. That is a bug, which must not freeze the other parts.
        """
        try:
            changes = diff(self._state, state)
            return orjson.dumps({"epoch": self.epoch, "seq": self._seq + 1, "changes": changes}) if changes else None
        except orjson.JSONEncodeError:
            log.exception("could not encode a part of the state")
        for name, part in state.items():
            try:
                orjson.dumps(part)
            except orjson.JSONEncodeError:
                state[name] = self._state[name]
        return self._patch(state)

    def _account(self, viewer: str, sent: Viewer, size: int) -> None:
        """Note that the viewer was sent a patch. With too many unacknowledged ones it becomes a slow client."""
        if sent.slow:
            return
        sent.sent(self._seq, size)
        if sent.overloaded():
            sent.slow = True
            self.counts.slow_clients += 1
            if self._broadcaster:
                self._broadcaster.unfollow(viewer)

    def _tick(self) -> None:
        """Send the time, the last seq and the charts' new points to all. Slow clients see by the seq that they missed
        patches, and request a snapshot."""
        at = time.monotonic()
        with self._lock:
            points = self._builder.history.take()
            tick = {"epoch": self.epoch, "seq": self._seq, "as_of": now()} | ({"points": points} if points else {})
            message = orjson.dumps(tick)
            if self._broadcaster:
                self._broadcaster.tick(message)
            for viewer, sent in list(self._viewers.items()):
                if sent.snapshot_due:
                    sent.snapshot_due = not self._send_snapshot(viewer, sent)
                if sent.slow and at - sent.acked_at > EVICT_SECONDS:
                    self._evict(viewer)

    def _send_snapshot(self, viewer: str, to: Viewer) -> bool:
        """Send a snapshot, unless the last one is too recent or too many are unacknowledged. The lock is held."""
        at = time.monotonic()
        if self._broadcaster is None or to.snapshots() >= UNACKED_SNAPSHOTS or at - to.snapshot_at < SNAPSHOT_SECONDS:
            return False
        state = {"epoch": self.epoch, "seq": self._seq, "as_of": now()} | self._state
        message = orjson.dumps({"epoch": self.epoch, "seq": self._seq, "state": state})
        self._broadcaster.send(viewer, "snapshot", message)
        self._broadcaster.follow(viewer)
        self.counts.snapshots += 1
        to.sent(self._seq, len(message), snapshot=True)
        to.snapshot_at = at
        to.slow = to.snapshot_due = False
        return True

    def _evict(self, viewer: str) -> None:
        self.counts.evicted += 1
        del self._viewers[viewer]
        if self._broadcaster:
            self._broadcaster.disconnect(viewer)

    def _wake(self) -> None:
        """Wake the loop, so that it publishes the number of viewers."""
        with contextlib.suppress(queue.Full):
            self._inbox.put_nowait(None)


def source_of(event: events.Event) -> str:
    """Return the event's source, by the names in the state's `sources`. Raise TypeError for an event without one."""
    match event:
        case events.SourceStatus(source=source):
            return source
        case (
            events.ObjectsListed(kind=kind)
            | events.ObjectChanged(kind=kind)
            | events.ObjectUnreadable(kind=kind)
            | events.ObjectDeleted(kind=kind)
        ):
            return kind
        case events.MetricsSampled() | events.PodsEvaluated() | events.ClusterVersion():
            return "metrics"
        case events.CollectionRead() | events.OperationRate() | events.VolumeUsage() | events.MongoUnavailable():
            return "mongo"
        case events.CountersScraped():
            return "traffic"
        case events.AlertsRead():
            return "alerts"
        case (
            events.LoadUpdated()
            | events.RunUpdated()
            | events.RunHistoryUpdated()
            | events.LeaseChanged()
            | events.ActionRecorded()
            | events.ActionsAllowed()
        ):
            return "runs"  # not a source, but counted like one
    raise TypeError(f"{type(event).__name__} has no source")
