"""Which load to send next, found by feedback: raised on fresh samples until the autoscaler must act, corrected when the
answer comes out otherwise, then held. What a request costs is observed and told; nothing is staked on it.

A pod's CPU sample is a mean over its window, and so is compared with the mean rate over the same window.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from dashboard.core.autoscale.observation import Observation

FIRST_RATE = 25.0  # requests a second: little enough for a slow service
LARGEST_STEP = 5.0  # times as much at once
LEAST_STEP = 1.1
GROWTH = 1.3  # a request costs less under more load, so the rate has to grow by this power of what CPU is to grow by
BEYOND = 0.6  # of a pod's CPU at the target that is aimed at beyond what the pods before the load may use
CLEAR = 1.12  # times what the tolerance bears, at least
MARGIN = 0.12  # of the band in which a number of pods stays: nearer to its ends the rate is corrected
CORRECTION = (0.6, 1.6)  # of the rate, at once
NOISE = 5.0  # millicores that can't be told from none
SATURATED_GROWTH, SATURATED_STEPS = 1.03, 2  # CPU that grows by less, at so many steps of the rate in a row


class Step(Struct, frozen=True):
    """From a moment on, so many requests a second were sent."""

    at: float
    rate: float


class Rates:
    """The rates that were sent, and the next one. `start` is the observation before the load, `highest` the cap;
    `fixed` says that the rate was asked for and stays."""

    def __init__(self, start: Observation, first: float, highest: float, *, fixed: bool = False) -> None:
        self.steps: list[Step] = [Step(start.at, first)]
        self.cost: float | None = None  # millicores for each request a second, by the newest samples
        self.exhausted: str | None = None  # why no more CPU can be brought about, in a sentence
        self._start = start
        self._highest = highest
        self._fixed = fixed
        self._background = start.used or 0.0
        self._seen: dict[str, float] = {}  # uid → moment of the sample that was looked at last
        self._pods = start.ready
        self._pods_at = start.at
        self._levels: list[tuple[float, float]] = []  # (rate, demand) of whole windows at one rate
        self._below = 0  # whole windows at the highest rate that were not enough

    @property
    def rate(self) -> float:
        return self.steps[-1].rate

    def next(self, seen: Observation) -> float | None:
        """The rate to change to; None to leave it. Called once a second; a sample is looked at once."""
        if seen.ready != self._pods:
            self._pods, self._pods_at = seen.ready, seen.at
        demand = seen.demand
        if demand is None or not self._is_new(seen):
            return None
        self._seen = {uid: seen.samples[uid][0] for uid in seen.ready}
        self._observe_cost(seen)
        settled = seen.sampled_since(max(self.steps[-1].at, self._pods_at)) == seen.ready
        if seen.desired > self._start.desired:
            return self._change(seen, self._corrected(seen, demand)) if settled and not self._fixed else None
        if settled:
            self._note_level(seen, demand)
        return None if self._fixed else self._change(seen, self._raised(seen, demand, settled))

    def mean(self, start: float, end: float) -> float:
        """Requests a second between two moments, as they were sent."""
        if end <= start:
            return self.rate
        ends = [*(step.at for step in self.steps[1:]), end]
        sent = 0.0
        for step, until in zip(self.steps, ends, strict=True):
            sent += step.rate * max(0.0, min(until, end) - max(step.at, start))
        return sent / (end - start)

    def _is_new(self, seen: Observation) -> bool:
        """Whether each pod has a sample that was not looked at yet, of a time with load."""
        began = self.steps[0].at
        return all(
            seen.samples[uid][0] > max(self._seen.get(uid, began), began) for uid in seen.ready
        )

    def _change(self, seen: Observation, rate: float) -> float | None:
        rate = round(min(self._highest, max(1.0, rate)), 1)
        if abs(rate / self.rate - 1) < 0.02:
            return None
        self.steps.append(Step(seen.at, rate))
        return rate

    def _observe_cost(self, seen: Observation) -> None:
        sent, used = self._sent(seen), (seen.used or 0.0) - self._background
        self.cost = used / sent if sent > 0 and used > NOISE else None

    def _sent(self, seen: Observation) -> float:
        """The mean rate over the windows of the newest samples."""
        means = [self.mean(at - window, at) for at, _, window in (seen.samples[uid] for uid in seen.ready)]
        return sum(means) / len(means)

    def _raised(self, seen: Observation, demand: float, settled: bool) -> float:
        """The rate that should make the autoscaler act."""
        pods = len(seen.ready)
        bears = pods * (1 + seen.tolerance.up)
        if demand > bears * (1 + MARGIN / 4):
            return self.rate  # it has to act: its next look will tell
        idle = self._background / seen.per_pod
        wanted, used = max(pods + BEYOND, bears * CLEAR) - idle, demand - idle
        if used * seen.per_pod <= NOISE:
            return self.rate * LARGEST_STEP
        rate = self._sent(seen) * min(LARGEST_STEP, max(LEAST_STEP, wanted / used) ** GROWTH)
        if settled:
            rate = max(rate, self.rate * LEAST_STEP)
        return min(max(rate, self.rate), self.rate * LARGEST_STEP)

    def _corrected(self, seen: Observation, demand: float) -> float:
        """The rate that keeps the pods which were asked for, in the middle of what they bear."""
        low, high = float(max(seen.desired - 1, self._start.desired)), seen.desired * (1 + seen.tolerance.up)
        margin = MARGIN * (high - low)
        if low + margin <= demand <= high - margin:
            return self.rate
        idle = self._background / seen.per_pod
        used, wanted = demand - idle, (low + high) / 2 - idle
        if used <= 0 or wanted <= 0:
            return self.rate
        least, most = CORRECTION
        return self.rate * min(most, max(least, wanted / used))

    def _note_level(self, seen: Observation, demand: float) -> None:
        """Remembers what a rate came to, and whether there is any more to be had."""
        self._levels.append((self.rate, demand))
        if seen.must_act(demand):
            self._below = 0
        elif self._fixed or self.rate >= self._highest:
            self._below += 1
        if self._below > 1:
            cap = "asked for" if self._fixed else "that are allowed"
            self.exhausted = (
                f"At the {self.rate:g} requests a second {cap}, {seen.cpu} was too little for the autoscaler to act:"
                f" nothing was owed. {'Ask for more' if self._fixed else 'Lower its target'}."
            )
        elif not seen.must_act(demand) and _saturated(self._levels):
            self.exhausted = (
                f"More load brings no more CPU: at {self.rate:g} requests a second, {seen.cpu}, too little for the"
                " autoscaler to act. Lower its target, or give the machine less to do."
            )


def _saturated(levels: Sequence[tuple[float, float]]) -> bool:
    """Whether the last steps of the rate, each a real one, brought no CPU."""
    steps = [(before, after) for before, after in pairwise(levels) if after[0] >= LEAST_STEP * before[0]]
    last = steps[-SATURATED_STEPS:]
    return len(last) == SATURATED_STEPS and all(after[1] < SATURATED_GROWTH * before[1] for before, after in last)
