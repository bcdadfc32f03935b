"""What a played run tells, scene by scene, and how it ends. Its figures are made up; its verdict is reckoned as every one is."""

from collections.abc import Callable
from typing import Any, NamedTuple

from dashboard.core.ledger import Comparison
from dashboard.core.verdict import Killed, Persisted, Scaled, Verdict, autoscale, persistence

OUTCOMES = ("pass", "fail", "inconclusive")
WEIGHTS = (6, 2, 2)
PLOT = 8.0  # seconds of an autoscale run for each that is played

Json = dict[str, Any]
Words = Callable[[float], str]  # of how far a scene has come, 0 to 1


class Scene(NamedTuple):
    step: str
    seconds: float
    words: Words
    opens: str  # what the run's timeline has of its beginning
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
    return _autoscale(options.get("rate") or 180.0, outcome)


def _persistence(mode: str, outcome: str, database: Json) -> Play:
    thin = outcome == "inconclusive"
    rate = 12 if thin else 165
    scenes = (
        Scene("preflight", 1.0, lambda part: "", f"{database['name']} is Ready, its claim Bound"),
        Scene("warmup", 5.0, _counted(0, 5 * rate, "acknowledged"), "eight writers begin"),
        Scene("kill", 0.5, lambda part: mode, f"{database['name']} is killed ({mode})", "kill"),
        Scene("outage", 5.0, _timed(5.0, "without an answer"), "the writers go on"),
        Scene("after", 8.0, _of(10), "Ready again"),
        Scene("readback", 3.0, _counted(0, 20 * rate, "read back"), "every id and hash", ends_it=outcome == "fail"),
    )
    return Play(scenes, lambda after, stopped: persistence(_persisted(mode, outcome, rate, database, after, stopped)))


def _persisted(mode: str, outcome: str, rate: int, before: Json, after: Json, stopped: str | None) -> Persisted:
    acked = 20 * rate
    lost = tuple(f"6743a{number:019x}" for number in range(3)) if outcome == "fail" else ()
    container = "9f2c4e71d0aa" * 5
    return Persisted(
        mode=mode,
        attempted=acked + 4,
        acked=acked,
        unknown=4,
        failed=0,
        acked_before=5 * rate,
        acked_after=10 * rate,
        rate_before=float(rate),
        in_flight=0 if stopped else 8,
        longest_write=3.1,
        before=Killed(before["uid"], container, "node", "claim-1", "pvc-1"),
        after=Killed(after["uid"], "c3d4" * 15, "node", "claim-1", "pvc-1"),
        down=2.9,
        last_write=None if stopped else True,
        comparison=None
        if stopped
        else Comparison(lost=lost, corrupt=(), unexpected=(), recovered=("6743b" + "0" * 19,)),
        stopped=stopped,
    )


def _autoscale(rate: float, outcome: str) -> Play:
    scenes = (
        Scene("preflight", 1.0, lambda part: "ScalingActive", "metrics are there"),
        Scene("settle", 2.0, lambda part: "at min", "2 pods desired, 2 ready"),
        Scene("calibrate", 3.0, lambda part: f"{0.9 + part / 10:.2f}m CPU a request", "a small load"),
        Scene("load", 6.0, _moments, f"t0: {rate:g} requests a second", "load", outcome == "fail"),
        Scene("steady", 7.5, _of(60), "t5: desired and ready agree"),
        Scene("unload", 7.0, _timed(7.0 * PLOT, "since the load stopped"), "t6: the load stops", "unload"),
    )
    return Play(scenes, lambda after, stopped: autoscale(_scaled(rate, outcome, stopped)))


def _scaled(rate: float, outcome: str, stopped: str | None) -> Scaled:
    late = outcome == "fail" and not stopped
    known = (0.0, 18.0, 21.0, 30.0, 31.0, 104.0, 105.0, 168.0, 184.0)
    seen = known[:2] if late or stopped else known
    return Scaled(
        min=2,
        peak=2 if late else 4,
        rate=rate,
        offered=int(rate * 105),
        achieved=int(rate * 105) - 3,
        errors=0,
        dropped=0,
        lag_p99_ms=71.0 if outcome == "inconclusive" else 2.4,
        cpu_percent=14.0,
        moments={f"t{number}": seen[number] if number < len(seen) else None for number in range(9)},
        resolution=15.0,
        flapped=None,
        inactive=None,
        blind=None,
        back=not late,
        late="No more pods were asked for within 60 s (t2)." if late else None,
        stopped=stopped,
    )


def _moments(part: float) -> str:
    told = ((0.8, "t4 the new pods serve"), (0.6, "t3 a new pod is Ready"), (0.45, "t2 2 → 4 pods"), (0.35, "t1 98 %"))
    return next((words for after, words in told if part >= after), "t0 waiting for a sample over 70 %")


def _counted(first: int, last: int, of: str) -> Words:
    return lambda part: f"{first + int(part * (last - first)):,} {of}"


def _of(seconds: int) -> Words:
    return lambda part: f"{int(part * seconds)} / {seconds} s"


def _timed(seconds: float, of: str) -> Words:
    return lambda part: f"{part * seconds:.0f} s {of}"
