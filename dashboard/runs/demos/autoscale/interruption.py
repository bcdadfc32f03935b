"""The conditions that end an autoscale run without a finding: before it begins, a set-up that a person has to correct;
during it, everything that makes a verdict impossible."""

from dashboard.core.text import listing, span
from dashboard.load.options import MOST_SECONDS
from dashboard.runs.demos.autoscale.obligations import decision_seconds
from dashboard.runs.demos.autoscale.observed.observation import Observation

INACTIVE_SECONDS = 45.0  # that the autoscaler may be unable to scale at a time, plus two sample intervals
INACTIVE_TIMES = 2  # such times, in all
STALE = 0.25  # of the target: the controller's figure is not that of the samples
STALE_SECONDS = 240.0  # for which that may be so: a controller may be set to sync every two or three minutes
BLIND_SECONDS = 60.0  # without samples, plus two sample intervals
MOST_WINDOW_SECONDS = 1200.0  # of scaling up; the load may last MOST_SECONDS, and has to be steady in them
LATE_SECONDS = 90.0  # of the newest sample, beyond two sample intervals
JUMP_SECONDS = 30.0  # between two looks, of which there is one a second


def unprovable(seen: Observation, deployment: str) -> str | None:
    """Return why a run can't prove this autoscaler and what to do, or None if it can."""
    scales = dict(seen.spec).get("scaleTargetRef")
    if scales and scales != f"Deployment {deployment}":
        return f"The autoscaler scales the {scales} instead of the Deployment {deployment}: correct its scaleTargetRef."
    if seen.asked == 0:
        return f"The Deployment {deployment} is scaled to 0, so its autoscaler does nothing: scale it to 1 or more."
    if seen.high <= seen.low:
        return f"The autoscaler's min and max are both {seen.low}: there is nothing to scale. Raise maxReplicas."
    if seen.disabled:
        return (
            f"The autoscaler's behavior has {listing([*seen.disabled])} disabled (selectPolicy: Disabled): enable it to"
            " run this demo."
        )
    if seen.up_window > MOST_WINDOW_SECONDS:
        return (
            f"The autoscaler waits for {span(seen.up_window)} before it adds pods, and the load may last"
            f" {span(MOST_SECONDS)} in all: set behavior.scaleUp.stabilizationWindowSeconds to"
            f" {MOST_WINDOW_SECONDS:.0f} at most."
        )
    limits = [pod.limit for pod in seen.pods if pod.uid in seen.ready]
    most = max((limit or float("inf") for limit in limits), default=float("inf"))
    if seen.per_pod and most <= seen.per_pod * (1 + seen.tolerance.up):
        return (
            f"The target of {seen.target} {seen.unit} is out of reach: a pod's CPU limit is {most:g} m, the target"
            f" {seen.per_pod:.0f} m. Lower the target, or raise the limit."
        )
    return None


def late_samples(seen: Observation, resolution: float) -> str | None:
    """Return why the newest sample is too old for a run, and what to do; None if it is not."""
    age = 0.0 if seen.newest is None else seen.at - seen.newest
    if age <= LATE_SECONDS + 2 * resolution:
        return None
    return (
        f"The newest CPU samples are {span(age)} old by the dashboard's clock: it is ahead of the cluster's, or"
        " metrics-server is late. Synchronize the machines' clocks (NTP)."
    )


def clock_jump(before: float, now: float) -> str | None:
    """Return the reason to end the run if the time between two looks shows that the clock was set or that the machine
    slept; else None. All limits are in wall-clock time, as the cluster's own times are, so that none holds then."""
    gap = now - before
    if abs(gap) <= JUMP_SECONDS:
        return None
    jump = f"{span(abs(gap))} {'forward' if gap > 0 else 'back'}"
    return f"The dashboard's clock jumped {jump} between two looks: it was set, or the machine slept. Run it again."


