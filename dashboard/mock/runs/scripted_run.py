"""Scripts for simulated runs: steps with texts, and a verdict on invented evidence by the demo's own rules."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace

from dashboard.core.timestamps import rfc3339, seconds
from dashboard.mock.runs import disrupted_run, failover_run
from dashboard.runs.demo import Demo
from dashboard.runs.demos.autoscale import verdict as autoscale
from dashboard.runs.demos.autoscale.verdict import AutoscaleFindings
from dashboard.runs.demos.persistence import verdict as persistence
from dashboard.runs.demos.persistence.observation import DatabaseIdentity, Kill
from dashboard.runs.demos.persistence.verdict import PersistenceFindings
from dashboard.runs.mode import Mode, by_turns
from dashboard.runs.verdict import Verdict
from dashboard.runs.workload.judgement.judge import Judgement
from dashboard.runs.workload.judgement.traffic import Coverage

OUTCOMES = {"pass": 6, "fail": 2, "inconclusive": 2}  # with their weights in the draw
DEFAULT_RATE = 180.0  # requests per second of an autoscale run
SPEED = 9.0  # seconds of a real autoscale run for each simulated one
CLAIM, VOLUME = "0b6e3c1a-claim", "pvc-0b6e3c1a"
CONTAINERS = ("9f2c4e71d0aa", "c3d4b815fe07")
COVERAGE = (
    Coverage("reads under way during the outage", 2, required=True),
    Coverage("replacements before the kill", 60, required=True),
    Coverage("deletions after the outage", 110, required=True),
    Coverage("writes in flight as the database went", 2, required=False),
)
VARIATIONS = (0.0, 0.4, -0.3, 1.1, 0.2, -0.5, 0.6)  # seconds; consecutive runs have different durations
OWED_FROM, OWED_BY = 0.3, 0.9  # fractions of the step in which a failing autoscaler owes its decision

Json = dict[str, Any]
Text = Callable[[float], str]  # the text at a step's progress, from 0 to 1


class ScriptedStep(NamedTuple):
    """A step of a run. `action` is done when it begins; after an `is_last` step the run ends."""

    step: str
    seconds: float
    text: Text
    action: Literal["kill", "load", "unload"] | None = None
    is_last: bool = False


class RunEnd(NamedTuple):
    """The end of a run: the database's pod, why the run ended early or None, and the last step's timestamps."""

    database: Json
    stopped: str | None
    began: str
    ended: str


class ScriptedRun(NamedTuple):
    steps: tuple[ScriptedStep, ...]
    verdict: Callable[[RunEnd], Verdict]


def load_rate(options: Json) -> float:
    """Return the rate of a run's load, in requests per second."""
    return float(options.get("rate") or DEFAULT_RATE)


def scripted_run(demo: Demo, options: Json, outcome: str, database: Json, index: int = 0) -> ScriptedRun:
    """Return the script. `database` is the pod before the run, `index` the number of earlier runs."""
    variation = VARIATIONS[index % len(VARIATIONS)]
    if demo.id == "persistence":
        return _persistence(options, outcome, database, variation)
    if demo.id == "autoscale":
        return _autoscale(load_rate(options), outcome, variation)
    if demo.id in disrupted_run.KINDS:
        return _disrupted(demo, outcome, variation)
    if demo.id == "failover":
        return _failover(demo, options, outcome, variation)
    return _other(demo, outcome)


def _disrupted(demo: Demo, outcome: str, variation: float) -> ScriptedRun:
    actions: dict[str, Literal["load", "unload"]] = {"warmup": "load", "readback": "unload"}
    steps = tuple(
        ScriptedStep(each.id, disrupted_run.seconds_of(each.id), _constant(each.title), actions.get(each.id))
        for each in demo.steps
    )
    return ScriptedRun(steps, lambda end: disrupted_run.verdict_of(demo, outcome, end.stopped, variation))


def _failover(demo: Demo, options: Json, outcome: str, variation: float) -> ScriptedRun:
    steps = tuple(ScriptedStep(each.id, failover_run.seconds_of(each.id), _constant(each.title)) for each in demo.steps)
    mode: Mode = "crash" if options["mode"] == "crash" else "graceful"
    return ScriptedRun(steps, lambda end: failover_run.verdict_of(mode, outcome, end.stopped, variation))


def _other(demo: Demo, outcome: str) -> ScriptedRun:
    """Return the script of any other demo: its steps, without evidence."""
    steps = tuple(ScriptedStep(step.id, 1.0, _constant(step.title)) for step in demo.steps)

    def verdict(end: RunEnd) -> Verdict:
        word = "inconclusive" if end.stopped else outcome
        reason = end.stopped or (None if word == "pass" else "The mock was asked for this outcome.")
        return Verdict(word, reason, {}, f"{demo.id} {word.upper()}")

    return ScriptedRun(steps, verdict)


def _persistence(options: Json, outcome: str, database: Json, variation: float) -> ScriptedRun:
    mode: Mode = "crash" if options["mode"] == "crash" else "graceful"
    kills = int(options.get("kills", 1))
    rate = 12 if outcome == "inconclusive" else 165  # acknowledged writes per second
    steps = (
        ScriptedStep("preflight", 1.0, _constant(f"{database['name']} Ready, claim Bound")),
        ScriptedStep("warmup", 5.0, _count(5 * rate, "acknowledged")),
        ScriptedStep("kill", 0.5, _constant(mode), "kill"),
        ScriptedStep("outage", 5.0, _elapsed(5.0, "without an answer")),
        ScriptedStep("after", 8.0, _elapsed_of(10)),
        ScriptedStep("readback", 3.0, _count(20 * rate, "read back"), is_last=outcome == "fail"),
    )

    def verdict(end: RunEnd) -> Verdict:
        return _persistence_verdict(mode, outcome, rate, _kills(mode, kills, database, end, variation), end, variation)

    return ScriptedRun(steps, verdict)


