"""The verdict of a run that disrupts the service's pods. Pure: it follows from the run's observations.

FAIL: a request failed that nothing excuses, an acknowledged write is lost or was misread, or the service did not come
back to full strength in time. INCONCLUSIVE: whatever a proof needs was not seen.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from dashboard.core.text import span
from dashboard.load.options import LoadTotals, unfit
from dashboard.runs.demos.disruption.coverage import coverage, longest_gap
from dashboard.runs.demos.disruption.failures import (
    LATE_READ,
    LATE_WRITE,
    WITHDRAWAL_SECONDS,
    Failed,
    Failures,
    failures,
)
from dashboard.runs.demos.disruption.observation import ROLLS, Facts, Kind, Silence, TrialObservations
from dashboard.runs.demos.disruption.recovery import WORDS, Recovery, recoveries
from dashboard.runs.verdict import FieldSentence, Json, Verdict, as_seconds, as_text, decide, rounded
from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.judgement.findings import counted_findings, listed_ids, losses
from dashboard.runs.workload.judgement.judge import Judgement, judge
from dashboard.runs.workload.judgement.traffic import EVER, Coverage

SENT = 0.99  # of the load's due requests, required
NO_PRE_STOP = "The pods have no preStop hook: they end before their address is withdrawn."
NO_READINESS = "The pods have no readiness probe: they get requests before they can answer."
# Failures that a deadline of the dashboard's may make.
DEADLINES = frozenset({"connect", "timeout", LATE_READ, LATE_WRITE})
COUNTS = ("attempted", "acked", "lost", "corrupt")  # of the line


class DisruptionFindings(Struct, frozen=True):
    """The figures from which the verdict follows."""

    asked: Sequence[Kind]
    recoveries: Sequence[Recovery] = ()
    failures: Failures = Failures(Failed(), Failed(), Failed())
    counts: Mapping[str, int] = {}  # of the writes
    load: LoadTotals | None = None
    gap: float | None = None
    judgement: Judgement = Judgement()
    read_back: bool = False  # whether there is a read-back
    coverage: Sequence[Coverage] = ()
    facts: Facts | None = None
    silences: Sequence[Silence] = ()
    last_write: bool | None = None
    last_error: str | None = None
    unread: str | None = None
    stopped: str | None = None


def findings(run: TrialObservations) -> DisruptionFindings:
    """Return the figures of a run."""
    recovered = recoveries(run)
    return DisruptionFindings(
        asked=run.asked,
        recoveries=recovered,
        failures=failures(run),
        counts=traffic.counts(run.operations),
        load=run.load[-1].totals if run.load else None,
        gap=longest_gap(run, recovered),
        judgement=judge(run.operations, run.read_backs),
        read_back=bool(run.read_backs),
        coverage=coverage(run, recovered),
        facts=run.facts,
        silences=run.silences,
        last_write=run.last_write,
        last_error=run.last_error,
        unread=run.unread,
        stopped=run.stopped,
    )


def verdict_of(demo: str, found: DisruptionFindings) -> Verdict:
    """Return the verdict of a run of the demo with this id."""
    failed, unsure = list(_failed(found)), list(_unsure(found))
    overdue = [
        FieldSentence("whole", " ".join([each.overdue, *_silence(found)])) for each in found.recoveries if each.overdue
    ]
    broken = [*losses(found.judgement), *overdue, *([] if unsure else failed)]
    doubts = [*_doubts(found, bool(overdue)), *([*failed, *unsure] if failed and unsure else [])]
    verdict, reason = decide(broken, doubts)
    evidence = _evidence(found)
    return Verdict(verdict, reason, evidence, _line(demo, verdict, evidence), broken, doubts)


def _failed(found: DisruptionFindings) -> Iterator[str]:
    """Yield how many requests failed, with the cause as far as the pods' spec shows it."""
    owed = found.failures.owed
    if not owed.count:
        return
    began = [each.disruption for each in found.recoveries if each.disruption.at <= (owed.at or 0.0)]
    last = began[-1] if began else found.recoveries[0].disruption
    when = f"the first {span((owed.at or 0.0) - last.at)} after {WORDS[last.kind]}"
    error = f" The writers' last error: {found.last_error}" if found.last_error else ""
    causes = " ".join(["", *_causes(found)])
    yield FieldSentence("failed", f"{owed.count} requests failed ({owed.words}), {when}.{causes}{error}")


def _causes(found: DisruptionFindings) -> Iterator[str]:
    if found.facts and not found.facts.pre_stop:
        yield NO_PRE_STOP
    if found.facts and not found.facts.readiness:
        yield NO_READINESS
    if any(len(each.before) == 1 for each in found.recoveries):
        yield "There was one pod only: while it was away, nothing else could serve."
    yield from _silence(found)


def _silence(found: DisruptionFindings) -> Iterator[str]:
    """Yield since when and for how long MongoDB did not answer after the first disruption: the longest time."""
    if not found.recoveries:
        return
    first = found.recoveries[0].disruption
    silences = [(since, EVER if until is None else until) for since, until in found.silences]
    if after := [each for each in silences if each[1] > first.at]:
        since, until = max(after, key=lambda each: each[1] - each[0])
        lasted = "until the run ended" if until == EVER else f"for {span(until - since)}"
        when = f"from {span(since - first.at)} after" if since > first.at else "from before"
        yield f"MongoDB did not answer the dashboard {lasted}, {when} {WORDS[first.kind]}."


