"""The runs, the current one and earlier ones: what is kept in memory, saved to the history, and read back from it."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

from dashboard.core import events
from dashboard.core.errors import ExternalError
from dashboard.core.events import Emit
from dashboard.kube.lease import LeaseHolder
from dashboard.runs.activity_lock import ActivityLock
from dashboard.runs.demo import Demo
from dashboard.runs.ports import Audit, Clock, History, Peers
from dashboard.runs.records.record import RUNS, Run, orphaned, started, summary, trimmed
from dashboard.runs.verdict import RUNNING

SYNC_SECONDS = 5.0  # between two reads of what other dashboards do
FOLLOW_SECONDS = 1.0  # between two looks at another dashboard's run
UNKNOWN_SECONDS = 1.0  # after a read of the history, until which a run that is not in it is unknown

Json = dict[str, Any]
Runs = list[Json]

log = logging.getLogger(__name__)


class UnknownRun(Exception):
    """There is no run with this id."""


class RunArchive:
    """A run is saved when it begins and when it ends. One whose dashboard died is found "running" by another dashboard,
    which marks it as aborted, unless somebody holds the lease for it."""

    def __init__(
        self,
        history: History,
        activity: ActivityLock,
        emit: Emit,
        audit: Audit,
        clock: Clock,
        demos: Mapping[str, Demo],
        peers: Peers | None = None,
    ) -> None:
        self.foreign: LeaseHolder | None = None  # another dashboard that holds the lease
        self._history = history
        self._activity = activity
        self._emit = emit
        self._audit = audit
        self._clock = clock
        self._demos = demos
        self._peers = peers
        self._followed: str | None = None  # id of another dashboard's run that was emitted as running
        self._synced_at: float | None = None  # when the history was read last
        self._unsaved: dict[str, Json] = {}  # runs that ended here and that could not be saved yet, by id
        self._unreadable = 0  # entries of the history
        self._lock = threading.Lock()  # guards what follows
        self._current: Run | None = None
        self._runs: Runs = []  # newest first, without the current one

    def get(self, id_: str) -> Json:
        """Return a run, or as much of an earlier one as was kept. With peers, that is exact at once: a run that another
        dashboard has is asked of that one. Raise `UnknownRun`."""
        current = self._current
        if current and current.id == id_:
            return current.to_json()
        found = self._find(id_)
        if found is None and self._peers and self._may_be_elsewhere():
            self._try_sync(anew=True)
            found = self._find(id_)
        if found is None:
            raise UnknownRun(id_)
        return (self._ask(id_) or found) if found["verdict"] == RUNNING else found

    def list(self) -> Runs:
        """Return summaries, newest first, with the current run's."""
        with self._lock:
            current = [self._current.to_json()] if self._current else []
            return [self._summary(run) for run in [*current, *self._runs]][:RUNS]

    def publish(self) -> None:
        """Emit the summaries."""
        self._emit(events.RunHistoryUpdated(at=self._clock.now(), runs=self.list()))

    def begin(self, run: Run) -> None:
        with self._lock:
            self._current = run

    def keep(self, run: Run) -> None:
        """Move the current run, which has ended, to the earlier ones."""
        with self._lock:
            self._runs = trimmed([run.to_json(), *self._runs], self._demos)
            self._current = None

    def drop(self) -> None:
        """Forget the current run, if there still is one."""
        with self._lock:
            self._current = None

    def save(self, run: Run) -> str | None:
        """Save the current run to the history, beside what other dashboards have saved. Return the problem, if any: a
        run that has ended is saved later."""
        own = run.to_json()
        ended = own["verdict"] != RUNNING
        if ended:
            self._unsaved[own["id"]] = own
            if len(self._unsaved) > RUNS:
                del self._unsaved[next(iter(self._unsaved))]
        try:
            others = [each for each in self._read() if each["id"] != own["id"]]
            self._history.save(trimmed([own, *others], self._demos))
        except ExternalError as error:
            problem = f"The history could not be saved: {error}"
            log.warning("%s", problem)
            return problem
        self._unsaved.pop(own["id"], None)
        with self._lock:
            self._runs = others[: RUNS - 1]
        self.publish()
        return None

    def sync_until_closed(self) -> None:
        """Sync every SYNC_SECONDS, and follow another dashboard's run meanwhile: the work of a thread."""
        while True:
            self._try_sync()
            until = self._clock.monotonic() + SYNC_SECONDS
            while (left := until - self._clock.monotonic()) > 0:
                if self._clock.wait(self._activity.closed, min(left, FOLLOW_SECONDS) if self._peers else left):
                    return
                if self._follow():
                    break

    def sync(self, anew: bool = False) -> None:
        """Read who holds the lease, and the history if it may have changed, or in any case (`anew`). Does nothing while
        an activity is under way here. Raise `ExternalError` if one of them can't be read."""
        with self._activity.paused() as idle:
            if not idle:
                return
            holder = self._activity.lease_holder()
            if self._synced_at is not None and holder == self.foreign and not self._unsaved and not anew:
                return
            self._reconcile()
            foreign = self._activity.lease_holder()
            self._activity.publish(foreign)
            self.publish()
            self._end_following()
            self.foreign, self._synced_at = foreign, self._clock.monotonic()

    def _try_sync(self, anew: bool = False) -> None:
        try:
            self.sync(anew)
        except ExternalError as error:
            log.info("the runs of other dashboards could not be read: %s", error)
        except Exception:
            log.exception("the runs of other dashboards could not be read")

    def _find(self, id_: str) -> Json | None:
        return next((run for run in self._runs if run["id"] == id_), None)

    def _may_be_elsewhere(self) -> bool:
        """Return whether another dashboard may have begun a run since the history was read."""
        return self._synced_at is None or self._clock.monotonic() - self._synced_at > UNKNOWN_SECONDS

    def _ask(self, id_: str) -> Json | None:
        """Return another dashboard's run as that one has it now; None if nobody can tell."""
        holder = self.foreign
        return self._peers.run(holder.holder, id_) if self._peers and holder and holder.run == id_ else None

    def _follow(self) -> bool:
        """Emit how another dashboard's run goes. Return whether it has ended."""
        holder = self.foreign
        known = self._find(holder.run) if holder and not self._activity.active else None
        if known is None or known["verdict"] != RUNNING or (run := self._ask(known["id"])) is None:
            return False
        self._emit(events.RunUpdated(at=self._clock.now(), run=run))
        self._followed = known["id"]
        return bool(run["verdict"] != RUNNING)

    def _end_following(self) -> None:
        """Emit the end of the run that was followed: its dashboard may have died."""
        run = self._find(self._followed) if self._followed else None
        if run and run["verdict"] != RUNNING:
            self._emit(events.RunUpdated(at=self._clock.now(), run=run))
            self._followed = None

    def _reconcile(self) -> None:
        """Mark orphans as aborted, and save the runs of this dashboard that could not be saved before.

        A run is saved before its lease is released. So a run that is still "running" in a history that was read *after*
        nobody held the lease for it is an orphan: it will never end.
        """
        history = self._read()
        orphans: set[str] = set()
        if any(run["verdict"] == RUNNING for run in history):
            holder = self._activity.lease_holder()
            history = self._read()
            orphans = {run["id"] for run in history if run["verdict"] == RUNNING}
            orphans -= {holder.run if holder else "", *self._unsaved}
        if orphans or self._unsaved:
            at = self._clock.now()
            others = [run for run in history if run["id"] not in self._unsaved]
            others = [orphaned(run, at) if run["id"] in orphans else run for run in others]
            history = sorted([*self._unsaved.values(), *others], key=started, reverse=True)
            self._history.save(trimmed(history, self._demos))
            self._unsaved.clear()
            for id_ in sorted(orphans):
                self._audit("dashboard", f"run {id_}", "aborted: the dashboard that ran it is gone")
        with self._lock:
            self._runs = history[:RUNS]

    def _read(self) -> Runs:
        """Read the history. Audit the number of unreadable entries when it has changed."""
        history = self._history.load()
        if history.unreadable != self._unreadable:
            self._unreadable = history.unreadable
            if history.unreadable:
                outcome = f"failed: {history.unreadable} unreadable entries are skipped and stored separately"
                self._audit("dashboard", "read the history of runs", outcome)
        return history.runs

    def _summary(self, run: Json) -> Json:
        return summary(run, self._demos.get(str(run["demo"])))
