"""What such a run observed, as plain data: the service's pods, the disruptions, the load, and the writers' ledger.

The verdict follows from these alone. All times are of one monotonic clock, in seconds.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal

from msgspec import Struct

from dashboard.core.objects import ENDED_PHASES
from dashboard.load.options import LoadTotals
from dashboard.runs.workload.operation import Operation, ReadBack

Kind = Literal["restart", "undo", "delete", "kill"]
ROLLS: frozenset[Kind] = frozenset({"restart", "undo"})  # these replace all pods, the others one

SOURCES = ("pods", "deployments")  # that a run needs

Json = dict[str, Any]
Silence = tuple[float, float | None]  # from when until when MongoDB did not answer the dashboard; None: to the end


class ServicePod(Struct, frozen=True):
    """One of the service's pods. `requests` are a second, None if unknown."""

    uid: str
    name: str
    ready: bool  # and not being deleted
    ending: bool
    requests: float | None = None
    reason: str | None = None


class Standing(Struct, frozen=True):
    """The service's pods and its Deployment at one time. `away` is a source that does not answer."""

    at: float
    pods: tuple[ServicePod, ...] = ()
    desired: int | None = None
    failure: str | None = None  # why the Deployment can't create pods
    away: str | None = None

    @property
    def ready(self) -> tuple[ServicePod, ...]:
        return tuple(pod for pod in self.pods if pod.ready)

    @property
    def whole(self) -> bool:
        """Whether as many pods are Ready as are asked for."""
        return self.has(self.desired)

    def owed(self, asked: int | None) -> int | None:
        """Return how many Ready pods are owed, where so many were asked for before."""
        return min(filter(None, (asked, self.desired)), default=None)

    def has(self, asked: int | None) -> bool:
        owed = self.owed(asked)
        return bool(self.desired) and owed is not None and len(self.ready) >= owed


class Facts(Struct, frozen=True):
    """What the Deployment's spec has of that on which a roll-out without failures rests, and the seconds that it gives
    its pods for the next progress."""

    pre_stop: bool
    readiness: bool
    progress_deadline: float | None = None


class Disruption(Struct, frozen=True):
    """One disruption, once it was asked for: `at` is just before the request, `answered` when the API server had done
    it. `victim` is the uid of the one pod that was deleted; the templates are digests, of roll-outs only."""

    kind: Kind
    at: float
    answered: float
    in_flight: int = 0  # the load's requests without an answer, by its newest sample
    victim: str | None = None
    name: str | None = None  # the victim's
    template_before: str | None = None
    template_after: str | None = None


class LoadPoint(Struct, frozen=True):
    """The load's totals, as they stood at this time. They change once a second."""

    at: float
    totals: LoadTotals


class TrialObservations(Struct, frozen=True):
    """Everything that a run observed. `limits` are the seconds until a disruption must be over, by its kind."""

    asked: Sequence[Kind]  # the disruptions that the run is made of
    limits: Mapping[str, float]
    operations: Sequence[Operation] = ()
    standings: Sequence[Standing] = ()
    disruptions: Sequence[Disruption] = ()
    load: Sequence[LoadPoint] = ()
    read_backs: Sequence[ReadBack] = ()
    facts: Facts | None = None
    silences: Sequence[Silence] = ()  # of MongoDB
    last_write: bool | None = None  # whether the last document was acknowledged; None if it was never written
    last_error: str | None = None  # of a write that was not acknowledged, a sentence
    unread: str | None = None  # why something could not be read back
    stopped: str | None = None  # why the run ended early


def count_at(load: Sequence[LoadPoint], at: float, count: Callable[[LoadTotals], int]) -> float:
    """Return a count of the load at this time, between two of its samples in proportion: they are a second apart, and a
    disruption may be over in two."""
    after = bisect_left(load, at, key=attrgetter("at"))
    if after in (0, len(load)):
        return count(load[min(after, len(load) - 1)].totals) if load else 0
    before, next_ = load[after - 1], load[after]
    share = (at - before.at) / (next_.at - before.at)
    return count(before.totals) + share * (count(next_.totals) - count(before.totals))


def observe(state: Json, deployment: str, at: float) -> Standing:
    """Return what the dashboard's state says of the service's pods."""
    workload = state.get("deployment") or {}
    sources = state["sources"]
    counted = (sources.get("traffic") or {}).get("state") == "live"
    return Standing(
        at=at,
        pods=tuple(
            ServicePod(
                uid=pod["uid"],
                name=pod["name"],
                ready=pod["ready"] and pod["phase"] != "Terminating",
                ending=pod["phase"] == "Terminating",
                requests=pod["requests_per_second"] if counted else None,
                reason=pod["reason"],
            )
            for pod in state["pods"]
            if pod["app"] == deployment and pod["phase"] not in ENDED_PHASES
        ),
        desired=workload.get("desired"),
        failure=workload.get("failure"),
        away=next((name for name in SOURCES if (sources.get(name) or {}).get("state") != "live"), None),
    )
