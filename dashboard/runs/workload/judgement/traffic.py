"""The figures of a run's operations, and what of a proof they cover. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from msgspec import Struct

from dashboard.runs.workload.operation import WRITES, Operation

RATE_SECONDS = 3.0  # over which a rate is measured
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


def rate(operations: Iterable[Operation], at: float) -> float:
    """Return the writes that were acknowledged a second, just before `at`."""
    return acknowledged(operations, at - RATE_SECONDS, at) / RATE_SECONDS


def longest(operations: Iterable[Operation]) -> float | None:
    """Return the duration of the slowest ended write in seconds, None if none has ended."""
    return max((each.ended - each.began for each in writes(operations) if each.ended is not None), default=None)


def silence(operations: Iterable[Operation], since: float, until: float) -> tuple[float, float]:
    """Return the longest span without an acknowledgement that overlaps `since` to `until`, which is the outage for the
    writers. Its end is infinite if nothing was acknowledged afterwards."""
    gaps = pairwise([-EVER, *sorted(acknowledgements(operations)), EVER])
    crossing = [(max(begin, since), end) for begin, end in gaps if begin <= until and end > since]
    return max(crossing, key=lambda gap: gap[1] - gap[0], default=(since, until))


def pending(operations: Iterable[Operation], since: float, until: float) -> list[Operation]:
    """Return the operations that were under way at some time between `since` and `until`."""
    return [each for each in operations if each.began < until and (each.ended is None or each.ended > since)]


def writes(operations: Iterable[Operation]) -> list[Operation]:
    return [each for each in operations if each.kind in WRITES]
