"""Who did what, and what came of it: a line of JSON on stdout, the page's timeline, a Kubernetes Event on the object.

stdout has every line; the newest are kept for GET /api/audit, those of people who may not do what they asked for apart
from the rest: knocking at the door pushes nothing out. Events are sent by a thread of their own: nobody waits for
the API server, and what it refuses is logged.
"""

import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, TextIO

import orjson
from flask import g, has_request_context

from dashboard.clock import now
from dashboard.core.events import ActionRecorded, Emit
from dashboard.core.timeline.entry import plain, shorten

KEPT = 500  # lines
KEPT_DENIED = 100
EVENTS = 50  # that may wait for the API server
STOP_SECONDS = 2.0
REASON = "DashboardAction"  # of the Events
LONGEST = 400  # characters of what was done, and of what came of it
NAME_LENGTH = 253  # the longest that Kubernetes allows

Json = dict[str, Any]
Record = Callable[[str, str, Json, str], None]  # kube.event_recorder.EventRecorder.record

log = logging.getLogger(__name__)


class Audit:
    """`record` writes a Kubernetes Event, where there is a cluster. Called from any thread (core.ports.Audit)."""

    def __init__(self, emit: Emit, record: Record | None, out: TextIO | None = None) -> None:
        self._emit = emit
        self._record = record
        self._out = out  # None: stdout
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._kept: deque[Json] = deque(maxlen=KEPT)
        self._denied: deque[Json] = deque(maxlen=KEPT_DENIED)
        self._events: queue.Queue[tuple[str, Json, str] | None] = queue.Queue(EVENTS)
        self._thread = threading.Thread(target=self._send, name="audit", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What waits is still sent, for as long as there is time."""
        with contextlib.suppress(queue.Full):
            self._events.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def __call__(self, by: str, action: str, outcome: str, about: Json | None = None, mark: str | None = None) -> None:
        """`outcome` begins with "refused" or "failed" where it came to nothing."""
        line = self._keep(self._kept, by, action, outcome, about)
        if has_request_context():
            g.audited = True  # the request need not be noted a second time
        tone = _tone(outcome)
        words = f"{line['action']}: {line['outcome'].rstrip('.')}, by {line['by']}"
        self._emit(
            ActionRecorded(at=line["at"], tone=tone, text=plain(words, LONGEST), about=line["object"], mark=mark)
        )
        if self._record and line["object"] is not None and not outcome.startswith("refused"):
            try:
                self._events.put_nowait((words, line["object"], "Normal" if tone == "busy" else "Warning"))
            except queue.Full:
                log.warning("the API server is slow: no Event for %s", words)

    def denied(self, by: str, action: str, outcome: str) -> None:
        """Of somebody who may not: for stdout and for whoever asks, and not for the page."""
        self._keep(self._denied, by, action, outcome, None)

    def newest(self) -> list[Json]:
        """What is kept, newest first: {id, at, by, action, outcome, object: {kind, name, uid} | null}."""
        with self._lock:
            lines = [*self._kept, *self._denied]
        return sorted(lines, key=lambda line: -int(line["id"]))

    def _keep(self, kept: deque[Json], by: str, action: str, outcome: str, about: Json | None) -> Json:
        with self._lock:
            line = {
                "id": next(self._numbers),
                "at": now(),
                "by": plain(by, LONGEST),
                "action": plain(action, LONGEST),
                "outcome": plain(outcome, LONGEST),
                "object": {name: plain(str(about.get(name) or ""), NAME_LENGTH) for name in ("kind", "name", "uid")}
                if about
                else None,
            }
            kept.append(line)
            with contextlib.suppress(OSError, ValueError):  # a closed stdout must not keep anybody from stopping a run
                print(orjson.dumps({"event": "audit"} | line).decode(), file=self._out, flush=True)
        return line

    def _send(self) -> None:
        while waiting := self._events.get():
            message, about, type_ = waiting
            try:
                if self._record:
                    self._record(REASON, message, about, type_)
            except Exception as error:  # whatever it is, the action stands
                log.warning("no Event on %s: %s", shorten(about["name"]), error)


def _tone(outcome: str) -> str:
    return "bad" if outcome.startswith("failed") else "warn" if outcome.startswith("refused") else "busy"
