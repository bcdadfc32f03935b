"""The simulated traffic of the service: requests, their latencies, their CPU usage and the pods' counters."""

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence

from dashboard.core.events import Counters
from dashboard.mock.clock import STEP_SECONDS, SimulationClock

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, math.inf)
SCRAPED_PODS = 20  # the scraper's limit
IDLE_RATE = 3.0  # requests per second for each pair of pods at rest
RISE_SECONDS = 20.0
FALL_SECONDS = 3.0
IDLE_CPU = 5.0  # millicores
CPU_PER_REQUEST = 0.95  # millicores for one request per second
CPU_LIMIT = 400.0
IDLE_LATENCY_SECONDS = 0.004  # the median without load
TAIL = 3.2  # shape of the latencies' log-logistic distribution: the 99th percentile is about four times the median
DRAWS = 12  # maximum number of latencies drawn for a pod in one step
MAX_WAITING = 32  # requests that wait for the database

_NO_COUNTS = (0.0,) * (2 + len(BOUNDS))  # requests, errors, then the number in each bucket alone


class SimulatedTraffic:
    """`rate` is in requests per second, `work` is each ready pod's CPU time so far in millicore-seconds."""

    def __init__(self, clock: SimulationClock, random: random.Random, pods: int) -> None:
        self.work = 0.0
        self.rate = 0.0
        self._clock = clock
        self._random = random
        self._pairs = pods / 2
        self._peak = 0.0
        self._generated = 0.0
        self._began = self._ended = -math.inf  # simulated seconds
        self._waiting = 0.0  # requests that wait for the database
        self._down = 0.0  # seconds that the database has been down
        self._failing = 0
        self._counts: dict[str, list[float]] = {}  # by uid, as _NO_COUNTS

    def begin(self, peak: float) -> None:
        """Rise to `peak` requests per second for each pair of pods at rest."""
        self._peak = peak * self._pairs
        self._began, self._ended = self._clock.simulated, math.inf

    def end(self) -> None:
        self._ended = self._clock.simulated

    def generate(self, rate: float) -> None:
        """Add `rate` requests per second to the scheduled traffic from now on, instead of an earlier `rate`."""
        self._generated = rate

    def fail(self, requests: int) -> None:
        """Answer the next `requests` requests with a 5xx."""
        self._failing += requests

    def step(self, ready: Sequence[str], database: bool) -> None:
        """Distribute a step's requests over the ready pods' uids. While the database is down, most requests wait."""
        self.rate = self._current_rate()
        share = self.rate / len(ready) if ready else 0.0
        cpu = min(CPU_LIMIT, IDLE_CPU + CPU_PER_REQUEST * share * (1.0 if database else 0.2))
        self.work += cpu * STEP_SECONDS
        median = IDLE_LATENCY_SECONDS * (1 + 3 * (cpu / CPU_LIMIT) ** 2)
        late = self._late(database)
        for uid in ready[:SCRAPED_PODS]:
            due = share * self._clock.elapsed
            counts = self._counts.setdefault(uid, [*_NO_COUNTS])
            self._count(counts, self._whole(due if database else due * 0.2), lambda: self._latency(median))
            self._count(counts, self._whole(late / len(ready)), lambda: self._down * self._random.uniform(0.3, 1.1))
        if database:
            self._down = 0.0

    def forget(self, uid: str) -> None:
        """Reset a pod's counters, because the pod or its process is gone."""
        self._counts.pop(uid, None)

    def counters(self, uid: str) -> Counters:
        requests, errors, *counts = self._counts.get(uid, _NO_COUNTS)
        buckets, total = [], 0.0
        for bound, count in zip(BOUNDS, counts, strict=True):
            total += count
            buckets.append((bound, total))
        return Counters(requests, errors, tuple(buckets))

    def _current_rate(self) -> float:
        now = self._clock.simulated
        up = min(1.0, max(0.0, (now - self._began) / RISE_SECONDS))
        down = min(1.0, max(0.0, (now - self._ended) / FALL_SECONDS))
        base = IDLE_RATE * self._pairs + self._peak * up * (1 - down)
        return self._generated + base * self._random.uniform(0.94, 1.06)

    def _late(self, database: bool) -> float:
        """Return the number of requests that waited for the database and are answered in this step."""
        if not database:
            self._down += self._clock.elapsed
            self._waiting = min(MAX_WAITING, self._waiting + self.rate * self._clock.elapsed)
            return 0.0
        late, self._waiting = self._waiting, 0.0
        return late

    def _count(self, counts: list[float], requests: int, latency: Callable[[], float]) -> None:
        """Count requests with drawn latencies. Of many requests, several get the same one."""
        failed = min(requests, self._failing)
        self._failing -= failed
        counts[0] += requests
        counts[1] += failed
        same = 1 + requests // DRAWS
        for left in range(requests, 0, -same):
            counts[2 + bisect_left(BOUNDS, latency())] += min(same, left)

    def _latency(self, median: float) -> float:
        """Draw from a log-logistic distribution."""
        drawn = self._random.uniform(0.001, 0.999)
        return median * math.pow(drawn / (1 - drawn), 1 / TAIL)

    def _whole(self, number: float) -> int:
        """Round up or down at random, so that small rates add up."""
        return int(number + self._random.random())
