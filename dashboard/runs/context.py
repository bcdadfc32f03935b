"""Where a demo plays: its run, its clock, and what may end it early at any moment."""

import threading
from collections.abc import Callable
from typing import Protocol

from dashboard.core import events as event
from dashboard.core.errors import ExternalError
from dashboard.core.events import Emit
from dashboard.core.timestamps import seconds
from dashboard.kube.lease import LeaseLost
from dashboard.runs.demos.persistence.verdict import Verdict
from dashboard.runs.ports import Audit, Clock, Lease
from dashboard.runs.record import Json, Run

PUBLISH_SECONDS = 0.2  # at least between two tellings of how the run stands


class Ended(Exception):
    """The run ends early. The message is the reason, a sentence."""


class Play(Protocol):
    """A demo's protocol."""

    def play(self) -> None:
        """All steps. `Ended`, or an `ExternalError`, of what keeps it from going on."""

    def clean(self) -> None:
        """Ends whatever it started. Called once, after `play`, however that ended."""

    def verdict(self, stopped: str | None) -> Verdict:
        """What came out; `stopped` is why it ended early."""


class Stage:
    """One thread plays on it; `stop` is for every other."""

    def __init__(self, run: Run, clock: Clock, lease: Lease, emit: Emit, audit: Audit) -> None:
        self.run = run
        self.clock = clock
        self.bell = threading.Event()
        self.reason = ""
        self._lease = lease
        self._emit = emit
        self._audit = audit
        self._deadline = clock.monotonic() + run.demo.limits["deadline"]
        self._published = float("-inf")
        self._changed = False

    def stop(self, reason: str) -> None:
        """Ends the run at its next look; the first reason counts."""
        self.reason = self.reason or reason
        self.bell.set()

    def time(self) -> float:
        """Seconds since 1970."""
        return seconds(self.clock.now())

    def begin(self, step: str, text: str = "") -> None:
        """`Ended` if the run is to go no further."""
        self.run.begin(step, self.clock.now(), text)
        self._change()
        self.go_on()

    def show(self, text: str, evidence: Json | None = None) -> None:
        """How the step does, and the figures so far."""
        self.run.show(text)
        if evidence is not None:
            self.run.evidence = evidence
        self._change()

    def tell(self, text: str) -> None:
        """Something that stays in the timeline."""
        self.run.tell(text, self.clock.now())
        self._change()

    def finish(self) -> None:
        """All steps are done."""
        self.run.finish(self.clock.now())
        self._change()

    def skip(self, step: str, text: str) -> None:
        self.run.skip(step, text)
        self._change()

    def note(self, action: str, outcome: str, about: Json | None = None, mark: str | None = None) -> None:
        """An audit line, in the name of who started the run."""
        self._audit(self.run.by, action, outcome, about, mark)

    def pause(self, seconds: float) -> None:
        """Waits, tells meanwhile what has changed, and raises `Ended` when it is over."""
        end = self.clock.monotonic() + seconds
        due = self._published + PUBLISH_SECONDS
        if self._changed and due < end:
            self.clock.wait(self.bell, max(0.0, due - self.clock.monotonic()))
            self.publish()
        self.clock.wait(self.bell, max(0.0, end - self.clock.monotonic()))
        self.go_on()

    def until(self, met: Callable[[], bool], poll: float, limit: float, late: str | Callable[[], str]) -> None:
        """Looks every `poll` seconds until it is met; `Ended` with the words in `late` if that takes too long."""
        end = self.clock.monotonic() + limit
        self.go_on()
        while not met():
            if self.clock.monotonic() >= end:
                raise Ended(late if isinstance(late, str) else late())
            self.pause(poll)

    def go_on(self) -> None:
        """`Ended` if somebody said so, or it has taken too long."""
        if self.clock.monotonic() >= self._deadline:
            self.stop(f"It took longer than {self.run.demo.limits['deadline']:.0f} s.")
        if self.bell.is_set():
            raise Ended(self.reason)

    def hold_lease(self) -> None:
        """Asks once more whether the lease is ours and the run may go on: the last thing before what can't be undone
        (a kill, the start of a load)."""
        self.go_on()
        try:
            self._lease.renew()
        except LeaseLost as error:
            raise Ended(str(error)) from error
        except ExternalError as error:
            raise Ended(f"Whether the lease is still held could not be told: {error}") from error
        self.go_on()

    def publish(self) -> None:
        """Tells how the run stands now."""
        self._changed = False
        self._published = self.clock.monotonic()
        self._emit(event.Ran(at=self.clock.now(), run=self.run.to_json()))

    def _change(self) -> None:
        self._changed = True
        if self.clock.monotonic() >= self._published + PUBLISH_SECONDS:
            self.publish()
