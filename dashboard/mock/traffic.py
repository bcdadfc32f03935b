"""The service's traffic: the requests that its pods count, and the CPU that they cost."""

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence

from dashboard.core.events import Counters
from dashboard.mock.clock import STEP_SECONDS, SimulationClock

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, math.inf)
COUNTED_PODS = 20  # as many as are scraped
QUIET_RATE = 3.0  # requests a second, a pair of pods together
RISE_SECONDS = 20.0
FALL_SECONDS = 3.0
IDLE_CPU = 5.0  # millicores
CPU_OF_A_REQUEST = 0.95  # millicores at one a second
CPU_LIMIT = 400.0
FAST_SECONDS = 0.004  # the median latency of an idle service
TAIL = 3.2  # how steep the latencies' distribution is: the 99th percentile is some four times the median
DRAWN = 12  # latencies of a pod's requests in a step, at most
WAITING = 32  # requests at most that wait for the database at once


class SimulatedTraffic:
    """`work` is the CPU that each ready pod has used so far, in millicores times simulated seconds."""

    def __init__(self, clock: SimulationClock, random: random.Random, pods: int) -> None:
        self.work = 0.0
        self.rate = 0.0  # requests a second
        self._clock = clock
        self._random = random
        self._pairs = pods / 2
        self._peak = 0.0
        self._generated = 0.0
        self._began = self._ended = -math.inf  # in simulated time
        self._waiting = 0.0
        self._waits = 0.0  # seconds that the database has been away
        self._failing = 0
        self._counts: dict[str, list[float]] = {}  # uid → requests, errors, then each bucket's own

    def begin(self, peak: float) -> None:
        """Raise the rate to `peak` requests a second for each pair of pods."""
        self._peak = peak * self._pairs
        self._began, self._ended = self._clock.seconds, math.inf

    def end(self) -> None:
        self._ended = self._clock.seconds

    def generate(self, rate: float) -> None:
        """Set a reader's own load in requests a second."""
        self._generated = rate

    def fail(self, requests: int) -> None:
        """Answer the next `requests` requests with a 5xx."""
        self._failing += requests

    def step(self, ready: Sequence[str], database: bool) -> None:
        """Simulate a step's requests, shared by the ready pods (their uids). Without a database they wait."""
        self.rate = self._rate()
        share = self.rate / len(ready) if ready else 0.0
        cpu = min(CPU_LIMIT, IDLE_CPU + CPU_OF_A_REQUEST * share * (1.0 if database else 0.2))
        self.work += cpu * STEP_SECONDS
        median = FAST_SECONDS * (1 + 3 * (cpu / CPU_LIMIT) ** 2)
        late = self._late(database)
        for uid in ready[:COUNTED_PODS]:
            due = share * self._clock.elapsed
            counts = self._counts.setdefault(uid, [0.0] * (2 + len(BOUNDS)))
            self._count(counts, self._whole(due if database else due * 0.2), lambda: self._latency(median))
            self._count(counts, self._whole(late / len(ready)), lambda: self._waits * self._random.uniform(0.3, 1.1))
        if database:
            self._waits = 0.0

    def forget(self, uid: str) -> None:
        """Drop the counters of a pod whose process ended."""
        self._counts.pop(uid, None)

    def counters(self, uid: str) -> Counters:
        requests, errors, *counts = self._counts.get(uid) or [0.0] * (2 + len(BOUNDS))
        buckets, below = [], 0.0
        for bound, count in zip(BOUNDS, counts, strict=True):
            below += count
            buckets.append((bound, below))
        return Counters(requests, errors, tuple(buckets))

    def _rate(self) -> float:
        now = self._clock.seconds
        up = min(1.0, max(0.0, (now - self._began) / RISE_SECONDS))
        down = min(1.0, max(0.0, (now - self._ended) / FALL_SECONDS))
        steady = QUIET_RATE * self._pairs + self._peak * up * (1 - down)
        return self._generated + steady * self._random.uniform(0.94, 1.06)

    def _late(self, database: bool) -> float:
        """Return the requests that waited for the database and are answered now."""
        if not database:
            self._waits += self._clock.elapsed
            self._waiting = min(WAITING, self._waiting + self.rate * self._clock.elapsed)
            return 0.0
        late, self._waiting = self._waiting, 0.0
        return late

    def _count(self, counts: list[float], requests: int, seconds: Callable[[], float]) -> None:
        """Count requests with latencies drawn from `seconds`; several share one if there are many."""
        failed = min(requests, self._failing)
        self._failing -= failed
        counts[0] += requests
        counts[1] += failed
        alike = 1 + requests // DRAWN
        for left in range(requests, 0, -alike):
            counts[2 + bisect_left(BOUNDS, seconds())] += min(alike, left)

    def _latency(self, median: float) -> float:
        drawn = self._random.uniform(0.001, 0.999)
        return median * math.pow(drawn / (1 - drawn), 1 / TAIL)

    def _whole(self, number: float) -> int:
        """Round up or down at random, so that small rates add up."""
        return int(number + self._random.random())
