"""The logs of several containers as one stream of JSON lines, which follows pods that come, restart and go.

A record has the number of its `source`, a container. The first record of a source names its pod and container; later
ones have a line (`at`, `text`), its `state`, or how many lines were `dropped`. Lines are in order within a source only:
the reader sorts them by time. A line with "" as its time is not the container's, but the kubelet's, about its log.

A container that writes more than its share of LINES_A_SECOND loses lines, and so does a reader that is too slow. What
is lost is counted and sent, once a second. A log that ends or breaks off while its pod lives is opened again from its
last line on, so a few lines may come twice: the reader leaves out those that are not newer than its last one.

Containers beyond the limits are omitted, and followed as soon as others leave room.
"""

import queue
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from dashboard.kube.errors import ContainerWaiting, ObjectNotFound, ObjectReadError, ObjectReadForbidden
from dashboard.kube.pods.details import Json, LogRequest, LogSource, PodReader, details
from dashboard.kube.pods.logs import LONGEST_TAIL, POLL_SECONDS, whole_lines

MOST_FOLLOWERS = 24  # containers of one stream
MOST_FOLLOWERS_IN_ALL = 64  # each takes a thread and a connection to the API server
MOST_FOLLOWERS_OF_A_VIEWER = 32  # of these, so that one viewer leaves some to the others
LINES_A_SECOND = 2_000  # of a stream; its containers have equal shares
BURST_SECONDS = 2.0  # of its share a container may write at once
LARGEST_BUFFER = 1 << 20  # bytes that wait for the reader
BACKOFF_SECONDS = (1.0, 2.0, 4.0, 8.0)
ENDED_SECONDS = 15.0  # between two looks at an ended container, if the state does not show that it runs again

STATES = {ObjectNotFound: "gone", ObjectReadForbidden: "refused", ContainerWaiting: "waiting"}  # of a source, by error
RETRIED = ("waiting", "away")  # "away" is the state for any other error

TIMED = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))(?: |$)")  # RFC 3339


class MergedRequest(msgspec.Struct, frozen=True):
    """The last `tail` lines of all containers together; of one `container` if named, of its `previous` run."""

    container: str = ""
    previous: bool = False
    tail: int = 500
    follow: bool = False


class FollowerSlots:
    """Limits the followers of all streams together, and those of one viewer's."""

    def __init__(self, most: int = MOST_FOLLOWERS_IN_ALL, most_of_a_viewer: int = MOST_FOLLOWERS_OF_A_VIEWER) -> None:
        self._most = most
        self._most_of_a_viewer = most_of_a_viewer
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, viewer: str = "") -> bool:
        """Take a slot; return whether there was one. `viewer` is a viewer's name: "" is not limited by itself."""
        with self._lock:
            if self._taken.total() >= self._most or (viewer and self._taken[viewer] >= self._most_of_a_viewer):
                return False
            self._taken[viewer] += 1
            return True

    def release(self, viewer: str = "") -> None:
        with self._lock:
            self._taken[viewer] -= 1
            if not self._taken[viewer]:
                del self._taken[viewer]


