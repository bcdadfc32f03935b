"""What of a proof a persistence run's operations cover. Pure."""

from collections.abc import Iterable, Sequence

from dashboard.runs.demos.persistence.observation import Kill
from dashboard.runs.workload import traffic
from dashboard.runs.workload.operation import WRITES, Operation
from dashboard.runs.workload.traffic import EVER, Coverage

OUTAGE_SECONDS = 1.0  # of an outage that is long enough to be noticed by every writer


def outages(operations: Sequence[Operation], kills: Sequence[Kill]) -> list[tuple[float, float]]:
    """Return each kill's outage for the writers."""
    return [traffic.silence(operations, kill.at, EVER if kill.back is None else kill.back) for kill in kills]


def in_flight(operations: Sequence[Operation], kills: Sequence[Kill]) -> int:
    """Return the number of writes that were under way during an outage: the least of all outages."""
    sent = traffic.writes(operations)
    return min((len(traffic.pending(sent, *outage)) for outage in outages(operations, kills)), default=0)


def coverage(operations: Sequence[Operation], kills: Sequence[Kill]) -> tuple[Coverage, ...]:
    """Return what a PASS must have seen, and what makes it worth more. After several kills, the least of each."""
    if not kills or any(kill.back is None for kill in kills):
        return ()
    gone = outages(operations, kills)
    sent = traffic.writes(operations)
    reads = [each for each in operations if each.kind not in WRITES]
    at_the_kill = [[each for each in traffic.pending(sent, *outage) if each.began <= outage[0]] for outage in gone]
    through = [
        [each for each in group if each.outcome == "acknowledged" and each.ended is not None and each.ended >= end]
        for group, (_, end) in zip(at_the_kill, gone, strict=True)
    ]
    first, last = kills[0].at, kills[-1].back or EVER
    reading = min(len(traffic.pending(reads, *outage)) for outage in gone)
    return (
        Coverage("reads under way during the outage", reading, True),
        Coverage("reads answered before the kill", _answered(reads, -EVER, first), True),
        Coverage("reads answered after the outage", _answered(reads, last, EVER), True),
        *(
            Coverage(f"{words} {when}", traffic.acknowledged([each for each in sent if each.kind == kind], *span), True)
            for kind, words in (("put", "replacements"), ("delete", "deletions"))
            for when, span in (("before the kill", (-EVER, first)), ("after the outage", (last, EVER)))
        ),
        Coverage("writes in flight as the database went", min(map(len, at_the_kill)), False),
        Coverage("of them acknowledged after the outage, by a retry", min(map(len, through)), False),
        Coverage("seconds without a database", min(_down(kill) for kill in kills), False, OUTAGE_SECONDS),
    )


def _answered(reads: Iterable[Operation], since: float, until: float) -> int:
    return sum(each.seen is not None and each.began > since and (each.ended or EVER) <= until for each in reads)


def _down(kill: Kill) -> float:
    return (kill.back or kill.at) - kill.at