def _unsure(found: DisruptionFindings) -> Iterator[str]:
    """Yield why failed requests may be the load generator's own fault: one that is late lets its own deadlines pass."""
    late = {kind for kind, _ in found.failures.owed.kinds} <= DEADLINES
    if late and found.load and (reason := unfit(found.load)):
        yield FieldSentence("failed", f"The load generator may be the cause: {reason}.")


def _doubts(found: DisruptionFindings, overdue: bool) -> Iterator[str]:
    """Yield why a run without failures is not a proof. If it ended early, that alone is the reason."""
    if found.stopped:
        yield found.stopped
        return
    if overdue:
        return  # nothing more was tried
    if found.unread or not found.read_back:
        yield found.unread or "Nothing was read back."
    if found.load is None:
        yield "There was no load."
    elif (sent := found.load.offered - found.load.dropped) < SENT * found.load.due:
        yield f"The load was thin: {sent} requests were sent, where {found.load.due} were due."
    if len(found.recoveries) < len(found.asked):
        yield "Not all disruptions took place."
    elif unseen := [each for each in found.recoveries if each.whole is None]:
        after = WORDS[unseen[0].disruption.kind]
        yield FieldSentence("whole", f"The dashboard did not see all pods Ready after {after}.")
    elif missing := [each for each in found.coverage if each.required and not each.seen]:
        listed = ", ".join(f"{each.what} ({each.count:g} of {each.least:g})" for each in missing)
        yield FieldSentence("coverage", f"Not seen: {listed}.")
    if before := found.failures.before.count:
        yield f"{before} requests failed before anything was disrupted ({found.failures.before.words})."
    if found.facts is None:
        yield FieldSentence("spec", "It is unknown what the pods' spec has.")
    elif not (found.facts.pre_stop and found.facts.readiness):
        yield FieldSentence("spec", " ".join(each for each in _causes(found) if each in (NO_PRE_STOP, NO_READINESS)))
    if not found.last_write:
        yield "The last write was not acknowledged."


def _evidence(found: DisruptionFindings) -> Json:
    load, recovered, failed = found.load, found.recoveries, found.failures
    times: Json = {
        kind: rounded(_longest([each for each in recovered if each.disruption.kind == kind]))
        for kind in dict.fromkeys(found.asked)
    }
    return {
        "pods": len(recovered[0].before) if recovered else None,
        "replaced": sum(each.replaced for each in recovered),
        **times,
        "whole": rounded(_longest(recovered)),
        "disruptions": [_recovery(each) for each in recovered],
        "failed": failed.owed.count if recovered else None,
        "failed_by_kind": dict(failed.owed.kinds),
        "excused": failed.excused.count if recovered else None,
        "gap": rounded(found.gap),
        "offered": load.offered if load else None,
        "achieved": load.achieved if load else None,
        "p99_ms": rounded(load.p99_ms if load else None),
        "lag_p99_ms": rounded(load.lag_p99_ms if load else None),
        **{name: found.counts.get(name) for name in ("attempted", "acked", "unknown")},
        **counted_findings(found.judgement, found.read_back),
        "coverage": [
            {"what": each.what, "count": rounded(each.count), "required": each.required, "seen": each.seen}
            for each in found.coverage
        ],
        "spec": None if found.facts is None else {"pre_stop": found.facts.pre_stop, "readiness": found.facts.readiness},
        "scope": _scope(found),
    } | listed_ids(found.judgement)


def _longest(recovered: Sequence[Recovery]) -> float | None:
    known = [each.whole for each in recovered if each.whole is not None]
    return max(known) if known and len(known) == len(recovered) else None


def _recovery(each: Recovery) -> Json:
    """Return one disruption's figures."""
    return {
        "kind": each.disruption.kind,
        "pod": each.disruption.name,
        "whole": rounded(each.whole),
        "gone": rounded(each.gone),
        "least_ready": each.least_ready,
        "old": list(each.old),
        "new": list(each.new),
        "template": each.disruption.template_after,
    }


def _scope(found: DisruptionFindings) -> str:
    if any(kind in ROLLS for kind in found.asked):
        return "The pods were replaced by pods of the same image: the programs did not change."
    return (
        "A deletion without a grace period took the pod from the API at once; its kubelet ends the process within"
        " seconds. Nothing is said of the loss of a node. A request that was in flight then, or was sent within"
        f" {WITHDRAWAL_SECONDS:g} s, may fail: that is excused, and counted."
    )


def _line(demo: str, verdict: str, evidence: Json) -> str:
    times = [each for each in ("restart", "undo", "delete", "kill") if each in evidence]
    return " ".join(
        [
            f"{demo} {verdict.upper()}",
            *(f"{name}={as_text(evidence[name])}" for name in ("pods", "replaced", "offered", "failed")),
            *([f"excused={as_text(evidence['excused'])}"] if "kill" in evidence else []),
            *(f"{name}={as_text(evidence[name])}" for name in COUNTS),
            f"gap={as_seconds(evidence['gap'])}",
            *(f"{name}={as_seconds(evidence[name])}" for name in times),
        ]
    )
