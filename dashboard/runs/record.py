"""Demos as data, and a run of one: its steps, what happened in it, and what came out.

Times come in as RFC 3339; the run has no clock.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from dashboard.core.timestamps import Moment
from dashboard.runs.demos.persistence.verdict import Verdict

Json = dict[str, Any]

RUNNING, PASS, FAIL, INCONCLUSIVE = "running", "pass", "fail", "inconclusive"

RUNS = 20  # that are remembered
HISTORY_BYTES = 512_000  # of JSON: a ConfigMap holds 1 MiB, the API server's own words about it included
ENTRIES = 200  # of a run's timeline
FIGURES = {  # of a run's evidence, those that its row shows
    "persistence": ("acked", "lost", "down", "longest_write"),
    "autoscale": ("start", "peak", "t2", "t6", "t8"),
}


class BadOption(ValueError):
    """An option that is unknown, of the wrong type or out of bounds, or a demo that there is none of: one sentence."""


class Choice(Struct, frozen=True):
    """An option: one of some words."""

    name: str
    words: tuple[str, ...]
    default: str


class Number(Struct, frozen=True):
    """An option: a number within bounds; without it, the run finds one itself."""

    name: str
    low: float
    high: float
    unit: str


class StepOf(Struct, frozen=True):
    id: str
    title: str


class Demo(Struct, frozen=True):
    """`limits`: seconds, by name."""

    id: str
    title: str
    sentence: str
    steps: tuple[StepOf, ...]
    options: tuple[Choice | Number, ...]
    limits: Mapping[str, float]


DEMOS: Mapping[str, Demo] = {
    demo.id: demo
    for demo in (
        Demo(
            "persistence",
            "Persistence",
            "Kills the database's pod while eight writers write through the service, then reads every document back:"
            " nothing that was acknowledged may be lost.",
            (
                StepOf("preflight", "Check that it can begin"),
                StepOf("warmup", "Write until enough is acknowledged"),
                StepOf("kill", "Kill the database"),
                StepOf("outage", "Write on until it is back"),
                StepOf("after", "Write 10 s more, and a last document"),
                StepOf("readback", "Read every document back"),
            ),
            (Choice("mode", ("graceful", "crash"), "graceful"),),
            {
                "deadline": 420.0, "ready": 60.0, "warmup": 60.0, "outage": 120.0, "least_after": 10.0, "after": 60.0,
                "readback": 60.0,
            },
        ),
        Demo(
            "autoscale",
            "Autoscaling",
            "Loads the service over its CPU target until the autoscaler has added pods and all is steady, then stops"
            " and waits until it has removed them.",
            (
                StepOf("preflight", "Check that the autoscaler can act"),
                StepOf("settle", "Wait until it has settled"),
                StepOf("load", "Raise the load until new pods serve"),
                StepOf("steady", "Load on until all is steady"),
                StepOf("unload", "Stop, and wait until it is back"),
            ),
            (Number("rate", 1.0, 2000.0, "requests a second"),),
            {"deadline": 5400.0, "sources": 30.0, "figures": 240.0, "settle": 1800.0, "self-test": 180.0},
        ),
    )
}


def demo_of(id_: str) -> Demo:
    """`BadOption` if there is none, in words that name those that there are."""
    if id_ not in DEMOS:
        raise BadOption(f"There is no such demo: there are {' and '.join(DEMOS)}.")
    return DEMOS[id_]


def checked(demo: Demo, given: Mapping[str, Any]) -> Json:
    """The options with their defaults; `BadOption` says what is allowed."""
    known = {option.name for option in demo.options}
    if set(given) - known:
        raise BadOption(f"{demo.title} takes no other option than {' and '.join(sorted(known))}.")
    options = {option.name: option.default for option in demo.options if isinstance(option, Choice)}
    return options | {
        option.name: _value(option, given[option.name]) for option in demo.options if option.name in given
    }


def _value(option: Choice | Number, value: object) -> str | float:
    if isinstance(option, Choice):
        if isinstance(value, str) and value in option.words:
            return value
        raise BadOption(f"{option.name} must be {' or '.join(option.words)}.")
    if isinstance(value, int | float) and not isinstance(value, bool) and option.low <= value <= option.high:
        return value
    raise BadOption(f"{option.name} must be a number from {option.low:g} to {option.high:g} ({option.unit}).")


class Run:
    """`id`, `demo`, `options`, `by`, `verdict` ("running" until it has one), and what `to_json` has.

    One thread changes it; `to_json` may be called from any, and gives values that are not changed afterwards.
    """

    def __init__(self, id_: str, demo: Demo, options: Json, by: str, at: str) -> None:
        self.id, self.demo, self.options, self.by = id_, demo, options, by
        self.verdict = RUNNING
        self.evidence: Json = {}  # replaced, never changed
        self._ends: Json = {"line": None, "reason": None, "started": at, "ended": None}
        self._steps: dict[str, Json] = {
            step.id: {
                "id": step.id,
                "title": step.title,
                "state": "waiting",
                "started": None,
                "ended": None,
                "text": "",
            }
            for step in demo.steps
        }
        self._timeline: list[Json] = []
        self._step = ""  # the one under way

    @property
    def started(self) -> str:
        return str(self._ends["started"])

    def begin(self, step: str, at: str, text: str = "") -> None:
        """A step begins; the one before it is done."""
        self.finish(at)
        self._step = step
        self._change(step, state=RUNNING, started=at, text=text)
        self._note(at, self._steps[step]["title"])

    def show(self, text: str) -> None:
        """How the step does at the moment."""
        if self._step:
            self._change(self._step, text=text)

    def tell(self, text: str, at: str) -> None:
        """Something happened: it stays in the timeline, and is the step's text until there is another."""
        self.show(text)
        self._note(at, text)

    def finish(self, at: str) -> None:
        """The step under way is done, if there is one."""
        self._end(at, "done")

    def skip(self, step: str, text: str) -> None:
        self._change(step, state="skipped", text=text)

    def conclude(self, verdict: Verdict, at: str) -> None:
        """It is over. A step that was under way broke off, those that wait never come."""
        self._end(at, "failed")
        for step in list(self._steps.values()):
            if step["state"] == "waiting":
                self._change(step["id"], state="skipped")
        self.evidence = verdict.evidence
        self._ends = self._ends | {"line": verdict.line, "reason": verdict.reason, "ended": at}
        del self._timeline[ENTRIES - 1 :]
        self._note(at, f"{verdict.verdict.upper()}{f': {verdict.reason}' if verdict.reason else ''}")
        self.verdict = verdict.verdict

    def to_json(self) -> Json:
        """As it stands in the state and in the API: {id, demo, options, by, verdict, line, reason, started, ended,
        steps: [{id, title, state, started, ended, text}], evidence, timeline: [{at, step, text}]}."""
        return {
            "id": self.id,
            "demo": self.demo.id,
            "options": self.options,
            "by": self.by,
            "verdict": self.verdict,
            **self._ends,
            "steps": list(self._steps.values()),
            "evidence": self.evidence,
            "timeline": list(self._timeline),
        }

    def _change(self, step: str, **changes: str | None) -> None:
        self._steps[step] = self._steps[step] | changes  # a new one: the old one is out in the state

    def _end(self, at: str, state: str) -> None:
        if self._step:
            self._change(self._step, state=state, ended=at)
            self._step = ""

    def _note(self, at: str, text: str) -> None:
        if len(self._timeline) < ENTRIES:
            self._timeline.append({"at": at, "step": self._step or None, "text": text})