class Watchdog:
    """Detects during a run that the autoscaler was changed, can't scale, or can't be observed.

    `start` is the observation before the load.
    """

    def __init__(self, start: Observation) -> None:
        self._start = start
        self._inactive_since: float | None = None
        self._inactive_before = 0.0  # seconds, in all, before that
        self._figure = start.figure
        self._unfollowed_since: float | None = None
        self._newest = start.newest
        self._figures_at = start.at

    def see(self, seen: Observation, resolution: float) -> str | None:
        """Check an observation, once a second. Return the reason to end the run, or None. `resolution` is the interval
        of a pod's samples in seconds."""
        return self._inactive(seen, resolution) or self._blind(seen, resolution) or self._not_followed(seen, resolution)

    def _is_due(self, seen: Observation) -> bool:
        over = seen.demand is not None and seen.must_act(seen.demand) and seen.desired == self._start.desired
        return over and seen.figure is not None and seen.figure <= seen.target

    def disturbance(self, seen: Observation) -> str | None:
        """Return what somebody has done to the autoscaler or its Deployment, a sentence, or None."""
        return self._changed(seen) or self._rolled_out(seen) or _scaled_to_zero(seen)

    def _changed(self, seen: Observation) -> str | None:
        before = dict(self._start.spec)
        for name, value in seen.spec:
            if before.get(name) != value:
                words = f"{name} from {before.get(name)} to {value}"
                return f"The autoscaler was changed during the run: {words}. Run it again."
        return None

    def _rolled_out(self, seen: Observation) -> str | None:
        """A rollout's new pods are not those that the autoscaler asked for."""
        return None if seen.updated else "The Deployment was rolled out during the run. Run it again."

    def _inactive(self, seen: Observation, resolution: float) -> str | None:
        """A pod that was replaced is measured after two intervals only."""
        if seen.active:
            if self._inactive_since is not None:
                self._inactive_before += seen.at - self._inactive_since
            self._inactive_since = None
            return None
        since = self._inactive_since = self._inactive_since or seen.at
        limit = INACTIVE_SECONDS + 2 * resolution
        if seen.at - since > limit:
            return f"The autoscaler could not scale for {span(seen.at - since)}: {seen.inactive}."
        if (whole := self._inactive_before + seen.at - since) > INACTIVE_TIMES * INACTIVE_SECONDS + 2 * resolution:
            return f"The autoscaler could not scale for {span(whole)} in all, again and again: {seen.inactive}."
        return None

    def _blind(self, seen: Observation, resolution: float) -> str | None:
        if not seen.away and seen.newest is not None and seen.newest != self._newest:
            self._newest, self._figures_at = seen.newest, seen.at  # the dashboard's clock, not the sample's
        silent = seen.at - self._figures_at
        if silent <= BLIND_SECONDS + 2 * resolution:
            return None
        source = f": the source {seen.away} does not answer." if seen.away else ". Is metrics-server running?"
        return f"There were no new CPU samples for {span(silent)}{source}"

    def _not_followed(self, seen: Observation, resolution: float) -> str | None:
        """The controller still reports a figure that the samples left long ago: it does not sync. Where it should have
        acted on them since, its time to act is the limit."""
        same, self._figure = seen.figure == self._figure, seen.figure
        if not same or seen.away or not seen.active or not _is_stale(seen):
            self._unfollowed_since = None
            return None
        since = self._unfollowed_since = self._unfollowed_since or seen.at
        if seen.at - since <= (decision_seconds(resolution) if self._is_due(seen) else STALE_SECONDS + 2 * resolution):
            return None
        return (
            f"The controller does not sync: for {span(seen.at - since)} it has reported {seen.figure} {seen.unit}, and"
            f" the pods' samples say {seen.cpu}. Is kube-controller-manager running?"
        )


def _scaled_to_zero(seen: Observation) -> str | None:
    if seen.asked != 0:
        return None
    return "The Deployment was scaled to 0 during the run: its autoscaler then does nothing."


def _is_stale(seen: Observation) -> bool:
    """Return whether the controller's figure is another one than that of the samples, beyond what missing pods make."""
    return seen.figure is not None and seen.ratio is not None and abs(seen.ratio - seen.figure / seen.target) > STALE