def _kills(mode: Mode, number: int, before: Json, end: RunEnd, variation: float) -> list[Kill]:
    """Return the kills, by turns in both modes. The simulated pod is replaced by the first one only."""
    kills: list[Kill] = []
    old = DatabaseIdentity(before["uid"], CONTAINERS[0], "node", CLAIM, VOLUME)
    for turn in range(number):
        now = by_turns(mode, turn)
        uid = old.pod if now == "crash" else end.database["uid"] if turn == 0 else f"{turn}{end.database['uid'][1:]}"
        new = replace(old, pod=uid, container=f"{turn}{CONTAINERS[1][1:]}" if turn else CONTAINERS[1])
        at = 20.0 * turn
        kills.append(Kill(now, at, old, back=at + 2.9 + variation, ready=at + 4.6 + variation, after=new))
        old = new
    return kills


def _persistence_verdict(
    mode: Mode, outcome: str, rate: int, kills: Sequence[Kill], end: RunEnd, variation: float
) -> Verdict:
    if end.stopped:
        acked = 3 * rate
        stopped = PersistenceFindings(
            mode=mode, attempted=acked, acked=acked, rate_before=float(rate), stopped=end.stopped
        )
        return persistence.verdict_of(stopped)
    lost = tuple(f"6743a{number:019x}" for number in range(3)) if outcome == "fail" else ()
    findings = PersistenceFindings(
        mode=mode,
        attempted=20 * rate + 4,
        acked=20 * rate,
        unknown=4,
        acked_before=5 * rate,
        acked_after=10 * rate,
        rate_before=float(rate),
        in_flight=8,
        longest_write=3.1 + variation,
        kills=kills,
        last_write=True,
        judgement=Judgement(lost=lost, recovered=(f"6743b{0:019x}",), reads=440, stable=1500, never_read=9 * rate),
        read_back=True,
        coverage=COVERAGE,
    )
    return persistence.verdict_of(findings)


def _autoscale(rate: float, outcome: str, variation: float) -> ScriptedRun:
    steps = (
        ScriptedStep("preflight", 1.0, _constant("ScalingActive, metrics are there")),
        ScriptedStep("settle", 3.0, _constant("2 pods, CPU 8 % of a 70 % target")),
        ScriptedStep("load", 16.0, _without_scaling, "load", is_last=True)
        if outcome == "fail"
        else ScriptedStep("load", 8.0, _with_scaling, "load"),
        ScriptedStep("steady", 7.0, _elapsed_of(60)),
        ScriptedStep("unload", 7.0, _elapsed(7.0 * SPEED, "since the load stopped"), "unload"),
    )
    return ScriptedRun(steps, lambda end: _autoscale_verdict(rate, outcome, end, variation))


def _autoscale_verdict(rate: float, outcome: str, end: RunEnd, variation: float) -> Verdict:
    if end.stopped:
        return autoscale.verdict_of(AutoscaleFindings(min=2, start=2, peak=2, stopped=end.stopped, aborted=True))
    owed = _obligation(end) if outcome == "fail" else None
    later = (21.0 + 10 * variation, 30.0 + 10 * variation, 31.0 + 10 * variation, 104.0, 105.0, 168.0, 184.0)
    moments = (0.0, 18.0, *([None] * len(later) if owed else later))
    findings = AutoscaleFindings(
        min=2,
        start=2,
        peak=2 if owed else 4,
        rate=rate,
        offered=int(rate * 105),
        achieved=int(rate * 105) - 3,
        lag_p99_ms=71.0 if outcome == "inconclusive" else 2.4,
        cpu_percent=14.0,
        moments={f"t{number}": moment for number, moment in enumerate(moments)},
        resolution=15.0,
        owed=(owed,) if owed else (),
        unmet=f"{owed['text']}, by {owed['by'][11:19]} UTC at the latest, and asked for none." if owed else None,
    )
    return autoscale.verdict_of(findings)


def _obligation(end: RunEnd) -> Json:
    """Return an unmet obligation within the last step."""
    began, lasted = seconds(end.began), seconds(end.ended) - seconds(end.began)
    return {
        "what": "scale-up",
        "since": rfc3339(began + OWED_FROM * lasted),
        "by": rfc3339(began + OWED_BY * lasted),
        "met": None,
        "text": "By its own figure of 133 % (target 70 %, tolerance 10 %) it owed more than 2 pods",
    }


def _without_scaling(progress: float) -> str:
    return "t1 133 %, and no more pods asked for" if progress >= OWED_FROM else "t0, waiting for a sample over 70 %"


def _with_scaling(progress: float) -> str:
    texts = ((0.8, "t4 a new pod serves"), (0.6, "t3 a new pod is Ready"), (0.45, "t2 2 → 4 pods"), (0.35, "t1 98 %"))
    return next((text for since, text in texts if progress >= since), "t0, waiting for a sample over 70 %")


def _constant(text: str) -> Text:
    return lambda progress: text


def _count(most: int, unit: str) -> Text:
    return lambda progress: f"{int(progress * most):,} {unit}"


def _elapsed(seconds: float, what: str) -> Text:
    return lambda progress: f"{progress * seconds:.0f} s {what}"


def _elapsed_of(seconds: int) -> Text:
    return lambda progress: f"{int(progress * seconds)} / {seconds} s"