class KeptStep(Struct):
    id: str
    title: str
    state: str
    started: Moment | None
    ended: Moment | None
    text: str = ""


class KeptEntry(Struct):
    at: Moment
    text: str
    step: str | None = None


class KeptRun(Struct):
    """What an earlier run in the history must have to be one, and the types of what it may have."""

    id: str
    demo: str
    verdict: Literal["running", "pass", "fail", "inconclusive"]
    started: Moment
    ended: Moment | None = None
    by: str | None = None
    line: str | None = None
    reason: str | None = None
    options: dict[str, str | float | bool | None] = {}
    evidence: dict[str, Any] = {}
    steps: list[KeptStep] = []
    timeline: list[KeptEntry] = []


def is_run(entry: object) -> bool:
    """Whether an entry of the history can be read: others may have written it, or other versions of this program."""
    try:
        msgspec.convert(entry, KeptRun)
    except msgspec.ValidationError:
        return False
    return True


def started(run: Json) -> str:
    """By which runs are put in order."""
    return str(run["started"])


def summary(run: Json) -> Json:
    """A run's row among the earlier ones: {id, demo, verdict, line, reason, started, ended, by, figures, owed}.

    `figures` has the demo's key figures, None where the evidence lacks one; `owed` is the obligation that a failed run
    saw unmet, or None. A summary's summary is the same: the history keeps old runs as their summaries.
    """
    row = {name: run.get(name) for name in ("id", "demo", "verdict", "line", "reason", "started", "ended", "by")}
    evidence = run.get("evidence") or run.get("figures") or {}
    figures = {name: evidence.get(name) for name in FIGURES.get(str(run.get("demo")), ())}
    return row | {"figures": figures, "owed": run.get("owed") or _unmet(run.get("verdict"), evidence)}


def _unmet(verdict: object, evidence: Json) -> Json | None:
    """The first obligation that was not met. Only a FAIL accuses: a run that broke off did not wait for it."""
    if verdict != FAIL:
        return None
    return next((one for one in evidence.get("owed") or [] if one.get("met") is None), None)


def orphaned(run: Json, at: str) -> Json:
    """A run that was left running by a dashboard that is gone, as it is remembered."""
    reason = "Aborted: the dashboard that ran it is gone."
    options = "".join(f" {name}={value}" for name, value in (run.get("options") or {}).items())
    states = {RUNNING: "failed", "waiting": "skipped"}
    return run | {
        "verdict": INCONCLUSIVE,
        "line": f"{run.get('demo')} INCONCLUSIVE{options}",
        "reason": reason,
        "ended": at,
        "steps": [step | {"state": states.get(step["state"], step["state"])} for step in run.get("steps") or []],
        "timeline": [*(run.get("timeline") or []), {"at": at, "step": None, "text": f"INCONCLUSIVE: {reason}"}],
    }


def trimmed(runs: Sequence[Json], most: int = HISTORY_BYTES) -> list[Json]:
    """The newest runs (newest first, as they come), with as much of each as fits into the history together: the oldest
    lose their timelines first, then all but their summaries, and are forgotten in the end."""
    kept = list(runs[:RUNS])
    for cut in (_without_timeline, summary):
        for at in range(len(kept) - 1, -1, -1):
            if _size(kept) <= most:
                return kept
            kept[at] = cut(kept[at])
    while _size(kept) > most:
        kept.pop()
    return kept


def _without_timeline(run: Json) -> Json:
    return run | {"timeline": []}


def _size(runs: Sequence[Json]) -> int:
    return len(msgspec.json.encode(runs))
