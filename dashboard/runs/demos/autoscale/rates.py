"""Chooses the load's rate by feedback: raised on new samples until the autoscaler must act, corrected while the demand
is then out of bounds, else held. The CPU cost of a request is evidence only; no decision depends on it.

A pod's CPU sample is a mean over its window, so it is compared with the mean rate over the same window.
"""

import math
from collections.abc import Iterable

from dashboard.load.schedule import Schedule
from dashboard.runs.demos.autoscale.observed.observation import Observation

FIRST_RATE = 25.0  # requests a second: low enough for a slow service
LARGEST_STEP = 5.0  # the largest factor of a change
LEAST_STEP = 1.1
LEAST_CHANGE = 0.02  # of the rate; smaller changes are not made
GROWTH = 1.3  # a request costs less under more load: the rate grows by this power of the CPU's factor
BEYOND = 0.6  # of a pod's CPU at the target: the aim beyond what the pods before the load may use
CLEAR = 1.07  # times the tolerance's limit, at first: a request costs more when more pods share the load
ACT_SECONDS = 30.0  # for the controller to act over the tolerance, before the load is raised further
MARGIN = 0.15  # of a pod's CPU at the target: the rate is corrected if it is nearer to a bound
CORRECTION = (0.6, 1.6)  # the smallest and largest factor of a correction
BACKLOG_SECONDS = 3.0  # of requests without an answer: with more, the service does not keep up
LOADED = 0.4  # of a sample's window, at least, has to be under load
NOISE = 5.0  # millicores that can't be distinguished from none


class LoadRates:
    """The rates so far, as a `schedule` from the load's beginning, and the next one. `start` is the observation before
    the load, `highest` the cap; `fixed` means that the user chose the rate and it stays."""

    def __init__(self, start: Observation, first: float, highest: float, *, fixed: bool = False) -> None:
        self.schedule = Schedule.of(first, math.inf)
        self.cost: float | None = None  # millicores for each request a second, by the newest samples
        self.exhausted: str | None = None  # why the load can't use more CPU, a sentence
        self.beyond: str | None = None  # why max is too few pods for it, a sentence
        self.overloaded = False  # whether the service did not answer in time
        self._start = start
        self._highest = highest
        self._fixed = fixed
        self._background = start.used or 0.0
        self._seen: dict[str, float] = {}  # uid → timestamp of the last sample that was used
        self._pods = start.ready
        self._pods_at = self._changed_at = start.at  # when the pods, and the rate, last changed
        self._over_since: float | None = None  # since when CPU is over the tolerance
        self._below = 0  # whole windows at the highest rate with too little CPU
        self._over_max = 0  # whole windows at max with too much

    @property
    def rate(self) -> float:
        return self.schedule.rate

    def next(self, seen: Observation, backlog: int) -> float | None:
        """Return the rate to change to, or None to keep it. Called once a second; each sample is used once. `backlog`
        is the number of requests without an answer."""
        if seen.ready != self._pods:
            self._pods, self._pods_at = seen.ready, seen.at
        demand = seen.demand
        if demand is None or not self._is_new(seen):
            return None
        self._seen = {uid: seen.samples[uid][0] for uid in seen.ready}
        self._observe_cost(seen)
        settled = seen.sampled_since(max(self._changed_at, self._pods_at)) == seen.ready
        if seen.desired > self._start.desired:
            if not settled:
                return None
            change = None if self._fixed else self._change(seen, self._corrected(seen, demand))
            self._check_max(seen, demand, changed=change is not None)
            return change
        behind = backlog > BACKLOG_SECONDS * self.rate
        if settled:
            self._check_exhausted(seen, demand, behind)
        return None if self._fixed or behind else self._change(seen, self._raised(seen, demand, settled))

    def _is_new(self, seen: Observation) -> bool:
        """Return whether each pod has a new sample from under load."""
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
        """Return the mean rate over the windows of the newest samples."""
        spans = [(at - window - self._start.at, at - self._start.at) for at, _, window in _samples(seen)]
        means = [self.schedule.mean(*span) for span in spans]
        return sum(means) / len(means)

    def _raised(self, seen: Observation, demand: float, settled: bool) -> float:
        """Return the rate that should make the autoscaler act."""
        pods = len(seen.ready)
        bears = pods * (1 + seen.tolerance.up)
        self._over_since = (self._over_since or seen.at) if demand > bears else None
        if seen.must_act(demand) or (self._over_since and seen.at - self._over_since <= ACT_SECONDS):
            return self.rate  # wait for its next sync
        idle = self._background / seen.per_pod
        wanted, used = CLEAR * bears - idle, demand - idle
        if used * seen.per_pod <= NOISE:
            return self.rate * LARGEST_STEP
        rate = self._sent(seen) * math.pow(max(LEAST_STEP, wanted / used), GROWTH)
        if settled:
            rate = max(rate, self.rate * LEAST_STEP)
        return min(max(rate, self.rate), self.rate * LARGEST_STEP)

    def _corrected(self, seen: Observation, demand: float) -> float:
        """Return the rate that needs more pods than before the load and no more than max. Within these bounds the
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

    def _check_max(self, seen: Observation, demand: float, *, changed: bool) -> None:
        """Set `beyond` after two windows in a row at max with more CPU than that many pods may use, which no change of
        the rate can mend."""
        is_max = seen.desired >= seen.high == len(seen.own_ready)
        over = is_max and not changed and demand > seen.high * (1 + seen.tolerance.up)
        self._over_max = self._over_max + 1 if over else 0
        if self._over_max >= 2:
            advice = "Choose a lower rate" if self._fixed else "Stop the other traffic"
            self.beyond = (
                f"At {self.rate:g} requests a second {seen.cpu} needs more than max, {seen.high} pods. {advice}, or"
                " raise max."
            )

    def _check_exhausted(self, seen: Observation, demand: float, behind: bool) -> None:
        """Set `exhausted` after two windows in a row with too little CPU, at the highest rate or with a service that
        does not keep up."""
        highest = self._fixed or self.rate * (1 + LEAST_CHANGE) >= self._highest
        self._below = self._below + 1 if (highest or behind) and not seen.must_act(demand) else 0
        if self._below < 2:
            return
        self.overloaded = behind
        if self.cost is None and not behind:
            self.exhausted = (
                f"At {self.rate:g} requests a second CPU did not follow the load: {seen.cpu}. Does what is requested"
                " use CPU, and are the pods' samples new ones?"
            )
            return
        if behind:
            why, advice = "more than the service answers in time", "Give the machine less to do, or lower the target"
        elif self._fixed:
            why, advice = "the given rate", "Choose a higher rate"
        else:
            why, advice = "the maximum", "Lower the target"
        self.exhausted = (
            f"At {self.rate:g} requests a second, {why}, {seen.cpu} was too little for the autoscaler to act. {advice}."
        )


def _samples(seen: Observation) -> Iterable[tuple[float, float, float]]:
    return (seen.samples[uid] for uid in seen.ready)
