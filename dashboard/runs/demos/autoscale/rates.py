"""Which load to send next, found by feedback: raised on fresh samples until the autoscaler must act, corrected when the
answer comes out otherwise, then held. What a request costs is observed and told; nothing is staked on it.

A pod's CPU sample is a mean over its window, and so is compared with the mean rate over the same window.
"""

import math
from collections.abc import Iterable

from dashboard.load.schedule import Schedule
from dashboard.runs.demos.autoscale.observation import Observation

FIRST_RATE = 25.0  # requests a second: little enough for a slow service
LARGEST_STEP = 5.0  # times as much at once
LEAST_STEP = 1.1
LEAST_CHANGE = 0.02  # of the rate: less is none
GROWTH = 1.3  # a request costs less under more load, so the rate has to grow by this power of what CPU is to grow by
BEYOND = 0.6  # of a pod's CPU at the target that is aimed at beyond what the pods before the load may use
CLEAR = 1.07  # times what the tolerance bears, at first: a request costs more when more pods share the load
ACT_SECONDS = 30.0  # that the controller is given, over the tolerance, before the load is raised further
MARGIN = 0.15  # of a pod's CPU at the target: nearer to the ends of what is aimed at, the rate is corrected
CORRECTION = (0.6, 1.6)  # of the rate, at once
BACKLOG_SECONDS = 3.0  # of requests without an answer: then the service does not keep up
LOADED = 0.4  # of a sample's window, at least, have to be of the load
NOISE = 5.0  # millicores that can't be told from none


class LoadRates:
    """The rates that were sent, as a `schedule` from the load's beginning on, and the next one. `start` is the
    observation before the load, `highest` the cap; `fixed` says that the rate was asked for and stays."""

    def __init__(self, start: Observation, first: float, highest: float, *, fixed: bool = False) -> None:
        self.schedule = Schedule.of(first, math.inf)
        self.cost: float | None = None  # millicores for each request a second, by the newest samples
        self.exhausted: str | None = None  # why no more CPU can be brought about, in a sentence
        self.overloaded = False  # whether the service did not answer in time
        self._start = start
        self._highest = highest
        self._fixed = fixed
        self._background = start.used or 0.0
        self._seen: dict[str, float] = {}  # uid → moment of the sample that was looked at last
        self._pods = start.ready
        self._pods_at = self._changed_at = start.at  # since when the pods, and the rate, are what they are
        self._over_since: float | None = None  # since when CPU is over what the tolerance bears
        self._below = 0  # whole windows at the highest rate that were not enough

    @property
    def rate(self) -> float:
        return self.schedule.rate

    def next(self, seen: Observation, backlog: int) -> float | None:
        """The rate to change to; None to leave it. Called once a second; a sample is looked at once. `backlog` requests
        wait for an answer."""
        if seen.ready != self._pods:
            self._pods, self._pods_at = seen.ready, seen.at
        demand = seen.demand
        if demand is None or not self._is_new(seen):
            return None
        self._seen = {uid: seen.samples[uid][0] for uid in seen.ready}
        self._observe_cost(seen)
        settled = seen.sampled_since(max(self._changed_at, self._pods_at)) == seen.ready
        if seen.desired > self._start.desired:
            return self._change(seen, self._corrected(seen, demand)) if settled and not self._fixed else None
        behind = backlog > BACKLOG_SECONDS * self.rate
        if settled:
            self._look_for_end(seen, demand, behind)
        return None if self._fixed or behind else self._change(seen, self._raised(seen, demand, settled))

    def _is_new(self, seen: Observation) -> bool:
        """Whether each pod has a sample that was not looked at yet, of a time with load."""
        began = self._start.at
        return all(
            at > self._seen.get(uid, began) and at - began >= LOADED * window
            for uid, (at, _, window) in seen.samples.items()
            if uid in seen.ready
        )

    def _change(self, seen: Observation, rate: float) -> float | None:
        rate = round(min(self._highest, max(1.0, rate)), 1)
        if abs(rate / self.rate - 1) < LEAST_CHANGE:
            return None
        self.schedule = self.schedule.changed(seen.at - self._start.at, rate)
        self._changed_at = seen.at
        return rate

    def _observe_cost(self, seen: Observation) -> None:
        sent, used = self._sent(seen), (seen.used or 0.0) - self._background
        self.cost = used / sent if sent > 0 and used > NOISE else None

    def _sent(self, seen: Observation) -> float:
        """The mean rate over the windows of the newest samples."""
        spans = [(at - window - self._start.at, at - self._start.at) for at, _, window in _samples(seen)]
        means = [self.schedule.mean(*span) for span in spans]
        return sum(means) / len(means)

    def _raised(self, seen: Observation, demand: float, settled: bool) -> float:
        """The rate that should make the autoscaler act."""
        pods = len(seen.ready)
        bears = pods * (1 + seen.tolerance.up)
        self._over_since = (self._over_since or seen.at) if demand > bears else None
        if seen.must_act(demand) or (self._over_since and seen.at - self._over_since <= ACT_SECONDS):
            return self.rate  # its next look will tell
        idle = self._background / seen.per_pod
        wanted, used = CLEAR * bears - idle, demand - idle
        if used * seen.per_pod <= NOISE:
            return self.rate * LARGEST_STEP
        rate = self._sent(seen) * math.pow(max(LEAST_STEP, wanted / used), GROWTH)
        if settled:
            rate = max(rate, self.rate * LEAST_STEP)
        return min(max(rate, self.rate), self.rate * LARGEST_STEP)

    def _corrected(self, seen: Observation, demand: float) -> float:
        """The rate at which more pods than before the load stay needed, and no more than max. Between the two the
        autoscaler finds the number by itself."""
        least, most = self._start.desired + MARGIN, seen.high * (1 + seen.tolerance.up) - MARGIN
        if least <= demand <= most:
            return self.rate
        idle = self._background / seen.per_pod
        aim = self._start.desired + BEYOND if demand < least else seen.high - BEYOND / 2
        if demand <= idle or aim <= idle:
            return self.rate
        slower, faster = CORRECTION
        return self.rate * min(faster, max(slower, (aim - idle) / (demand - idle)))

    def _look_for_end(self, seen: Observation, demand: float, behind: bool) -> None:
        """Whether there is no more CPU to be had: two windows in a row that were not enough, at the highest rate or
        with a service that does not keep up."""
        highest = self._fixed or self.rate * (1 + LEAST_CHANGE) >= self._highest
        self._below = self._below + 1 if (highest or behind) and not seen.must_act(demand) else 0
        if self._below < 2:
            return
        self.overloaded = behind
        if behind:
            why, advice = "more than the service answers in time", "Give the machine less to do, or lower the target"
        elif self._fixed:
            why, advice = "which were asked for", "Ask for more"
        else:
            why, advice = "the most that are allowed", "Lower the target"
        self.exhausted = (
            f"At {self.rate:g} requests a second, {why}, {seen.cpu} was too little for the autoscaler to act:"
            f" nothing was owed. {advice}."
        )


def _samples(seen: Observation) -> Iterable[tuple[float, float, float]]:
    return (seen.samples[uid] for uid in seen.ready)
