"""Which requests failed, and which of them may. Pure.

A pod that is told to end serves on until its address is withdrawn, so a roll-out or a deletion excuses no failed
request. A pod that ends without a grace period breaks what it has in flight, and for WITHDRAWAL_SECONDS more requests
may be sent to its address: these may fail, each within its own deadline. Nothing sent later may, nothing that was sent
more than ANSWER_SECONDS before and still had no answer, and no more requests than these can be.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from dashboard.load.options import ANSWER_SECONDS, LoadTotals
from dashboard.runs.demos.disruption.observation import LoadPoint, TrialObservations
from dashboard.runs.demos.persistence.operation import WRITES, Operation
from dashboard.runs.demos.persistence.traffic import EVER

WITHDRAWAL_SECONDS = 5.0  # for the address of a pod that ended at once to leave every endpoint; preStop waits as long
SAMPLE_SECONDS = 2.0  # by which a count of the load may come late
LATE_READ, LATE_WRITE = "late read", "late write"
EXCUSED_SECONDS = WITHDRAWAL_SECONDS + ANSWER_SECONDS + SAMPLE_SECONDS  # for the load, which has no times of requests


class Failed(Struct, frozen=True):
    """Requests that failed: by kind, `at` the time of the first."""

    kinds: tuple[tuple[str, int], ...] = ()
    at: float | None = None

    @property
    def count(self) -> int:
        return sum(count for _, count in self.kinds)

    @property
    def words(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in self.kinds)


class Failures(Struct, frozen=True):
    """`before` the first disruption, `owed` after it, `excused` by a kill."""

    before: Failed
    owed: Failed
    excused: Failed


def failures(run: TrialObservations) -> Failures:
    """Return all failed requests: the load's, and the writers' and readers'."""
    found: dict[str, list[tuple[float, str, int]]] = {"before": [], "owed": [], "excused": []}
    began = run.disruptions[0].at if run.disruptions else EVER
    kills = [each.at for each in run.disruptions if each.kind == "kill"]
    left = {kill: _reachable(run.load, kill) for kill in kills}
    for at, kind, count in _of_load(run.load):
        if at <= began:
            found["before"].append((at, kind, count))
            continue
        for kill in (each for each in kills if each < at <= each + EXCUSED_SECONDS):
            excused = min(count, left[kill])
            left[kill] -= excused
            count -= excused
            found["excused"].append((at, kind, excused))
        found["owed"].append((at, kind, count))
    for each in run.operations:
        if not _failed(each):
            continue
        ended = each.ended if each.ended is not None else EVER
        excused = any(kill < ended and -ANSWER_SECONDS <= each.began - kill <= WITHDRAWAL_SECONDS for kill in kills)
        where = "before" if ended <= began else "excused" if excused else "owed"
        found[where].append((each.began, _kind(each), 1))
    return Failures(**{name: _summed(each) for name, each in found.items()})


def _failed(operation: Operation) -> bool:
    """Return whether an operation was not answered as it should. Of a pending write the outcome is unknown."""
    done = ("acknowledged", "seen")
    return operation.outcome not in done and not (operation.outcome == "open" and operation.kind not in WRITES)


def _kind(operation: Operation) -> str:
    """Return what failed; "late" if it had no answer for so long that a deadline of the dashboard may have ended it."""
    lasted = EVER if operation.ended is None else operation.ended - operation.began
    if operation.kind in WRITES:
        return LATE_WRITE if lasted >= ANSWER_SECONDS else "write"
    return LATE_READ if lasted >= ANSWER_SECONDS else "read"


def _reachable(points: Sequence[LoadPoint], kill: float) -> int:
    """Return how many of the load's requests the killed pod can have had: in flight, or sent until it was withdrawn."""
    before = [each.totals for each in points if each.at <= kill]
    meanwhile = [each.totals for each in points if each.at <= kill + WITHDRAWAL_SECONDS + SAMPLE_SECONDS]
    sent = meanwhile[-1].offered - (before[-1].offered if before else 0) if meanwhile else 0
    return sent + (before[-1].in_flight if before else 0)


def _of_load(points: Sequence[LoadPoint]) -> Iterator[tuple[float, str, int]]:
    """Yield the load's errors, each with the time of the sample that has it."""
    for before, after in pairwise([LoadPoint(-EVER, LoadTotals()), *points]):
        for kind, count in after.totals.by_kind.items():
            if (more := count - before.totals.by_kind.get(kind, 0)) > 0:
                yield after.at, kind, more


def _summed(found: Sequence[tuple[float, str, int]]) -> Failed:
    counts = Counter[str]()
    some = [each for each in found if each[2]]
    for _, kind, count in some:
        counts[kind] += count
    return Failed(tuple(sorted(counts.items())), min((at for at, _, _ in some), default=None))
