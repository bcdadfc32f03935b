"""Requests a second and their latency, from the counters of the service's pods."""

import math
from itertools import pairwise

import msgspec

from dashboard.core.events import Counters

REMEMBERED_SECONDS = 60.0  # a pod that was not heard for longer starts anew

Buckets = tuple[tuple[float, float], ...]


class TrafficRates(msgspec.Struct, frozen=True):
    """All pods together, over the time between two scrapes. The percentiles are null when nothing was asked."""

    requests_per_second: float
    errors_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    by_pod: dict[str, float]  # pod name → requests a second
    errors_by_pod: dict[str, float] = {}


class Traffic:
    """Remembers what each pod had counted when it was last heard."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[float, Counters]] = {}
        self._began = False

    def rates(self, at: float, pods: dict[str, Counters]) -> TrafficRates | None:
        """The rates since each pod was last heard; None for the first scrape. `at` is in seconds.

        A pod seen for the first time has no rate yet. One whose counters fell was restarted, and counts from zero. One
        that missed a scrape has its requests spread over the time since, and none is counted twice or lost.
        """
        began, self._began = self._began, True
        before = {name: heard for name, heard in self._heard.items() if 0 < at - heard[0] <= REMEMBERED_SECONDS}
        self._heard = before | {name: (at, counted) for name, counted in pods.items()}
        if not began:
            return None
        spans = {name: at - before[name][0] for name in pods if name in before}
        grown = {name: _growth(before[name][1], pods[name]) for name in spans}
        latencies = _together([each.buckets for each in grown.values()])
        return TrafficRates(
            requests_per_second=round(sum(each.requests / spans[name] for name, each in grown.items()), 1),
            errors_per_second=round(sum(each.errors / spans[name] for name, each in grown.items()), 1),
            p50_ms=_milliseconds(quantile(0.5, latencies)),
            p99_ms=_milliseconds(quantile(0.99, latencies)),
            by_pod={name: round(each.requests / spans[name], 1) for name, each in grown.items()},
            errors_by_pod={name: round(each.errors / spans[name], 2) for name, each in grown.items()},
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
    counted = dict(before.buckets)
    buckets = tuple((bound, count - counted.get(bound, 0)) for bound, count in now.buckets)
    requests, errors = now.requests - before.requests, now.errors - before.errors
    if requests < 0 or errors < 0 or any(count < 0 for _, count in buckets):
        return now
    return Counters(requests, errors, buckets)


def _together(all_buckets: list[Buckets]) -> Buckets:
    sums: dict[float, float] = {}
    for buckets in all_buckets:
        for bound, count in buckets:
            sums[bound] = sums.get(bound, 0) + count
    return tuple(sorted(sums.items()))


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