class MergedLog:
    """The merged log (implements kube.pods.details.LogSource).

    `pods` returns the chosen pods; it is called each second.
    """

    def __init__(
        self,
        pods: Callable[[], list[Json]],
        reader: PodReader,
        request: MergedRequest,
        slots: FollowerSlots,
        clock: Callable[[], float] = time.monotonic,
        viewer: str = "",
    ) -> None:
        self.pods = pods
        self.reader = reader
        self.request = request
        self.clock = clock
        self.closed = threading.Event()
        self._slots = slots
        self._viewer = viewer
        self._buffer: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._followers: list[Follower] = []
        self._known: set[str] = set()  # uids of the pods that have been looked up
        self._lookups = 0  # threads that look up a pod
        self._started = 0  # followers, which it numbers
        self._omitted: list[tuple[Json, str, str]] = []  # containers beyond the limits: pod, name, kind
        self._sent_omitted = 0

    def pieces(self) -> Iterator[bytes]:
        """Yield records as they arrive, until `close`; without `follow` until all logs have ended."""
        try:
            while not self.closed.is_set():
                had_ended = self._has_ended()
                looks_up = self._update()
                is_done = not self.request.follow and had_ended and not looks_up and self._has_ended()
                yield from self._wait(0.0 if is_done else POLL_SECONDS)
                if is_done and self._buffer.empty():
                    return
        finally:
            self.close()

    def close(self) -> None:
        self.closed.set()
        with self._lock:
            followers = list(self._followers)
        for follower in followers:
            follower.close()
        self._buffer.put(b"")  # `pieces` then does not wait

    def release(self) -> None:
        """Give a follower's slot back."""
        self._slots.release(self._viewer)

    def share(self) -> float:
        """Return how many lines a second each container may write."""
        return LINES_A_SECOND / max(1, self._alive())

    def tail(self) -> int:
        """Return how many earlier lines to read of each container."""
        return max(10, self.request.tail // max(1, len(self._known)))

    def view(self, uid: str) -> Json | None:
        """Return the pod in the state; None if it is gone."""
        return next((pod for pod in self.pods() if pod["uid"] == uid), None)

    def put(self, block: bytes, *, droppable: bool = False) -> bool:
        """Add records for the reader. If too much waits for it already, droppable ones are not added: return False."""
        with self._lock:
            if droppable and self._waiting_bytes + len(block) > LARGEST_BUFFER:
                return False
            self._waiting_bytes += len(block)
        self._buffer.put(block)
        return True

    def _wait(self, seconds: float) -> Iterator[bytes]:
        """Yield what waits, or what arrives within some seconds."""
        try:
            block = self._buffer.get(timeout=seconds)
        except queue.Empty:
            return
        with self._lock:
            self._waiting_bytes -= len(block)
        if block:
            yield block

    def _has_ended(self) -> bool:
        """Return whether all that was started has ended."""
        with self._lock:
            return not self._lookups and all(follower.ended for follower in self._followers)

    def _update(self) -> bool:
        """Follow what was omitted and look up the pods that are new, as far as there is room, and report what was
        omitted and dropped. Return whether pods are being looked up."""
        pods = self.pods()
        self._retry_omitted({pod["uid"] for pod in pods})
        new = [pod for pod in pods if pod["uid"] not in self._known]
        with self._lock:
            self._followers = [follower for follower in self._followers if not follower.ended]
            waiting = len(self._omitted)
            followed = new[: max(0, MOST_FOLLOWERS - len(self._followers) - self._lookups - waiting)]
            self._lookups += len(followed)
        self._known.update(pod["uid"] for pod in followed)
        for pod in followed:
            threading.Thread(target=self._look_up, args=[pod], name="log-pod", daemon=True).start()
        for follower in self._followers:
            follower.report_dropped()
        omitted = waiting + len(new) - len(followed)
        if omitted != self._sent_omitted:
            self._sent_omitted = omitted
            self.put(record(omitted=omitted))
        return bool(followed)

    def _retry_omitted(self, uids: set[str]) -> None:
        """Follow the omitted containers of the pods that are still there; those without room are omitted again."""
        with self._lock:
            omitted, self._omitted = self._omitted, []
        for pod, name, kind in omitted:
            if pod["uid"] in uids:
                self._follow(pod, name, kind)

    def _look_up(self, pod: Json) -> None:
        """Start a follower for each of the pod's containers that is wanted, or tell why there is none."""
        try:
            found = [(each["name"], each["kind"]) for each in details(self.reader.pod(pod), [])["containers"]]
            wanted = [each for each in found if self._is_wanted(*each)]
            if not wanted:
                raise ObjectNotFound("The pod has no such container.")
            for name, kind in wanted:
                self._follow(pod, name, kind)
        except ObjectReadError as error:
            state = STATES.get(type(error), "away")
            self.put(record(source=-1, uid=pod["uid"], pod=pod["name"], state=state, text=str(error)))
            if state in RETRIED and self.request.follow and not self.closed.wait(BACKOFF_SECONDS[-1]):
                self._known.discard(pod["uid"])  # the next update tries again
        finally:
            with self._lock:
                self._lookups -= 1
            self.put(b"")  # wakes the stream

    def _alive(self) -> int:
        return sum(not follower.ended for follower in self._followers)

    def _is_wanted(self, name: str, kind: str) -> bool:
        return name == self.request.container if self.request.container else kind in ("main", "sidecar")

    def _follow(self, pod: Json, container: str, kind: str) -> None:
        with self._lock:
            if self.closed.is_set():
                return
            if self._alive() >= MOST_FOLLOWERS or not self._slots.take(self._viewer):
                self._omitted.append((pod, container, kind))
                return
            follower = Follower(self, self._started, pod, container, runs_once=kind == "init")
            self._started += 1
            self._followers.append(follower)
        threading.Thread(target=follower.run, name="log", daemon=True).start()


class Follower:
    """Reads one container's log, again after each of its restarts, until its pod is gone or the stream is closed."""

    def __init__(self, merged: MergedLog, number: int, pod: Json, container: str, *, runs_once: bool) -> None:
        self.ended = False
        self._merged = merged
        self._number = number
        self._pod = pod
        self._container = container
        self._runs_once = runs_once
        self._log: LogSource | None = None
        self._last = ""  # the newest line's time
        self._notice = b""  # the kubelet's newest line, until the container's next one
        self._sent: tuple[str, str] = ("", "")
        self._budget = Budget(merged.clock)
        self._lock = threading.Lock()
        self._dropped = 0
        self._dropped_at = ""  # the newest dropped line's time

    def run(self) -> None:
        try:
            self._put(uid=self._pod["uid"], pod=self._pod["name"], app=self._pod["app"], container=self._container)
            failures = 0
            while not self._merged.closed.is_set():
                before = self._last
                wait = self._read()
                if wait is None:
                    return
                failures = 0 if self._last != before else failures + 1
                wait = max(wait, BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1] if failures else 0.0)
                self._merged.closed.wait(wait)
        finally:
            self.report_dropped()
            self.ended = True
            self._merged.release()
            self._merged.put(b"")  # wakes the stream

    def close(self) -> None:
        if self._log:
            self._log.close()

    def report_dropped(self) -> None:
        """Send how many lines were dropped since the last report. Also called from the stream's thread."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._put(at=self._dropped_at, dropped=dropped)

    def _read(self) -> float | None:
        """Read the log to its end and tell what became of it. Return the seconds to wait before it is opened again, or
        None if it is not."""
        follows = self._merged.request.follow and not self._merged.request.previous
        try:
            before = self._view()
            self._read_once(before, follow=follows)
            if follows:
                return self._after_end(before)
            self._send_state("ended")
        except ObjectReadError as error:
            state = STATES.get(type(error), "away")
            self._send_state(state, str(error))
            if follows and state in RETRIED:
                return POLL_SECONDS
        return None

    def _view(self) -> Json:
        """Return the pod in the state. Raise ObjectNotFound if it is gone."""
        view = self._merged.view(self._pod["uid"])
        if view is None:
            raise ObjectNotFound("The pod is gone.")
        return view

    def _read_once(self, view: Json, *, follow: bool) -> None:
        request = LogRequest(
            container=self._container,
            previous=self._merged.request.previous,
            tail=LONGEST_TAIL if self._last else min(LONGEST_TAIL, self._merged.tail()),
            follow=follow,
            timestamps=True,
            since=self._last,
        )
        self._log = log = self._merged.reader.log(view, request)
        if self._merged.closed.is_set():
            log.close()
        self._send_state("live")
        for block in whole_lines(log.pieces()):
            self._take(block)

    def _after_end(self, before: Json) -> float | None:
        """Tell why a followed log has ended, and wait until the container may run again."""
        if self._merged.closed.is_set():
            return None
        found = details(self._merged.reader.pod(self._view()), [])["containers"]
        state = next((each["state"] for each in found if each["name"] == self._container), None) or {}
        if state.get("word") != "terminated":
            return 0.0  # the log was rotated, or the container runs again
        self._send_state("ended", _end_text(state))
        if self._runs_once:
            return None
        deadline = self._merged.clock() + ENDED_SECONDS
        while self._view()["restarts"] == before["restarts"] and self._merged.clock() < deadline:
            if self._merged.closed.wait(POLL_SECONDS):
                return None
        return 0.0

    def _take(self, block: bytes) -> None:
        """Send the lines that the container's share allows, and count the others."""
        lines = block[:-1].split(b"\n")  # not splitlines, which splits at carriage returns, too
        allowed = self._budget.take(len(lines), self._merged.share())
        sent = b"".join(self._line(line) for line in lines[:allowed])
        kept = allowed if self._merged.put(sent, droppable=True) else 0
        self._last = next(filter(None, map(_time_of, reversed(lines))), self._last)
        if kept < len(lines):
            with self._lock:
                self._dropped_at = self._last
                self._dropped += len(lines) - kept

    def _line(self, line: bytes) -> bytes:
        """Return a line's record. Where the log can't be had, each try begins with the same line of the kubelet."""
        at = _time_of(line)
        if not at and line in (b"", self._notice):
            return b""
        self._notice = b"" if at else line
        return record(source=self._number, at=at, text=line.decode()[len(at) + 1 if at else 0 :])

    def _send_state(self, state: str, text: str = "") -> None:
        if self._sent != (state, text):
            self._sent = (state, text)
            self._put(state=state, text=text)

    def _put(self, **fields: Any) -> None:
        self._merged.put(record(source=self._number, **fields))


class Budget:
    """How many lines may be sent: `rate` a second, and BURST_SECONDS of it at once after a pause."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._left = float(LONGEST_TAIL)  # the lines from before the log was opened

    def take(self, wanted: int, rate: float) -> int:
        """Return how many of the wanted lines may be sent."""
        now = self._clock()
        most = max(self._left, rate * BURST_SECONDS)
        self._left = min(most, self._left + (now - self._at) * rate)
        self._at = now
        allowed = min(wanted, int(self._left))
        self._left -= allowed
        return allowed


def record(**fields: Any) -> bytes:
    """Return one record as a line of JSON."""
    return msgspec.json.encode(fields) + b"\n"


def _time_of(line: bytes) -> str:
    """Return the time that a line begins with, or ""."""
    timed = TIMED.match(line)
    return timed[1].decode() if timed else ""


def _end_text(state: Json) -> str:
    """Return why a container ended: "OOMKilled, exit code 137"."""
    code = state.get("exit_code")
    parts = [state.get("reason") or "ended", None if code is None else f"exit code {code}"]
    return ", ".join(part for part in parts if part)
