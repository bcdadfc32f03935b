"""The figures of a run's operations, and what of a proof they cover. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from dashboard.runs.demos.persistence.operation import WRITES, Kill, Operation

OUTAGE_SECONDS = 1.0  # of an outage that is long enough to be noticed by every writer
EVER = float("inf")


class Coverage(Struct, frozen=True):
    """Something that a run should have seen, and how often it has (or for how many seconds)."""

    what: str
    count: float
    required: bool  # for a PASS
    least: float = 1

    @property
    def seen(self) -> bool:
        return self.count >= self.least


def counts(operations: Iterable[Operation]) -> dict[str, int]:
    """Return the number of writes attempted, acked, unknown and failed. Pending ones count as unknown."""
    outcomes = Counter(each.outcome for each in writes(operations))
    return {
        "attempted": outcomes.total(),
        "acked": outcomes["acknowledged"],
        "unknown": outcomes["unknown"] + outcomes["open"],
        "failed": outcomes["failed"],
    }


def acknowledged(operations: Iterable[Operation], since: float = -EVER, until: float = EVER) -> int:
    """Return the number of writes that were acknowledged after `since` and up to `until`."""
    return sum(since < at <= until for at in acknowledgements(operations))


def acknowledgements(operations: Iterable[Operation]) -> Iterator[float]:
    """Yield the time of each acknowledgement."""
    for each in operations:
        if each.outcome == "acknowledged" and each.ended is not None:
            yield each.ended


def longest(operations: Iterable[Operation]) -> float | None:
    """Return the duration of the slowest ended write in seconds, None if none has ended."""
    return max((each.ended - each.began for each in writes(operations) if each.ended is not None), default=None)


def silence(operations: Iterable[Operation], since: float, until: float) -> tuple[float, float]:
    """Return the longest span without an acknowledgement that overlaps `since` to `until`, which is the outage for the
    writers. Its end is infinite if nothing was acknowledged afterwards."""
    gaps = pairwise([-EVER, *sorted(acknowledgements(operations)), EVER])
    crossing = [(max(begin, since), end) for begin, end in gaps if begin <= until and end > since]
    return max(crossing, key=lambda gap: gap[1] - gap[0])


def pending(operations: Iterable[Operation], since: float, until: float) -> list[Operation]:
    """Return the operations that were under way at some time between `since` and `until`."""
    return [each for each in operations if each.began < until and (each.ended is None or each.ended > since)]


def writes(operations: Iterable[Operation]) -> list[Operation]:
    return [each for each in operations if each.kind in WRITES]


def outages(operations: Sequence[Operation], kills: Sequence[Kill]) -> list[tuple[float, float]]:
    """Return each kill's outage for the writers."""
    return [silence(operations, kill.at, EVER if kill.back is None else kill.back) for kill in kills]


def in_flight(operations: Sequence[Operation], kills: Sequence[Kill]) -> int:
    """Return the number of writes that were under way during an outage: the least of all outages."""
    return min((len(pending(writes(operations), *outage)) for outage in outages(operations, kills)), default=0)


def coverage(operations: Sequence[Operation], kills: Sequence[Kill]) -> tuple[Coverage, ...]:
    """Return what a PASS must have seen, and what makes it worth more. After several kills, the least of each."""
    if not kills or any(kill.back is None for kill in kills):
        return ()
    gone = outages(operations, kills)
    sent = writes(operations)
    reads = [each for each in operations if each.kind not in WRITES]
    at_the_kill = [[each for each in pending(sent, *outage) if each.began <= outage[0]] for outage in gone]
    through = [
        [each for each in group if each.outcome == "acknowledged" and each.ended is not None and each.ended >= end]
        for group, (_, end) in zip(at_the_kill, gone, strict=True)
    ]
    first, last = kills[0].at, kills[-1].back or EVER
    return (
        Coverage("reads under way during the outage", min(len(pending(reads, *outage)) for outage in gone), True),
        Coverage("reads answered before the kill", _answered(reads, -EVER, first), True),
        Coverage("reads answered after the outage", _answered(reads, last, EVER), True),
        *(
            Coverage(f"{words} {when}", acknowledged([each for each in sent if each.kind == kind], *span), True)
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
