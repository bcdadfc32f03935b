"""Runs that are played: the steps, words and verdicts of the real ones, in half a minute and without any proof.

Each run's outcome is drawn by the seed: mostly a pass, and now and then what else there may be, so that it can be seen;
or it is the one that was asked for, `outcome`.
"""

import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from dashboard.clock import now
from dashboard.core.errors import InvalidOption
from dashboard.core.events import Emit, LeaseChanged, RunHistoryUpdated, RunUpdated
from dashboard.load.options import LoadOptions
from dashboard.mock import Mock
from dashboard.mock.load_generator import MockLoad
from dashboard.mock.scripted_run import OUTCOMES, WEIGHTS, RunEnd, ScriptedRun, ScriptedStep, scripted_run
from dashboard.runs.demo import Demo, checked, demo_of
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.ports import Audit
from dashboard.runs.records.archive import UnknownRun
from dashboard.runs.records.record import RUNS, Run, summary
from dashboard.runs.turn import RunActive
from dashboard.runs.verdict import RUNNING, Verdict

BEAT_SECONDS = 0.25
LOOK_SECONDS = 0.05  # between two looks whether a load goes on
END_SECONDS = 5.0
MODES = ("graceful", "crash")

Json = dict[str, Any]


class MockRunManager:
    """The real one's interface. `pods` gives the state's; `pod` is the database's name, `holder` the dashboard's."""

    def __init__(
        self,
        mock: Mock,
        load: MockLoad,
        pods: Callable[[], list[Json]],
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
        self._pods = pods
        self._emit = emit
        self._audit = audit
        self._random = random.Random(seed)  # noqa: S311 - a simulation, no secret
        self._speed = speed
        self._outcome = outcome
        self._holder = holder
        self._pod = pod
        self._lock = threading.Lock()  # one begins at a time
        self._runs: list[Run] = []  # newest first, the current one among them
        self._cancelled = threading.Event()
        self._aborted_by = ""
        self._thread: threading.Thread | None = None
        self._loading = self._loading_by = ""  # the last load by hand: its id, and who started it
        self._watch: threading.Thread | None = None

    def begin(self) -> None:
        """There is no history to read."""

    def end(self) -> None:
        self._cancelled.set()
        if self._thread:
            self._thread.join(END_SECONDS)
        self._load.stop()

    def start(self, demo: str, options: Mapping[str, Any], by: str) -> str:
        found = demo_of(self.demos, demo)
        chosen = checked(found, options)
        with self._lock:
            self._refuse_while_one_goes()
            if self._watch and self._watch.is_alive():
                raise RunActive(self._holder, self._loading, self._loading_by)
            run = Run(f"{demo}-{secrets.token_hex(4)}", found, chosen, by, now())
            self._runs = [run, *self._runs[: RUNS - 1]]
            self._cancelled, self._aborted_by = threading.Event(), ""
            outcome = self._outcome or self._random.choices(OUTCOMES, WEIGHTS)[0]
            play = scripted_run(found, chosen, outcome, self._database(), len(self._runs) - 1)
            self._emit(LeaseChanged(at=now(), lease={"holder": self._holder, "run": run.id, "since": run.started}))
            self._tell(run)
            self._audit(by, f"run {demo}", "started", mark=demo)
            self._thread = threading.Thread(target=self._play, args=(run, play), name="mock-run", daemon=True)
            self._thread.start()
        return run.id

    def abort(self, id_: str, by: str) -> None:
        run = self._run(id_)
        if run.verdict == RUNNING:
            self._audit(by, f"abort {run.demo.id}", "accepted")
            self._aborted_by = by
            self._cancelled.set()

    def restart_mongo(self, uid: str, mode: str, by: str) -> None:
        if mode not in MODES:
            raise InvalidOption(f"mode must be {' or '.join(MODES)}.")
        self._refuse_while_one_goes()
        current = self._database()
        if uid != current["uid"]:
            raise UidNotCurrent(self._pod, current["uid"])
        about = {"kind": "Pod", "name": self._pod, "uid": uid}
        self._audit(by, f"restart {self._pod} ({mode})", "started", about, mark="restart")
        self._mock.restart_database(mode)

    def load(self, options: LoadOptions, by: str) -> None:
        with self._lock:
            self._refuse_while_one_goes()
            self._load.start(options, by)
            self._loading, self._loading_by = f"load-{secrets.token_hex(4)}", by
            self._emit(LeaseChanged(at=now(), lease={"holder": self._holder, "run": self._loading, "since": now()}))
            self._audit(by, f"load of {options.rate:g} a second", "started", mark="load")
            self._watch = threading.Thread(target=self._watch_load, name="mock-lease", daemon=True)
            self._watch.start()

    def unload(self, by: str) -> None:
        self._refuse_while_one_goes()
        if self._load.running():
            self._load.stop()
            if self._watch:
                self._watch.join(END_SECONDS)
            self._audit(by, "load", "stopped", mark="load stops")

    def get(self, id_: str) -> Json:
        return self._run(id_).to_json()

    def list(self) -> "list[Json]":
        return [summary(run.to_json(), run.demo) for run in self._runs]

    def _run(self, id_: str) -> Run:
        found = next((run for run in self._runs if run.id == id_), None)
        if found is None:
            raise UnknownRun
        return found

    def _refuse_while_one_goes(self) -> None:
        if self._runs and self._runs[0].verdict == RUNNING:
            raise RunActive(self._holder, self._runs[0].id)

    def _watch_load(self) -> None:
        """A load by hand holds the lease until it has ended."""
        while self._load.running():
            time.sleep(LOOK_SECONDS)
        self._emit(LeaseChanged(at=now(), lease=None))

    def _database(self) -> Json:
        found = next((pod for pod in self._pods() if pod["name"] == self._pod), None)
        return found or {"name": self._pod, "uid": None}

    # The run's own thread

    def _play(self, run: Run, play: ScriptedRun) -> None:
        began = now()
        for scene in play.scenes:
            began = now()
            run.begin_step(scene.step, began, scene.words(0.0))
            self._do(run, scene.does)
            if not self._linger(run, scene) or scene.ends_it:
                break
        else:
            run.finish(now())
        self._load.stop()
        aborted = f"Aborted by {self._aborted_by or 'the dashboard, which ends'}." if self._cancelled.is_set() else None
        self._close(run, play.verdict(RunEnd(self._database(), aborted, began, now())))

    def _do(self, run: Run, what: str | None) -> None:
        if what == "kill":
            self._audit(run.by, f"kill {self._pod} ({run.options['mode']})", "done", mark="mongod killed")
            self._mock.restart_database(run.options["mode"])
        elif what == "load":
            options = LoadOptions(rate=float(run.options.get("rate") or 180), duration=300.0)
            self._audit(run.by, f"load of {options.rate:g} a second", "started", mark="load")
            self._load.start(options, run.by)
        elif what == "unload":
            self._load.stop()
            self._audit(run.by, "load", "stopped", mark="load stops")

    def _linger(self, run: Run, scene: ScriptedStep) -> bool:
        """Lets a scene's time pass, and its words change; whether it was left alone."""
        seconds = scene.seconds / self._speed
        beats = max(1, round(seconds / BEAT_SECONDS))
        for beat in range(1, beats + 1):
            self._tell(run)
            if self._cancelled.wait(seconds / beats):
                return False
            run.set_progress(scene.words(beat / beats))
        run.log(scene.words(1.0), now())
        return True

    def _close(self, run: Run, verdict: Verdict) -> None:
        run.conclude(verdict, now())
        self._tell(run)
        self._emit(LeaseChanged(at=now(), lease=None))
        self._audit(run.by, f"run {run.demo.id}", verdict.verdict.upper(), mark=verdict.verdict.upper())

    def _tell(self, run: Run) -> None:
        self._emit(RunUpdated(at=now(), run=run.to_json()))
        self._emit(RunHistoryUpdated(at=now(), runs=self.list()))
