"""The moments t0 … t8, steady CPU, and the resolution of the samples."""

from typing import Any

import pytest

from dashboard.runs.demos.autoscale.observed.moments import STEADY_SECONDS, Moments, Resolution
from dashboard.runs.demos.autoscale.observed.observation import Observation
from tests.dashboard.runs.demos.autoscale.observations import START, STARTING, T0, observation, pod


def scaled_up(at: float, used: float | None = 60.0, **fields: Any) -> Observation:
    """Return an observation of three pods with steady CPU."""
    return observation(at, count=3, used=used, **{"figure": 60} | fields)


def moments_of_a_scale_up() -> Moments:
    """Return the moments of a run whose new pod serves 40 s after t0."""
    moments = Moments(START)
    moments.see(observation(30, used=133.0, figure=133, desired=3))
    moments.see(scaled_up(40, figure=133))
    assert moments.came("t4")
    return moments


def test_all_moments_are_found_in_order() -> None:
    moments = Moments(START)
    new_pod = pod(2, **STARTING)
    assert moments.see(observation(10, figure=5)) == []
    assert moments.see(observation(20, used=133.0, figure=5)) == ["t1"]
    assert moments.see(observation(25, used=133.0, figure=133, desired=3, pods=(pod(0), pod(1), new_pod))) == ["t2"]
    assert moments.see(scaled_up(30, figure=133, pods=(pod(0), pod(1), pod(2, requests=0.0)))) == ["t3"]
    assert moments.see(scaled_up(35, figure=133)) == ["t4"]
    assert moments.see(scaled_up(94)) == []
    assert moments.see(scaled_up(95)) == ["t5"]
    moments.stop(T0 + 96)
    assert moments.see(observation(170, count=3, desired=2)) == ["t7"]
    assert moments.see(observation(176)) == ["t8"]
    assert list(moments.seconds.values()) == [0, 20, 25, 30, 35, 95, 96, 170, 176]
    assert (moments.peak, moments.contradiction) == (3, None)


def test_t1_is_the_first_sample_or_reported_cpu_over_the_target() -> None:
    moments = Moments(START)
    moments.see(observation(20, figure=133))
    moments.see(observation(25, used=133.0, figure=133, samples={f"u{n}": (T0 + 17, 133.0, 15.0) for n in (0, 1)}))
    assert moments.seconds["t1"] == 17


def test_sample_from_before_the_load_is_ignored() -> None:
    moments = Moments(START)
    moments.see(observation(2, samples={f"u{n}": (T0 - 5, 133.0, 15.0) for n in (0, 1)}))
    assert not moments.came("t1")


def test_t1_is_not_later_than_t2() -> None:
    moments = Moments(START)
    moments.see(observation(20, figure=133, desired=3, used=None))
    assert moments.seconds["t1"] == moments.seconds["t2"] == 20


def test_old_pod_is_not_a_new_pod() -> None:
    moments = Moments(START)
    moments.see(observation(20, figure=133, desired=3, pods=(pod(0), pod(1))))
    assert not moments.came("t3")


def test_steady_cpu_is_judged_by_the_mean() -> None:
    moments = moments_of_a_scale_up()
    for second in range(41, 100):
        moments.see(scaled_up(second, used=66.0 if second % 20 else 20.0))
    assert moments.see(scaled_up(100)) == ["t5"]


def test_mean_cpu_that_needs_more_pods_is_not_steady() -> None:
    moments = moments_of_a_scale_up()
    for second in range(41, 160):
        moments.see(scaled_up(second, used=95.0, figure=95))
    assert not moments.came("t5") and moments.steady() == STEADY_SECONDS


def test_cpu_over_the_target_at_max_is_not_steady() -> None:
    moments = moments_of_a_scale_up()
    for second in range(41, 160):
        moments.see(observation(second, count=5, used=110.0, figure=110))
    assert not moments.came("t5")


@pytest.mark.parametrize("change", ["rate", "pods"])
def test_change_of_the_rate_or_of_the_pods_restarts_the_steady_time(change: str) -> None:
    moments = moments_of_a_scale_up()
    moments.see(scaled_up(90))
    assert moments.steady() == 50
    if change == "rate":
        moments.change_rate()
    else:
        moments.see(scaled_up(91, desired=4))
    assert moments.steady() == 0


