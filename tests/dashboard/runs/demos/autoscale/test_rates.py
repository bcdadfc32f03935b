"""The load's rate: raised until the autoscaler must act, then corrected only if necessary."""

import pytest

from dashboard.runs.demos.autoscale.observed.observation import Observation
from dashboard.runs.demos.autoscale.rates import CORRECTION, FIRST_RATE, LARGEST_STEP, LEAST_STEP, LoadRates
from tests.dashboard.runs.demos.autoscale.observations import START, T0, observation

HIGHEST = 2000.0


def load_rates(rate: float = 100.0, *, start: Observation = START, fixed: bool = False) -> LoadRates:
    return LoadRates(start, rate, HIGHEST, fixed=fixed)


def test_first_sample_with_too_little_load_is_skipped() -> None:
    rates = load_rates()
    assert rates.next(observation(5.0, used=10), 0) is None, "its window has load for a third only"
    assert rates.next(observation(7.0, used=10), 0) is not None


def test_sample_counts_once() -> None:
    rates = load_rates()
    sampled = observation(15, used=30)
    assert rates.next(sampled, 0) is not None
    assert rates.next(sampled, 0) is None


def test_rate_is_unchanged_until_each_pod_has_a_sample() -> None:
    assert load_rates().next(observation(15, used=30, samples={"u0": (T0 + 15, 30.0, 15.0)}), 0) is None


def test_rate_whose_cpu_is_noise_is_raised_by_the_largest_step() -> None:
    assert load_rates(FIRST_RATE).next(observation(15, used=6), 0) == FIRST_RATE * LARGEST_STEP


@pytest.mark.parametrize("used", [8, 15, 30, 60, 70, 75])
def test_step_is_within_its_bounds(used: float) -> None:
    rate = load_rates().next(observation(15, used=used), 0)
    assert rate and 100 * LEAST_STEP <= rate <= 100 * LARGEST_STEP


def test_cost_of_a_sample_follows_from_the_mean_rate_of_its_window() -> None:
    for at, used in ((15, 45), (7.5, 25)):
        rates = load_rates()
        rates.next(observation(at, used=used), 0)
        assert rates.cost == pytest.approx(0.8)


def test_schedule_has_the_mean_rate_of_a_window() -> None:
    rates = load_rates(100)
    assert rates.next(observation(15, used=6), 0) == 500
    assert rates.schedule.mean(0, 15) == 100
    assert rates.schedule.mean(10, 25) == pytest.approx((5 * 100 + 10 * 500) / 15)
    assert rates.schedule.mean(-15, 15) == 50, "the rate was 0 before the load"
    assert rates.schedule.mean(20, 20) == 500


@pytest.mark.parametrize("used", [80, 133, 390])
def test_rate_is_held_once_the_autoscaler_must_act(used: float) -> None:
    assert load_rates().next(observation(15, used=used), 0) is None


def test_rate_is_raised_while_cpu_is_within_the_tolerance() -> None:
    """CPU of 72 % of a 70 % target owes nothing."""
    assert (load_rates().next(observation(15, used=72), 0) or 0) >= 110


def corrected_rate(observed: Observation) -> float | None:
    """Return the next rate after a sample whose pods were running before its window."""
    rates = load_rates()
    assert rates.next(observation(20, count=len(observed.pods), used=None), 0) is None
    return rates.next(observed, 0)


@pytest.mark.parametrize("used", [50, 55, 60, 70, 76])
def test_rate_is_not_corrected_between_the_start_and_max(used: float) -> None:
    assert corrected_rate(observation(40, used=used, count=4)) is None


def test_rate_is_lowered_beyond_capacity_and_raised_below_the_target() -> None:
    slower, faster = CORRECTION
    lowered = corrected_rate(observation(40, used=110, count=5))
    raised = corrected_rate(observation(40, used=30, count=4))
    assert lowered and 100 * slower <= lowered < 100
    assert raised and 100 < raised <= 100 * faster


def test_rate_is_corrected_on_samples_of_the_current_pods_and_rate() -> None:
    rates = load_rates()
    assert rates.next(observation(20, used=110, count=5), 0) is None, "its pods were created after the window began"
    assert rates.next(observation(40, used=110, count=5), 0) is not None


def test_cost_excludes_the_cpu_of_other_traffic() -> None:
    rates = load_rates(start=observation(used=40.0))
    rates.next(observation(15, used=60), 0)
    assert rates.cost == pytest.approx(2 * 20 / 100)
    rates.next(observation(30, used=41), 0)
    assert rates.cost is None, "the difference is noise"


def test_rates_are_exhausted_after_two_windows_at_the_cap() -> None:
    rates = load_rates(1000)
    assert rates.next(observation(15, used=20), 0) == HIGHEST
    assert rates.next(observation(30, used=30), 0) is None and rates.exhausted is None
    assert rates.next(observation(45, used=30), 0) is None and rates.exhausted
    assert "2000" in rates.exhausted and "30 %" in rates.exhausted
    assert not rates.overloaded


def test_rate_just_under_the_cap_counts_as_the_cap() -> None:
    rates = load_rates(1970)
    for at in (15, 30, 45):
        assert rates.next(observation(at, used=60), 0) is None
    assert rates.exhausted


def test_rates_are_not_exhausted_while_the_autoscaler_must_act() -> None:
    rates = load_rates(HIGHEST)
    for at in (15, 30, 45, 60):
        rates.next(observation(at, used=90), 0)
    assert rates.exhausted is None


def test_fixed_rate_is_not_changed() -> None:
    rates = load_rates(20, fixed=True)
    for at in (15, 30, 45):
        assert rates.next(observation(at, used=15), 0) is None
    assert rates.next(observation(60, used=110, count=5), 0) is None
    assert rates.exhausted and "20 requests" in rates.exhausted


def test_rate_is_not_raised_while_too_many_requests_are_in_flight() -> None:
    rates = load_rates()
    for at in (15, 30, 45):
        assert rates.next(observation(at, used=30), 301) is None
    assert rates.exhausted and rates.overloaded
    assert load_rates().next(observation(15, used=30), 299) is not None


@pytest.mark.parametrize("fixed", [True, False])
def test_load_that_needs_more_than_max_ends_after_two_windows(fixed: bool) -> None:
    rates = load_rates(1.0, fixed=fixed)
    at_max = [observation(at, count=5, used=95.0) for at in (40, 55, 70)]
    for each in at_max:
        assert rates.beyond is None
        rates.next(each, 0)
    assert rates.beyond and "5 pods" in rates.beyond


def test_cpu_that_does_not_follow_the_load_is_named() -> None:
    rates = load_rates(HIGHEST)
    for at in (15, 30, 45):
        rates.next(observation(at, used=5.0), 0)
    assert rates.exhausted and "did not follow the load" in rates.exhausted
