"""The obligations of the autoscaler, its Deployment and its Service during a run, and whether each was met in time.

Only an unmet obligation can fail a run. One opens when the object's spec and its controller's figures require an
action. It ends when it is met, when its condition has changed, or as unmet after its limit.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from dashboard.core.hpa.recommendations import SYNC_SECONDS
from dashboard.core.text import listing, plain, shorten
from dashboard.core.timestamps import rfc3339
from dashboard.runs.demos.autoscale.observed.observation import Observation, ObservedPod

SYNCS = 4  # of the controller, within which it has to act
READY_SECONDS = 180.0  # for a new pod, at least; its image may have to be pulled
SERVE_SECONDS = 90.0  # for a Ready pod to get a request
REMOVE_SECONDS = 120.0  # for a surplus pod to be deleted

Json = dict[str, object]


def decision_seconds(resolution: float) -> float:
    """Return the controller's time to act: SYNCS of its syncs plus two sample intervals."""
    return SYNCS * SYNC_SECONDS + 2 * resolution


def ready_seconds(seen: Observation) -> float:
    """Return a new pod's time to become Ready: Kubernetes' own deadline if that is longer, as for a slow start. It does
    not help pods that can't be created."""
    return READY_SECONDS if seen.failure else max(READY_SECONDS, seen.progress_deadline or 0.0)


class Obligation(Struct, frozen=True):
    """`what` is scale-up, scale-down, ready, serve or remove. Timestamps in seconds since 1970, `met` None until it
    is."""

    what: str
    since: float
    by: float
    text: str
    met: float | None = None

    def to_json(self) -> Json:
        """Return it for the evidence, with RFC 3339 timestamps."""
        met = None if self.met is None else rfc3339(self.met)
        return {"what": self.what, "since": rfc3339(self.since), "by": rfc3339(self.by), "met": met, "text": self.text}


class Debt(NamedTuple):
    """An obligation's condition in one observation. It is the same one while `mark` is equal; `paid` returns whether a
    later observation shows that it was met."""

    mark: object
    text: str
    paid: Callable[[Observation], bool]


class Obligations:
    """`start` is the observation before the load."""

    def __init__(self, start: Observation) -> None:
        self.met: list[Obligation] = []
        self.unmet: Obligation | None = None  # the first one after its limit
        self._start = start
        self._old = frozenset(pod.uid for pod in start.pods)
        self._served: set[str] = set()  # uids of pods that have served a request
        self._became: set[str] = set()  # uids of new pods that have once been Ready
        self._open: dict[str, tuple[Obligation, Debt]] = {}

    def see(self, seen: Observation, resolution: float, *, loaded: bool) -> None:
        """Take an observation, once a second. `resolution` is the interval of a pod's samples in seconds; `loaded`
        whether the load runs."""
        decision = decision_seconds(resolution)
        able = seen.active and seen.away is None
        # After a restart of the controller a whole window has to pass again.
        self._take("scale-up", seen, _scale_up(seen) if able else None, decision + seen.up_window)
        self._take("scale-down", seen, _scale_down(seen) if able else None, decision + seen.down_window)
        new = seen.own_ready - self._old
        self._became |= new
        waits = None if seen.away else _ready(seen, len(self._became), self._start.desired)
        self._take("ready", seen, waits, ready_seconds(seen))
        self._served |= seen.serving
        self._take("serve", seen, _serve(seen, new - self._served) if loaded and not seen.away else None, SERVE_SECONDS)
        self._take("remove", seen, None if seen.away else _remove(seen), REMOVE_SECONDS)
        self.unmet = self.unmet or self.late(seen.at)

    def late(self, at: float) -> Obligation | None:
        """Return an open obligation after its limit, or None."""
        return next((obligation for obligation, _ in self._open.values() if at > obligation.by), None)

    def to_json(self) -> list[Json]:
        """Return those that were met, and the unmet one if there is one."""
        return [obligation.to_json() for obligation in [*self.met, *([self.unmet] if self.unmet else [])]]

    def _take(self, what: str, seen: Observation, debt: Debt | None, limit: float) -> None:
        if what in self._open:
            obligation, opened = self._open[what]
            if debt is not None and debt.mark == opened.mark:
                self._open[what] = replace(obligation, text=debt.text), opened  # its text may name the cause by now
                return
            del self._open[what]
            if opened.paid(seen):
                self.met.append(replace(obligation, met=seen.at))
        if debt is not None:
            self._open[what] = Obligation(what, seen.at, seen.at + limit, debt.text), debt


