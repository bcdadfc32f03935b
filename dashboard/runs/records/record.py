"""A run of a demo, with its steps, timeline and verdict; and the forms in which it is saved and listed.

Timestamps are arguments, as RFC 3339: a run has no clock.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from dashboard.core.quantity import LARGEST_SAFE_INTEGER
from dashboard.core.timestamps import RFC3339
from dashboard.runs.verdict import FAIL, INCONCLUSIVE, RUNNING, Verdict, checks

if TYPE_CHECKING:
    from dashboard.runs.demo import Demo

Json = dict[str, Any]

RUNS = 20  # that are kept
HISTORY_BYTES = 512_000  # of JSON: a ConfigMap holds 1 MiB, its metadata included
ENTRIES = 200  # of a run's timeline
DEEPEST = 20  # nested objects and lists of a run, whose evidence has four
WORDS = ("key_figures", "lines", "compared")  # made from a run's evidence by its demo


class Run:
    """`verdict` is "running" until the run has one. See `to_json` for the fields.

    One thread changes a run. Any thread may call `to_json`; the values that it returns are not changed afterwards.
    """

    def __init__(self, id_: str, demo: "Demo", options: Json, by: str, at: str) -> None:
        self.id, self.demo, self.options, self.by = id_, demo, options, by
        self.verdict = RUNNING
        self.evidence: Json = {}  # replaced, never changed in place
        self.evidence_file: Json | None = None  # about the file, once there is one
        self._ends: Json = {"line": None, "reason": None, "started": at, "ended": None, "checks": []}
        self._ends |= words_of(None, {})
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
        self._step = ""  # the current one

    @property
    def started(self) -> str:
        return str(self._ends["started"])

    def begin_step(self, step: str, at: str, text: str = "") -> None:
        """Begin a step, perhaps once more; the one before it is done."""
        self.finish(at)
        self._step = step
        self._change(step, state=RUNNING, started=at, ended=None, text=text)
        self._note(at, self._steps[step]["title"])

    def set_progress(self, text: str) -> None:
        """Set the current step's text."""
        if self._step:
            self._change(self._step, text=text)

    def log(self, text: str, at: str) -> None:
        """Add an entry to the timeline, and set it as the current step's text."""
        self.set_progress(text)
        self._note(at, text)

    def finish(self, at: str) -> None:
        """End the current step, if there is one."""
        self._end(at, "done")

    def skip(self, step: str, text: str) -> None:
        self._change(step, state="skipped", text=text)

    def conclude(self, verdict: Verdict, at: str) -> None:
        """End the run. A current step becomes "failed", waiting ones "skipped"."""
        self._end(at, "failed")
        for step in list(self._steps.values()):
            if step["state"] == "waiting":
                self._change(step["id"], state="skipped")
        self.evidence = verdict.evidence
        self._ends = self._ends | {"line": verdict.line, "reason": verdict.reason, "ended": at}
        self._ends |= words_of(self.demo, verdict.evidence)
        self._ends["checks"] = checks_of(self.demo, verdict)
        del self._timeline[ENTRIES - 1 :]
        self._note(at, f"{verdict.verdict.upper()}{f': {verdict.reason}' if verdict.reason else ''}")
        self.verdict = verdict.verdict

    def concluded(self, verdict: Verdict, at: str) -> Json:
        """Return what `to_json` will return after `conclude` with the same arguments."""
        other = copy.copy(self)
        other._steps, other._timeline = dict(self._steps), list(self._timeline)
        other.conclude(verdict, at)
        return other.to_json()

    def to_json(self) -> Json:
        """Return the run for the state and the API: {id, demo, options, by, verdict, line, reason, started, ended,
        checks: [{name, claim, verdict, reason}], key_figures, lines, compared,
        steps: [{id, title, state, started, ended, text}], evidence, evidence_file: {bytes, sha256, kept, why} or None,
        timeline: [{at, step, text}]}."""
        return {
            "id": self.id,
            "demo": self.demo.id,
            "options": self.options,
            "by": self.by,
            "verdict": self.verdict,
            **self._ends,
            "steps": list(self._steps.values()),
            "evidence": self.evidence,
            "evidence_file": self.evidence_file,
            "timeline": list(self._timeline),
        }

    def _change(self, step: str, **changes: str | None) -> None:
        self._steps[step] = self._steps[step] | changes  # a new dict: the old one is in the state

    def _end(self, at: str, state: str) -> None:
        if self._step:
            self._change(self._step, state=state, ended=at)
            self._step = ""

    def _note(self, at: str, text: str) -> None:
        if len(self._timeline) < ENTRIES:
            self._timeline.append({"at": at, "step": self._step or None, "text": text})


Text = Annotated[str, Meta(max_length=10_000)]
Word = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z][0-9A-Za-z.-]{0,62}\Z")]  # part of addresses and file names
Timestamp = Annotated[str, Meta(pattern=RFC3339)]
Texts = Annotated[list[Text], Meta(max_length=100)]


class KeptStep(Struct):
    id: Text
    title: Text
    state: Text
    started: Timestamp | None
    ended: Timestamp | None
    text: Text = ""


