"""A load's schedule, with a ramp and rate changes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.load.schedule import Schedule

RATES = st.floats(1, 2000)
STEPS = st.lists(st.tuples(st.floats(0, 10), RATES), max_size=6)  # (seconds since the previous change, rate)
TOLERANCE = 1e-6


def changed(schedule: Schedule, steps: list[tuple[float, float]]) -> Schedule:
    elapsed = 0.0
    for pause, rate in steps:
        elapsed += pause
        schedule = schedule.changed(elapsed, rate)
    return schedule


def integral(rate: float, ramp: float, steps: list[tuple[float, float]], end: float) -> float:
    """Return the integral of the rate until `end`, summed step by step and corrected for the ramp."""
    elapsed, starts = 0.0, [(0.0, rate)]
    for pause, step_rate in steps:
        elapsed += pause
        starts.append((elapsed, step_rate))
    total = 0.0
    for (start, step_rate), stop in zip(starts, [*(start for start, _ in starts[1:]), math.inf], strict=True):
        total += step_rate * max(0.0, min(stop, end) - min(start, end))
    ramped = min(ramp, starts[1][0] if steps else math.inf, end)
    return total - rate * ramped + (rate * ramped**2 / (2 * ramp) if ramp else rate * ramped)


def test_requests_are_due_at_equal_intervals() -> None:
    schedule = Schedule.of(rate=4, duration=2)
    assert [schedule.due(number) for number in range(8)] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    assert schedule.offered(2) == 8


def test_ramp_has_half_as_many_due_requests() -> None:
    schedule = Schedule.of(rate=100, duration=20, ramp=10)
    assert [schedule.offered(elapsed) for elapsed in (0, 5, 10, 20, 99)] == [0, 125, 500, 1500, 1500]
    assert [round(schedule.due(number), 2) for number in (0, 125, 500, 501, 1499)] == [0, 5, 10, 10.01, 19.99]


def test_rate_change_counts_the_elapsed_part_of_the_interval() -> None:
    schedule = Schedule.of(rate=1, duration=10).changed(2.5, 10).changed(2.75, 2)
    assert [schedule.due(number) for number in range(6)] == pytest.approx([0, 1, 2, 2.55, 2.65, 2.75])
    assert schedule.due(6) == pytest.approx(3.25)
    assert schedule.rate == 2


def test_rate_change_during_the_ramp_ends_the_ramp() -> None:
    schedule = Schedule.of(rate=100, duration=20, ramp=10).changed(5, 10)
    assert [schedule.offered(elapsed) for elapsed in (5, 6, 15, 20)] == [125, 135, 225, 275]


def test_rate_change_dated_before_the_previous_one_takes_effect_with_it() -> None:
    assert Schedule.of(10, 10).changed(5, 20).changed(4, 1).offered(10) == 55


@given(RATES, st.floats(0, 20), STEPS, st.floats(0, 70), st.floats(0, 70))
def test_requests_of_any_window_equal_the_integral_of_the_rate(
    rate: float, ramp: float, steps: list[tuple[float, float]], one: float, other: float
) -> None:
    schedule = changed(Schedule.of(rate, 60, ramp), steps)
    begin, end = sorted((one, other))
    expected = integral(rate, ramp, steps, min(end, 60)) - integral(rate, ramp, steps, min(begin, 60))
    assert abs(schedule.offered(end) - schedule.offered(begin) - expected) <= 1 + TOLERANCE


@given(RATES, st.floats(0, 20), STEPS, st.floats(0, 1))
def test_due_and_offered_agree(rate: float, ramp: float, steps: list[tuple[float, float]], share: float) -> None:
    schedule = changed(Schedule.of(rate, 60, ramp), steps)
    number = int(schedule.offered(60) * share)
    due = schedule.due(number)
    assert due <= schedule.due(number + 1) + TOLERANCE
    if due < 60 - TOLERANCE:
        assert schedule.offered(due - TOLERANCE) <= number + 1 and schedule.offered(due + 1e-5) >= number


@given(RATES, STEPS, st.floats(0, 60), st.floats(0, 10))
def test_most_is_at_least_offered(rate: float, steps: list[tuple[float, float]], elapsed: float, delay: float) -> None:
    schedule = changed(Schedule.of(rate, 60), steps)
    assert schedule.most(elapsed, delay) >= schedule.offered(elapsed)
    assert schedule.most(elapsed, 0.0) == schedule.offered(elapsed)
