"""One activity at a time, in this dashboard and in all others: a run, a load by hand, a restart or a change of the
deployment.

An activity holds the lease from before its first step until after its last, and a thread renews it meanwhile.
"""

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from functools import partial

from msgspec import Struct

from dashboard.core import events
from dashboard.core.activity import kind_of
from dashboard.core.events import Emit
from dashboard.kube.lease import LeaseHeld, LeaseHolder
from dashboard.runs.lease_renewer import TTL_SECONDS, LeaseRenewer
from dashboard.runs.ports import Clock, Lease

Spawn = Callable[[str, Callable[[], None]], None]  # starts a thread; takes its name and its work

log = logging.getLogger(__name__)


class RunActive(Exception):
    """Refused: an activity is under way, or this dashboard is shutting down.

    `holder` is the dashboard that holds the lease, `run` the activity's id and `by` who started it, each if known.
    """

    def __init__(self, holder: str, run: str = "", by: str = "", reason: str = "") -> None:
        what = f"a {kind_of(run)}{f' by {by}' if by else ''}{f' ({run})' if run else ''}"
        super().__init__(reason or f"One at a time: {holder} has {what} under way.")
        self.holder = holder
        self.run = run


class Activity(Struct, frozen=True):
    """What is under way here: its id, which begins with its kind, and who started it."""

    id: str
    by: str

    @property
    def is_load(self) -> bool:
        return kind_of(self.id) == "load"


def activity_id(kind: str, at: str) -> str:
    """Return a new id: "persistence-20261125-041424-09af"."""
    stamp = at[:19].replace("-", "").replace(":", "").replace("T", "-")
    return f"{kind}-{stamp}-{secrets.token_hex(2)}"


class ActivityLock:
    """`holder` is this dashboard's name. `acquire` and `release` enclose an activity; any thread may call them."""

    def __init__(self, lease: Lease, emit: Emit, clock: Clock, holder: str, spawn: Spawn) -> None:
        self.holder = holder
        self.idle = threading.Event()  # set while nothing is under way
        self.idle.set()
        self.closed = threading.Event()
        self._lease = lease
        self._emit = emit
        self._clock = clock
        self._spawn = spawn
        self._beginning = threading.Lock()  # held while an activity begins, and by `paused`; taken before `_lock`
        self._lock = threading.Lock()  # guards what follows, and `idle` and `closed` together with it
        self._active: Activity | None = None
        self._renewer: LeaseRenewer | None = None

    @property
    def active(self) -> Activity | None:
        return self._active

    def acquire(self, id_: str, by: str, on_lost: Callable[[str], None]) -> None:
        """Begin an activity: acquire the lease and renew it until `release`.

        `on_lost` is called with the reason if the lease is lost. Raise `RunActive` if another activity is under way
        here or elsewhere, `ExternalError` if the lease can't be acquired.
        """
        with self._beginning, self._lock:
            self.refuse_if_closed()
            if self._active:
                raise RunActive(self.holder, self._active.id, self._active.by)
            self._active = Activity(id_, by)
            self.idle.clear()
        try:
            self._lease.acquire(id_, TTL_SECONDS)
        except BaseException as error:
            self._clear()
            if isinstance(error, LeaseHeld):
                raise RunActive(error.holder, error.run) from error
            raise
        try:
            self._renewer = LeaseRenewer(self._lease, self._clock, on_lost)
            self._spawn("lease", self._renewer.run)
            self.publish(LeaseHolder(self.holder, id_, self._clock.now()))
        except BaseException:
            self.release()
            raise

    def renew(self) -> None:
        """Confirm that the activity may go on, just before it does what can't be undone. Raise `LeaseLost`, another
        `ExternalError` or `RunActive`."""
        self._lease.renew()
        self.refuse_if_closed()

    def release(self) -> None:
        """End the activity. The next one may begin, even if the lease can't be released."""
        try:
            run_all(self._end_renewer, self._lease.release, partial(self.publish, None))
        finally:
            self._clear()

    def close(self) -> None:
        """Let nothing begin from now on: the dashboard is shutting down. Does not wait for the current activity."""
        with self._lock:
            self.closed.set()

    def refuse_if_closed(self) -> None:
        if self.closed.is_set():
            raise RunActive(self.holder, reason="The dashboard is going down: nothing new can start.")

    @contextlib.contextmanager
    def paused(self) -> Iterator[bool]:
        """Let no activity begin inside the `with` block. Yield whether nothing is under way."""
        with self._beginning:
            yield self._active is None

    def lease_holder(self) -> LeaseHolder | None:
        """Read who holds the lease. Raise `ExternalError` if it can't be read."""
        return self._lease.holder()

    def publish(self, holder: LeaseHolder | None) -> None:
        """Emit who holds the lease."""
        lease = {"holder": holder.holder, "run": holder.run, "since": holder.since} if holder else None
        self._emit(events.LeaseChanged(at=self._clock.now(), lease=lease))

    def _end_renewer(self) -> None:
        if self._renewer:
            self._renewer.end()

    def _clear(self) -> None:
        with self._lock:
            self._active = self._renewer = None
            self.idle.set()


def run_all(*steps: Callable[[], object]) -> None:
    """Call every step, and log those that raise an exception."""
    for step in steps:
        try:
            step()
        except Exception:
            log.exception("a step failed; the remaining ones go on")
