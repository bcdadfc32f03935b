"""Runs demos, one at a time, each from its first step to its verdict in a thread of its own."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from dashboard.core.errors import ExternalError
from dashboard.core.events import Emit
from dashboard.load.options import LoadOptions
from dashboard.runs.activity_lock import ActivityLock, RunActive, Spawn, activity_id, run_all
from dashboard.runs.context import RunContext, RunStopped
from dashboard.runs.demo import Demo, Experiment, Tools, checked, demo_of
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.evidence.recorder import Recorder, evidence_file, header
from dashboard.runs.evidence.records import Stopped
from dashboard.runs.evidence.store import EvidenceStore, Unkept
from dashboard.runs.manual import ManualControl
from dashboard.runs.ports import Audit, Clock, EvidenceFiles, History, Lease, Peers
from dashboard.runs.records.archive import RunArchive
from dashboard.runs.records.record import Run
from dashboard.runs.verdict import INCONCLUSIVE, RUNNING, Verdict

END_SECONDS = 10.0  # for a run to clean up when the dashboard shuts down
STOP_SECONDS = 0.1  # between two stops of the load meanwhile: a load that is just starting may miss the first

Json = dict[str, Any]
Runs = list[Json]

log = logging.getLogger(__name__)


def in_thread(name: str, work: Callable[[], None]) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()


class RunManager:
    """`holder` is this dashboard's name, as the lease has it."""

    def __init__(
        self,
        tools: Tools,
        lease: Lease,
        history: History,
        files: EvidenceFiles,
        emit: Emit,
        audit: Audit,
        clock: Clock,
        *,
        holder: str,
        demos: Mapping[str, Demo] = DEMOS,
        peers: Peers | None = None,
        spawn: Spawn = in_thread,
    ) -> None:
        self.demos = demos
        self._tools = tools
        self._lease = lease
        self._emit = emit
        self._audit = audit
        self._clock = clock
        self._spawn = spawn
        self._activity = ActivityLock(lease, emit, clock, holder, spawn)
        self._files = EvidenceStore(files)
        self._peers = peers
        self._archive = RunArchive(history, self._activity, emit, audit, clock, {**DEMOS, **demos}, peers)
        self._manual = ManualControl(tools, self._activity, audit, clock, spawn)
        self._lock = threading.Lock()  # guards what follows; taken before those of the activity lock and the archive
        self._context: RunContext | None = None  # of the current run

    def begin(self) -> None:
        """Read the history in the background, and follow what other dashboards do. Called once, by `app.start`."""
        self._spawn("runs", self._archive.sync_until_closed)

    def end(self) -> None:
        """Refuse everything from now on, abort what is under way, and wait until it has cleaned up. Called by
        `app.stop`."""
        with self._lock:
            self._activity.close()
            context = self._context
        if context:
            context.cancel("Aborted: the dashboard is going down.")
        deadline = self._clock.monotonic() + END_SECONDS
        while True:
            run_all(self._tools.load.stop)
            left = deadline - self._clock.monotonic()
            if self._clock.wait(self._activity.idle, min(left, STOP_SECONDS)) or left <= STOP_SECONDS:
                return

    def list(self) -> Runs:
        """Return the runs' summaries, newest first, with the current run's."""
        return self._archive.list()

    def get(self, id_: str) -> Json:
        """Return a run, or as much of an earlier one as was kept. Raise `UnknownRun`."""
        return self._archive.get(id_)

    def evidence(self, id_: str) -> bytes:
        """Return an ended run's evidence file. Raise `UnknownRun`, `Unkept`, `Altered`, or `ExternalError`."""
        recorded = self.get(id_).get("evidence_file")
        if not recorded:
            raise Unkept("This run has no evidence file: it is not over, or its dashboard recorded none.")
        return self._files.load(id_, recorded["sha256"])

    def abort(self, id_: str, by: str) -> None:
        """Abort a run and return at once; do nothing if it has ended. One that another dashboard has is aborted by that
        one. Raise `UnknownRun`, `ExternalError` if that one does not answer, or `RunActive` without peers."""
        context = self._context
        if context and context.run.id == id_:
            context.cancel(f"Aborted by {by}.")
            if self._context is context:
                self._tools.load.stop()
            self._audit(by, f"abort {id_}", "asked")
        elif self.get(id_)["verdict"] == RUNNING:
            foreign = self._archive.foreign
            if self._peers and foreign and foreign.run == id_:
                self._peers.abort(foreign.holder, id_)
                self._audit(by, f"abort {id_}", f"asked of {foreign.holder}")
                return
            raise RunActive(foreign.holder if foreign else "another dashboard", id_)

    def restart_mongo(self, uid: str, mode: str, by: str) -> None:
        """Kill the database's pod with this uid, "graceful" or "crash". Raise `InvalidOption`, `UidNotCurrent`,
        `RunActive` during a run, or `ExternalError`."""
        self._manual.restart_mongo(uid, mode, by)

    def exclusively(self, by: str) -> AbstractContextManager[Callable[[], None]]:
        """Return a context in which a user changes the deployment, and no run begins. It gets a function that confirms
        the lease just before the change. Entering it raises `RunActive` during a run, or `ExternalError`."""
        return self._manual.exclusively("change", by)

    def load(self, options: LoadOptions, by: str) -> None:
        """Start a load by hand, which holds the lease until it ends. Raise `LoadBusy` if one is under way here,
        `RunActive` if something else is, `ExternalError`."""
        self._manual.load(options, by)

    def unload(self, by: str) -> None:
        """Stop a load that runs outside of a run; do nothing if there is none. Raise `RunActive` during a run."""
        self._manual.unload(by)

    # One run, from its first step to its verdict

    def start(self, demo: str, options: Mapping[str, Any], by: str) -> str:
        """Start a run and return its id. Raise `InvalidOption`, `RunActive`, or `ExternalError` if the lease can't be
        acquired."""
        found = demo_of(self.demos, demo)
        chosen = checked(found, options)
        now = self._clock.now()
        run = Run(activity_id(demo, now), found, chosen, by, now)
        context = RunContext(run, self._clock, self._lease, self._emit, self._audit)
        context.recorder = Recorder(header(run, self._clock.monotonic(), self._tools.view.view()))
        self._activity.acquire(run.id, by, context.cancel)
        try:
            experiment = found.experiment(context, self._tools)
            with self._lock:  # either this sees that the dashboard shuts down, or `end` sees the context
                self._activity.refuse_if_closed()
                self._context = context
                self._archive.begin(run)
            self._audit(by, f"run {run.id}{''.join(f' {name}={value}' for name, value in chosen.items())}", "started")
            self._archive.publish()
            self._spawn(run.id, partial(self._run, context, experiment))
        except BaseException:
            self._release()
            run_all(self._archive.publish)
            raise
        return run.id

    def _run(self, context: RunContext, experiment: Experiment) -> None:
        try:
            stopped = self._perform(context, experiment)
            if stopped:
                at, aborted = self._clock.now(), context.cancelled.is_set()
                context.record(Stopped(at=at, reason=stopped, aborted=aborted))
            verdict, at = self._judge(context, experiment, stopped), self._clock.now()
            self._keep_file(context, verdict, at)  # before: whoever sees the verdict may ask for the file
            context.run.conclude(verdict, at)
        except Exception:
            log.exception("run %s has no verdict", context.run.id)
        finally:
            self._conclude(context)

    def _perform(self, context: RunContext, experiment: Experiment) -> str | None:
        """Run all steps and clean up. Return why the run ended early, or None."""
        try:
            context.publish()
            if problem := self._archive.save(context.run):
                context.log(problem)
            self._tools.view.record(context.record, self._clock.now())
            experiment.run()
            context.raise_if_cancelled()  # an abort that came in the last step counts
        except (RunStopped, ExternalError) as error:
            return context.reason or str(error)  # an abort also makes a load that is stopped by it raise an error
        except Exception as error:
            log.exception("run %s failed", context.run.id)
            return f"The dashboard failed during the run: {type(error).__name__}."
        finally:
            try:
                experiment.cleanup()
            except Exception:
                log.exception("the cleanup of run %s failed", context.run.id)
            self._tools.view.record(None, self._clock.now())
        return None

    def _judge(self, context: RunContext, experiment: Experiment, stopped: str | None) -> Verdict:
        try:
            return experiment.verdict(stopped)
        except Exception as error:
            log.exception("the verdict of run %s could not be decided", context.run.id)
            reason = f"The dashboard could not decide the verdict: {type(error).__name__}."
            return Verdict(INCONCLUSIVE, reason, {}, f"{context.run.demo.id} INCONCLUSIVE")

    def _conclude(self, context: RunContext) -> None:
        """Publish and save the run. The next one may begin, even if any of this fails."""
        run = context.run
        try:
            run_all(
                context.publish,
                partial(self._archive.save, run),
                partial(self._keep, run),
                self._archive.publish,
                lambda: self._audit(run.by, f"run {run.id}", run.to_json()["line"] or "failed: it has no verdict"),
            )
        finally:
            self._release()

    def _keep_file(self, context: RunContext, verdict: Verdict, at: str) -> None:
        """Finish the run's evidence file, and keep it. Never raises: a verdict counts without its file."""
        run, recorder = context.run, context.recorder
        if recorder is None:
            return
        try:
            file = recorder.finish(run.concluded(verdict, at), self._clock.monotonic())
            run.evidence_file = evidence_file(file, self._files.keep(run.id, run.started, file))
        except Exception:
            log.exception("run %s has no evidence file", run.id)

    def _keep(self, run: Run) -> None:
        with self._lock:
            self._archive.keep(run)
            self._context = None

    def _release(self) -> None:
        with self._lock:
            self._context = None
            self._archive.drop()
        self._activity.release()
