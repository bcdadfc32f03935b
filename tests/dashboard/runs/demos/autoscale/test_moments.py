"""The moments t0 … t8 in their order, steady CPU, and how far apart samples are."""

from typing import Any

import pytest

from dashboard.runs.demos.autoscale.moments import STEADY_SECONDS, Moments, Resolution
from dashboard.runs.demos.autoscale.observation import Observation
from tests.dashboard.runs.demos.autoscale.observations import ON_ITS_WAY, START, T0, pod, seen


def grown(at: float, used: float | None = 60.0, **more: Any) -> Observation:
    return seen(at, pods=3, used=used, **{"figure": 60} | more)


def risen() -> Moments:
    """A new pod serves, 40 s after the load began."""
    moments = Moments(START)
    moments.see(seen(30, used=133.0, figure=133, desired=3))
    moments.see(grown(40, figure=133))
    assert moments.came("t4")
    return moments


def test_all_moments_come_in_their_order() -> None:
    moments = Moments(START)
    third = pod(2, **ON_ITS_WAY)
    assert moments.see(seen(10, figure=5)) == []
    assert moments.see(seen(20, used=133.0, figure=5)) == ["t1"]
    assert moments.see(seen(25, used=133.0, figure=133, desired=3, there=(pod(0), pod(1), third))) == ["t2"]
    assert moments.see(grown(30, figure=133, there=(pod(0), pod(1), pod(2, requests=0.0)))) == ["t3"]
    assert moments.see(grown(35, figure=133)) == ["t4"]
    assert moments.see(grown(94)) == []
    assert moments.see(grown(95)) == ["t5"]
    moments.stop(T0 + 96)
    assert moments.see(seen(170, pods=3, desired=2)) == ["t7"]
    assert moments.see(seen(176)) == ["t8"]
    assert list(moments.seconds.values()) == [0, 20, 25, 30, 35, 95, 96, 170, 176]
    assert (moments.peak, moments.contradiction) == (3, None)


def test_over_the_target_counts_by_a_sample_or_by_the_controllers_figure_whichever_was_first() -> None:
    moments = Moments(START)
    moments.see(seen(20, figure=133))
    moments.see(seen(25, used=133.0, figure=133, samples={f"u{n}": (T0 + 17, 133.0, 15.0) for n in (0, 1)}))
    assert moments.seconds["t1"] == 17


def test_sample_from_before_the_load_is_ignored() -> None:
    moments = Moments(START)
    moments.see(seen(2, samples={f"u{n}": (T0 - 5, 133.0, 15.0) for n in (0, 1)}))
    assert not moments.came("t1")


def test_more_pods_come_never_before_cpu_is_over_the_target() -> None:
    moments = Moments(START)
    moments.see(seen(20, figure=133, desired=3, used=None))
    assert moments.seconds["t1"] == moments.seconds["t2"] == 20


def test_old_pod_that_is_ready_again_is_no_new_one() -> None:
    moments = Moments(START)
    moments.see(seen(20, figure=133, desired=3, there=(pod(0), pod(1))))
    assert not moments.came("t3")


def test_steady_is_told_by_the_mean_and_not_by_a_single_sample() -> None:
    moments = risen()
    for second in range(41, 100):
        moments.see(grown(second, used=66.0 if second % 20 else 20.0))
    assert moments.see(grown(100)) == ["t5"]


def test_cpu_that_asks_for_another_number_in_the_mean_is_not_steady() -> None:
    moments = risen()
    for second in range(41, 160):
        moments.see(grown(second, used=95.0, figure=95))
    assert not moments.came("t5") and moments.steady() == STEADY_SECONDS


def test_at_max_more_load_than_it_bears_is_not_steady_either() -> None:
    moments = risen()
    for second in range(41, 160):
        moments.see(seen(second, pods=5, used=110.0, figure=110))
    assert not moments.came("t5")


@pytest.mark.parametrize("change", ["rate", "pods"])
def test_another_rate_or_number_of_pods_begins_it_anew(change: str) -> None:
    moments = risen()
    moments.see(grown(90))
    assert moments.steady() == 50
    if change == "rate":
        moments.change_rate()
    else:
        moments.see(grown(91, desired=4))
    assert moments.steady() == 0


def test_back_means_where_it_began_even_over_min() -> None:
    moments = Moments(seen(pods=3, used=60.0))
    moments.see(seen(20, pods=3, used=133.0, figure=133, desired=4))
    moments.stop(T0 + 90)
    moments.see(seen(150, pods=4, desired=3))
    assert moments.see(seen(160, pods=3, used=60.0)) == ["t8"]


@pytest.mark.parametrize(
    ("before", "after", "contradicts"),
    [
        ((2, 60), (4, 60), True),
        ((2, 60), (4, 75), False),
        ((2, 133), (4, 60), False),
        ((4, 90), (2, 90), True),
        ((4, 90), (2, 20), False),
        ((4, 70), (4, 200), False),
    ],
)
def test_change_against_its_own_figure_is_somebody_elses(
    before: tuple[int, int], after: tuple[int, int], contradicts: bool
) -> None:
    moments = Moments(START)
    moments._last = seen(1, desired=before[0], figure=before[1])
    moments.see(seen(2, desired=after[0], figure=after[1]))
    assert (moments.contradiction is not None) == contradicts


def test_resolution_is_the_median_between_two_samples_of_a_pod() -> None:
    resolution = Resolution()
    assert (resolution.seconds, resolution.assumed) == (None, 15.0)
    for at in (0, 30, 60, 91, 150):
        resolution.see({"u0": (T0 + at, 5.0, 30.0), "u1": (T0 + at, 5.0, 30.0)}, T0 + at)
    assert (resolution.seconds, resolution.assumed) == (30.5, 30.5)


def test_while_there_was_one_sample_the_resolution_is_at_least_the_time_since() -> None:
    resolution = Resolution()
    found = []
    for at in (0, 10, 40, 300):
        resolution.see({"u0": (T0, 5.0, 60.0)}, T0 + at)
        found.append(resolution.assumed)
    assert found == [15.0, 15.0, 40.0, 60.0]
