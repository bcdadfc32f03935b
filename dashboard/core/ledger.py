"""One run's writes, kept outside of the database: what was attempted, and what each writer was told of it.

Moments are of one monotonic clock. Writers call from threads of their own; each document belongs to one of them, and
each step below is one operation on a dictionary or a list, so that no lock is needed. Nothing grows beyond LARGEST.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

LARGEST = 100_000  # documents

OPEN, ACKNOWLEDGED, FAILED, UNKNOWN = "open", "acknowledged", "failed", "unknown"


class Full(Exception):
    """The ledger holds as much as it may: the writer must end."""


class Write(Struct, gc=False):
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
    def attempt(self, id_: str, sha256: str, at: float) -> None:
        """Before a document is sent for the first time. `Full` when no more can be taken; again for the same document
        it changes nothing."""
        raise NotImplementedError

    def acknowledge(self, id_: str, at: float) -> None:
        """The service said that it is stored."""
        raise NotImplementedError

    def fail(self, id_: str, at: float) -> None:
        """It is certain that it is not stored: nothing was sent, or the service said "not-applied" or 4xx."""
        raise NotImplementedError

    def leave(self, id_: str, at: float) -> None:
        """Nobody knows: a timeout, a lost connection, "unknown"."""
        raise NotImplementedError

    def counts(self) -> Mapping[str, int]:
        """attempted, acked, unknown, failed; what is still under way counts as unknown."""
        raise NotImplementedError

    def acknowledged(self, since: float, until: float) -> int:
        """How many were acknowledged in a span of time."""
        raise NotImplementedError

    def compare(self, read: Mapping[str, str]) -> Comparison:
        """`read`: id → sha256 of what is there now."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        raise NotImplementedError
