"""A run's verdict: PASS, FAIL or INCONCLUSIVE, with its evidence and a line for shells."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

RUNNING, PASS, FAIL, INCONCLUSIVE = "running", "pass", "fail", "inconclusive"

Json = dict[str, Any]


class Verdict(Struct, frozen=True):
    """`verdict` is "pass", "fail" or "inconclusive"; `reason` a sentence, None for a pass."""

    verdict: str
    reason: str | None
    evidence: Json
    line: str


def decide(failures: Sequence[str], doubts: Sequence[str]) -> tuple[str, str | None]:
    """Return the verdict and its reason. FAIL outranks INCONCLUSIVE: thin traffic does not excuse a lost document."""
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
