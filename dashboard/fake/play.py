"""What a played run tells, scene by scene, and how it ends: made-up figures, and the verdict that they deserve."""

from collections.abc import Callable
from typing import Any, NamedTuple

from dashboard.core.autoscale.verdict import Findings, autoscale
from dashboard.core.ledger import Comparison
from dashboard.core.verdict import Killed, Persisted, Verdict, persistence

OUTCOMES = ("pass", "fail", "inconclusive")
WEIGHTS = (6, 2, 2)
PLOT = 9.0  # seconds of an autoscale run for each that is played
CLAIM, VOLUME = "0b6e3c1a-claim", "pvc-0b6e3c1a"
CONTAINERS = ("9f2c4e71d0aa", "c3d4b815fe07")

Json = dict[str, Any]
Words = Callable[[float], str]  # of how far a scene has come, 0 to 1


class Scene(NamedTuple):
    step: str
    seconds: float
    words: Words
    does: str | None = None  # kill, load or unload, as it begins
    ends_it: bool = False


class Play(NamedTuple):
    """`verdict` is given the database's pod as it is in the end, and why the run ended early, if it did."""

    scenes: tuple[Scene, ...]
    verdict: Callable[[Json, str | None], Verdict]


def play_of(demo: str, options: Json, outcome: str, database: Json) -> Play:
    """`database` is its pod before the run."""
    if demo == "persistence":
        return _persistence(options["mode"], outcome, database)
    return _autoscale(float(options.get("rate") or 180), outcome)


def _persistence(mode: str, outcome: str, database: Json) -> Play:
    rate = 12 if outcome == "inconclusive" else 165  # acknowledged a second
    scenes = (
        Scene("preflight", 1.0, _always(f"{database['name']} Ready, claim Bound")),
        Scene("warmup", 5.0, _counted(5 * rate, "acknowledged")),
        Scene("kill", 0.5, _always(mode), "kill"),
        Scene("outage", 5.0, _timed(5.0, "without an answer")),
        Scene("after", 8.0, _of(10)),
        Scene("readback", 3.0, _counted(20 * rate, "read back"), ends_it=outcome == "fail"),
    )
    return Play(scenes, lambda after, stopped: persistence(_persisted(mode, outcome, rate, database, after, stopped)))


def _persisted(mode: str, outcome: str, rate: int, before: Json, after: Json, stopped: str | None) -> Persisted:
    lost = tuple(f"6743a{number:019x}" for number in range(3)) if outcome == "fail" else ()
    found = Comparison(lost=lost, corrupt=(), unexpected=(), recovered=(f"6743b{0:019x}",))
    pod = before["uid"] if mode == "crash" else after["uid"]
    if stopped:
        return Persisted(mode=mode, attempted=3 * rate, acked=3 * rate, rate_before=float(rate), stopped=stopped)
    return Persisted(
        mode=mode,
        attempted=20 * rate + 4,
        acked=20 * rate,
        unknown=4,
        acked_before=5 * rate,
        acked_after=10 * rate,
        rate_before=float(rate),
        in_flight=8,
        longest_write=3.1,
        before=Killed(before["uid"], CONTAINERS[0], "node", CLAIM, VOLUME),
        after=Killed(pod, CONTAINERS[1], "node", CLAIM, VOLUME),
        down=2.9,
        ready=4.6,
        last_write=True,
        comparison=found,
    )


def _autoscale(rate: float, outcome: str) -> Play:
    scenes = (
        Scene("preflight", 1.0, _always("ScalingActive, metrics are there")),
        Scene("settle", 3.0, _always("2 pods, CPU 8 % of a 70 % target")),
        Scene("load", 8.0, _moments, "load", outcome == "fail"),
        Scene("steady", 7.0, _of(60)),
        Scene("unload", 7.0, _timed(7.0 * PLOT, "since the load stopped"), "unload"),
    )
    return Play(scenes, lambda after, stopped: autoscale(_found(rate, outcome, stopped)))


def _found(rate: float, outcome: str, stopped: str | None) -> Findings:
    if stopped:
        return Findings(min=2, start=2, peak=2, stopped=stopped, aborted=True)
    late = outcome == "fail"
    known = (0.0, 18.0, 21.0, 30.0, 31.0, 104.0, 105.0, 168.0, 184.0)
    seen = known[:2] if late else known
    return Findings(
        min=2,
        start=2,
        peak=2 if late else 4,
        rate=rate,
        offered=int(rate * 105),
        achieved=int(rate * 105) - 3,
        lag_p99_ms=71.0 if outcome == "inconclusive" else 2.4,
        cpu_percent=14.0,
        moments={f"t{number}": seen[number] if number < len(seen) else None for number in range(9)},
        resolution=15.0,
        unmet="By its own figure, 133 % of a 70 % target, the autoscaler owed 4 pods." if late else None,
        unmet_under_any_load=late,
    )


def _moments(part: float) -> str:
    told = ((0.8, "t4 a new pod serves"), (0.6, "t3 a new pod is Ready"), (0.45, "t2 2 → 4 pods"), (0.35, "t1 98 %"))
    return next((words for after, words in told if part >= after), "t0, waiting for a sample over 70 %")


def _always(words: str) -> Words:
    return lambda part: words


def _counted(most: int, of: str) -> Words:
    return lambda part: f"{int(part * most):,} {of}"


def _of(seconds: int) -> Words:
    return lambda part: f"{int(part * seconds)} / {seconds} s"


def _timed(seconds: float, of: str) -> Words:
    return lambda part: f"{part * seconds:.0f} s {of}"
