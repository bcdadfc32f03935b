"""What of a proof such a run has seen. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import attrgetter

from dashboard.runs.demos.disruption.observation import ROLLS, TrialObservations, count_at
from dashboard.runs.demos.disruption.recovery import Recovery
from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.judgement.traffic import EVER, Coverage
from dashboard.runs.workload.operation import WRITES, Operation

PODS = 2  # Ready before a disruption: with one, nothing else could serve
MEANWHILE = 20  # answered requests during a disruption, of the load and of the writers: the shortest takes two seconds


def coverage(run: TrialObservations, recovered: Sequence[Recovery]) -> tuple[Coverage, ...]:
    """Return what a PASS must have seen; after several disruptions the least of each."""
    if not recovered or any(each.whole is None for each in recovered):
        return ()
    writes = traffic.writes(run.operations)
    reads = [each for each in run.operations if each.kind not in WRITES]
    spans = [(each.disruption.at, each.disruption.at + (each.whole or 0.0)) for each in recovered]
    old, new = sum(len(each.old) for each in recovered), sum(len(each.new) for each in recovered)
    acknowledged = min(traffic.acknowledged(writes, *each) for each in spans)
    answered = min(_answered(run, *each) for each in spans)
    return (
        Coverage("pods Ready before each disruption", min(len(each.before) for each in recovered), True, PODS),
        Coverage("requests in flight as each was asked for", min(_in_flight(run)), True),
        Coverage("writes acknowledged meanwhile", acknowledged, True, MEANWHILE),
        Coverage("requests of the load answered meanwhile", answered, True, MEANWHILE),
        Coverage("reads answered meanwhile", min(_seen(reads, *each) for each in spans), True),
        Coverage("old pods that are gone", sum(each.replaced for each in recovered), True, max(old, 1)),
        Coverage("new pods", min(len(each.new) for each in recovered), True),
        Coverage("new pods that requests reached", sum(len(each.served) for each in recovered), True, max(new, 1)),
        *_templates(run),
    )


def longest_gap(run: TrialObservations, recovered: Sequence[Recovery]) -> float | None:
    """Return the longest time without an answer to a writer or reader, from the first disruption until the service was
    whole after the last one; None without that."""
    if not recovered or recovered[-1].whole is None:
        return None
    since, until = recovered[0].disruption.at, recovered[-1].disruption.at + recovered[-1].whole
    answers = sorted(each.ended for each in run.operations if each.ended is not None and _answer(each))
    inside = [at for at in answers if since < at < until]
    return max(after - before for before, after in pairwise([since, *inside, until]))


def _in_flight(run: TrialObservations) -> Iterator[int]:
    """Yield the requests of the writers and readers that were under way while each disruption was asked for."""
    for each in run.disruptions:
        yield len(traffic.pending(run.operations, each.at, each.answered))


def _answered(run: TrialObservations, since: float, until: float) -> int:
    """Return about how many requests of the load were answered in this time."""
    achieved = attrgetter("achieved")
    return round(count_at(run.load, until, achieved) - count_at(run.load, since, achieved))


def _seen(reads: Sequence[Operation], since: float, until: float) -> int:
    return sum(_answer(each) and each.began >= since and (each.ended or EVER) <= until for each in reads)


def _answer(operation: Operation) -> bool:
    return operation.outcome in ("acknowledged", "seen")


def _templates(run: TrialObservations) -> Iterator[Coverage]:
    """A roll-out changes the pod template, and a roll-back brings the former one back."""
    rolls = [each for each in run.disruptions if each.kind in ROLLS]
    if rolls:
        changed = sum(each.template_before != each.template_after for each in rolls)
        yield Coverage("changes of the pod template", changed, True, len(rolls))
    if undone := [each for each in rolls if each.kind == "undo"]:
        former = sum(each.template_after == rolls[0].template_before for each in undone)
        yield Coverage("returns to the former template", former, True, len(undone))