def _scale_up(seen: Observation) -> Debt | None:
    asked = seen.desired
    if seen.owed is None or seen.owed <= asked:
        return None
    return Debt(asked, _by_its_figure(seen), lambda later: later.desired > asked)


def _scale_down(seen: Observation) -> Debt | None:
    asked = seen.desired
    if seen.owed is None or seen.owed >= asked:
        return None
    return Debt(asked, _by_its_figure(seen), lambda later: later.desired < asked)


def _by_its_figure(seen: Observation) -> str:
    if not seen.low <= seen.desired <= seen.high:
        bound = f"over its max of {seen.high}" if seen.desired > seen.high else f"under its min of {seen.low}"
        return f"{seen.desired} pods are {bound}, and the autoscaler had to ask for {seen.owed}"
    return (
        f"By its own figure of {seen.figure} {seen.unit} (target {seen.target} {seen.unit}) the autoscaler had to ask"
        f" for {seen.owed} pods instead of {seen.desired}"
    )


def _ready(seen: Observation, became: int, start: int) -> Debt | None:
    """As many new pods become Ready as were asked for beyond those of the start, whatever happens to the old ones, and
    to the new ones afterwards."""
    asked, there = seen.desired, len(seen.own_ready)
    if seen.asked is not None and seen.asked < asked:
        return None  # somebody else asks for fewer
    if there >= asked or became >= asked - start:
        return None
    text = f"The autoscaler asked for {asked} pods and {there} are Ready: {_why_not_ready(seen)}"
    # Asking for more does not extend the limit.
    return Debt((there, seen.failure is None), text, lambda later: len(later.own_ready) > there)


def _why_not_ready(seen: Observation) -> str:
    waiting = [pod for pod in seen.own if pod.uid not in seen.ready and pod.phase != "Terminating"]
    if waiting:
        return listing([_waits(pod) for pod in waiting[:2]])
    if seen.failure:
        return f"the Deployment can't create pods: {plain(seen.failure, 300)}"
    return "the other pods were not created"


def _waits(pod: ObservedPod) -> str:
    name = shorten(pod.name, 40)
    if pod.reason:
        return f"{name} is {pod.phase} ({plain(pod.reason.rstrip('.'), 100)})"
    if pod.phase == "Running":
        return f"{name} runs, but its startup or readiness probe fails"
    return f"{name} is {pod.phase}"


def _serve(seen: Observation, new: frozenset[str]) -> Debt | None:
    """A new Ready pod that has had no request yet, and whose metrics say so, where the Service leaves pods out.

    If it has all of them, it may send one client to a few of its pods only, by sessionAffinity or traffic policies.
    """
    if seen.endpoints is None or seen.endpoints >= len(seen.ready):
        return None
    idle = next((pod for pod in seen.own if pod.uid in new and (pod.requests == 0.0 or not seen.counted)), None)
    if idle is None:
        return None
    uid = idle.uid
    return Debt(uid, _idle_text(seen, idle), lambda later: uid in later.serving)


def _idle_text(seen: Observation, idle: ObservedPod) -> str:
    return (
        f"The new pod {shorten(idle.name, 40)} is Ready and gets no request: the Service has {seen.endpoints} endpoints"
        f" for {len(seen.ready)} Ready pods, so its selector misses some"
    )


def _remove(seen: Observation) -> Debt | None:
    """Surplus pods are deleted. How long they then take to end depends on their grace period."""
    asked, there = seen.desired, _staying(seen)
    if there <= asked or not seen.updated or seen.asked != asked:
        return None
    text = f"The autoscaler asked for {asked} pods, but {there} exist and are not terminating"
    return Debt((asked, there), text, lambda later: _staying(later) < there)


def _staying(seen: Observation) -> int:
    return sum(pod.phase != "Terminating" for pod in seen.own)
