"""Runs one demo at a time, from its first check to its verdict, in a thread of its own.

Who may run one is said by a lease, which only one dashboard holds at a time. A run is saved when it begins and when it
ends: one whose dashboard died is found "running" by the next, and ended there, unless the lease says that it goes on.
"""

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from dashboard.autoscaling import Autoscaling
from dashboard.core import event
from dashboard.core.event import Emit
from dashboard.core.load import LoadOptions
from dashboard.core.ports import (
    Audit,
    Clock,
    Held,
    Holder,
    Load,
    Missing,
    Operator,
    PodIdentity,
    Reader,
    Stale,
    Trouble,
    View,
    WritersOf,
)
from dashboard.core.run import RUNNING, RUNS, BadOption, Run, checked, demo_of, orphaned, summary, trimmed
from dashboard.core.verdict import Verdict
from dashboard.keeper import TTL_SECONDS, Keeper
from dashboard.persistence import Persistence
from dashboard.stage import Ended, Play, Stage

LOOK_SECONDS = 5.0  # between two looks at what other dashboards do
END_SECONDS = 10.0  # that a run has to clean up when the dashboard goes
RESTARTS = 100  # that are remembered, so that none is done twice
MODES = ("graceful", "crash")

Json = dict[str, Any]
Spawn = Callable[[str, Callable[[], None]], None]  # a thread's name and work

log = logging.getLogger(__name__)


class Active(Exception):
    """A run is going, here or in another dashboard. `holder` is the dashboard's name, `run` its id, if known."""

    def __init__(self, holder: str, run: str = "") -> None:
        super().__init__(f"One run at a time: {holder} has {run or 'one'} going.")
        self.holder = holder
        self.run = run


class Unknown(Exception):
    """There is no run with this id."""


class NotCurrent(Exception):
    """The uid is not that of the pod that is there now: `uid` is, or None if there is no pod."""

    def __init__(self, name: str, uid: str | None, reason: str = "") -> None:
        there = f"The pod {name} has another uid now: {uid}." if uid else f"There is no pod {name} now."
        super().__init__(reason or there)
        self.uid = uid


def in_thread(name: str, work: Callable[[], None]) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()


