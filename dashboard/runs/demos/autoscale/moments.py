"""The moments of a run, t0 … t8, found in what is observed second by second; and whether all is steady.

Moments are seconds since 1970 by the dashboard's clock.
"""

from collections import deque
from statistics import mean, median

from dashboard.runs.demos.autoscale.observation import Observation
from dashboard.runs.demos.autoscale.samples import Samples

STEADY_SECONDS = 60.0
LEAST_RESOLUTION, USUAL_RESOLUTION = 15.0, 60.0  # seconds between two samples of a pod, in limits while it is not known
GAPS = 200  # between samples that are looked at

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
    """How far apart a pod's samples are: the median of all that were seen."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._gaps: deque[float] = deque(maxlen=GAPS)
        self._waited: tuple[float, float] | None = None  # from when until when it was looked for

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
        """For limits. A sample a second would not make the autoscaler look more often; and while no second one was
        seen, it is at least the time since the first."""
        waited = self._waited[1] - self._waited[0] if self._waited else 0.0
        return max(LEAST_RESOLUTION, self.seconds or min(USUAL_RESOLUTION, waited))


class Moments:
    """`start` is the observation at t0."""

    def __init__(self, start: Observation) -> None:
        self.peak = len(start.ready)
        self.contradiction: str | None = None  # a change of the number that the controller's own figure speaks against
        self._start = self._last = start
        self._at: dict[str, float] = {"t0": start.at}
        self._at_stop = start.desired  # pods asked for when the load stopped
        self._even: deque[tuple[float, float | None]] = deque()  # moment and demand, while all is as asked for

    @property
    def seconds(self) -> dict[str, float | None]:
        """Seconds from t0, None of what has not come."""
        began = self._start.at
        return {name: round(self._at[name] - began, 3) if name in self._at else None for name in NAMES}

    def came(self, moment: str) -> bool:
        return moment in self._at

    def at(self, moment: str) -> float:
        return self._at[moment]

    def see(self, seen: Observation) -> list[str]:
        """What is observed now, once a second. The moments that are new by it."""
        known = set(self._at)
        self.peak = max(self.peak, len(seen.ready))
        self._look_for_contradiction(seen)
        if self.came("t6"):
            self._fall(seen)
        else:
            self._rise(seen)
        self._last = seen
        return sorted(set(self._at) - known)

    def change_rate(self) -> None:
        """Another load from now on: what is steady begins anew."""
        self._even.clear()

    def stop(self, at: float) -> None:
        """The load ends."""
        self._at.setdefault("t6", at)
        self._at_stop = self._last.desired

    def steady(self) -> float:
        """For how many of the STEADY_SECONDS there have been as many pods as asked for."""
        return self._even[-1][0] - self._even[0][0] if self._even else 0.0

    def _rise(self, seen: Observation) -> None:
        if not self.came("t5"):
            self._find_over(seen)
        if seen.desired > self._start.desired:
            self._find("t2", seen.at)
            self._at["t1"] = min(self._at.get("t1", seen.at), self._at["t2"])  # the controller's sample may come later
        if self.came("t2") and seen.ready - self._start.ready:
            self._find("t3", seen.at)
        if self.came("t3") and seen.serving - self._start.ready:
            self._find("t4", seen.at)
        self._find_steady(seen)

    def _find_steady(self, seen: Observation) -> None:
        """As many pods as asked for, for long enough, and CPU meanwhile, in the mean, such that they will do: a single
        sample is one of a busy machine, too, and the autoscaler itself does not act on each that is low."""
        if not (seen.even and seen.desired > self._start.desired and self.came("t4")):
            self._even.clear()
            return
        self._even.append((seen.at, seen.demand))
        while len(self._even) > 2 and seen.at - self._even[1][0] >= STEADY_SECONDS:
            self._even.popleft()
        demands = [demand for _, demand in self._even if demand is not None]  # a new pod has no sample at first
        if self.steady() >= STEADY_SECONDS and demands and seen.content_at(mean(demands)):
            self._find("t5", seen.at)

    def _find_over(self, seen: Observation) -> None:
        """By a sample, or by the controller's figure: by whichever was earlier."""
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
        if seen.even and seen.desired <= self._start.desired:
            self._find("t8", seen.at)

    def _look_for_contradiction(self, seen: Observation) -> None:
        before, now, figure = self._last.desired, seen.desired, seen.figure
        if before == now or figure is None or self._last.figure is None:
            return
        more = now > before
        if max(figure, self._last.figure) <= seen.target if more else min(figure, self._last.figure) >= seen.target:
            self.contradiction = self.contradiction or (
                f"It went from {before} to {now} pods, which its own figure, {figure} {seen.unit} of a"
                f" {seen.target} {seen.unit} target, speaks against: something else sets the number."
            )

    def _find(self, moment: str, at: float) -> None:
        self._at.setdefault(moment, at)
