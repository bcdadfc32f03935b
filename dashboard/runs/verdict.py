"""A run's verdict: PASS, FAIL or INCONCLUSIVE, with its evidence and a line for shells."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

from msgspec import Struct

RUNNING, PASS, FAIL, INCONCLUSIVE = "running", "pass", "fail", "inconclusive"
VERDICTS = (PASS, FAIL, INCONCLUSIVE)

Json = dict[str, Any]


class FieldSentence(str):
    """A sentence about one field of the evidence. Plain strings among failures and doubts are about the whole run."""

    field: str

    def __new__(cls, field: str, text: str) -> Self:
        sentence = super().__new__(cls, text)
        sentence.field = field
        return sentence


class Verdict(Struct, frozen=True):
    """`verdict` is "pass", "fail" or "inconclusive"; `reason` a sentence, None for a pass. `failures` and `doubts` are
    the sentences that speak against a pass, for the checks of single claims."""

    verdict: str
    reason: str | None
    evidence: Json
    line: str
    failures: Sequence[str] = ()
    doubts: Sequence[str] = ()


def decide(failures: Sequence[str], doubts: Sequence[str]) -> tuple[str, str | None]:
    """Return the verdict and its reason. FAIL outranks INCONCLUSIVE: thin traffic does not excuse a lost document."""
    if failures:
        return FAIL, " ".join(failures)
    if doubts:
        return INCONCLUSIVE, " ".join(doubts)
    return PASS, None


def checks(claims: Iterable[tuple[str, str]], verdict: Verdict) -> list[Json]:
    """Return each claim's own verdict: [{name, claim, verdict, reason}]. `claims` are pairs of a field and its claim.

    A claim passes only if its figure was observed and nothing is in doubt about the run as a whole. So none passes in
    an INCONCLUSIVE run, and in a FAIL those that nothing speaks against.
    """
    failures, doubts = _by_field(verdict.failures), _by_field(verdict.doubts)
    unproved = verdict.verdict == INCONCLUSIVE or "" in doubts

    def check(name: str) -> tuple[str, str | None]:
        if name in failures:
            return FAIL, failures[name]
        if name in doubts:
            return INCONCLUSIVE, doubts[name]
        if verdict.evidence.get(name) is None:
            return INCONCLUSIVE, "It was not observed."
        return (INCONCLUSIVE, "The run as a whole is in doubt.") if unproved else (PASS, None)

    return [
        {"name": name, "claim": claim, "verdict": word, "reason": reason}
        for name, claim in claims
        for word, reason in [check(name)]
    ]


def _by_field(sentences: Iterable[str]) -> dict[str, str]:
    """Join the sentences about each field; those about the whole run are under ""."""
    found: dict[str, str] = {}
    for each in sentences:
        field = each.field if isinstance(each, FieldSentence) else ""
        found[field] = " ".join(filter(None, (found.get(field), str(each))))
    return found


def rounded(number: float | None, digits: int = 2) -> float | None:
    return None if number is None else round(number, digits)


def as_text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}s"
