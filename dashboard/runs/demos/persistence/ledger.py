"""The ledger of one run: every attempted write and its outcome, kept outside of the database.

Timestamps are of one monotonic clock. Each document belongs to one writer thread, and each method does one dictionary
or list operation, so that no lock is needed. It holds up to LARGEST documents.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from msgspec import Struct

LARGEST = 100_000  # documents

OPEN, ACKNOWLEDGED, FAILED, UNKNOWN = "open", "acknowledged", "failed", "unknown"


class Full(Exception):
    """The ledger is full: the writer must end."""


class Write(Struct, gc=False):
    """One document's write, from the request to its outcome."""

    sha256: str
    began: float
    ended: float | None = None
    outcome: str = OPEN


class Comparison(Struct, frozen=True):
    """The documents that were read, compared with those that were written. Sorted ids."""

    lost: tuple[str, ...]  # acknowledged but not found
    corrupt: tuple[str, ...]  # found with another payload
    unexpected: tuple[str, ...]  # found but never attempted
    recovered: tuple[str, ...]  # found though not acknowledged


class Ledger:
    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._writes: dict[str, Write] = {}
        self._acknowledged: list[float] = []  # timestamps, almost ascending: several writers append
        self.last_error: str | None = None  # of a write that was not acknowledged, a sentence

    def attempt(self, id_: str, sha256: str, at: float) -> None:
        """Record a document before it is sent; a second call changes nothing. Raise `Full` if there is no room."""
        if id_ in self._writes:
            return
        if len(self._writes) >= self._largest:
            raise Full
        self._writes[id_] = Write(sha256, at)

    def acknowledge(self, id_: str, at: float) -> None:
        """Record that the service acknowledged the document."""
        if self._end(id_, at, ACKNOWLEDGED):
            self._acknowledged.append(at)

    def fail(self, id_: str, at: float, error: str | None = None) -> None:
        """Record that the document is certainly not stored: nothing was sent, "not-applied", or a 4xx."""
        self._end(id_, at, FAILED, error)

    def leave(self, id_: str, at: float, error: str | None = None) -> None:
        """Record an unknown outcome: a timeout, a lost connection, "unknown"."""
        self._end(id_, at, UNKNOWN, error)

    def counts(self) -> dict[str, int]:
        """Return attempted, acked, unknown and failed. Pending writes count as unknown."""
        outcomes = Counter(write.outcome for write in self._all())
        return {
            "attempted": outcomes.total(),
            "acked": outcomes[ACKNOWLEDGED],
            "unknown": outcomes[UNKNOWN] + outcomes[OPEN],
            "failed": outcomes[FAILED],
        }

    def acknowledged(self, since: float, until: float) -> int:
        """Return the number of acknowledgements after `since` and up to `until`."""
        return sum(since < at <= until for at in self._acknowledged[:])

    def silence(self, since: float, until: float) -> tuple[float, float]:
        """Return the longest span without an acknowledgement that overlaps `since` to `until`, which is the outage for
        the writers. Its end is infinite if nothing was acknowledged afterwards."""
        times = sorted(self._acknowledged[:])
        gaps = pairwise([float("-inf"), *times, float("inf")])
        crossing = [(max(begin, since), end) for begin, end in gaps if begin <= until and end > since]
        return max(crossing, key=lambda gap: gap[1] - gap[0])

    def in_flight(self, since: float, until: float) -> int:
        """Return the number of writes that were pending at some time between `since` and `until`."""
        return sum(write.began < until and (write.ended is None or write.ended > since) for write in self._all())

    def longest(self) -> float | None:
        """Return the duration of the slowest ended write in seconds, None if none has ended."""
        return max((write.ended - write.began for write in self._all() if write.ended is not None), default=None)

    def compare(self, read: Mapping[str, str]) -> Comparison:
        """Compare with the documents that were read: id → sha256."""
        writes = dict(self._writes)
        acknowledged = {id_ for id_, write in writes.items() if write.outcome == ACKNOWLEDGED}
        return Comparison(
            lost=tuple(sorted(acknowledged - read.keys())),
            corrupt=tuple(sorted(id_ for id_, sha in read.items() if id_ in writes and writes[id_].sha256 != sha)),
            unexpected=tuple(sorted(read.keys() - writes.keys())),
            recovered=tuple(sorted((read.keys() & writes.keys()) - acknowledged)),
        )

    def _end(self, id_: str, at: float, outcome: str, error: str | None = None) -> bool:
        """Record an outcome and return whether it was. An acknowledgement is final; it replaces any other outcome."""
        write = self._writes[id_]
        if write.outcome == ACKNOWLEDGED:
            return False
        write.ended, write.outcome = at, outcome
        self.last_error = error or self.last_error
        return True

    def _all(self) -> list[Write]:
        """Return a copy, since the writers go on."""
        return list(self._writes.values())


def merged(first: Comparison, second: Comparison) -> Comparison:
    """Return the union of two comparisons: a document is lost if it is in one of them."""
    return Comparison(
        lost=tuple(sorted({*first.lost, *second.lost})),
        corrupt=tuple(sorted({*first.corrupt, *second.corrupt})),
        unexpected=tuple(sorted({*first.unexpected, *second.unexpected})),
        recovered=tuple(sorted({*first.recovered} | {*second.recovered})),
    )
