"""Scripts for simulated failover runs: invented evidence, judged by the demo's own rules."""

from dashboard.runs.demos.failover import verdict as failover
from dashboard.runs.demos.failover.demo import MEMBERS
from dashboard.runs.demos.failover.observation import Loss
from dashboard.runs.demos.failover.verdict import FailoverFindings
from dashboard.runs.mode import Mode
from dashboard.runs.verdict import Verdict
from dashboard.runs.workload.judgement.judge import Judgement
from dashboard.runs.workload.judgement.traffic import Coverage

SECONDS = {"warmup": 4.0, "takeover": 3.0, "ready": 6.0, "after": 5.0}
WRITES = 5_400
UNTIL_BACK, UNTIL_READY = 3.2, 21.5  # seconds from the loss


def seconds_of(step: str) -> float:
    return SECONDS.get(step, 1.0)


def verdict_of(mode: Mode, outcome: str, stopped: str | None, variation: float) -> Verdict:
    """Return the verdict of a run with this outcome, or of one that was stopped."""
    if stopped:
        return failover.verdict_of(FailoverFindings(mode=mode, stopped=stopped))
    back = UNTIL_BACK + variation
    successor = "mongodb-0" if outcome == "inconclusive" else "mongodb-1"
    loss = Loss(mode, 0.0, "mongodb-0", "0b6e3c1a", back=back, successor=successor, ready=UNTIL_READY + variation)
    fails = outcome == "fail"
    findings = FailoverFindings(
        mode=mode,
        members=MEMBERS,
        losses=(loss,),
        resumed=(back + 0.3,),
        wrote_on=(False,),
        failures={"writes that were refused": 3 if fails else 0, "writes without an answer": 0, "reads": 0},
        last_error="The service answered 503: no primary" if fails else None,
        attempted=WRITES,
        acked=WRITES - 3 * fails,
        failed=3 * fails,
        acked_before=800,
        acked_after=3_000,
        rate_before=160.0,
        in_flight=8,
        longest_write=back + 0.4,
        last_write=True,
        judgement=Judgement(reads=410, stable=1_500, never_read=1_900),
        read_back=True,
        coverage=(Coverage("replacements before the kill", 90, required=True),),
    )
    return failover.verdict_of(findings)
