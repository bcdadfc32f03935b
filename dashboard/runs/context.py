"""A run's context: a demo logs and waits with it, and any other thread may cancel the run through it."""

import threading
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from dashboard.core import events
from dashboard.core.errors import ExternalError
from dashboard.core.events import Emit
from dashboard.core.timestamps import seconds
from dashboard.kube.lease import LeaseLost
from dashboard.runs.evidence.recorder import Recorder
from dashboard.runs.ports import Audit, Clock, Lease
from dashboard.runs.records.record import Json, Run

PUBLISH_SECONDS = 0.2  # at least, between two updates of a run
CONFIRM_SECONDS = 10.0  # for the lease to be confirmed: an API server that restarts answers no earlier
CONFIRM_RETRY_SECONDS = 1.0

T = TypeVar("T")


class RunStopped(Exception):
    """The run ends early. The message is the reason, a sentence."""


class RunContext:
    """One thread runs the demo; other threads call `cancel` only."""

    def __init__(self, run: Run, clock: Clock, lease: Lease, emit: Emit, audit: Audit) -> None:
        self.run = run
        self.clock = clock
        self.cancelled = threading.Event()
        self.reason = ""
        self.recorder: Recorder | None = None
        self._lease = lease
        self._emit = emit
        self._audit = audit
        self._deadline = clock.monotonic() + run.demo.limits["deadline"]
        self._published = float("-inf")
        self._changed = False

    def cancel(self, reason: str) -> None:
        """Make the run end at its next check. The first reason counts."""
        self.reason = self.reason or reason
        self.cancelled.set()

    def time(self) -> float:
        """Return the time in seconds since 1970."""
        return seconds(self.clock.now())

    def record(self, record: Struct, at: float | None = None) -> None:
        """Add a record to the run's evidence file, of now or `at` another time by the monotonic clock. Any thread may
        call it."""
        if self.recorder:
            self.recorder.add(record, self.clock.monotonic() if at is None else at)

    def begin_step(self, step: str, text: str = "") -> None:
        """Begin a step. Raise `RunStopped` if the run is cancelled."""
        self.run.begin_step(step, self.clock.now(), text)
        self._change()
        self.raise_if_cancelled()

    def set_progress(self, text: str, evidence: Json | None = None) -> None:
        """Set the current step's progress text and, if given, the evidence so far."""
        self.run.set_progress(text)
        if evidence is not None:
            self.run.evidence = evidence
        self._change()

    def log(self, text: str) -> None:
        """Add an entry to the run's timeline."""
        self.run.log(text, self.clock.now())
        self._change()

    def finish(self) -> None:
        """End the last step."""
        self.run.finish(self.clock.now())
        self._change()

    def skip(self, step: str, text: str) -> None:
        self.run.skip(step, text)
        self._change()

    def audit(self, action: str, outcome: str, about: Json | None = None, mark: str | None = None) -> None:
        """Write an audit line in the name of the user who started the run."""
        self._audit(self.run.by, action, outcome, about, mark)

    def sleep(self, seconds: float) -> None:
        """Wait, and publish changes meanwhile. Raise `RunStopped` if the run is cancelled."""
        end = self.clock.monotonic() + seconds
        due = self._published + PUBLISH_SECONDS
        if self._changed and due < end:
            self.clock.wait(self.cancelled, max(0.0, due - self.clock.monotonic()))
            self.publish()
        self.clock.wait(self.cancelled, max(0.0, end - self.clock.monotonic()))
        self.raise_if_cancelled()

    def wait_until(self, met: Callable[[], bool], poll: float, limit: float, late: str | Callable[[], str]) -> None:
        """Call `met` every `poll` seconds until it returns True. Raise `RunStopped` with the text `late` after `limit`
        seconds."""
        end = self.clock.monotonic() + limit
        self.raise_if_cancelled()
        while not met():
            if self.clock.monotonic() >= end:
                raise RunStopped(late if isinstance(late, str) else late())
            self.sleep(poll)

    def wait_for(self, find: Callable[[], T | str], poll: float, limit: float) -> T:
        """Call `find` every `poll` seconds until it returns something else than what is missing, a sentence. Raise
        `RunStopped` with that after `limit` seconds."""
        end = self.clock.monotonic() + limit
        while isinstance(found := find(), str):
            if (left := end - self.clock.monotonic()) <= 0:
                raise RunStopped(found)
            self.set_progress(f"{found} Waiting {left:.0f} s more")
            self.sleep(poll)
        return found

    def raise_if_cancelled(self) -> None:
        """Raise `RunStopped` if the run was cancelled or is over its deadline."""
        if self.clock.monotonic() >= self._deadline:
            self.cancel(f"It took longer than {self.run.demo.limits['deadline']:.0f} s.")
        if self.cancelled.is_set():
            raise RunStopped(self.reason)

    def confirm_lease(self) -> None:
        """Renew the lease just before what can't be undone (a kill, the start of a load), for a while again if the API
        server does not answer. Raise `RunStopped` if it is lost or the run is cancelled."""
        end = self.clock.monotonic() + CONFIRM_SECONDS
        self.raise_if_cancelled()
        while True:
            try:
                self._lease.renew()
                break
            except LeaseLost as error:
                raise RunStopped(str(error)) from error
            except ExternalError as error:
                if self.clock.monotonic() >= end:
                    raise RunStopped(f"The lease could not be confirmed: {error}") from error
            self.sleep(CONFIRM_RETRY_SECONDS)
        self.raise_if_cancelled()

    def publish(self) -> None:
        """Emit the run's current state."""
        self._changed = False
        self._published = self.clock.monotonic()
        self._emit(events.RunUpdated(at=self.clock.now(), run=self.run.to_json()))

    def _change(self) -> None:
        self._changed = True
        if self.clock.monotonic() >= self._published + PUBLISH_SECONDS:
            self.publish()
