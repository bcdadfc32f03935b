"""What the autoscaler, its Deployment and its Service owe during a run, and whether it came in time.

Only what is owed can fail a run. An obligation opens when the object's own spec and the figures of its controller ask
for something; it is met, or falls away when what it rested on has changed, or is unmet once its limit has passed.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from dashboard.core.hpa.recommendations import SYNC_SECONDS
from dashboard.core.timeline.entry import listing, plain, shorten
from dashboard.core.timestamps import rfc3339
from dashboard.runs.demos.autoscale.observation import Observation, ObservedPod

LOOKS = 4  # that the controller may take for what it owes
READY_SECONDS = 180.0  # for a pod that was asked for; its image may have to be pulled
SERVE_SECONDS = 90.0  # for a Ready pod to get a request
REMOVE_SECONDS = 120.0  # for a pod that is not wanted any more to be told to end

Json = dict[str, object]


def decision_seconds(resolution: float) -> float:
    """That the controller has for what it owes: so many of its looks, and two samples' time."""
    return LOOKS * SYNC_SECONDS + 2 * resolution


class Obligation(Struct, frozen=True):
    """`what`: scale-up, scale-down, ready, serve or remove. Moments in seconds since 1970, `met` None until it is."""

    what: str
    since: float
    by: float
    text: str
    met: float | None = None

    def to_json(self) -> Json:
        """As it stands in the evidence: moments as RFC 3339."""
        met = None if self.met is None else rfc3339(self.met)
        return {"what": self.what, "since": rfc3339(self.since), "by": rfc3339(self.by), "met": met, "text": self.text}


class Debt(NamedTuple):
    """What is owed at a moment. While `mark` stays the same, it is the same debt; `paid` tells whether another
    observation shows that it was met."""

    mark: object
    text: str
    paid: Callable[[Observation], bool]


class Obligations:
    """`start` is the observation before the load."""

    def __init__(self, start: Observation) -> None:
        self.met: list[Obligation] = []
        self.unmet: Obligation | None = None  # the first one whose limit has passed
        self._start = start
        self._old = frozenset(pod.uid for pod in start.pods)
        self._served: set[str] = set()  # uids: a pod that took requests once is among those that serve
        self._open: dict[str, tuple[Obligation, Debt]] = {}

    def see(self, seen: Observation, resolution: float, *, loaded: bool) -> None:
        """Once a second. `resolution`: seconds between two samples of a pod; `loaded`: whether requests are sent."""
        decision = decision_seconds(resolution)
        able = seen.active and seen.away is None
        self._take("scale-up", seen, _scale_up(seen) if able else None, decision)
        # Of a controller that was started anew in the meantime, a whole window has to pass again.
        self._take("scale-down", seen, _scale_down(seen) if able else None, decision + seen.down_window)
        new = seen.ready - self._old
        self._take("ready", seen, None if seen.away else _ready(seen, new, self._start.desired), READY_SECONDS)
        self._served |= seen.serving
        self._take("serve", seen, _serve(seen, new - self._served) if loaded and not seen.away else None, SERVE_SECONDS)
        self._take("remove", seen, None if seen.away else _remove(seen), REMOVE_SECONDS)
        self.unmet = self.unmet or self.late(seen.at)

    def late(self, at: float) -> Obligation | None:
        """One whose limit has passed."""
        return next((obligation for obligation, _ in self._open.values() if at > obligation.by), None)

    def to_json(self) -> list[Json]:
        """Those that were met and the one that was not."""
        return [obligation.to_json() for obligation in [*self.met, *([self.unmet] if self.unmet else [])]]

    def _take(self, what: str, seen: Observation, debt: Debt | None, limit: float) -> None:
        if what in self._open:
            obligation, opened = self._open[what]
            if debt is not None and debt.mark == opened.mark:
                self._open[what] = replace(obligation, text=debt.text), opened  # the cause may be known by now
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
    return (
        f"By its own figure, {seen.figure} {seen.unit} of a {seen.target} {seen.unit} target, the autoscaler owed"
        f" {seen.owed} pods in the place of {seen.desired}"
    )


def _ready(seen: Observation, new: frozenset[str], start: int) -> Debt | None:
    """New pods, as many as it asked for beyond those of the start. What becomes of the old ones is another matter."""
    asked, there = seen.desired, len(seen.ready)
    if seen.asked is not None and seen.asked < asked:
        return None  # somebody else asks for fewer
    if there >= asked or len(new) >= asked - start:
        return None
    text = f"The autoscaler asked for {asked} pods and {there} are Ready: {_why_not_ready(seen)}"
    return Debt(there, text, lambda later: len(later.ready) > there)  # to ask for even more puts nothing off


def _why_not_ready(seen: Observation) -> str:
    waiting = [pod for pod in seen.pods if pod.uid not in seen.ready and pod.phase != "Terminating"]
    if waiting:
        return listing([_waits(pod) for pod in waiting[:2]])
    if seen.failure:
        return f"the Deployment can't create pods: {plain(seen.failure, 300)}"
    return "the other pods were not created"


def _waits(pod: ObservedPod) -> str:
    name = shorten(pod.name, 40)
    if pod.reason:
        return f"{name} is {pod.phase} ({plain(pod.reason, 60)})"
    if pod.phase == "Running":
        return f"{name} runs, and its readiness probe does not succeed"
    return f"{name} is {pod.phase}"


def _serve(seen: Observation, new: frozenset[str]) -> Debt | None:
    """A new pod that is Ready, is known to get no request, and has had none since it is Ready."""
    idle = next((pod for pod in seen.pods if pod.uid in new and pod.requests == 0.0), None)
    if idle is None:
        return None
    uid = idle.uid
    return Debt(uid, _serves_nobody(seen, idle), lambda later: uid in later.serving)


def _serves_nobody(seen: Observation, idle: ObservedPod) -> str:
    text = f"The new pod {shorten(idle.name, 40)} is Ready and gets no request"
    ready = len(seen.ready)
    if seen.endpoints is not None and seen.endpoints < ready:
        text += f": the Service has {seen.endpoints} endpoints for {ready} Ready pods, so its selector misses some"
    return text


def _remove(seen: Observation) -> Debt | None:
    """How long a pod takes to end after that is its own grace period's matter."""
    asked, there = seen.desired, _staying(seen)
    if there <= asked or not seen.updated or seen.asked != asked:
        return None
    text = f"The autoscaler asked for {asked} pods, and {there} are there that nobody has told to end"
    return Debt((asked, there), text, lambda later: _staying(later) < there)


def _staying(seen: Observation) -> int:
    return sum(pod.phase != "Terminating" for pod in seen.pods)
