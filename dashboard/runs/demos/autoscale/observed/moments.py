"""Finds the moments t0 … t8 of a run in its observations, one a second, and whether all is steady.

Timestamps are seconds since 1970 by the dashboard's clock.
"""

from collections import deque
from statistics import mean, median

from dashboard.runs.demos.autoscale.observed.observation import Observation
from dashboard.runs.demos.autoscale.observed.samples import Samples

STEADY_SECONDS = 60.0
SAID_SECONDS = 5.0  # after a scaling, for the autoscaler's status to say so
LEAST_RESOLUTION, USUAL_RESOLUTION = 15.0, 60.0  # seconds between two samples of a pod, for limits while it is unknown
GAPS = 200  # intervals that are kept

NAMES = {
    "t0": "load began",
    "t1": "CPU over the target",
    "t2": "more pods asked for",
    "t3": "the first new pod Ready",
    "t4": "a new pod serves",
    "t5": "steady",
    "t6": "load stopped",
    "t7": "fewer pods asked for",
    "t8": "back where it began",
}


class Resolution:
    """The interval of a pod's samples: the median of all that were observed."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._gaps: deque[float] = deque(maxlen=GAPS)
        self._waited: tuple[float, float] | None = None  # the first and the last observation

    def see(self, samples: Samples, at: float) -> None:
        self._waited = (self._waited[0] if self._waited else at, at)
        for uid, (sampled, *_) in samples.items():
            if (before := self._last.get(uid)) is not None and sampled > before:
                self._gaps.append(sampled - before)
        self._last = {uid: sampled for uid, (sampled, *_) in samples.items()}

    @property
    def seconds(self) -> float | None:
        return median(self._gaps) if self._gaps else None

    @property
    def assumed(self) -> float:
        """The interval for limits: at least LEAST_RESOLUTION, since more samples do not make the autoscaler sync more
        often; and at least the time waited while there is no second sample."""
        waited = self._waited[1] - self._waited[0] if self._waited else 0.0
        return max(LEAST_RESOLUTION, self.seconds or min(USUAL_RESOLUTION, waited))


class Moments:
    """`start` is the observation at t0."""

    def __init__(self, start: Observation) -> None:
        self.peak = len(start.own_ready)
        self.contradiction: str | None = None  # a change of the replicas that is not the controller's, a sentence
        self._start = self._last = start
        self._at: dict[str, float] = {"t0": start.at}
        self._at_stop = start.desired  # pods asked for when the load stopped
        self._served: frozenset[str] = frozenset()  # uids of the new pods that have had a request
        self._set: tuple[float, str] | None = None  # when something set the Deployment's replicas, as a sentence
        self._even: deque[tuple[float, float | None]] = deque()  # (timestamp, demand) while all pods are as asked for

    @property
    def seconds(self) -> dict[str, float | None]:
        """Seconds from t0 by name, None for moments that have not come."""
        began = self._start.at
        return {name: round(self._at[name] - began, 3) if name in self._at else None for name in NAMES}

    def came(self, moment: str) -> bool:
        return moment in self._at

    def at(self, moment: str) -> float:
        return self._at[moment]

    def first_missing(self, moment: str) -> str:
        """Return the first moment that has not come, of those up to this one."""
        names = [*NAMES]
        return next((name for name in names[: names.index(moment)] if not self.came(name)), moment)

    def see(self, seen: Observation) -> list[str]:
        """Take an observation, once a second. Return the moments that are new."""
        known = set(self._at)
        self.peak = max(self.peak, len(seen.own_ready))
        self._served |= seen.serving
        self._look_for_contradiction(seen)
        if self.came("t6"):
            self._fall(seen)
        else:
            self._rise(seen)
        self._last = seen
        return sorted(set(self._at) - known)

    def change_rate(self) -> None:
        """Note a change of the load: the steady time starts again."""
        self._even.clear()

    def stop(self, at: float) -> None:
        """Note the end of the load."""
        self._at.setdefault("t6", at)
        self._at_stop = self._last.desired

    def steady(self) -> float:
        """Return for how many seconds there have been as many pods as asked for."""
        return self._even[-1][0] - self._even[0][0] if self._even else 0.0

    def _rise(self, seen: Observation) -> None:
        if not self.came("t5"):
            self._find_over(seen)
        if seen.desired > self._start.desired:
            self._find("t2", seen.at)
            self._at["t1"] = min(self._at.get("t1", seen.at), self._at["t2"])  # the sample may become visible later
        new = seen.own_ready - self._start.ready
        if self.came("t2") and new:
            self._find("t3", seen.at)
        if self.came("t3") and seen.serving & new:
            self._find("t4", seen.at)
        self._find_steady(seen)

    def _find_steady(self, seen: Observation) -> None:
        """Steady: as many pods as asked for during STEADY_SECONDS, of which each new one has served by then, at a mean
        CPU for which they are enough. A single sample may be off on a busy machine, and the autoscaler does not act on
        each low one either."""
        if seen.away or not (seen.even and seen.desired > self._start.desired and self.came("t4")):
            self._even.clear()
            return
        self._even.append((seen.at, seen.demand))
        while len(self._even) > 2 and seen.at - self._even[1][0] >= STEADY_SECONDS:
            self._even.popleft()
        demands = [demand for _, demand in self._even if demand is not None]  # a new pod has no sample at first
        idle = seen.own_ready - self._start.ready - self._served
        if self.steady() >= STEADY_SECONDS and not idle and demands and seen.stays_at(mean(demands)):
            self._find("t5", seen.at)

    def _find_over(self, seen: Observation) -> None:
        """By a sample or by the controller's figure, whichever was earlier."""
        found = [self._at["t1"]] if self.came("t1") else []
        if seen.ratio is not None and seen.ratio > 1 and seen.newest is not None:
            found.append(seen.newest)
        if seen.figure is not None and seen.figure > seen.target:
            found.append(seen.at)
        if found := [at for at in found if at >= self._start.at]:
            self._at["t1"] = min(found)

    def _fall(self, seen: Observation) -> None:
        if seen.desired < self._at_stop:
            self._find("t7", seen.at)
        if seen.even and not seen.away and seen.desired <= self._start.desired:
            self._find("t8", seen.at)

    def _look_for_contradiction(self, seen: Observation) -> None:
        if self.contradiction is None and seen.desired != self._last.desired:
            self.contradiction = self._contradiction(seen)
        if self.contradiction is None:
            self.contradiction = self._set_by_others(seen)

    def _set_by_others(self, seen: Observation) -> str | None:
        """Return that the Deployment's replicas were set to another number than the autoscaler asks for, a sentence, or
        None. The autoscaler sets them first, and says so in its status within moments."""
        before, now = self._last, seen
        if now.asked == now.desired or now.last_scaled != before.last_scaled:
            self._set = None
        elif now.asked != before.asked and before.asked == before.desired:
            self._set = (
                now.at,
                f"The Deployment's replicas went from {before.asked} to {now.asked} without a scaling of the"
                f" autoscaler's own, which asks for {now.desired}: something else sets the number.",
            )
        return self._set[1] if self._set and now.at - self._set[0] >= SAID_SECONDS else None

    def _contradiction(self, seen: Observation) -> str | None:
        """Return why this change of the replicas is not the autoscaler's answer to its CPU, a sentence, or None."""
        before, now, figure = self._last.desired, seen.desired, seen.figure
        change = f"The number of pods went from {before} to {now}"
        if seen.last_scaled == self._last.last_scaled:  # its controller sets both in one update
            return (
                f"{change} without a scaling of the autoscaler's own (its lastScaleTime is still"
                f" {seen.last_scaled or 'none'}): something else sets the number."
            )
        more = now > before
        if figure is None and more:  # of a sync that measured CPU, the status has the figure
            return f"{change} without a CPU figure of the autoscaler's: a bound of its own, or something else, sets it."
        if figure is None or self._last.figure is None:
            return None
        if max(figure, self._last.figure) > seen.target if more else min(figure, self._last.figure) < seen.target:
            return None
        other = seen.held_by(now) if more else None
        if other and self.came("t2"):
            return None
        against = f"{figure} {seen.unit} (target {seen.target} {seen.unit})"
        if other:
            return (
                f"{change} at a CPU of {against}, by the autoscaler's metric {other}, and this run is to show that CPU"
                " does it: raise that metric's target, or leave the metric out during a run."
            )
        return f"{change}, which contradicts the autoscaler's own figure of {against}: something else sets the number."

    def _find(self, moment: str, at: float) -> None:
        self._at.setdefault(moment, at)
