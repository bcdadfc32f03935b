"""The figures of a run's requests while its database was ended and came back. Pure: verdicts rest on them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from dashboard.runs.verdict import FieldSentence, Json, rounded
from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.judgement.coverage import Gone, in_flight
from dashboard.runs.workload.judgement.judge import DURING, Judgement, judge
from dashboard.runs.workload.judgement.traffic import Coverage
from dashboard.runs.workload.operation import WRITES, Kind, Operation, ReadBack

ACKED_BEFORE, RATE_BEFORE, ACKED_AFTER = 500, 100.0, 100  # with less traffic a run proves nothing


class WorkloadObservations(Struct, frozen=True, kw_only=True):
    """What a run observed of its requests, and what was read back."""

    operations: Sequence[Operation] = ()
    read_backs: Sequence[ReadBack] = ()
    last_write: bool | None = None  # whether the last document was acknowledged; None if it was never written
    last_error: str | None = None  # of a write that was not acknowledged, a sentence
    unread: str | None = None  # why something could not be read back
    stopped: str | None = None  # why the run ended early: an abort, a lost lease, a limit
    kinds: Collection[Kind] = WRITES  # the writes that the service takes
    adapter: bool = True  # whether the database itself could be asked


class WorkloadFigures(Struct, frozen=True, kw_only=True):
    """The figures of a run, of which its verdict is made."""

    attempted: int = 0
    acked: int = 0
    unknown: int = 0
    failed: int = 0
    acked_before: int = 0
    acked_after: int = 0  # after the outage; after several, the least
    rate_before: float = 0.0  # acknowledged a second, just before the first kill
    in_flight: int = 0  # writes that were pending during the outage
    longest_write: float | None = None
    last_write: bool | None = None
    last_error: str | None = None
    judgement: Judgement = Judgement()
    read_back: bool = False  # whether there is a read-back
    coverage: Sequence[Coverage] = ()
    unread: str | None = None
    stopped: str | None = None


def of_run(run: WorkloadObservations, gone: Sequence[Gone], during: Mapping[str, str] = DURING) -> dict[str, Any]:
    """Return the fields of WorkloadFigures, but for its coverage. `gone` are the outages, `during` is the judge's."""
    operations = run.operations
    killed = gone[0][0] if gone else traffic.EVER
    ends = [*(at for at, _ in gone[1:]), traffic.EVER]
    after = [
        0 if back is None else traffic.acknowledged(operations, back, end)
        for (_, back), end in zip(gone, ends, strict=False)
    ]
    return {
        **traffic.counts(operations),
        "acked_before": traffic.acknowledged(operations, until=killed),
        "acked_after": min(after, default=0),
        "rate_before": traffic.rate(operations, killed) if gone else 0.0,
        "in_flight": in_flight(operations, gone),
        "longest_write": traffic.longest(operations),
        "last_write": run.last_write,
        "last_error": run.last_error,
        "judgement": judge(operations, run.read_backs, during),
        "read_back": bool(run.read_backs),
        "unread": run.unread,
        "stopped": run.stopped,
    }


def unread(found: WorkloadFigures) -> Iterator[str]:
    """Yield why not all was read back."""
    if found.unread or not found.read_back:
        yield found.unread or "Nothing was read back."


def thin(found: WorkloadFigures) -> Iterator[str]:
    """Yield what of the traffic was too little."""
    if found.acked_before < ACKED_BEFORE or found.rate_before < RATE_BEFORE:
        yield FieldSentence(
            "acked_before",
            f"Too thin before the kill: {found.acked_before} acknowledged, {found.rate_before:.0f} a second, where"
            f" {ACKED_BEFORE} and {RATE_BEFORE:.0f} are needed.",
        )
    if found.acked_after < ACKED_AFTER:
        few = f"Too thin afterwards: {found.acked_after} acknowledged, where {ACKED_AFTER} are needed."
        yield FieldSentence("acked_after", few)
    if found.in_flight < 1:
        yield FieldSentence("in_flight", "No write was under way during the outage.")


def unseen(found: WorkloadFigures) -> Iterator[str]:
    """Yield what a proof needs and the run has not seen."""
    if missing := [each.what for each in found.coverage if each.required and not each.seen]:
        yield FieldSentence("coverage", f"Not seen: {', '.join(missing)}.")


def unfinished(found: WorkloadFigures) -> Iterator[str]:
    """Yield that writing did not go on, with the reason."""
    if not found.last_write:
        yield "The last write was not acknowledged."
    if found.acked_after < ACKED_AFTER or not found.last_write:
        yield from unacknowledged(found)


def unacknowledged(found: WorkloadFigures) -> Iterator[str]:
    """Yield how many writes were not acknowledged, and the writers' last error, if there is one."""
    if found.last_error and found.unknown + found.failed > 0:
        yield f"{found.unknown + found.failed} writes were not acknowledged. The last error: {found.last_error}"


def longest(durations: Sequence[float | None]) -> float | None:
    """Return the longest duration; None if one of them is unknown, or there is none."""
    known = [each for each in durations if each is not None]
    return max(known) if known and len(known) == len(durations) else None


def evidence(found: WorkloadFigures) -> Json:
    """Return the figures for the evidence, without those of the judgement (workload.judgement.findings)."""
    return {
        "attempted": found.attempted,
        "acked": found.acked,
        "unknown": found.unknown,
        "failed": found.failed,
        "longest_write": rounded(found.longest_write),
        "acked_before": found.acked_before,
        "acked_after": found.acked_after,
        "rate_before": rounded(found.rate_before, 1),
        "in_flight": found.in_flight,
        "coverage": [
            {"what": each.what, "count": rounded(each.count), "required": each.required, "seen": each.seen}
            for each in found.coverage
        ],
    }
