"""The mock's run manager: runs of half a minute with the steps, texts and verdicts of real ones. They prove nothing.

The seed draws each run's outcome, mostly a pass, unless one is configured.
"""

import contextlib
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dashboard.clock import now
from dashboard.core.errors import InvalidOption
from dashboard.core.events import Emit, LeaseChanged, RunHistoryUpdated, RunUpdated
from dashboard.kube.pods.control import MODES
from dashboard.load.options import LoadOptions
from dashboard.mock import Mock
from dashboard.mock.runs.load_generator import MockLoad
from dashboard.mock.runs.scripted_run import OUTCOMES, RunEnd, ScriptedRun, ScriptedStep, load_rate, scripted_run
from dashboard.runs.activity_lock import RunActive
from dashboard.runs.demo import Demo, checked, demo_of
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.evidence.recorder import Recorder, evidence_file, header
from dashboard.runs.evidence.store import Unkept
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.ports import Audit, View
from dashboard.runs.records.archive import UnknownRun
from dashboard.runs.records.record import RUNS, Run, summary
from dashboard.runs.verdict import RUNNING, Verdict

UPDATE_SECONDS = 0.25  # between two updates of a step's text
POLL_SECONDS = 0.05  # between two checks whether a load still runs
JOIN_SECONDS = 5.0

Json = dict[str, Any]


