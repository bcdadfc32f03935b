"""How a disruption went: from the standings of the service's pods after it. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from dashboard.core.text import listing, plain, span
from dashboard.runs.demos.disruption.observation import (
    ROLLS,
    Disruption,
    Facts,
    ServicePod,
    Standing,
    TrialObservations,
)
from dashboard.runs.words import plural
from dashboard.runs.workload.judgement.traffic import EVER

REASON_LENGTH = 120  # characters of a pod's or the Deployment's own reason


class Recovery(Struct, frozen=True):
    """Times are in seconds after the disruption; None for what was not seen.

    `whole` is full strength: as many Ready pods as the Deployment asked for, or asks for now if these are fewer (an
    autoscaler may act meanwhile), none of them an old one. `gone` is when the last old pod had ended. `new` are the
    uids of the pods that came by then, `served` those of them that requests reached. `due` is when it has to be whole.
    """

    disruption: Disruption
    before: tuple[str, ...]  # the uids of the pods that were Ready
    old: tuple[str, ...]  # of those that had to go
    whole: float | None = None
    gone: float | None = None
    new: tuple[str, ...] = ()
    served: tuple[str, ...] = ()
    least_ready: int = 0  # Ready pods, until it was whole
    due: float = EVER
    overdue: str | None = None  # what was owed and did not come, as a sentence

    @property
    def replaced(self) -> int:
        """The number of old pods that are gone."""
        return len(self.old) if self.gone is not None else 0


def recoveries(run: TrialObservations) -> list[Recovery]:
    """Return each disruption's recovery, until the next one began."""
    ends = [*(each.at for each in run.disruptions[1:]), EVER]
    return [
        recovery(each, run.standings, end, run.limits[each.kind], run.facts)
        for each, end in zip(run.disruptions, ends, strict=False)
    ]


def recovery(
    disruption: Disruption, standings: Sequence[Standing], end: float, limit: float, facts: Facts | None = None
) -> Recovery:
    """Return how the disruption went until `end`. It has to be over after `limit` seconds, or as late as the Deployment
    itself allows."""
    before = [each for each in standings if each.at <= disruption.at]
    after = [each for each in standings if disruption.at < each.at < end]
    ready = _uids(before[-1].ready) if before else ()
    old = ready if disruption.kind in ROLLS else tuple(filter(None, [disruption.victim]))
    known = {pod.uid for each in before for pod in each.pods}
    asked = before[-1].desired if before else None
    whole = next((each for each in after if each.has(asked) and not {*old} & {*_present(each)}), None)
    gone = next((each for each in after if not {*old} & {pod.uid for pod in each.pods}), None)
    new = tuple(uid for uid in _uids(whole.ready) if uid not in known) if whole else ()
    due = max(limit, _allowed(disruption, old, known, after, facts))
    reached = {pod.uid for each in after for pod in each.pods if pod.requests}
    return Recovery(
        disruption,
        before=ready,
        old=old,
        whole=whole.at - disruption.at if whole else None,
        gone=gone.at - disruption.at if gone else None,
        new=new,
        served=tuple(uid for uid in new if uid in reached),
        least_ready=min((len(each.ready) for each in after if whole is None or each.at <= whole.at), default=0),
        due=due,
        overdue=None if whole else _overdue(disruption, old, after, asked, due),
    )


def _allowed(
    disruption: Disruption, old: Sequence[str], known: set[str], after: Sequence[Standing], facts: Facts | None
) -> float:
    """Return how many seconds after the disruption Kubernetes would call the Deployment's progress failed: a pod may
    start for long. 0 if it has no deadline for it, or already says that it can't create pods."""
    if facts is None or not facts.progress_deadline or (after and after[-1].failure):
        return 0.0
    at, most = disruption.at, 0
    for each in after:
        new = [pod for pod in each.pods if pod.uid not in known]
        gone = len({*old} - {*_present(each)})
        if (done := len(new) + sum(pod.ready for pod in new) + gone) > most:
            at, most = each.at, done
    return at - disruption.at + facts.progress_deadline


def _overdue(
    disruption: Disruption, old: Sequence[str], after: Sequence[Standing], asked: int | None, due: float
) -> str | None:
    """Return what was owed after `due` seconds and did not come. Nothing is owed while the dashboard can't see it."""
    last = after[-1] if after else None
    if last is None or last.at - disruption.at < due or last.away:
        return None
    failure = [f"the Deployment can't create pods: {plain(last.failure, REASON_LENGTH)}"] if last.failure else []
    unready = [
        f"{pod.name} is {plain(pod.reason, REASON_LENGTH) if pod.reason else 'not Ready'}"
        for pod in last.pods
        if not pod.ready and not pod.ending
    ]
    remaining = len({*old} & {*_present(last)})
    stay = [f"{plural(remaining, 'old pod')} did not go"] if remaining else []
    why = listing([*failure, *unready, *stay]) if failure or unready or stay else "no pod came"
    return (
        f"{len(last.ready)} of {last.owed(asked)} pods were Ready {span(due)} after {WORDS[disruption.kind]}, when all"
        f" had to be: {why}."
    )


WORDS = {
    "restart": "the roll-out began",
    "undo": "the roll-back began",
    "delete": "a pod was deleted",
    "kill": "a pod was deleted without a grace period",
}


def _uids(pods: Iterable[ServicePod]) -> tuple[str, ...]:
    return tuple(pod.uid for pod in pods)


def _present(standing: Standing) -> tuple[str, ...]:
    """Return the uids of the pods that are not being deleted."""
    return tuple(pod.uid for pod in standing.pods if not pod.ending)