class Director:
    def __init__(
        self,
        operator: Operator,
        load: Load,
        writers: WritersOf,
        reader: Reader,
        view: View,
        emit: Emit,
        audit: Audit,
        clock: Clock,
        *,
        holder: str,  # the dashboard's own name
        pod: str,  # the database's, "mongodb-0"
        deployment: str,  # the service's
        spawn: Spawn = in_thread,
    ) -> None:
        self._operator = operator
        self._load = load
        self._writers = writers
        self._reader = reader
        self._view = view
        self._emit = emit
        self._audit = audit
        self._clock = clock
        self._holder = holder
        self._pod = pod
        self._deployment = deployment
        self._spawn = spawn
        self._turn = threading.Lock()  # nothing begins while the history is tidied up
        self._lock = threading.Lock()  # guards what follows
        self._occupied = ""  # by what: a run's id, or a restart's
        self._stage: Stage | None = None
        self._runs: list[Json] = []  # newest first, without the one that goes
        self._read = False  # whether the history was
        self._foreign: Holder | None = None  # another dashboard that has the lease
        self._restarted: dict[tuple[str, str | None], None] = {}  # (uid, container) of pods, oldest first
        self._idle = threading.Event()
        self._idle.set()
        self._ended = threading.Event()

    def begin(self) -> None:
        """Reads the history, and ends what an earlier dashboard left running. Called once, by `start(app)`; where the
        cluster can't be reached it is tried again in the background, which also looks at what other dashboards do."""
        self._spawn("runs", self._look_on)

    def end(self) -> None:
        """Aborts what runs and waits until it has cleaned up. Called by `stop(app)`."""
        self._ended.set()
        if stage := self._stage:
            stage.stop("Aborted: the dashboard is going down.")
        self._load.stop()
        self._clock.wait(self._idle, END_SECONDS)

    def start(self, demo: str, options: Mapping[str, Any], by: str) -> str:
        """The new run's id. `BadOption` (core.run) of what is not allowed, `Active` if one is going; a `Trouble`
        (core.ports) if the lease can't be asked for."""
        found = demo_of(demo)
        chosen = checked(found, options)
        at = self._clock.now()
        run = Run(f"{demo}-{_stamp(at)}-{secrets.token_hex(2)}", found, chosen, by, at)
        self._take_lease(run.id)
        stage = Stage(run, self._clock, self._operator, self._emit, self._audit)
        play = self._play(demo, stage)
        with self._lock:
            self._stage = stage
        self._emit(event.Leased(at=at, lease={"holder": self._holder, "run": run.id, "since": at}))
        self._audit(by, f"run {run.id}{''.join(f' {name}={value}' for name, value in chosen.items())}", "started")
        self._remember()
        self._spawn(run.id, partial(self._run, stage, play))
        return run.id

    def abort(self, id_: str, by: str) -> None:
        """At any moment, and returns at once. `Unknown` if there is no such run; nothing if it has ended. `Active` if
        it is another dashboard's: only that one can end it."""
        stage = self._stage
        if stage and stage.run.id == id_:
            self._audit(by, f"abort {id_}", "asked")
            stage.stop(f"Aborted by {by}.")
            if stage.run.demo.id == "autoscale":
                self._load.stop()
        elif self.get(id_)["verdict"] == RUNNING:
            raise Active(self._foreign.holder if self._foreign else "another dashboard", id_)

    def restart_mongo(self, uid: str, mode: str, by: str) -> None:
        """Outside of a run: "graceful" or "crash", of the pod with this uid. `Active`, `NotCurrent`, `BadOption`, or a
        `Trouble`."""
        if mode not in MODES:
            raise BadOption(f"mode must be {' or '.join(MODES)}.")
        with self._leased(f"restart-{_stamp(self._clock.now())}-{secrets.token_hex(2)}"):
            pod = self._current(uid)
            killed = (uid, pod.container if mode == "crash" else None)
            if killed in self._restarted:
                raise NotCurrent(self._pod, uid, f"{self._pod} is being restarted already.")
            self._do_restart(pod, mode, by)
            self._restarted[killed] = None
            if len(self._restarted) > RESTARTS:
                del self._restarted[next(iter(self._restarted))]

    def load(self, options: LoadOptions, by: str) -> None:
        """Load outside of a run: `Active` while a run goes, here or elsewhere; the load's own `Busy` while one runs."""
        self._refuse_while_one_goes()
        if (held := self._operator.holder()) and held.holder != self._holder:
            raise Active(held.holder, held.run)
        self._load.start(options, by)
        self._audit(
            by, f"load {options.rate:g}/s for {options.duration:g} s", "started", None, f"load {options.rate:g}/s"
        )

    def unload(self, by: str) -> None:
        """Stops a load that was started outside of a run. `Active` while a run goes."""
        self._refuse_while_one_goes()
        if self._load.running():
            self._load.stop()
            self._audit(by, "load", "stopped", None, "load off")

    def get(self, id_: str) -> Json:
        """A run, whole, or as much as was kept of an earlier one. `Unknown`."""
        stage = self._stage
        if stage and stage.run.id == id_:
            return stage.run.to_json()
        found = next((run for run in self._runs if run["id"] == id_), None)
        if found is None:
            raise Unknown(id_)
        return found

    def list(self) -> "list[Json]":
        """Summaries, newest first, the current one among them."""
        with self._lock:
            current = [self._stage.run.to_json()] if self._stage else []
            return [summary(run) for run in [*current, *self._runs]][:RUNS]

    # A run

    def _play(self, demo: str, stage: Stage) -> Play:
        if demo == "persistence":
            writers = self._writers(stage.run.id)
            return Persistence(stage, self._operator, self._reader, writers, self._view, self._pod)
        return Autoscaling(stage, self._load, self._view, self._deployment)

    def _run(self, stage: Stage, play: Play) -> None:
        keeper = Keeper(self._operator, self._clock, stage.stop)
        self._spawn("lease", keeper.run)
        try:
            stage.publish()
            self._save(stage)
            stopped = self._act(stage, play)
            stage.run.conclude(self._judge(stage, play, stopped), self._clock.now())
            stage.publish()
            self._save(stage)
        except Exception:
            log.exception("the run %s could not be brought to its end", stage.run.id)
        finally:
            keeper.end()
            self._conclude(stage)

    def _act(self, stage: Stage, play: Play) -> str | None:
        """Plays it; gives back why it ended early, if it did."""
        try:
            play.play()
            stage.go_on()  # who aborts it in the last moment has been told that it ends
        except (Ended, Trouble) as error:
            return stage.reason or str(error)  # a load that was stopped by an abort complains as well
        except Exception as error:
            log.exception("the run %s failed", stage.run.id)
            return f"The dashboard failed in the middle of it: {type(error).__name__}."
        finally:
            try:
                play.clean()
            except Exception:
                log.exception("the run %s left something behind", stage.run.id)
        return None

    def _judge(self, stage: Stage, play: Play, stopped: str | None) -> Verdict:
        try:
            return play.verdict(stopped)
        except Exception as error:
            log.exception("the run %s could not be judged", stage.run.id)
            reason = f"The dashboard could not judge it: {type(error).__name__}."
            return Verdict("inconclusive", reason, {}, f"{stage.run.demo.id} INCONCLUSIVE")

    def _conclude(self, stage: Stage) -> None:
        """The run is over: it is remembered, and the next one may come."""
        run = stage.run
        self._operator.release()
        with self._lock:
            self._runs = trimmed([run.to_json(), *self._runs])
            self._stage = None
        self._emit(event.Leased(at=self._clock.now(), lease=None))
        self._remember()
        self._audit(run.by, f"run {run.id}", run.to_json()["line"] or "failed: it has no verdict")
        self._leave()

    def _save(self, stage: Stage) -> None:
        """Puts the run into the history, beside what other dashboards have put there meanwhile. A run is no worse for
        not being remembered."""
        own = stage.run.to_json()
        try:
            theirs = [run for run in self._operator.load_history() if run["id"] != own["id"]]
            self._operator.save_history(trimmed([own, *theirs]))
        except Trouble as error:
            log.warning("the history could not be saved: %s", error)
            if own["verdict"] == RUNNING:
                stage.tell(f"The history could not be saved: {error}")
            return
        with self._lock:
            self._runs = theirs[: RUNS - 1]
        self._remember()

    def _remember(self) -> None:
        self._emit(event.Remembered(at=self._clock.now(), runs=self.list()))

    # One at a time

    @contextlib.contextmanager
    def _leased(self, id_: str) -> Iterator[None]:
        """The lease, for something short."""
        self._take_lease(id_)
        try:
            yield
        finally:
            self._operator.release()
            self._leave()

    def _take_lease(self, id_: str) -> None:
        """`Active` if something is going, here or elsewhere."""
        with self._turn, self._lock:
            if self._occupied or self._ended.is_set():
                raise Active(self._holder, self._occupied)
            self._occupied = id_
            self._idle.clear()
        try:
            self._operator.acquire(id_, TTL_SECONDS)
        except BaseException as error:
            self._leave()
            if isinstance(error, Held):
                raise Active(error.holder, error.run) from error
            raise

    def _leave(self) -> None:
        with self._lock:
            self._occupied = ""
            self._idle.set()

    def _refuse_while_one_goes(self) -> None:
        if self._occupied:
            raise Active(self._holder, self._occupied)

    # Restarts

    def _current(self, uid: str) -> PodIdentity:
        """The pod, if it is the one that is meant."""
        try:
            pod = self._operator.pod(self._pod)
        except Missing as error:
            raise NotCurrent(self._pod, None) from error
        if pod.uid != uid:
            raise NotCurrent(self._pod, pod.uid)
        return pod

    def _do_restart(self, pod: PodIdentity, mode: str, by: str) -> None:
        action = f"restart {pod.name} ({mode})"
        about = {"kind": "Pod", "name": pod.name, "uid": pod.uid}
        try:
            if mode == "crash":
                self._operator.crash(pod.uid)
            else:
                self._operator.delete_pod(pod.name, pod.uid)
        except (Stale, Missing) as error:
            self._audit(by, action, f"refused: {error}", about)
            raise NotCurrent(pod.name, None, str(error)) from error
        except Trouble as error:
            self._audit(by, action, f"failed: {error}", about)
            raise
        self._audit(by, action, "done", about, "kill")

    # Other dashboards, and earlier ones

    def look(self) -> None:
        """Reads who holds the lease, and the history when that may have changed. A `Trouble` if it can't be told."""
        with self._turn:
            if self._occupied:
                return
            holder = self._operator.holder()
            if self._read and holder == self._foreign:
                return
            self._tidy()
            self._foreign, self._read = self._operator.holder(), True
            self._emit(event.Leased(at=self._clock.now(), lease=_lease(self._foreign)))
            self._remember()

    def _tidy(self) -> None:
        """Reads the history, and marks as aborted what seems to run but has no lease. A run is saved before its lease
        is given back: what still runs in a history that is read *after* the lease was free will never end."""
        history = self._operator.load_history()
        if any(run["verdict"] == RUNNING for run in history):
            holder = self._operator.holder()
            history = self._operator.load_history()
            orphans = {run["id"] for run in history if run["verdict"] == RUNNING}
            if holder and holder.holder == self._holder:
                self._take_back(holder)
            elif holder:
                orphans.discard(holder.run)
            if orphans:
                at = self._clock.now()
                history = [orphaned(run, at) if run["id"] in orphans else run for run in history]
                self._operator.save_history(trimmed(history))
                for id_ in sorted(orphans):
                    self._audit("dashboard", f"run {id_}", "aborted: the dashboard that ran it is gone")
        with self._lock:
            self._runs = history[:RUNS]

    def _take_back(self, holder: Holder) -> None:
        """A lease in our name that we do not know of is from before a restart."""
        self._operator.acquire(holder.run, TTL_SECONDS)
        self._operator.release()

    def _look_on(self) -> None:
        while True:
            try:
                self.look()
            except Trouble as error:
                log.info("can't look at the runs of other dashboards: %s", error)
            except Exception:
                log.exception("could not look at the runs of other dashboards")
            if self._clock.wait(self._ended, LOOK_SECONDS):
                return


def _lease(holder: Holder | None) -> Json | None:
    return {"holder": holder.holder, "run": holder.run, "since": holder.since} if holder else None


def _stamp(at: str) -> str:
    """20261125-041424, of an RFC 3339 time."""
    return at[:19].replace("-", "").replace(":", "").replace("T", "-")
