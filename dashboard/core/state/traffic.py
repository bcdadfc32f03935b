"""Request rates and latency percentiles, from the counters of the service pods."""

import math
from itertools import pairwise

import msgspec

from dashboard.core.events import Counters

REMEMBERED_SECONDS = 60.0  # a pod without a scrape for longer than this counts as a new pod

Buckets = tuple[tuple[float, float], ...]


class TrafficRates(msgspec.Struct, frozen=True):
    """The rates of all pods together, between two scrapes. The percentiles are None without requests."""

    requests_per_second: float
    errors_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    by_pod: dict[str, float]  # pod name → requests per second
    errors_by_pod: dict[str, float] = {}  # pod name → errors per second


class Traffic:
    """Computes rates from the last counters of each pod."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, Counters]] = {}  # pod name → (time in seconds, counters)
        self._began = False

    def memory(self) -> dict[str, tuple[float, Counters]]:
        """Return the last counters of each pod, with their time in seconds."""
        return dict(self._last)

    def restore(self, memory: dict[str, tuple[float, Counters]]) -> None:
        self._last, self._began = dict(memory), bool(memory)

    def rates(self, at: float, pods: dict[str, Counters]) -> TrafficRates | None:
        """Return the rates since each pod's last scrape; None for the first scrape. `at` is in seconds.

        A new pod has no rate yet. A pod whose counters decreased was restarted: it counts from zero. The requests of a
        pod that missed scrapes are spread over the time since its last one.
        """
        began, self._began = self._began, True
        before = {name: last for name, last in self._last.items() if 0 < at - last[0] <= REMEMBERED_SECONDS}
        self._last = before | {name: (at, counters) for name, counters in pods.items()}
        if not began:
            return None
        spans = {name: at - before[name][0] for name in pods if name in before}
        grown = {name: _growth(before[name][1], pods[name]) for name in spans}
        latencies = _merge([each.buckets for each in grown.values()])
        return TrafficRates(
            requests_per_second=round(sum(each.requests / spans[name] for name, each in grown.items()), 1),
            errors_per_second=round(sum(each.errors / spans[name] for name, each in grown.items()), 1),
            p50_ms=_milliseconds(quantile(0.5, latencies)),
            p99_ms=_milliseconds(quantile(0.99, latencies)),
            by_pod={name: round(each.requests / spans[name], 1) for name, each in grown.items()},
            errors_by_pod={name: round(each.errors / spans[name], 2) for name, each in grown.items()},
        )


def quantile(q: float, buckets: Buckets) -> float | None:
    """Return the quantile in seconds, interpolated as Prometheus' histogram_quantile does; None for empty buckets.

    A quantile in the last, infinite bucket is that bucket's lower bound.
    """
    if not buckets or buckets[-1][1] <= 0:
        return None
    rank = q * buckets[-1][1]
    for (lower, below), (upper, within) in pairwise([(0.0, 0.0), *buckets]):
        if within >= rank:
            if math.isinf(upper):
                return lower
            return min(upper, lower + (upper - lower) * (rank - below) / (within - below))
    return None


def _growth(before: Counters, now: Counters) -> Counters:
    counted = dict(before.buckets)
    buckets = tuple((bound, count - counted.get(bound, 0)) for bound, count in now.buckets)
    requests, errors = now.requests - before.requests, now.errors - before.errors
    if requests < 0 or errors < 0 or any(count < 0 for _, count in buckets):
        return now
    return Counters(requests, errors, buckets)


def _merge(all_buckets: list[Buckets]) -> Buckets:
    sums: dict[float, float] = {}
    for buckets in all_buckets:
        for bound, count in buckets:
            sums[bound] = sums.get(bound, 0) + count
    return tuple(sorted(sums.items()))


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
