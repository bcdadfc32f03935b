"""Rates and percentiles, computed from the pods' counters."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.core.events import Counters
from dashboard.core.state.traffic import REMEMBERED_SECONDS, Buckets, Traffic, TrafficRates, quantile

INF = float("inf")


def counters(requests: float, errors: float = 0, buckets: Buckets = ()) -> Counters:
    return Counters(requests, errors, buckets)


def rates_at(traffic: Traffic, at: float, **pods: Counters) -> TrafficRates:
    rates = traffic.rates(at, pods)
    assert rates is not None
    return rates


def test_rates_between_two_scrapes() -> None:
    traffic = Traffic()
    assert traffic.rates(10, {"a": counters(100, 1), "b": counters(50)}) is None
    rates = rates_at(traffic, 12, a=counters(120, 2), b=counters(51))
    assert (rates.requests_per_second, rates.errors_per_second) == (10.5, 0.5)
    assert rates.by_pod == {"a": 10.0, "b": 0.5}


def test_new_pod_has_no_rate_yet() -> None:
    traffic = Traffic()
    traffic.rates(10, {"a": counters(100)})
    rates = rates_at(traffic, 11, a=counters(110), b=counters(5000))
    assert (rates.requests_per_second, rates.by_pod) == (10.0, {"a": 10.0})
    assert rates_at(traffic, 12, a=counters(120), b=counters(5001)).by_pod == {"a": 10.0, "b": 1.0}


def test_restarted_pod_counts_from_zero() -> None:
    traffic = Traffic()
    traffic.rates(10, {"a": counters(100, 5, ((0.1, 100), (INF, 100)))})
    rates = rates_at(traffic, 11, a=counters(7, 1, ((0.1, 3), (INF, 7))))
    assert (rates.requests_per_second, rates.errors_per_second) == (7.0, 1.0)
    assert rates.p50_ms == 100.0


def test_requests_of_missed_scrapes_are_spread() -> None:
    traffic = Traffic()
    traffic.rates(10, {"a": counters(100), "b": counters(100)})
    assert rates_at(traffic, 11, a=counters(110)).by_pod == {"a": 10.0}
    assert rates_at(traffic, 12, a=counters(120)).by_pod == {"a": 10.0}
    assert rates_at(traffic, 13, a=counters(130), b=counters(130)).by_pod == {"a": 10.0, "b": 10.0}


def test_pod_without_scrapes_for_long_counts_as_new() -> None:
    traffic = Traffic()
    traffic.rates(10, {"a": counters(100)})
    assert rates_at(traffic, 10 + REMEMBERED_SECONDS + 1, a=counters(5000)).by_pod == {}


def test_memory_is_bounded() -> None:
    traffic = Traffic()
    for number in range(500):
        traffic.rates(number, {f"pod-{number}": counters(1)})
    assert len(traffic._last) <= REMEMBERED_SECONDS + 1


def test_repeated_timestamp_gives_no_rate() -> None:
    traffic = Traffic()
    traffic.rates(10, {"a": counters(100)})
    assert rates_at(traffic, 10, a=counters(200)).requests_per_second == 0


def test_no_pods_have_zero_rates() -> None:
    traffic = Traffic()
    traffic.rates(10, {})
    assert rates_at(traffic, 11) == TrafficRates(0.0, 0.0, None, None, {})


def test_percentiles_are_of_all_pods_together() -> None:
    traffic = Traffic()
    none: Buckets = ((0.1, 0), (1.0, 0), (INF, 0))
    traffic.rates(10, {"a": counters(0, 0, none), "b": counters(0, 0, none)})
    fast, slow = ((0.1, 90), (1.0, 90), (INF, 90)), ((0.1, 0), (1.0, 10), (INF, 10))
    rates = rates_at(traffic, 11, a=counters(90, 0, fast), b=counters(10, 0, slow))
    assert rates.p50_ms == pytest.approx(55.56, abs=0.01)
    assert rates.p99_ms == pytest.approx(910.0)


@pytest.mark.parametrize(
    ("q", "buckets", "expected"),
    [
        (0.5, (), None),
        (0.5, ((0.1, 0), (INF, 0)), None),
        (0.5, ((0.1, 10), (INF, 10)), 0.05),
        (1.0, ((0.1, 10), (INF, 10)), 0.1),
        (0.5, ((0.1, 0), (0.2, 10), (INF, 10)), 0.15),
        (0.99, ((0.1, 10), (0.5, 10), (INF, 20)), 0.5),
        (0.0, ((0.1, 10), (INF, 10)), 0.0),
    ],
)
def test_quantiles_are_interpolated_within_the_bucket(q: float, buckets: Buckets, expected: float | None) -> None:
    assert quantile(q, buckets) == (expected if expected is None else pytest.approx(expected))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.floats(0.01, 1))
@example([3], 1.0)  # its interpolation was rounded to more than the bucket's bound
def test_quantile_is_within_the_buckets(counts: list[int], q: float) -> None:
    total, buckets = 0, []
    for number, count in enumerate(counts, 1):
        total += count
        buckets.append((number / 10, float(total)))
    value = quantile(q, (*buckets, (INF, float(total))))
    assert (value is None) == (total == 0)
    assert value is None or 0 <= value <= len(counts) / 10