class KeptLogEntry(Struct):
    at: Timestamp
    text: Text
    step: Text | None = None


class KeptCheck(Struct):
    name: Text
    claim: Text
    verdict: Literal["pass", "fail", "inconclusive"]
    reason: Text | None = None


class KeptObligation(Struct):
    what: Text
    since: Timestamp
    by: Timestamp
    met: Timestamp | None
    text: Text


class KeptFile(Struct):
    bytes: Annotated[int, Meta(ge=0)]
    sha256: Text
    kept: bool
    why: Text | None = None


class KeptRun(Struct):
    """The schema of a run in the history. Only the first four fields are required.

    The evidence may be of another version: what reads it takes any type. A summary has `figures` and `owed` instead.
    """

    id: Word
    demo: Word
    verdict: Literal["running", "pass", "fail", "inconclusive"]
    started: Timestamp
    ended: Timestamp | None = None
    by: Text | None = None
    line: Text | None = None
    reason: Text | None = None
    options: dict[Text, Text | float | bool | None] = {}
    evidence: dict[str, Any] = {}
    evidence_file: KeptFile | None = None
    figures: dict[str, Any] = {}
    owed: KeptObligation | None = None
    checks: Annotated[list[KeptCheck], Meta(max_length=100)] = []
    key_figures: Texts = []
    lines: Annotated[list[Texts], Meta(max_length=100)] = []
    compared: float | None = None
    steps: Annotated[list[KeptStep], Meta(max_length=100)] = []
    timeline: Annotated[list[KeptLogEntry], Meta(max_length=1_000)] = []


def is_run(entry: object) -> bool:
    """Return whether an entry of the history is a valid run: another version or another program may have written it."""
    try:
        msgspec.convert(entry, KeptRun)
    except msgspec.ValidationError:
        return False
    return _is_exact(entry, DEEPEST)


def _is_exact(value: object, deepest: int) -> bool:
    """Return whether a browser reads the value as it is, which rounds large integers; False if it is nested deeper."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return deepest > 0 and all(_is_exact(each, deepest - 1) for each in inner)
    return not isinstance(value, int) or abs(value) <= LARGEST_SAFE_INTEGER


def started(run: Json) -> str:
    """Return the sort key of runs."""
    return str(run["started"])


def summary(run: Json, demo: "Demo | None") -> Json:
    """Return a run's summary: {id, demo, verdict, line, reason, started, ended, by, figures, key_figures, lines,
    compared, owed, evidence_file}. `demo` is None if the demo no longer exists.

    `figures` has the evidence fields with `kept`, None where one is missing; `key_figures`, `lines` and `compared` are
    the demo's text for the evidence; `owed` is the unmet obligation of a failed run, or None. The summary of a summary
    is the same: the history keeps old runs as summaries.
    """
    row = {name: run.get(name) for name in ("id", "demo", "verdict", "line", "reason", "started", "ended", "by")}
    evidence = run.get("evidence") or run.get("figures") or {}
    figures = {each.name: _figure(evidence.get(each.name)) for each in demo.evidence if each.kept} if demo else {}
    words = words_of(demo, evidence) | {name: run[name] for name in WORDS if run.get(name)}
    owed = run.get("owed") or _unmet(run.get("verdict"), evidence)
    return row | {"figures": figures, "owed": owed, "evidence_file": run.get("evidence_file")} | words


def _figure(value: object) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def checks_of(demo: "Demo", verdict: Verdict) -> list[Json]:
    """Return the verdict of each of the demo's claims: [{name, claim, verdict, reason}]."""
    return checks([(field.name, field.claim) for field in demo.evidence if field.claim], verdict)


def words_of(demo: "Demo | None", evidence: Json) -> Json:
    """Return the demo's text for the evidence: {key_figures: [text], lines: [[text]], compared: seconds or None}."""
    if demo is None:
        return {"key_figures": [], "lines": [], "compared": None}
    parts = (demo.key_figures(evidence), demo.lines(evidence), demo.compared(evidence))
    return dict(zip(WORDS, parts, strict=True))


def _unmet(verdict: object, evidence: Json) -> Json | None:
    """Return the first unmet obligation of a FAIL. Other runs ended before it was due."""
    if verdict != FAIL:
        return None
    try:
        owed = msgspec.convert(evidence.get("owed") or [], list[KeptObligation])
    except msgspec.ValidationError:
        return None
    return next((msgspec.to_builtins(one) for one in owed if one.met is None), None)


def orphaned(run: Json, at: str) -> Json:
    """Return a run that its dashboard left running, marked as aborted."""
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


def trimmed(runs: Sequence[Json], demos: Mapping[str, "Demo"], most: int = HISTORY_BYTES) -> list[Json]:
    """Shorten a list of runs, newest first, to RUNS entries and `most` bytes: the oldest runs lose their timelines
    first, then all but their summaries, and are then dropped."""
    kept = list(runs[:RUNS])
    for cut in (_without_timeline, lambda run: summary(run, demos.get(str(run["demo"])))):
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
