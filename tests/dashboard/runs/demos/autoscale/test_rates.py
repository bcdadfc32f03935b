"""The rate is raised until the autoscaler has to act, corrected where it must be, and then left alone."""

from typing import Any

import pytest

from dashboard.runs.demos.autoscale.observation import Observation
from dashboard.runs.demos.autoscale.rates import CORRECTION, FIRST_RATE, LARGEST_STEP, LEAST_STEP, LoadRates
from tests.dashboard.runs.demos.autoscale.observations import START, T0, seen

HIGHEST = 2000.0


def rates(rate: float = 100.0, *, start: Observation = START, fixed: bool = False) -> LoadRates:
    return LoadRates(start, rate, HIGHEST, fixed=fixed)


def after(at: float, used: float, **more: Any) -> Observation:
    return seen(at, used=used, **more)


def test_first_sample_with_too_little_load_is_skipped() -> None:
    found = rates()
    assert found.next(after(5.0, 10), 0) is None, "a third of its window has load"
    assert found.next(after(7.0, 10), 0) is not None


def test_sample_is_looked_at_once() -> None:
    found = rates()
    first = after(15, 30)
    assert found.next(first, 0) is not None
    assert found.next(first, 0) is None


def test_nothing_is_changed_until_each_pod_has_a_sample() -> None:
    assert rates().next(after(15, 30, samples={"u0": (T0 + 15, 30.0, 15.0)}), 0) is None


def test_noise_is_raised_at_once_by_the_largest_step() -> None:
    assert rates(FIRST_RATE).next(after(15, 6), 0) == FIRST_RATE * LARGEST_STEP


@pytest.mark.parametrize("used", [8, 15, 30, 60, 70, 75])
def test_step_is_within_its_bounds(used: float) -> None:
    rate = rates().next(after(15, used), 0)
    assert rate and 100 * LEAST_STEP <= rate <= 100 * LARGEST_STEP


def test_sample_with_half_the_load_is_compared_with_half_the_rate() -> None:
    for at, used in ((15, 45), (7.5, 25)):
        found = rates()
        found.next(after(at, used), 0)
        assert found.cost == pytest.approx(0.8)


def test_mean_is_the_rate_sent_during_the_window() -> None:
    found = rates(100)
    assert found.next(after(15, 6), 0) == 500
    assert found.schedule.mean(0, 15) == 100
    assert found.schedule.mean(10, 25) == pytest.approx((5 * 100 + 10 * 500) / 15)
    assert found.schedule.mean(-15, 15) == 50, "before it there was none"
    assert found.schedule.mean(20, 20) == 500


@pytest.mark.parametrize("used", [80, 133, 390])
def test_once_it_has_to_act_the_rate_is_held(used: float) -> None:
    assert rates().next(after(15, used), 0) is None


def test_just_within_the_tolerance_it_is_raised_on() -> None:
    """CPU of 72 % of a 70 % target owes nothing."""
    assert (rates().next(after(15, 72), 0) or 0) >= 110


def grown(one: Observation) -> float | None:
    """The rate after a sample of pods that were there before its window."""
    found = rates()
    assert found.next(seen(20, pods=len(one.pods), used=None), 0) is None
    return found.next(one, 0)


@pytest.mark.parametrize("used", [50, 55, 60, 70, 76])
def test_between_the_start_and_max_nothing_is_corrected(used: float) -> None:
    assert grown(after(40, used, pods=4)) is None


def test_rate_is_lowered_beyond_capacity_and_raised_below_the_target() -> None:
    slower, faster = CORRECTION
    lowered, raised = grown(after(40, 110, pods=5)), grown(after(40, 30, pods=4))
    assert lowered and 100 * slower <= lowered < 100
    assert raised and 100 < raised <= 100 * faster


def test_rate_is_corrected_on_samples_of_the_current_pods_and_rate() -> None:
    found = rates()
    assert found.next(after(20, 110, pods=5), 0) is None, "its pods came after the window began"
    assert found.next(after(40, 110, pods=5), 0) is not None


def test_background_is_no_cost_of_requests() -> None:
    found = rates(start=seen(used=40.0))
    found.next(after(15, 60), 0)
    assert found.cost == pytest.approx(2 * 20 / 100)
    found.next(after(30, 41), 0)
    assert found.cost is None, "no more than noise"


def test_rate_is_capped_and_two_windows_at_the_cap_are_the_end() -> None:
    found = rates(1000)
    assert found.next(after(15, 20), 0) == HIGHEST
    assert found.next(after(30, 30), 0) is None and found.exhausted is None
    assert found.next(after(45, 30), 0) is None and found.exhausted
    assert "2000 requests a second" in found.exhausted and "30 % of a 70 %" in found.exhausted
    assert not found.overloaded


def test_rate_just_under_the_cap_counts_as_the_cap() -> None:
    found = rates(1970)
    for at in (15, 30, 45):
        assert found.next(after(at, 60), 0) is None
    assert found.exhausted


def test_rate_at_its_cap_is_not_exhausted_while_the_controller_must_act() -> None:
    found = rates(HIGHEST)
    for at in (15, 30, 45, 60):
        found.next(after(at, 90), 0)
    assert found.exhausted is None


def test_rate_that_was_asked_for_stays() -> None:
    found = rates(20, fixed=True)
    for at in (15, 30, 45):
        assert found.next(after(at, 15), 0) is None
    assert found.next(after(60, 110, pods=5), 0) is None
    assert found.exhausted and "20 requests a second" in found.exhausted


def test_service_that_does_not_keep_up_is_not_loaded_further() -> None:
    found = rates()
    for at in (15, 30, 45):
        assert found.next(after(at, 30), 301) is None
    assert found.exhausted and found.overloaded
    assert rates().next(after(15, 30), 299) is not None
