"""What a run proved: PASS, FAIL or INCONCLUSIVE, with the evidence for it and one line that a shell can read."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

RUNNING, PASS, FAIL, INCONCLUSIVE = "running", "pass", "fail", "inconclusive"

Json = dict[str, Any]


class Verdict(Struct, frozen=True):
    """`verdict`: "pass", "fail" or "inconclusive"; `reason` a sentence, None of a pass."""

    verdict: str
    reason: str | None
    evidence: Json
    line: str


def decide(failures: Sequence[str], doubts: Sequence[str]) -> tuple[str, str | None]:
    """FAIL outranks INCONCLUSIVE: a document that was lost is lost, however thin the traffic was."""
    if failures:
        return FAIL, " ".join(failures)
    if doubts:
        return INCONCLUSIVE, " ".join(doubts)
    return PASS, None


def rounded(number: float | None, digits: int = 2) -> float | None:
    return None if number is None else round(number, digits)


def as_text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}s"
