"""Runs one demo at a time, from its first check to its verdict, in a thread of its own; or a load by hand.

Who may do so is said by a lease, which only one dashboard holds at a time: it is taken first, renewed all along, and
given back last, whatever fails meanwhile. A run is saved when it begins and when it ends: one whose dashboard died is
found "running" by the next, and ended there, unless the lease says that it goes on.

Once `end` was called nothing begins: whoever has the lease by then looks once more before it acts.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from dashboard.core import events
from dashboard.core.errors import ExternalError, InvalidOption, NotFound, UidMismatch
from dashboard.core.events import Emit
from dashboard.kube.lease import LeaseHeld, LeaseHolder, activity
from dashboard.kube.pod_control import MODES, PodIdentity
from dashboard.load.options import LoadBusy, LoadOptions
from dashboard.runs.context import RunContext, RunStopped
from dashboard.runs.demo import Demo, Experiment, Tools, checked, demo_of
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.kill import kill
from dashboard.runs.lease_renewer import TTL_SECONDS, LeaseRenewer
from dashboard.runs.ports import Audit, Clock, History, Lease
from dashboard.runs.record import RUNS, Run, orphaned, started, summary, trimmed
from dashboard.runs.verdict import RUNNING, Verdict

LOOK_SECONDS = 5.0  # between two looks at what other dashboards do
END_SECONDS = 10.0  # that a run has to clean up when the dashboard goes
STOP_SECONDS = 0.1  # between two stops of the load meanwhile: one that was about to begin may miss the first
LOAD_LOOK_SECONDS = 0.05  # between two looks whether a load by hand goes on: the page waits for its end
UNLOAD_SECONDS = 5.0  # that a load's lease may take to be given back
RESTARTS = 100  # that are remembered, so that none is done twice

Json = dict[str, Any]
Runs = list[Json]
Spawn = Callable[[str, Callable[[], None]], None]  # a thread's name and work

log = logging.getLogger(__name__)


class RunActive(Exception):
    """Something is going, here or in another dashboard: a run, a restart or a load by hand. `holder` is the dashboard's
    name, `run` the id of what goes and `by` who started it, if known."""

    def __init__(self, holder: str, run: str = "", by: str = "", reason: str = "") -> None:
        going = f"{activity(run)}{f' by {by}' if by else ''}{f' ({run})' if run else ''}"
        super().__init__(reason or f"One at a time: {holder} has {going} going.")
        self.holder = holder
        self.run = run


class UnknownRun(Exception):
    """There is no run with this id."""


class UidNotCurrent(Exception):
    """The uid is not that of the pod that is there now: `uid` is, or None if there is no pod."""

    def __init__(self, name: str, uid: str | None, reason: str = "") -> None:
        there = f"The pod {name} has another uid now: {uid}." if uid else f"There is no pod {name} now."
        super().__init__(reason or there)
        self.uid = uid


class Activity(Struct, frozen=True):
    """What goes on here: a run, a restart or a load by hand, by its id, and who started it."""

    id: str
    by: str

    @property
    def is_load(self) -> bool:
        return activity(self.id) == "a load"


def in_thread(name: str, work: Callable[[], None]) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()


class RunManager:
    def __init__(
        self,
        tools: Tools,
        lease: Lease,
        history: History,
        emit: Emit,
        audit: Audit,
        clock: Clock,
        *,
        holder: str,  # the dashboard's own name
        demos: Mapping[str, Demo] = DEMOS,
        spawn: Spawn = in_thread,
    ) -> None:
        self._tools = tools
        self._pods = tools.pods
        self._load = tools.load
        self._pod = tools.database
        self._lease = lease
        self._history = history
        self._emit = emit
        self._audit = audit
        self._clock = clock
        self._holder = holder
        self.demos = demos
        self._spawn = spawn
        self._turn = threading.Lock()  # nothing begins while the history is tidied up
        self._restarting = threading.Lock()  # a load that ends meanwhile keeps its lease for the restart beside it
        self._lock = threading.Lock()  # guards what follows
        self._occupied: Activity | None = None
        self._renewer: LeaseRenewer | None = None  # of the lease that it holds
        self._context: RunContext | None = None
        self._loading = False  # whether a load by hand has begun
        self._runs: list[Json] = []  # newest first, without the one that goes
        self._read = False  # whether the history was
        self._unsaved: dict[str, Json] = {}  # runs that ended here and that the history does not have yet, by id
        self._unreadable = 0  # entries of the history
        self._foreign: LeaseHolder | None = None  # another dashboard that has the lease
        self._restarted: dict[tuple[str, str | None], None] = {}  # (uid, container) of pods, oldest first
        self._idle = threading.Event()
        self._idle.set()
        self._ended = threading.Event()

    def begin(self) -> None:
        """Reads the history, and ends what an earlier dashboard left running. Called once, by `start(app)`; where the
        cluster can't be reached it is tried again in the background, which also looks at what other dashboards do."""
        self._spawn("runs", self._look_on)

    def end(self) -> None:
        """From now on nothing begins. Aborts what runs and waits until it has cleaned up. Called by `stop(app)`."""
        with self._lock:
            self._ended.set()
            context = self._context
        if context:
            context.cancel("Aborted: the dashboard is going down.")
        until = self._clock.monotonic() + END_SECONDS
        while True:
            _each(self._load.stop)
            left = until - self._clock.monotonic()
            if self._clock.wait(self._idle, min(left, STOP_SECONDS)) or left <= STOP_SECONDS:
                return

    def start(self, demo: str, options: Mapping[str, Any], by: str) -> str:
        """Starts a run and returns its id. `InvalidOption` of what is not allowed, `RunActive` if something goes,
        `ExternalError` if the lease can't be asked for."""
        found = demo_of(self.demos, demo)
        chosen = checked(found, options)
        run = Run(self._new_id(demo), found, chosen, by, self._clock.now())
        context = RunContext(run, self._clock, self._lease, self._emit, self._audit)
        self._take(run.id, by, context.cancel)
        try:
            experiment = found.experiment(context, self._tools)
            with self._lock:  # either this sees that the dashboard ends, or `end` sees the context
                self._refuse_when_ended()
                self._context = context
            self._audit(by, f"run {run.id}{''.join(f' {name}={value}' for name, value in chosen.items())}", "started")
            self._remember()
            self._spawn(run.id, partial(self._run, context, experiment))
        except BaseException:
            self._give_back()
            _each(self._remember)
            raise
        return run.id

    def abort(self, id_: str, by: str) -> None:
        """Aborts a run at any moment and returns at once; of one that has ended, nothing. `UnknownRun` if there is no
        such run, `RunActive` if it is another dashboard's: only that one can end it."""
        context = self._context
        if context and context.run.id == id_:
            context.cancel(f"Aborted by {by}.")
            if self._context is context:
                self._load.stop()
            self._audit(by, f"abort {id_}", "asked")
        elif self.get(id_)["verdict"] == RUNNING:
            raise RunActive(self._foreign.holder if self._foreign else "another dashboard", id_)

    def restart_mongo(self, uid: str, mode: str, by: str) -> None:
        """Kills the pod with this uid, "graceful" or "crash", outside of a run: beside a load that was started here by
        hand, too, under the load's lease. `RunActive`, `UidNotCurrent`, `InvalidOption`, or `ExternalError`."""
        if mode not in MODES:
            raise InvalidOption(f"mode must be {' or '.join(MODES)}.")
        with self._restarting:
            if self._loading:
                self._restart(uid, mode, by)
                return
            self._take(self._new_id("restart"), by, lambda reason: None)
            try:
                self._restart(uid, mode, by)
            finally:
                self._give_back()

    def load(self, options: LoadOptions, by: str) -> None:
        """A load by hand, which holds the lease for as long as it goes. `RunActive` while something else goes, here or
        elsewhere; the load's own `LoadBusy` while one runs."""
        if (going := self._occupied) and going.is_load:
            raise LoadBusy(going.by)
        id_ = self._new_id("load")
        self._take(id_, by, partial(self._lose_load, by))
        try:
            self._refuse_when_ended()
            self._load.start(options, by)
            self._loading = True
            self._refuse_when_ended()
            words = f"load {options.rate:g}/s"
            self._audit(by, f"{words} for {options.duration:g} s", "started", None, words)
            self._spawn(id_, self._watch_load)
        except BaseException:
            if self._loading:
                _each(self._load.stop)
            self._give_back()
            raise

    def unload(self, by: str) -> None:
        """Stops a load that was started outside of a run. `RunActive` while a run goes."""
        if (going := self._occupied) and not going.is_load:
            raise RunActive(self._holder, going.id, going.by)
        if self._load.running():
            self._load.stop()
            self._audit(by, "load", "stopped", None, "load off")
            self._clock.wait(self._idle, UNLOAD_SECONDS)

    def get(self, id_: str) -> Json:
        """A run, whole, or as much as was kept of an earlier one. `UnknownRun`."""
        context = self._context
        if context and context.run.id == id_:
            return context.run.to_json()
        found = next((run for run in self._runs if run["id"] == id_), None)
        if found is None:
            raise UnknownRun(id_)
        return found

    def list(self) -> Runs:
        """Summaries, newest first, the current one among them."""
        with self._lock:
            current = [self._context.run.to_json()] if self._context else []
            return [self._summary(run) for run in [*current, *self._runs]][:RUNS]

    # A run

    def _summary(self, run: Json) -> Json:
        return summary(run, self.demos.get(str(run["demo"])))

    def _run(self, context: RunContext, experiment: Experiment) -> None:
        try:
            stopped = self._act(context, experiment)
            context.run.conclude(self._judge(context, experiment, stopped), self._clock.now())
        except Exception:
            log.exception("the run %s could not be brought to its end", context.run.id)
        finally:
            self._conclude(context)

    def _act(self, context: RunContext, experiment: Experiment) -> str | None:
        """Runs the experiment; returns why it ended early, if it did."""
        try:
            context.publish()
            self._save(context)
            experiment.run()
            context.raise_if_cancelled()  # who aborts it in the last moment has been told that it ends
        except (RunStopped, ExternalError) as error:
            return context.reason or str(error)  # a load that was stopped by an abort complains as well
        except Exception as error:
            log.exception("the run %s failed", context.run.id)
            return f"The dashboard failed in the middle of it: {type(error).__name__}."
        finally:
            try:
                experiment.cleanup()
            except Exception:
                log.exception("the run %s left something behind", context.run.id)
        return None

    def _judge(self, context: RunContext, experiment: Experiment, stopped: str | None) -> Verdict:
        try:
            return experiment.verdict(stopped)
        except Exception as error:
            log.exception("the run %s could not be judged", context.run.id)
            reason = f"The dashboard could not judge it: {type(error).__name__}."
            return Verdict("inconclusive", reason, {}, f"{context.run.demo.id} INCONCLUSIVE")

    def _conclude(self, context: RunContext) -> None:
        """The run is over: it is told and remembered, and the next one may come, whatever of this fails."""
        run = context.run
        try:
            _each(
                context.publish,
                partial(self._save, context),
                partial(self._keep, run),
                self._remember,
                lambda: self._audit(run.by, f"run {run.id}", run.to_json()["line"] or "failed: it has no verdict"),
            )
        finally:
            self._give_back()

    def _keep(self, run: Run) -> None:
        with self._lock:
            self._runs = trimmed([run.to_json(), *self._runs], self.demos)
            self._context = None

    def _save(self, context: RunContext) -> None:
        """Puts the run into the history, beside what other dashboards have put there meanwhile. A run is no worse for
        not being remembered: one that is over is saved later."""
        own = context.run.to_json()
        over = own["verdict"] != RUNNING
        if over:
            self._unsaved[own["id"]] = own
        try:
            theirs = [run for run in self._read_history() if run["id"] != own["id"]]
            self._history.save(trimmed([own, *theirs], self.demos))
        except ExternalError as error:
            log.warning("the history could not be saved: %s", error)
            if not over:
                context.log(f"The history could not be saved: {error}")
            return
        self._unsaved.pop(own["id"], None)
        with self._lock:
            self._runs = theirs[: RUNS - 1]
        self._remember()

    def _read_history(self) -> Runs:
        """The runs in it. What else stands there is told of."""
        history = self._history.load()
        if history.unreadable != self._unreadable:
            self._unreadable = history.unreadable
            if history.unreadable:
                outcome = f"failed: unreadable entries are skipped, and kept apart: {history.unreadable}"
                self._audit("dashboard", "read the history of runs", outcome)
        return history.runs

    def _remember(self) -> None:
        self._emit(events.RunHistoryUpdated(at=self._clock.now(), runs=self.list()))

    # One at a time

    def _take(self, id_: str, by: str, lost: Callable[[str], None]) -> None:
        """Takes the lease, which is renewed until it is given back; `lost` is called with the reason if it can't be.
        `RunActive` if something is going, here or elsewhere."""
        with self._turn, self._lock:
            self._refuse_when_ended()
            if self._occupied:
                raise RunActive(self._holder, self._occupied.id, self._occupied.by)
            self._occupied = Activity(id_, by)
            self._idle.clear()
        try:
            self._lease.acquire(id_, TTL_SECONDS)
        except BaseException as error:
            self._leave()
            if isinstance(error, LeaseHeld):
                raise RunActive(error.holder, error.run) from error
            raise
        try:
            self._renewer = LeaseRenewer(self._lease, self._clock, lost)
            self._spawn("lease", self._renewer.run)
            self._tell_lease(LeaseHolder(self._holder, id_, self._clock.now()))
        except BaseException:
            self._give_back()
            raise

    def _give_back(self) -> None:
        """Whatever went on is over. The next may come, whatever of this fails."""
        try:
            _each(self._end_keeper, self._lease.release, partial(self._tell_lease, None))
        finally:
            self._leave()

    def _end_keeper(self) -> None:
        if self._renewer:
            self._renewer.end()

    def _leave(self) -> None:
        with self._lock:
            self._occupied = self._context = self._renewer = None
            self._loading = False
            self._idle.set()

    def _refuse_when_ended(self) -> None:
        if self._ended.is_set():
            raise RunActive(self._holder, reason="The dashboard is going down: nothing begins any more.")

    def _tell_lease(self, holder: LeaseHolder | None) -> None:
        lease = {"holder": holder.holder, "run": holder.run, "since": holder.since} if holder else None
        self._emit(events.LeaseChanged(at=self._clock.now(), lease=lease))

    def _new_id(self, kind: str) -> str:
        """persistence-20261125-041424-09af"""
        stamp = self._clock.now()[:19].replace("-", "").replace(":", "").replace("T", "-")
        return f"{kind}-{stamp}-{secrets.token_hex(2)}"

    # A load by hand

    def _watch_load(self) -> None:
        """The lease is given back when the load has ended, by itself or by somebody."""
        try:
            while self._load.running():
                self._clock.wait(self._idle, LOAD_LOOK_SECONDS)
        finally:
            with self._restarting:
                self._give_back()

    def _lose_load(self, by: str, reason: str) -> None:
        _each(self._load.stop, partial(self._audit, by, "load", f"failed: stopped. {reason}", None, "load off"))

    # Restarts

    def _restart(self, uid: str, mode: str, by: str) -> None:
        pod = self._current(uid)
        killed = (uid, pod.container if mode == "crash" else None)
        if killed in self._restarted:
            raise UidNotCurrent(self._pod, uid, f"{self._pod} is being restarted already.")
        self._do_restart(pod, mode, by)
        self._restarted[killed] = None
        if len(self._restarted) > RESTARTS:
            del self._restarted[next(iter(self._restarted))]

    def _current(self, uid: str) -> PodIdentity:
        """The pod, if it is the one that is meant."""
        try:
            pod = self._pods.pod(self._pod)
        except NotFound as error:
            raise UidNotCurrent(self._pod, None) from error
        if pod.uid != uid:
            raise UidNotCurrent(self._pod, pod.uid)
        return pod

    def _do_restart(self, pod: PodIdentity, mode: str, by: str) -> None:
        self._lease.renew()
        self._refuse_when_ended()
        try:
            kill(self._pods, pod, mode, partial(self._audit, by))
        except (UidMismatch, NotFound) as error:
            raise UidNotCurrent(pod.name, None, str(error)) from error

    # Other dashboards, and earlier ones

    def look(self) -> None:
        """Reads who holds the lease, and the history when that may have changed; `ExternalError` if it can't."""
        with self._turn:
            if self._occupied:
                return
            holder = self._lease.holder()
            if self._read and holder == self._foreign and not self._unsaved:
                return
            self._tidy()
            foreign = self._lease.holder()
            self._tell_lease(foreign)
            self._remember()
            self._foreign, self._read = foreign, True

    def _tidy(self) -> None:
        """Reads the history, and marks as aborted what seems to run but has no lease. A run is saved before its lease
        is given back: what still runs in a history that is read *after* the lease was free will never end. Runs of ours
        that could not be saved when they ended are saved now."""
        history = self._read_history()
        orphans: set[str] = set()
        if any(run["verdict"] == RUNNING for run in history):
            holder = self._lease.holder()
            history = self._read_history()
            orphans = {run["id"] for run in history if run["verdict"] == RUNNING}
            orphans -= {holder.run if holder else "", *self._unsaved}
        if orphans or self._unsaved:
            at = self._clock.now()
            theirs = [run for run in history if run["id"] not in self._unsaved]
            theirs = [orphaned(run, at) if run["id"] in orphans else run for run in theirs]
            history = sorted([*self._unsaved.values(), *theirs], key=started, reverse=True)
            self._history.save(trimmed(history, self.demos))
            self._unsaved.clear()
            for id_ in sorted(orphans):
                self._audit("dashboard", f"run {id_}", "aborted: the dashboard that ran it is gone")
        with self._lock:
            self._runs = history[:RUNS]

    def _look_on(self) -> None:
        while True:
            try:
                self.look()
            except ExternalError as error:
                log.info("can't look at the runs of other dashboards: %s", error)
            except Exception:
                log.exception("could not look at the runs of other dashboards")
            if self._clock.wait(self._ended, LOOK_SECONDS):
                return


def _each(*steps: Callable[[], object]) -> None:
    """Takes every step, whatever became of those before."""
    for step in steps:
        try:
            step()
        except Exception:
            log.exception("a step failed, and the others are taken")
