"""What is done by hand, outside of runs: a load, a restart of the database, a moment of the lease for other changes."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial

from dashboard.core.errors import InvalidOption, NotFound, UidMismatch
from dashboard.kube.pods.control import MODES, PodIdentity
from dashboard.load.options import LoadBusy, LoadOptions
from dashboard.runs.activity_lock import ActivityLock, RunActive, Spawn, activity_id, run_all
from dashboard.runs.demo import Tools
from dashboard.runs.kill import kill
from dashboard.runs.ports import Audit, Clock

POLL_SECONDS = 0.05  # between two checks whether a load still runs: the page waits for its end
UNLOAD_SECONDS = 5.0  # at most, until a load that was stopped has released its lease
RESTARTS = 100  # that are remembered, so that none is done twice


class UidNotCurrent(Exception):
    """The pod has another uid than the given one: `uid`, or None if there is no pod."""

    def __init__(self, name: str, uid: str | None, reason: str = "") -> None:
        current = f"The pod {name} has another uid now: {uid}." if uid else f"There is no pod {name} now."
        super().__init__(reason or current)
        self.uid = uid


class ManualControl:
    def __init__(self, tools: Tools, activity: ActivityLock, audit: Audit, clock: Clock, spawn: Spawn) -> None:
        self._pods = tools.pods
        self._load = tools.load
        self._database = tools.database
        self._activity = activity
        self._audit = audit
        self._clock = clock
        self._spawn = spawn
        self._loading = False  # whether a load by hand has begun
        self._restarting = threading.Lock()  # held by a restart: a load that ends keeps its lease for it
        self._restarted: dict[tuple[str, str | None], None] = {}  # (uid, container) of pods, oldest first

    def restart_mongo(self, uid: str, mode: str, by: str) -> None:
        """See `RunManager.restart_mongo`."""
        if mode not in MODES:
            raise InvalidOption(f"mode must be {' or '.join(MODES)}.")
        with self.exclusively("restart", by):
            self._restart(uid, mode, by)

    @contextlib.contextmanager
    def exclusively(self, kind: str, by: str) -> Iterator[Callable[[], None]]:
        """See `RunManager.exclusively`. Beside a load by hand, the load's lease is the one that is held."""
        with self._restarting:
            if self._loading:
                yield self._activity.renew
                return
            self._activity.acquire(activity_id(kind, self._clock.now()), by, lambda reason: None)
            try:
                yield self._activity.renew
            finally:
                self._activity.release()

    def load(self, options: LoadOptions, by: str) -> None:
        """See `RunManager.load`."""
        if (active := self._activity.active) and active.is_load:
            raise LoadBusy(active.by)
        id_ = activity_id("load", self._clock.now())
        self._activity.acquire(id_, by, partial(self._lose_load, by))
        try:
            self._activity.refuse_if_closed()
            self._load.start(options, by)
            self._loading = True
            self._activity.refuse_if_closed()
            mark = f"load {options.rate:g}/s"
            self._audit(by, f"{mark} for {options.duration:g} s", "started", None, mark)
            self._spawn(id_, self._watch_load)
        except BaseException:
            if self._loading:
                run_all(self._load.stop)
            self._end_load()
            raise

    def unload(self, by: str) -> None:
        """See `RunManager.unload`."""
        if (active := self._activity.active) and not active.is_load:
            raise RunActive(self._activity.holder, active.id, active.by)
        if self._load.running():
            self._load.stop()
            self._audit(by, "load", "stopped", None, "load off")
            self._clock.wait(self._activity.idle, UNLOAD_SECONDS)

    # A load

    def _watch_load(self) -> None:
        """Release the lease when the load has ended, by itself or because it was stopped."""
        try:
            while self._load.running():
                self._clock.wait(self._activity.idle, POLL_SECONDS)
        finally:
            with self._restarting:
                self._end_load()

    def _lose_load(self, by: str, reason: str) -> None:
        run_all(self._load.stop, partial(self._audit, by, "load", f"failed: stopped. {reason}", None, "load off"))

    def _end_load(self) -> None:
        self._loading = False
        self._activity.release()

    # A restart

    def _restart(self, uid: str, mode: str, by: str) -> None:
        pod = self._current_pod(uid)
        killed = (uid, pod.container if mode == "crash" else None)
        if killed in self._restarted:
            raise UidNotCurrent(self._database, uid, f"{self._database} is being restarted already.")
        self._activity.renew()
        try:
            kill(self._pods, pod, mode, partial(self._audit, by))
        except (UidMismatch, NotFound) as error:
            raise UidNotCurrent(pod.name, None, str(error)) from error
        self._restarted[killed] = None
        if len(self._restarted) > RESTARTS:
            del self._restarted[next(iter(self._restarted))]

    def _current_pod(self, uid: str) -> PodIdentity:
        try:
            pod = self._pods.pod(self._database)
        except NotFound as error:
            raise UidNotCurrent(self._database, None) from error
        if pod.uid != uid:
            raise UidNotCurrent(self._database, pod.uid)
        return pod
