"""One run's writes, kept outside of the database: what was attempted, and what each writer was told of it.

Moments are of one monotonic clock. Writers call from threads of their own; each document belongs to one of them, and
each step below is one operation on a dictionary or a list, so that no lock is needed. Nothing grows beyond LARGEST.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from msgspec import Struct

LARGEST = 100_000  # documents

OPEN, ACKNOWLEDGED, FAILED, UNKNOWN = "open", "acknowledged", "failed", "unknown"


class Full(Exception):
    """The ledger holds as much as it may: the writer must end."""


class Write(Struct, gc=False):
    """A document on its way: from its first sending to the last word about it."""

    sha256: str
    began: float
    ended: float | None = None
    outcome: str = OPEN


class Comparison(Struct, frozen=True):
    """What was read back, against what was written. Ids, sorted."""

    lost: tuple[str, ...]  # acknowledged, and not there
    corrupt: tuple[str, ...]  # there, with another payload than was written
    unexpected: tuple[str, ...]  # there, and never attempted
    recovered: tuple[str, ...]  # there, though nobody was told so


class Ledger:
    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._writes: dict[str, Write] = {}
        self._acknowledged: list[float] = []  # moments, ascending but for what writers do at the same time
        self.trouble: str | None = None  # what was told last of a write that was not acknowledged, a sentence

    def attempt(self, id_: str, sha256: str, at: float) -> None:
        """Before a document is sent for the first time. `Full` when no more can be taken; again for the same document
        it changes nothing."""
        if id_ in self._writes:
            return
        if len(self._writes) >= self._largest:
            raise Full
        self._writes[id_] = Write(sha256, at)

    def acknowledge(self, id_: str, at: float) -> None:
        """The service said that it is stored."""
        if self._end(id_, at, ACKNOWLEDGED):
            self._acknowledged.append(at)

    def fail(self, id_: str, at: float, trouble: str | None = None) -> None:
        """It is certain that it is not stored: nothing was sent, or the service said "not-applied" or 4xx."""
        self._end(id_, at, FAILED, trouble)

    def leave(self, id_: str, at: float, trouble: str | None = None) -> None:
        """Nobody knows: a timeout, a lost connection, "unknown"."""
        self._end(id_, at, UNKNOWN, trouble)

    def counts(self) -> dict[str, int]:
        """attempted, acked, unknown, failed; what is still under way counts as unknown."""
        outcomes = Counter(write.outcome for write in self._all())
        return {
            "attempted": outcomes.total(),
            "acked": outcomes[ACKNOWLEDGED],
            "unknown": outcomes[UNKNOWN] + outcomes[OPEN],
            "failed": outcomes[FAILED],
        }

    def acknowledged(self, since: float, until: float) -> int:
        """How many were acknowledged in a span of time, its end included."""
        return sum(since < at <= until for at in self._acknowledged[:])

    def silence(self, since: float, until: float) -> tuple[float, float]:
        """The longest time without an acknowledgement that began between the two moments, or went on at the first: the
        outage, as writers see it. Without end where nothing was acknowledged afterwards."""
        moments = sorted(self._acknowledged[:])
        gaps = pairwise([float("-inf"), *moments, float("inf")])
        crossing = [(max(begin, since), end) for begin, end in gaps if begin <= until and end > since]
        return max(crossing, key=lambda gap: gap[1] - gap[0])

    def in_flight(self, since: float, until: float) -> int:
        """How many were under way at some time between the two moments, and saw the end of neither before."""
        return sum(write.began < until and (write.ended is None or write.ended > since) for write in self._all())

    def longest(self) -> float | None:
        """Seconds that the slowest write took, whatever became of it. None if none has ended."""
        return max((write.ended - write.began for write in self._all() if write.ended is not None), default=None)

    def compare(self, read: Mapping[str, str]) -> Comparison:
        """`read`: id → sha256 of what is there now."""
        writes = dict(self._writes)
        acknowledged = {id_ for id_, write in writes.items() if write.outcome == ACKNOWLEDGED}
        return Comparison(
            lost=tuple(sorted(acknowledged - read.keys())),
            corrupt=tuple(sorted(id_ for id_, sha in read.items() if id_ in writes and writes[id_].sha256 != sha)),
            unexpected=tuple(sorted(read.keys() - writes.keys())),
            recovered=tuple(sorted((read.keys() & writes.keys()) - acknowledged)),
        )

    def to_json(self) -> dict[str, Any]:
        """The counts, and the slowest write."""
        return {**self.counts(), "longest_write": self.longest()}

    def _end(self, id_: str, at: float, outcome: str, trouble: str | None = None) -> bool:
        """Notes what became of a document, and whether that is new: an acknowledgement stands whatever comes after it,
        and replaces anything that came before."""
        write = self._writes[id_]
        if write.outcome == ACKNOWLEDGED:
            return False
        write.ended, write.outcome = at, outcome
        self.trouble = trouble or self.trouble
        return True

    def _all(self) -> list[Write]:
        """At one moment: writers go on meanwhile."""
        return list(self._writes.values())


def merged(first: Comparison, second: Comparison) -> Comparison:
    """What was read in two ways: a document is lost or corrupt if one of them says so."""
    return Comparison(
        lost=tuple(sorted({*first.lost, *second.lost})),
        corrupt=tuple(sorted({*first.corrupt, *second.corrupt})),
        unexpected=tuple(sorted({*first.unexpected, *second.unexpected})),
        recovered=tuple(sorted({*first.recovered} | {*second.recovered})),
    )
