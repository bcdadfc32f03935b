"""A scripted run, step by step, with invented figures and the verdict that follows from them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from dashboard.core.timestamps import rfc3339, seconds
from dashboard.runs.demo import Demo
from dashboard.runs.demos.autoscale.verdict import AutoscaleFindings, autoscale
from dashboard.runs.demos.persistence.ledger import Comparison
from dashboard.runs.demos.persistence.verdict import DatabaseIdentity, PersistenceFindings, persistence
from dashboard.runs.verdict import Verdict

OUTCOMES = ("pass", "fail", "inconclusive")
WEIGHTS = (6, 2, 2)
PLOT = 9.0  # seconds of an autoscale run for each that is played
CLAIM, VOLUME = "0b6e3c1a-claim", "pvc-0b6e3c1a"
CONTAINERS = ("9f2c4e71d0aa", "c3d4b815fe07")
WOBBLE = (0.0, 0.4, -0.3, 1.1, 0.2, -0.5, 0.6)  # no two runs in a row take the same time
OWED_FROM, OWED_BY = 0.3, 0.9  # parts of the scene in which a failing autoscaler owes its decision

Json = dict[str, Any]
Words = Callable[[float], str]  # of how far a scene has come, 0 to 1


class ScriptedStep(NamedTuple):
    step: str
    seconds: float
    words: Words
    does: str | None = None  # kill, load or unload, as it begins
    ends_it: bool = False


class RunEnd(NamedTuple):
    """What there is in the end: the database's pod, why the run ended early if it did, and its last scene's times."""

    database: Json
    stopped: str | None
    began: str
    ended: str


class ScriptedRun(NamedTuple):
    scenes: tuple[ScriptedStep, ...]
    verdict: Callable[[RunEnd], Verdict]


def scripted_run(demo: Demo, options: Json, outcome: str, database: Json, turn: int = 0) -> ScriptedRun:
    """`database` is its pod before the run; `turn` counts the runs, so that their figures differ."""
    wobble = WOBBLE[turn % len(WOBBLE)]
    if demo.id == "persistence":
        return _persistence(options["mode"], outcome, database, wobble)
    if demo.id == "autoscale":
        return _autoscale(float(options.get("rate") or 180), outcome, wobble)
    return _any(demo, outcome)


def _any(demo: Demo, outcome: str) -> ScriptedRun:
    """The script of a demo without its own: its steps, and no figures."""
    scenes = tuple(ScriptedStep(step.id, 1.0, _always(step.title)) for step in demo.steps)

    def verdict(end: RunEnd) -> Verdict:
        word = "inconclusive" if end.stopped else outcome
        reason = end.stopped or (None if word == "pass" else "The mock was asked for this outcome.")
        return Verdict(word, reason, {}, f"{demo.id} {word.upper()}")

    return ScriptedRun(scenes, verdict)


def _persistence(mode: str, outcome: str, database: Json, wobble: float) -> ScriptedRun:
    rate = 12 if outcome == "inconclusive" else 165  # acknowledged a second
    scenes = (
        ScriptedStep("preflight", 1.0, _always(f"{database['name']} Ready, claim Bound")),
        ScriptedStep("warmup", 5.0, _counted(5 * rate, "acknowledged")),
        ScriptedStep("kill", 0.5, _always(mode), "kill"),
        ScriptedStep("outage", 5.0, _timed(5.0, "without an answer")),
        ScriptedStep("after", 8.0, _of(10)),
        ScriptedStep("readback", 3.0, _counted(20 * rate, "read back"), ends_it=outcome == "fail"),
    )
    return ScriptedRun(scenes, lambda end: persistence(_persisted(mode, outcome, rate, database, end, wobble)))


def _persisted(mode: str, outcome: str, rate: int, before: Json, end: RunEnd, wobble: float) -> PersistenceFindings:
    lost = tuple(f"6743a{number:019x}" for number in range(3)) if outcome == "fail" else ()
    found = Comparison(lost=lost, corrupt=(), unexpected=(), recovered=(f"6743b{0:019x}",))
    pod = before["uid"] if mode == "crash" else end.database["uid"]
    if end.stopped:
        return PersistenceFindings(
            mode=mode, attempted=3 * rate, acked=3 * rate, rate_before=float(rate), stopped=end.stopped
        )
    return PersistenceFindings(
        mode=mode,
        attempted=20 * rate + 4,
        acked=20 * rate,
        unknown=4,
        acked_before=5 * rate,
        acked_after=10 * rate,
        rate_before=float(rate),
        in_flight=8,
        longest_write=3.1 + wobble,
        before=DatabaseIdentity(before["uid"], CONTAINERS[0], "node", CLAIM, VOLUME),
        after=DatabaseIdentity(pod, CONTAINERS[1], "node", CLAIM, VOLUME),
        down=2.9 + wobble,
        ready=4.6 + wobble,
        last_write=True,
        comparison=found,
    )


def _autoscale(rate: float, outcome: str, wobble: float) -> ScriptedRun:
    scenes = (
        ScriptedStep("preflight", 1.0, _always("ScalingActive, metrics are there")),
        ScriptedStep("settle", 3.0, _always("2 pods, CPU 8 % of a 70 % target")),
        ScriptedStep("load", 16.0, _stuck, "load", True)
        if outcome == "fail"
        else ScriptedStep("load", 8.0, _moments, "load"),
        ScriptedStep("steady", 7.0, _of(60)),
        ScriptedStep("unload", 7.0, _timed(7.0 * PLOT, "since the load stopped"), "unload"),
    )
    return ScriptedRun(scenes, lambda end: _autoscaled(rate, outcome, end, wobble))


def _autoscaled(rate: float, outcome: str, end: RunEnd, wobble: float) -> Verdict:
    """The verdict; a failing one's evidence says what was owed, and its reason the same."""
    owed = _owed(end) if outcome == "fail" and not end.stopped else None
    return autoscale(_found(rate, outcome, end.stopped, owed, wobble))


