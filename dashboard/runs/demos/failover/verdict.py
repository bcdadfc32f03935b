"""The verdict of a failover run. Pure: it follows from the run's observations.

FAIL: no other member became primary in time, a request failed, or an acknowledged write is lost or was misread.
INCONCLUSIVE: whatever a proof needs was not seen.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from dashboard.runs.demos.failover.observation import FailoverObservations, Loss, PrimaryChange
from dashboard.runs.mode import Mode
from dashboard.runs.verdict import FieldSentence, Json, Verdict, as_seconds, as_text, decide, rounded
from dashboard.runs.workload.judgement import figures, traffic
from dashboard.runs.workload.judgement.coverage import coverage, outages
from dashboard.runs.workload.judgement.figures import WorkloadFigures
from dashboard.runs.workload.judgement.findings import counted_findings, listed_ids, losses
from dashboard.runs.workload.judgement.judge import OUTDATED, Judgement, judge
from dashboard.runs.workload.judgement.traffic import EVER
from dashboard.runs.workload.operation import WRITES, Operation

SCOPES = {
    "graceful": "The primary's pod was deleted: its mongod was told to end, and could step down first.",
    "crash": "The primary's mongod was killed (SIGKILL): the others had to notice that it was gone.",
}
SETTLE_SECONDS = 5.0  # for a new primary to learn what was acknowledged under the former one
RESUME_SECONDS = 5.0  # for a new primary to have the first write acknowledged by a majority

COUNTS = (
    "attempted", "acked", "failed", "lost", "corrupt", "stale", "regressed", "resurrected", "recovered", "reads",
)  # of the line  # fmt: skip


class FailoverFindings(WorkloadFigures, frozen=True, kw_only=True):
    """The figures from which the verdict follows."""

    mode: Mode  # of the first loss
    members: int | None = None
    losses: Sequence[Loss] = ()
    changes: Sequence[PrimaryChange] = ()
    resumed: Sequence[float | None] = ()  # seconds from each loss to the next acknowledged write; None: none followed
    wrote_on: Sequence[bool] = ()  # whether the service went on while the dashboard saw no primary, for each loss
    failures: Mapping[str, int] = {}  # failed requests by kind, from the first loss on
    failed_before: int = 0
    stale_later: tuple[str, ...] = ()  # ids of documents that were read as they were before, under a settled primary


def findings(run: FailoverObservations) -> FailoverFindings:
    """Return the figures of a run."""
    requests = figures.of_run(run, run.gone, OUTDATED)
    return FailoverFindings(
        mode=run.mode,
        members=run.members,
        losses=run.losses,
        changes=run.changes,
        resumed=[
            None if end == EVER else end - loss.since
            for loss, (_, end) in zip(run.losses, outages(run.operations, run.gone), strict=True)
        ],
        wrote_on=[_wrote_on(run, loss) for loss in run.losses],
        failures=_failures([each for each in run.operations if not _is_before(each, run)]),
        failed_before=sum(_failures([each for each in run.operations if _is_before(each, run)]).values()),
        stale_later=_stale_later(run, requests["judgement"].stale),
        coverage=coverage(run.operations, run.gone, short=True),
        **requests,
    )


def _is_before(operation: Operation, run: FailoverObservations) -> bool:
    """Return whether it had ended before the first loss."""
    return not run.losses or (operation.ended or EVER) < run.losses[0].at


def _failures(operations: Sequence[Operation]) -> dict[str, int]:
    """Return the failed requests by kind. Nobody knows what became of a write without an answer."""
    sent = traffic.counts(operations)
    reads = sum(each.outcome == "failed" and each.kind not in WRITES for each in operations)
    return {"writes that were refused": sent["failed"], "writes without an answer": sent["unknown"], "reads": reads}


def _wrote_on(run: FailoverObservations, loss: Loss) -> bool:
    """Return whether writes were acknowledged while the dashboard saw no primary, later than those under way."""
    if loss.given_up is None:
        return False
    return traffic.acknowledged(run.operations, loss.since + SETTLE_SECONDS, loss.given_up) > 0


def _stale_later(run: FailoverObservations, stale: Sequence[str]) -> tuple[str, ...]:
    """Return those of the `stale` ids that a read under a settled primary showed as they were before."""
    if not stale:
        return ()
    settled = [each for each in run.operations if not _while_changing(each, run)]
    return tuple(id_ for id_ in judge(settled, (), OUTDATED).stale if id_ in stale)


def _while_changing(operation: Operation, run: FailoverObservations) -> bool:
    """Return whether a read may have been answered by a new primary that had not yet learned what was acknowledged: a
    majority has it, and until the first write under the new one is acknowledged, that may not know so."""
    changes = [*((loss.at, loss.back) for loss in run.losses), *((each.at, each.back) for each in run.changes)]
    return operation.kind not in WRITES and any(
        at <= (operation.ended or EVER) and operation.began <= (back or EVER) + SETTLE_SECONDS for at, back in changes
    )


def verdict_of(found: FailoverFindings) -> Verdict:
    failures = [
        *losses(replace(found.judgement, stale=())),
        *_stale(found),
        *_without_primary(found),
        *_without_writes(found),
        *_failed(found),
    ]
    doubts = list(_doubts(found))
    verdict, reason = decide(failures, doubts)
    evidence = _evidence(found)
    return Verdict(verdict, reason, evidence, _line(verdict, evidence), failures, doubts)


def _stale(found: FailoverFindings) -> Iterator[str]:
    for sentence in losses(Judgement(stale=found.stale_later)):
        yield FieldSentence("stale_later", sentence)


def _without_primary(found: FailoverFindings) -> Iterator[str]:
    for loss, wrote_on in zip(found.losses, found.wrote_on, strict=True):
        if loss.overdue and not wrote_on:
            yield FieldSentence("takeover", loss.overdue)


def _without_writes(found: FailoverFindings) -> Iterator[str]:
    """Yield each new primary that took no writes in time: of what it writes, a majority must have a copy without the
    former one."""
    for loss, resumed in zip(found.losses, found.resumed, strict=True):
        if loss.back is None or (resumed is None and found.stopped):
            continue
        if resumed is None or resumed - (loss.back - loss.since) > RESUME_SECONDS:
            first = "never" if resumed is None else f"only after {resumed:.1f} s"
            yield FieldSentence(
                "resumed",
                f"{loss.successor} was primary {loss.back - loss.since:.1f} s after {loss.former} was not, and a write"
                f" was acknowledged {first}: {RESUME_SECONDS:.0f} s are allowed between the two.",
            )


def _failed(found: FailoverFindings) -> Iterator[str]:
    """Yield that requests failed once the primary was ended."""
    if not (count := sum(found.failures.values())):
        return
    kinds = ", ".join(f"{kind}: {number}" for kind, number in found.failures.items() if number)
    # The last error is of the whole run, and of writes only.
    wrote = count > found.failures.get("reads", 0) and not found.failed_before
    last = f" The writers' last error: {found.last_error}" if found.last_error and wrote else ""
    yield FieldSentence("failed", f"{count} {'request' if count == 1 else 'requests'} failed ({kinds}).{last}")


def _doubts(found: FailoverFindings) -> Iterator[str]:
    """Yield why a run without findings is not a proof. If it ended early, that alone is the reason."""
    if found.stopped:
        yield found.stopped
        return
    yield from figures.unread(found)
    for change in found.changes:
        yield f"The primary changed by itself, to {change.name}: the run had not ended it."
    if found.failed_before:
        yield FieldSentence("failed", f"{found.failed_before} requests failed before the primary was ended.")
    for loss, wrote_on in zip(found.losses, found.wrote_on, strict=True):
        if wrote_on:
            yield FieldSentence("takeover", f"{loss.overdue} But the service wrote on: only the dashboard saw none.")
        if loss.successor == loss.former:
            yield FieldSentence("successor", f"{loss.former} itself was primary again: no other member took over.")
        elif loss.back is None and not loss.overdue:
            yield FieldSentence("takeover", "No new primary was seen.")
        if loss.ready is None:
            yield FieldSentence("ready", f"{loss.former} was not seen to be a member again.")
    if not found.losses:
        yield "The primary was not ended."
    yield from figures.thin(found)
    yield from figures.unseen(found)
    yield from figures.unfinished(found)


def _after(since: float, at: float | None) -> float | None:
    return None if at is None else at - since


def _evidence(found: FailoverFindings) -> Json:
    changed = [loss.successor for loss in found.losses if loss.successor and loss.successor != loss.former]
    return {
        "mode": found.mode,
        "kills": len(found.losses),
        "members": found.members,
        **figures.evidence(found),
        **counted_findings(found.judgement, found.read_back),
        "stale_later": len(found.stale_later),
        "failed": sum(found.failures.values()),
        "failed_by_kind": dict(found.failures),
        "failed_before": found.failed_before,
        "changes": len(found.changes),
        "takeover": rounded(figures.longest([_after(loss.since, loss.back) for loss in found.losses])),
        "resumed": rounded(figures.longest(found.resumed)),
        "ready": rounded(figures.longest([_after(loss.at, loss.ready) for loss in found.losses])),
        "successor": " → ".join([found.losses[0].former, *changed]) if changed else None,
        "failovers": [
            {
                "mode": loss.mode,
                "former": loss.former,
                "successor": loss.successor,
                "takeover": rounded(_after(loss.since, loss.back)),
                "resumed": rounded(resumed),
                "ready": rounded(_after(loss.at, loss.ready)),
            }
            for loss, resumed in zip(found.losses, found.resumed, strict=True)
        ],
        "scope": " ".join(SCOPES[mode] for mode in dict.fromkeys([found.mode, *(loss.mode for loss in found.losses)])),
    } | listed_ids(found.judgement)


def _line(verdict: str, evidence: Json) -> str:
    return " ".join(
        [
            f"failover {verdict.upper()} mode={evidence['mode']} members={as_text(evidence['members'])}",
            *([f"kills={evidence['kills']}"] if evidence["kills"] > 1 else []),
            *(f"{name}={as_text(evidence[name])}" for name in COUNTS),
            *(["unexpected={}".format(evidence["unexpected"])] if evidence["unexpected"] else []),
            f"primary={(evidence['successor'] or '-').replace(' ', '')}",
            *(f"{name}={as_seconds(evidence[name])}" for name in ("takeover", "resumed", "ready", "longest_write")),
        ]
    )
