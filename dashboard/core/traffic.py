"""Requests a second and their latency, from the counters of the service's pods."""

import math
from itertools import pairwise

import msgspec

from dashboard.core.event import Counters

Buckets = tuple[tuple[float, float], ...]


class Rates(msgspec.Struct, frozen=True):
    """All pods together, over the time between two scrapes. The percentiles are null when nothing was asked."""

    requests_per_second: float
    errors_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    by_pod: dict[str, float]  # pod name → requests a second


class Traffic:
    """Remembers the previous scrape."""

    def __init__(self) -> None:
        self._previous: tuple[float, dict[str, Counters]] | None = None

    def rates(self, at: float, pods: dict[str, Counters]) -> Rates | None:
        """The rates since the previous scrape; None for the first. `at` is in seconds.

        A pod seen for the first time has no rate yet. One whose counters fell was restarted, and counts from zero.
        """
        previous, self._previous = self._previous, (at, pods)
        if previous is None or at <= previous[0]:
            return None
        elapsed = at - previous[0]
        grown = {name: _growth(previous[1][name], now) for name, now in pods.items() if name in previous[1]}
        latencies = _together([each.buckets for each in grown.values()])
        return Rates(
            requests_per_second=round(sum(each.requests for each in grown.values()) / elapsed, 1),
            errors_per_second=round(sum(each.errors for each in grown.values()) / elapsed, 1),
            p50_ms=_milliseconds(quantile(0.5, latencies)),
            p99_ms=_milliseconds(quantile(0.99, latencies)),
            by_pod={name: round(each.requests / elapsed, 1) for name, each in grown.items()},
        )


def quantile(q: float, buckets: Buckets) -> float | None:
    """Seconds, interpolated within the bucket as Prometheus' histogram_quantile does; None when nothing was counted.

    What lies beyond the last finite bound is told as that bound.
    """
    if not buckets or buckets[-1][1] <= 0:
        return None
    rank = q * buckets[-1][1]
    for (lower, below), (upper, within) in pairwise([(0.0, 0.0), *buckets]):
        if within >= rank:
            if math.isinf(upper):
                return lower
            return lower + (upper - lower) * (rank - below) / (within - below)
    return None


def _growth(before: Counters, now: Counters) -> Counters:
    if now.requests < before.requests:
        return now
    counted = dict(before.buckets)
    return Counters(
        now.requests - before.requests,
        now.errors - before.errors,
        tuple((bound, count - counted.get(bound, 0)) for bound, count in now.buckets),
    )


def _together(all_buckets: list[Buckets]) -> Buckets:
    sums: dict[float, float] = {}
    for buckets in all_buckets:
        for bound, count in buckets:
            sums[bound] = sums.get(bound, 0) + count
    return tuple(sorted(sums.items()))


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