class MockRunManager:
    """Has the interface of `runs.manager.RunManager`.

    `pod` is the database's name, `holder` the dashboard's. `outcome` is each run's outcome, "" for drawn ones. The
    evidence files of all runs are in memory; they say that the mock made the verdict up.
    """

    def __init__(
        self,
        mock: Mock,
        load: MockLoad,
        view: View,
        emit: Emit,
        audit: Audit,
        *,
        seed: int,
        speed: float = 1.0,
        outcome: str = "",
        holder: str,
        pod: str,
        demos: Mapping[str, Demo] = DEMOS,
    ) -> None:
        self.demos = demos
        self._mock = mock
        self._load = load
        self._view = view
        self._emit = emit
        self._audit = audit
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._speed = speed
        self._outcome = outcome
        self._holder = holder
        self._pod = pod
        self._lock = threading.Lock()  # held to start a run or a load
        self._files: dict[str, bytes] = {}  # of the runs, by their ids
        self._runs: list[Run] = []  # newest first, with the current one
        self._cancelled = threading.Event()
        self._aborted: str | None = None  # why the current run ends early
        self._thread: threading.Thread | None = None
        self._load_id = self._load_by = ""  # of the last load by hand
        self._load_watch: threading.Thread | None = None

    def begin(self) -> None:
        """Do nothing: there is no saved history."""

    def end(self) -> None:
        self._cancel("Aborted: the dashboard is going down.")
        if self._thread:
            self._thread.join(JOIN_SECONDS)
        self._load.stop()

    def start(self, demo: str, options: Mapping[str, Any], by: str) -> str:
        found = demo_of(self.demos, demo)
        chosen = checked(found, options)
        with self._lock:
            self._refuse_during_run()
            if self._load_watch and self._load_watch.is_alive():
                raise RunActive(self._holder, self._load_id, self._load_by)
            run = Run(f"{demo}-{secrets.token_hex(4)}", found, chosen, by, now())
            self._runs = [run, *self._runs[: RUNS - 1]]
            self._cancelled, self._aborted = threading.Event(), None
            outcome = self._outcome or self._random.choices([*OUTCOMES], [*OUTCOMES.values()])[0]
            script = scripted_run(found, chosen, outcome, self._database(), len(self._runs) - 1)
            self._emit(LeaseChanged(at=now(), lease={"holder": self._holder, "run": run.id, "since": run.started}))
            self._emit_run(run)
            self._audit(by, f"run {demo}", "started", mark=demo)
            self._thread = threading.Thread(target=self._run, args=(run, script), name="mock-run", daemon=True)
            self._thread.start()
        return run.id

    def abort(self, id_: str, by: str) -> None:
        run = self._found(id_)
        if run.verdict == RUNNING:
            self._audit(by, f"abort {run.demo.id}", "accepted")
            self._cancel(f"Aborted by {by}.")

    def restart_mongo(self, uid: str, mode: str, by: str) -> None:
        if mode not in MODES:
            raise InvalidOption(f"mode must be {' or '.join(MODES)}.")
        self._refuse_during_run()
        current = self._database()
        if uid != current["uid"]:
            raise UidNotCurrent(self._pod, current["uid"])
        about = {"kind": "Pod", "name": self._pod, "uid": uid}
        self._audit(by, f"restart {self._pod} ({mode})", "started", about, mark="restart")
        self._mock.restart_database(mode)

    @contextlib.contextmanager
    def exclusively(self, by: str) -> Iterator[Callable[[], None]]:
        with self._lock:
            self._refuse_during_run()
            yield lambda: None

    def load(self, options: LoadOptions, by: str) -> None:
        with self._lock:
            self._refuse_during_run()
            self._load.start(options, by)
            self._load_id, self._load_by = f"load-{secrets.token_hex(4)}", by
            self._emit(LeaseChanged(at=now(), lease={"holder": self._holder, "run": self._load_id, "since": now()}))
            self._audit(by, f"load of {options.rate:g} a second", "started", mark="load")
            self._load_watch = threading.Thread(target=self._watch_load, name="mock-lease", daemon=True)
            self._load_watch.start()

    def unload(self, by: str) -> None:
        self._refuse_during_run()
        if self._load.running():
            self._load.stop()
            if self._load_watch:
                self._load_watch.join(JOIN_SECONDS)
            self._audit(by, "load", "stopped", mark="load stops")

    def get(self, id_: str) -> Json:
        return self._found(id_).to_json()

    def evidence(self, id_: str) -> bytes:
        if self._found(id_).id not in self._files:
            raise Unkept("The run is not over.")
        return self._files[id_]

    def list(self) -> "list[Json]":
        return [summary(run.to_json(), run.demo) for run in self._runs]

    def _cancel(self, reason: str) -> None:
        self._aborted = reason
        self._cancelled.set()

    def _found(self, id_: str) -> Run:
        found = next((run for run in self._runs if run.id == id_), None)
        if found is None:
            raise UnknownRun
        return found

    def _refuse_during_run(self) -> None:
        if self._runs and self._runs[0].verdict == RUNNING:
            raise RunActive(self._holder, self._runs[0].id)

    def _watch_load(self) -> None:
        """Release the lease when a load by hand has ended."""
        while self._load.running():
            time.sleep(POLL_SECONDS)
        self._emit(LeaseChanged(at=now(), lease=None))

    def _database(self) -> Json:
        found = next((pod for pod in self._view.view()["pods"] if pod["name"] == self._pod), None)
        return found or {"name": self._pod, "uid": None}

    # In the run's thread

    def _run(self, run: Run, script: ScriptedRun) -> None:
        recorder = Recorder(header(run, time.monotonic(), self._view.view(), "mock"))
        self._view.record(lambda event: recorder.add(event, time.monotonic()), now())
        began = now()
        for step in script.steps:
            began = now()
            run.begin_step(step.step, began, step.text(0.0))
            self._act(run, step.action)
            if not self._wait(run, step) or step.is_last:
                break
        else:
            run.finish(now())
        self._load.stop()
        self._view.record(None, now())
        self._conclude(run, script.verdict(RunEnd(self._database(), self._aborted, began, now())), recorder)

    def _act(self, run: Run, action: str | None) -> None:
        if action == "kill":
            self._audit(run.by, f"kill {self._pod} ({run.options['mode']})", "done", mark="mongod killed")
            self._mock.restart_database(run.options["mode"])
        elif action == "load":
            options = LoadOptions(rate=load_rate(run.options), duration=300.0)
            self._audit(run.by, f"load of {options.rate:g} a second", "started", mark="load")
            self._load.start(options, run.by)
        elif action == "unload":
            self._load.stop()
            self._audit(run.by, "load", "stopped", mark="load stops")

    def _wait(self, run: Run, step: ScriptedStep) -> bool:
        """Wait for the step's duration and update its text. Return whether the run was not cancelled."""
        seconds = step.seconds / self._speed
        updates = max(1, round(seconds / UPDATE_SECONDS))
        for update in range(1, updates + 1):
            self._emit_run(run)
            if self._cancelled.wait(seconds / updates):
                return False
            run.set_progress(step.text(update / updates))
        run.log(step.text(1.0), now())
        return True

    def _conclude(self, run: Run, verdict: Verdict, recorder: Recorder) -> None:
        at = now()
        self._files[run.id] = file = recorder.finish(run.concluded(verdict, at), time.monotonic())
        self._files = {each.id: self._files[each.id] for each in self._runs if each.id in self._files}
        run.evidence_file = evidence_file(file, None)
        run.conclude(verdict, at)
        self._emit_run(run)
        self._emit(LeaseChanged(at=now(), lease=None))
        self._audit(run.by, f"run {run.demo.id}", verdict.verdict.upper(), mark=verdict.verdict.upper())

    def _emit_run(self, run: Run) -> None:
        self._emit(RunUpdated(at=now(), run=run.to_json()))
        self._emit(RunHistoryUpdated(at=now(), runs=self.list()))
