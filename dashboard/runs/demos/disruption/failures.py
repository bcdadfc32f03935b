"""Which requests failed, and which of them may. Pure.

A pod that is told to end serves on until its address is withdrawn, so a roll-out or a deletion excuses no failed
request. A pod that ends without a grace period breaks what it has in flight, and for WITHDRAWAL_SECONDS more requests
may be sent to its address: these may fail, each within its own deadline. Nothing sent later may, nothing that was sent
more than ANSWER_SECONDS before and still had no answer, nothing that was answered with an error, since a pod that has
ended answers nothing, and no more requests than the pod can have had: those in flight, and its share of those sent.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import attrgetter

from msgspec import Struct

from dashboard.load.options import ANSWER_SECONDS, LoadTotals
from dashboard.runs.demos.disruption.observation import Disruption, LoadPoint, TrialObservations, count_at
from dashboard.runs.workload.judgement.traffic import EVER
from dashboard.runs.workload.operation import WRITES, Operation

WITHDRAWAL_SECONDS = 5.0  # for the address of a pod that ended at once to leave every endpoint; preStop waits as long
SAMPLE_SECONDS = 2.0  # by which a count of the load may come late
UNEVEN = 1.5  # times its share, since chance spreads connections; beyond it at most half of the others' share
FEW = 10.0  # requests beyond that: chance matters in small numbers
ANSWERS = frozenset({"5xx", "other"})  # kinds of the load's errors that somebody answered
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
    kills = [each for each in run.disruptions if each.kind == "kill"]
    left = {kill.at: _most_of_load(run, kill) for kill in kills}
    for at, kind, count in _of_load(run.load):
        if at <= began:
            found["before"].append((at, kind, count))
            continue
        for killed in left if kind not in ANSWERS else ():
            excused = min(count, left[killed]) if killed < at <= killed + EXCUSED_SECONDS else 0
            if excused:
                left[killed] -= excused
                count -= excused
                found["excused"].append((at, kind, excused))
        found["owed"].append((at, kind, count))
    left = {kill.at: _most_operations(run, kill) for kill in kills}
    for each in filter(_failed, run.operations):
        where = "before" if _ended(each) <= began else "owed"
        by = next((killed for killed, most in left.items() if most and _reached(each, killed)), None)
        if where == "owed" and by is not None and not _refused(each):
            left[by] -= 1
            where = "excused"
        found[where].append((each.began, _kind(each), 1))
    return Failures(**{name: _summed(each) for name, each in found.items()})


def _failed(operation: Operation) -> bool:
    """Return whether an operation was not answered as it should. Of a pending write the outcome is unknown."""
    done = ("acknowledged", "seen")
    return operation.outcome not in done and not (operation.outcome == "open" and operation.kind not in WRITES)


def _ended(operation: Operation) -> float:
    return EVER if operation.ended is None else operation.ended


def _refused(operation: Operation) -> bool:
    """Return whether a write was answered with an error."""
    return operation.kind in WRITES and operation.outcome == "failed"


def _kind(operation: Operation) -> str:
    """Return what failed; "late" if it had no answer for so long that a deadline of the dashboard may have ended it."""
    lasted = _ended(operation) - operation.began
    if operation.kind in WRITES:
        return LATE_WRITE if lasted >= ANSWER_SECONDS else "write"
    return LATE_READ if lasted >= ANSWER_SECONDS else "read"


def _reached(operation: Operation, kill: float) -> bool:
    """Return whether the killed pod can have had it: in flight, or sent until its address was withdrawn."""
    return kill < _ended(operation) and -ANSWER_SECONDS <= operation.began - kill <= WITHDRAWAL_SECONDS


def _most_operations(run: TrialObservations, kill: Disruption) -> int:
    """Return how many of the writers' and readers' requests the killed pod can have had."""
    reached = [each for each in run.operations if _reached(each, kill.at)]
    sent = sum(each.began > kill.at for each in reached)
    return _most(run, kill, len(reached) - sent, sent)


def _most_of_load(run: TrialObservations, kill: Disruption) -> int:
    """Return how many of the load's requests the killed pod can have had."""
    before = [each.totals.in_flight for each in run.load if each.at <= kill.at]
    until, offered = kill.at + WITHDRAWAL_SECONDS, attrgetter("offered")
    sent = count_at(run.load, until, offered) - count_at(run.load, kill.at, offered)
    return _most(run, kill, before[-1] if before else 0, sent)


def _most(run: TrialObservations, kill: Disruption, in_flight: int, sent: float) -> int:
    share = _share(run, kill)
    return int(in_flight + min(UNEVEN * share, (1 + share) / 2) * sent + FEW)


def _share(run: TrialObservations, kill: Disruption) -> float:
    """Return which part of the requests the killed pod had by the pods' counters, or an even part if that is more or
    not all are known: new connections are spread evenly."""
    before = [each for each in run.standings if each.at <= kill.at]
    ready = before[-1].ready if before else ()
    even = 1 / max(len(ready), 1)
    counted = {each.uid: each.requests for each in ready if each.requests is not None}
    total = sum(counted.values())
    return even if len(counted) < len(ready) or not total else max(even, counted.get(kill.victim or "", 0.0) / total)


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
