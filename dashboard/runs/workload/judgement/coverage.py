"""What of a proof the operations of a run that ends its database cover. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.judgement.traffic import EVER, Coverage
from dashboard.runs.workload.operation import WRITES, Kind, Operation

Gone = tuple[float, float | None]  # when the database was killed, and when it answered again; None if it has not

CHANGES: Mapping[Kind, str] = {"put": "replacements", "delete": "deletions"}
OUTAGE_SECONDS = 1.0  # of an outage that is long enough to be noticed by every writer


def outages(operations: Sequence[Operation], gone: Sequence[Gone]) -> list[tuple[float, float]]:
    """Return each outage as it was for the writers."""
    return [traffic.silence(operations, at, EVER if back is None else back) for at, back in gone]


def in_flight(operations: Sequence[Operation], gone: Sequence[Gone]) -> int:
    """Return the number of writes that were under way during an outage: the least of all outages."""
    sent = traffic.writes(operations)
    return min((len(traffic.pending(sent, *outage)) for outage in outages(operations, gone)), default=0)


def coverage(
    operations: Sequence[Operation], gone: Sequence[Gone], short: bool = False, kinds: Collection[Kind] = WRITES
) -> tuple[Coverage, ...]:
    """Return what a PASS must have seen, and what makes it worth more. After several kills, the least of each. `short`:
    an outage may be over before anything is read. `kinds` are the writes that the service takes."""
    ended = [(at, back) for at, back in gone if back is not None]
    if not ended or len(ended) < len(gone):
        return ()
    silent = outages(operations, gone)
    sent = traffic.writes(operations)
    reads = [each for each in operations if each.kind not in WRITES]
    at_the_kill = [[each for each in traffic.pending(sent, *outage) if each.began <= outage[0]] for outage in silent]
    through = [
        [each for each in group if each.outcome == "acknowledged" and each.ended is not None and each.ended >= end]
        for group, (_, end) in zip(at_the_kill, silent, strict=True)
    ]
    first, last = ended[0][0], ended[-1][1]
    reading = min(len(traffic.pending(reads, *outage)) for outage in silent)
    return (
        Coverage("reads under way during the outage", reading, not short),
        Coverage("reads answered before the kill", _answered(reads, -EVER, first), True),
        Coverage("reads answered after the outage", _answered(reads, last, EVER), True),
        *(
            Coverage(f"{words} {when}", traffic.acknowledged([each for each in sent if each.kind == kind], *span), True)
            for kind, words in CHANGES.items()
            if kind in kinds
            for when, span in (("before the kill", (-EVER, first)), ("after the outage", (last, EVER)))
        ),
        Coverage("writes in flight as the database went", min(map(len, at_the_kill)), False),
        Coverage("of them acknowledged after the outage, by a retry", min(map(len, through)), False),
        Coverage("seconds without a database", min(back - at for at, back in ended), False, OUTAGE_SECONDS),
    )


def _answered(reads: Iterable[Operation], since: float, until: float) -> int:
    return sum(each.seen is not None and each.began > since and (each.ended or EVER) <= until for each in reads)
