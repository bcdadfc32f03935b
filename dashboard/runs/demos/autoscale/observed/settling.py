"""Decides whether the autoscaler has settled, so that later changes are caused by the load."""

from dashboard.core.hpa.explanation import pods
from dashboard.core.hpa.recommendations import SYNC_SECONDS
from dashboard.core.text import plain, span
from dashboard.runs.demos.autoscale.observed.observation import Observation

SETTLED_SECONDS = 3.0  # for which every condition has to hold
SYNCS = 3  # of the controller, after its window has passed


class Settling:
    """`began` is the run's start: only CPU samples from after it count."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._since: float | None = None  # since when every condition holds
        self._count: tuple[int, float] | None = None  # desired replicas, and since when

    def waits_for(self, seen: Observation, resolution: float) -> str | None:
        """Return what is still missing, with a countdown if there is one; None once it has settled. Called once a
        second; `resolution` is the interval of a pod's samples in seconds."""
        if self._count is None or self._count[0] != seen.desired:
            self._count = seen.desired, seen.at
        why = self._why(seen, resolution)
        if why is not None:
            self._since = None
            return why
        self._since = seen.at if self._since is None else self._since
        return None if seen.at - self._since >= SETTLED_SECONDS else f"Settled with {pods(seen.desired)}"

    def _why(self, seen: Observation, resolution: float) -> str | None:
        if seen.away:
            return f"Waiting for the source {seen.away}, which does not answer"
        if not seen.active:
            return f"Waiting until the autoscaler can scale: {seen.inactive}"
        if not seen.updated:
            return "Waiting for a rollout to end"
        if not seen.even:
            return _uneven(seen)
        if fresh := self._not_fresh(seen, resolution):
            return fresh
        if seen.next_change and seen.next_change[1] != seen.desired:
            return _coming(seen)
        if seen.demand is None or not seen.stays_at(seen.demand):
            return f"{seen.cpu}: waiting for the autoscaler to act on it"
        return self._held_above_min(seen)

    def _not_fresh(self, seen: Observation, resolution: float) -> str | None:
        missing = seen.ready - seen.sampled_since(self._began)
        if not missing:
            return None
        window = max([window for _, _, window in seen.samples.values()], default=resolution)
        left = max(0.0, self._began + window + resolution - seen.at)
        return (
            f"Waiting for CPU samples from after the run's start, of {len(missing)} of {len(seen.ready)} pods:"
            f" {f'about {span(left)} more' if left else 'due now'}"
        )

    def _held_above_min(self, seen: Observation) -> str | None:
        """Above min it has settled once no earlier recommendation can scale it down: existing traffic holds it up."""
        if seen.desired <= seen.low or self._count is None:
            return None
        left = self._count[1] + seen.down_window + SYNCS * SYNC_SECONDS - seen.at
        if left <= 0:
            return None
        other = seen.held_by(seen.desired)
        held = f" (the metric {other} asks for them)" if other else ""
        return f"{pods(seen.desired)}{held}, over min {seen.low}: waiting for a scale-down, {span(left)} more"


def _uneven(seen: Observation) -> str:
    going = sum(pod.phase == "Terminating" for pod in seen.own)
    more = f", {going} terminating" if going else ""
    failed = f": {plain(seen.failure, 120)}" if seen.failure else ""
    return f"Waiting for pods: {len(seen.own_ready)} of {seen.desired} Ready{more}{failed}"


def _coming(seen: Observation) -> str:
    at, replicas = seen.next_change or (seen.at, seen.desired)
    left = max(0.0, at - seen.at)
    return (
        f"Waiting for the autoscaler to go from {seen.desired} to {pods(replicas)}"
        f"{f', in about {span(left)}' if left else ''}: {seen.cpu}"
    )
