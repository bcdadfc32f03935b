"""The audit log: each action as a JSON line on stdout, in the page's timeline, and as a Kubernetes Event on its object.

The newest lines are kept for GET /api/audit, in memory and beyond the process (web/history_saver). Denied requests are
kept separately, so that they can't push out the others. A background thread sends the Events, so that no action waits
for the API server; failures are logged.
"""

import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, TextIO

import msgspec
import orjson
from flask import g, has_request_context

from dashboard.clock import now
from dashboard.core.events import ActionRecorded, Emit
from dashboard.core.state.kept import KeptLine
from dashboard.core.text import plain, shorten

KEPT = 500  # lines
KEPT_DENIED = 100
EVENTS = 50  # that may wait for the API server
STOP_SECONDS = 2.0
REASON = "DashboardAction"  # of the Events
LONGEST = 400  # characters of an action, and of an outcome
NAME_LENGTH = 253  # the longest that Kubernetes allows

Json = dict[str, Any]
Record = Callable[[str, str, Json, str], None]  # kube.event_recorder.EventRecorder.record

log = logging.getLogger(__name__)


class AuditLog:
    """Implements `runs.ports.Audit`; any thread may call it. `record` writes a Kubernetes Event, None without a
    cluster."""

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
        """Send the queued Events for up to STOP_SECONDS, then return."""
        with contextlib.suppress(queue.Full):
            self._events.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def __call__(self, by: str, action: str, outcome: str, about: Json | None = None, mark: str | None = None) -> None:
        """Write a line. `outcome` begins with "refused" or "failed" if the action was not done."""
        line = self._keep(self._kept, by, action, outcome, about)
        if has_request_context():
            g.audited = True  # web.audit then writes no second line for the request
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
        """Write a line about a request without permission: to stdout and /api/audit, not to the page."""
        self._keep(self._denied, by, action, outcome, None)

    def newest(self) -> list[Json]:
        """Return the kept lines, newest first: {id, at, by, action, outcome, object: {kind, name, uid} | null}."""
        with self._lock:
            lines = [*self._kept, *self._denied]
        return sorted(lines, key=lambda line: (line["at"], line["id"]), reverse=True)

    def kept(self) -> list[KeptLine]:
        """Return the kept lines, oldest first."""
        with self._lock:
            lines = [(line, False) for line in self._kept] + [(line, True) for line in self._denied]
        lines.sort(key=lambda each: (each[0]["at"], each[0]["id"]))
        return [msgspec.convert(line | {"denied": denied}, KeptLine) for line, denied in lines]

    def adopt(self, lines: Iterable[KeptLine], latest: str) -> None:
        """Add the lines until `latest` that another process has kept, and this one has not."""
        with self._lock:
            for kept, denied in ((self._kept, False), (self._denied, True)):
                own = {_identity(line): line for line in kept}
                for one in lines:
                    line = msgspec.to_builtins(one)
                    if line.pop("denied") is denied and one.at <= latest and _identity(line) not in own:
                        own[_identity(line)] = {"id": next(self._numbers)} | line
                ordered = sorted(own.values(), key=lambda line: (line["at"], line["id"]))
                kept.clear()
                kept.extend(ordered)

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
            with contextlib.suppress(OSError, ValueError):  # a closed stdout must not prevent the stop of a run
                print(orjson.dumps({"event": "audit"} | line).decode(), file=self._out, flush=True)
        return line

    def _send(self) -> None:
        while waiting := self._events.get():
            message, about, type_ = waiting
            try:
                if self._record:
                    self._record(REASON, message, about, type_)
            except Exception as error:  # the action is done, with or without its Event
                log.warning("no Event on %s: %s", shorten(about["name"]), error)


def _identity(line: Json) -> tuple[str, str, str, str]:
    return line["at"], line["by"], line["action"], line["outcome"]


def _tone(outcome: str) -> str:
    return "bad" if outcome.startswith("failed") else "warn" if outcome.startswith("refused") else "busy"
