"""What several runs say about the share of runs that fail, which no single run can. Pure."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

CONFIDENCE = 0.95
PRECISION = 1e-9  # of the bound
HIGHEST_PERCENT = 50  # a higher bound says nothing, and reads as if runs were likely to fail

Json = Mapping[str, Any]


def upper_bound(runs: int, failed: int = 0, confidence: float = CONFIDENCE) -> float:
    """Return the largest share of failing runs with which `failed` of `runs` independent runs, or fewer, would still
    fail with a probability of 1 - confidence: the exact one-sided bound of Clopper and Pearson.

    Without a failure it is 1 - (1 - confidence)^(1/runs), about 3 / runs ("the rule of three"); without runs it is 1.
    """
    if not (0 <= failed <= runs and 0 < confidence < 1):
        raise ValueError(f"no bound for {failed} of {runs} at {confidence}")
    if failed == runs:
        return 1.0
    if failed == 0:
        return float(1 - (1 - confidence) ** (1 / runs))
    low, high = 0.0, 1.0
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(failed, runs, middle) > 1 - confidence else (low, middle)
    return high


def _at_most(failed: int, runs: int, rate: float) -> float:
    """Return the probability that at most `failed` of `runs` fail, at this rate."""
    return sum(math.comb(runs, n) * rate**n * (1 - rate) ** (runs - n) for n in range(failed + 1))


def sentences(runs: Iterable[Json]) -> dict[str, str]:
    """Return a sentence about the ended runs of each demo, by its id.

    An INCONCLUSIVE run proved nothing either way, so it is named and not counted.
    """
    verdicts: dict[str, list[str]] = {}
    for run in runs:
        if run["verdict"] != "running":
            verdicts.setdefault(run["demo"], []).append(run["verdict"])
    return {demo: _sentence(each) for demo, each in verdicts.items()}


def _sentence(verdicts: list[str]) -> str:
    passed, failed, rest = (verdicts.count(word) for word in ("pass", "fail", "inconclusive"))
    counted = f"{passed} of {passed + failed} passed{f', {rest} inconclusive' if rest else ''}"
    if not passed:
        return f"{counted}."
    percent = math.ceil(100 * upper_bound(passed + failed, failed))  # up: rounding down would claim more than is shown
    if percent > HIGHEST_PERCENT:
        return f"{counted}: too few to tell how often such a run fails."
    return f"{counted}: with {100 * CONFIDENCE:.0f} % confidence fewer than {percent} % of such runs fail."