def _owed(end: RunEnd) -> Json:
    began, lasted = seconds(end.began), seconds(end.ended) - seconds(end.began)
    return {
        "what": "scale-up",
        "since": rfc3339(began + OWED_FROM * lasted),
        "by": rfc3339(began + OWED_BY * lasted),
        "met": None,
        "text": "By its own figure of 133 % (target 70 %, tolerance 10 %) it owed more than 2 pods",
    }


def _found(rate: float, outcome: str, stopped: str | None, owed: Json | None, wobble: float) -> AutoscaleFindings:
    if stopped:
        return AutoscaleFindings(min=2, start=2, peak=2, stopped=stopped, aborted=True)
    known = (0.0, 18.0, 21.0 + 10 * wobble, 30.0 + 10 * wobble, 31.0 + 10 * wobble, 104.0, 105.0, 168.0, 184.0)
    seen = known[:2] if owed else known
    return AutoscaleFindings(
        min=2,
        start=2,
        peak=2 if owed else 4,
        rate=rate,
        offered=int(rate * 105),
        achieved=int(rate * 105) - 3,
        lag_p99_ms=71.0 if outcome == "inconclusive" else 2.4,
        cpu_percent=14.0,
        moments={f"t{number}": seen[number] if number < len(seen) else None for number in range(9)},
        resolution=15.0,
        owed=(owed,) if owed else (),
        unmet=f"{owed['text']}, by {owed['by'][11:19]} UTC at the latest, and asked for none." if owed else None,
    )


def _stuck(part: float) -> str:
    return "t1 133 %, and no more pods asked for" if part >= OWED_FROM else "t0, waiting for a sample over 70 %"


def _moments(part: float) -> str:
    reached = ((0.8, "t4 a new pod serves"), (0.6, "t3 a new pod is Ready"), (0.45, "t2 2 → 4 pods"), (0.35, "t1 98 %"))
    return next((words for after, words in reached if part >= after), "t0, waiting for a sample over 70 %")


def _always(words: str) -> Words:
    return lambda part: words


def _counted(most: int, of: str) -> Words:
    return lambda part: f"{int(part * most):,} {of}"


def _of(seconds: int) -> Words:
    return lambda part: f"{int(part * seconds)} / {seconds} s"


def _timed(seconds: float, of: str) -> Words:
    return lambda part: f"{part * seconds:.0f} s {of}"
