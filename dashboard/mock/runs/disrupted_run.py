"""Scripts for simulated runs that disrupt the service's pods: invented evidence, judged by the demos' own rules."""

from collections.abc import Sequence

from dashboard.load.options import LoadTotals
from dashboard.runs.demo import Demo
from dashboard.runs.demos.disruption import verdict as disruption
from dashboard.runs.demos.disruption.coverage import MEANWHILE, PODS
from dashboard.runs.demos.disruption.failures import Failed, Failures
from dashboard.runs.demos.disruption.observation import ROLLS, Disruption, Facts, Kind
from dashboard.runs.demos.disruption.recovery import Recovery
from dashboard.runs.demos.disruption.verdict import DisruptionFindings
from dashboard.runs.verdict import Verdict
from dashboard.runs.workload.judgement.judge import Judgement
from dashboard.runs.workload.judgement.traffic import Coverage

KINDS: dict[str, tuple[Kind, ...]] = {"rollout": ("restart", "undo"), "self-healing": ("delete", "kill")}
SECONDS = {"preflight": 1.0, "warmup": 4.0, "restart": 9.0, "undo": 9.0, "delete": 6.0, "kill": 5.0, "after": 6.0}
RATE = 50  # requests a second of the load
WRITES = 14_000
FAILED = Failed((("connect", 7), ("write", 2)), at=12.0)
UNTIL_WHOLE = {"restart": 21.4, "undo": 19.8, "delete": 9.1, "kill": 5.3}


def seconds_of(step: str) -> float:
    return SECONDS.get(step, 2.0)


def verdict_of(demo: Demo, outcome: str, stopped: str | None, variation: float) -> Verdict:
    """Return the verdict of a run with this outcome, or of one that was stopped."""
    kinds = KINDS[demo.id]
    if stopped:
        return disruption.verdict_of(demo.id, DisruptionFindings(asked=kinds, stopped=stopped))
    fails = outcome == "fail"
    findings = DisruptionFindings(
        asked=kinds,
        recoveries=_recoveries(kinds, variation),
        failures=Failures(Failed(), FAILED if fails else Failed(), Failed()),
        counts={"attempted": WRITES, "acked": WRITES - 2 * fails, "unknown": 2 * fails, "failed": 0},
        load=_load(FAILED.count if fails else 0),
        gap=0.31 + variation / 10,
        judgement=Judgement(reads=940, stable=9_000, never_read=2_000),
        read_back=True,
        coverage=_coverage(reached=outcome != "inconclusive"),
        facts=Facts(pre_stop=not fails, readiness=True),
        last_write=True,
    )
    return disruption.verdict_of(demo.id, findings)


def _recoveries(kinds: Sequence[Kind], variation: float) -> list[Recovery]:
    """Return the recoveries, each with pods of its own."""
    made, pods = [], ["5e1a90c2-a", "5e1a90c2-b"]
    for number, kind in enumerate(kinds):
        at = 10.0 + 40 * number
        old = pods if kind in ROLLS else pods[:1]
        new = [f"{7 + number}c04f3de-{each}" for each in "ab"[: len(old)]]
        templates = ("former", "rolled") if kind == "restart" else ("rolled", "former")
        before, after = templates if kind in ROLLS else (None, None)
        victim = None if kind in ROLLS else old[0]
        name = victim and f"flask-{victim[:8]}"
        done = Disruption(kind, at, at + 0.1, 1, victim, name, before, after)
        whole = UNTIL_WHOLE[kind] + variation
        made.append(Recovery(done, tuple(pods), tuple(old), whole, whole + 1.2, tuple(new), tuple(new), PODS - 1))
        pods = [*new, *pods[len(new) :]]
    return made


def _load(errors: int) -> LoadTotals:
    sent = 110 * RATE
    return LoadTotals(
        seconds=110.0, due=sent, offered=sent, sent=sent, achieved=sent - errors, errors=errors,
        p50_ms=3.1, p99_ms=41.0, lag_p99_ms=2.4, cpu_percent=14.0,
    )  # fmt: skip


def _coverage(reached: bool) -> tuple[Coverage, ...]:
    return (
        Coverage("pods Ready before each disruption", PODS, required=True, least=PODS),
        Coverage("requests in flight as each was asked for", 3, required=True),
        Coverage("writes acknowledged meanwhile", 1_100, required=True, least=MEANWHILE),
        Coverage("new pods that requests reached", 4 if reached else 3, required=True, least=4),
    )
