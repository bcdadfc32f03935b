"""Runs that are played: the steps, words and verdicts of the real ones, in half a minute and without any proof.

Each run's outcome is drawn by the seed: mostly a pass, and now and then what else there may be, so that it can be seen.
"""

import contextlib
import random
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

from dashboard.clock import now
from dashboard.core.event import Emit, Leased, Ran, Remembered
from dashboard.core.load import LoadOptions
from dashboard.core.ports import Audit
from dashboard.core.run import RUNNING, RUNS, BadOption, checked, demo_of, summary
from dashboard.core.verdict import Verdict
from dashboard.director import Active, NotCurrent, Unknown
from dashboard.fake import Fake
from dashboard.fake.generator import FakeLoad
from dashboard.fake.play import OUTCOMES, WEIGHTS, Play, play_of

BEAT_SECONDS = 0.25
END_SECONDS = 5.0

Json = dict[str, Any]


class FakeDirector:
    """The real one's interface. `pods` gives the state's pods."""

    def __init__(
        self,
        fake: Fake,
        load: FakeLoad,
        pods: Callable[[], list[Json]],
        emit: Emit,
        audit: Audit,
        *,
        seed: int,
        speed: float = 1.0,
        holder: str,
        pod: str,
    ) -> None:
        self._fake = fake
        self._load = load
        self._pods = pods
        self._emit = emit
        self._audit = audit
        self._random = random.Random(seed)  # noqa: S311 - a story, no secret
        self._speed = speed
        self._holder = holder
        self._pod = pod
        self._lock = threading.Lock()  # one begins at a time
        self._runs: list[Json] = []  # newest first, the current one among them
        self._bell = threading.Event()
        self._aborted_by = ""
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """There is no history to read."""

    def end(self) -> None:
        self._bell.set()
        if self._thread:
            self._thread.join(END_SECONDS)
        self._load.stop()

    def start(self, demo: str, options: Mapping[str, Any], by: str) -> str:
        found = demo_of(demo)
        chosen = checked(found, options)
        with self._lock:
            self._refuse_while_one_goes()
            run: Json = {
                "id": f"{demo}-{secrets.token_hex(4)}",
                "demo": demo,
                "options": chosen,
                "by": by,
                "verdict": RUNNING,
                "line": None,
                "reason": None,
                "started": now(),
                "ended": None,
                "steps": [
                    {"id": step.id, "title": step.title, "state": "waiting", "started": None, "ended": None, "text": ""}
                    for step in found.steps
                ],
                "evidence": {},
                "timeline": [],
            }
            self._runs = [run, *self._runs[: RUNS - 1]]
            self._bell, self._aborted_by = threading.Event(), ""
            play = play_of(demo, chosen, self._random.choices(OUTCOMES, WEIGHTS)[0], self._database())
            self._emit(Leased(at=now(), lease={"holder": self._holder, "run": run["id"], "since": run["started"]}))
            self._tell(run)
            self._audit(by, f"run {demo}", "started", mark=demo)
            self._thread = threading.Thread(target=self._play, args=(run, play), name="fake-run", daemon=True)
            self._thread.start()
        return str(run["id"])

    def abort(self, id_: str, by: str) -> None:
        run = self.get(id_)
        if run["verdict"] == RUNNING:
            self._audit(by, f"abort {run['demo']}", "accepted")
            self._aborted_by = by
            self._bell.set()

    def restart_mongo(self, uid: str, mode: str, by: str) -> None:
        if mode not in ("graceful", "crash"):
            raise BadOption("mode must be graceful or crash.")
        self._refuse_while_one_goes()
        current = self._database()
        if uid != current["uid"]:
            raise NotCurrent(self._pod, current["uid"])
        about = {"kind": "Pod", "name": self._pod, "uid": uid}
        self._audit(by, f"restart {self._pod} ({mode})", "started", about, mark="restart")
        self._fake.restart_database(mode)

    def load(self, options: LoadOptions, by: str) -> None:
        self._refuse_while_one_goes()
        self._load.start(options, by)
        self._audit(by, f"load of {options.rate:g} a second", "started", mark="load")

    def unload(self, by: str) -> None:
        self._refuse_while_one_goes()
        if self._load.running():
            self._load.stop()
            self._audit(by, "stop the load", "stopped", mark="load stops")

    def get(self, id_: str) -> Json:
        with contextlib.suppress(StopIteration):
            return next(run for run in self._runs if run["id"] == id_)
        raise Unknown

    def list(self) -> "list[Json]":
        return [summary(run) for run in self._runs]

    def _refuse_while_one_goes(self) -> None:
        if self._runs and self._runs[0]["verdict"] == RUNNING:
            raise Active(self._holder, self._runs[0]["id"])

    def _database(self) -> Json:
        found = next((pod for pod in self._pods() if pod["name"] == self._pod), None)
        return found or {"name": self._pod, "uid": None}

    # The run's own thread

    def _play(self, run: Json, play: Play) -> None:
        for number, scene in enumerate(play.scenes):
            self._turn(run, number, "running", "")
            self._enter(run, scene.does)
            self._note(run, scene.step, scene.opens)
            if not self._linger(run, number, scene.seconds / self._speed, scene.words):
                break
            if scene.ends_it:
                self._turn(run, number, "failed", scene.words(1.0))
                break
            self._turn(run, number, "done", scene.words(1.0))
        self._load.stop()
        stopped = (
            f"It was aborted by {self._aborted_by or 'the dashboard, which ends'}." if self._bell.is_set() else None
        )
        self._close(run, play.verdict(self._database(), stopped))

    def _enter(self, run: Json, does: str | None) -> None:
        if does == "kill":
            self._fake.restart_database(run["options"]["mode"])
            self._audit(run["by"], f"kill {self._pod} ({run['options']['mode']})", "done", mark="mongod killed")
        elif does == "load":
            self._load.start(LoadOptions(rate=run["options"].get("rate") or 180, duration=300), run["by"])
            self._audit(run["by"], "load for the autoscale run", "started", mark="load")
        elif does == "unload":
            self._load.stop()
            self._audit(run["by"], "load for the autoscale run", "stopped", mark="load stops")

    def _linger(self, run: Json, number: int, seconds: float, words: Callable[[float], str]) -> bool:
        """Lets a step's time pass, and its words change; whether it was left alone."""
        beats = max(1, round(seconds / BEAT_SECONDS))
        for beat in range(beats):
            self._turn(run, number, "running", words(beat / beats))
            if self._bell.wait(seconds / beats):
                self._turn(run, number, "failed", "aborted")
                return False
        return True

    def _close(self, run: Json, verdict: Verdict) -> None:
        for step in run["steps"]:
            if step["state"] == "waiting":
                step["state"] = "skipped"
        run |= {
            "verdict": verdict.verdict,
            "reason": verdict.reason,
            "line": verdict.line,
            "evidence": verdict.evidence,
            "ended": now(),
        }
        self._tell(run)
        self._emit(Leased(at=now(), lease=None))
        self._audit(run["by"], f"run {run['demo']}", verdict.verdict.upper(), mark=verdict.verdict.upper())

    def _turn(self, run: Json, number: int, state: str, text: str) -> None:
        step = run["steps"][number]
        if step["state"] == "waiting":
            step["started"] = now()
        if state != "running":
            step["ended"] = now()
        step |= {"state": state, "text": text}
        self._tell(run)

    def _note(self, run: Json, step: str, text: str) -> None:
        run["timeline"].append({"at": now(), "step": step, "text": text})

    def _tell(self, run: Json) -> None:
        """As it is now: what was told does not change afterwards."""
        told = run | {"steps": [dict(step) for step in run["steps"]], "timeline": list(run["timeline"])}
        self._emit(Ran(at=now(), run=told))
        self._emit(Remembered(at=now(), runs=self.list()))