def test_t8_is_the_return_to_the_start_even_over_min() -> None:
    moments = Moments(observation(count=3, used=60.0))
    moments.see(observation(20, count=3, used=133.0, figure=133, desired=4))
    moments.stop(T0 + 90)
    moments.see(observation(150, count=4, desired=3))
    assert moments.see(observation(160, count=3, used=60.0)) == ["t8"]


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
def test_scaling_against_the_reported_cpu_is_a_contradiction(
    before: tuple[int, int], after: tuple[int, int], contradicts: bool
) -> None:
    moments = Moments(START)
    moments._last = observation(1, desired=before[0], figure=before[1])
    moments.see(observation(2, desired=after[0], figure=after[1]))
    assert (moments.contradiction is not None) == contradicts


@pytest.mark.parametrize(
    ("asked", "after_t2", "contradicts"),
    [(3, False, True), (3, True, False), (None, True, False), (2, True, True)],
)
def test_scaling_by_another_metric_contradicts_no_figure_once_cpu_has_scaled(
    asked: int | None, after_t2: bool, contradicts: bool
) -> None:
    moments = Moments(START)
    if after_t2:
        moments.see(observation(20, desired=3, figure=133))
    moments.see(observation(40, figure=60))
    moments.see(observation(60, figure=60, desired=3, others=(("memory", asked),)))
    assert (moments.contradiction is not None) == contradicts


def test_scaling_without_a_last_scale_time_of_its_own_is_a_contradiction() -> None:
    moments = Moments(observation(last_scaled="earlier"))
    moments.see(observation(20, desired=4, figure=133, last_scaled="now"))
    assert moments.contradiction is None
    moments.see(observation(30, desired=5, figure=133, last_scaled="now"))
    assert moments.contradiction is not None


def test_resolution_is_the_median_between_two_samples_of_a_pod() -> None:
    resolution = Resolution()
    assert (resolution.seconds, resolution.assumed) == (None, 15.0)
    for at in (0, 30, 60, 91, 150):
        resolution.see({"u0": (T0 + at, 5.0, 30.0), "u1": (T0 + at, 5.0, 30.0)}, T0 + at)
    assert (resolution.seconds, resolution.assumed) == (30.5, 30.5)


def test_assumed_resolution_is_at_least_the_time_since_the_only_sample() -> None:
    resolution = Resolution()
    assumed = []
    for at in (0, 10, 40, 300):
        resolution.see({"u0": (T0, 5.0, 60.0)}, T0 + at)
        assumed.append(resolution.assumed)
    assert assumed == [15.0, 15.0, 40.0, 60.0]


def test_it_is_not_steady_until_each_new_pod_has_served() -> None:
    moments = moments_of_a_scale_up()
    idle = (*(pod(number) for number in range(3)), pod(3, requests=0.0))
    for second in range(41, 141):
        moments.see(observation(second, desired=4, figure=60, used=60.0, pods=idle))
    assert not moments.came("t5")
    for second in range(141, 203):
        moments.see(observation(second, count=4, figure=60, used=60.0))
    assert moments.came("t5") and moments.contradiction is None


def test_what_nobody_saw_is_not_steady() -> None:
    moments = moments_of_a_scale_up()
    for second in range(41, 121):
        moments.see(scaled_up(second, away="pods" if second == 80 else None))
    assert not moments.came("t5")
    moments.stop(T0 + 121)
    moments.see(observation(150, away="pods"))
    assert not moments.came("t8")
    moments.see(observation(151))
    assert moments.came("t8")


def test_rise_without_a_figure_is_not_by_cpu() -> None:
    moments = Moments(START)
    moments.see(observation(10, desired=5, figure=None))
    assert moments.contradiction and "bound" in moments.contradiction


def test_replicas_that_something_else_sets_back_are_a_contradiction() -> None:
    def moments(*later: Observation) -> str | None:
        found = moments_of_a_scale_up()
        for each in later:
            found.see(each)
        return found.contradiction

    back = [scaled_up(at, asked=2) for at in (41, 42, 47)]
    contradiction = moments(*back)
    assert contradiction and "from 3 to 2" in contradiction
    assert moments(*back[:2], scaled_up(43)) is None, "not for long"
    rising = [scaled_up(41, asked=4), scaled_up(42, asked=4), observation(43, count=4, figure=90, used=60.0)]
    assert moments(*rising, observation(60, count=4, figure=60)) is None, "its status says so later"


def test_first_missing_moment_is_named() -> None:
    moments = Moments(START)
    assert moments.first_missing("t4") == "t1"
    assert moments_of_a_scale_up().first_missing("t5") == "t5"
