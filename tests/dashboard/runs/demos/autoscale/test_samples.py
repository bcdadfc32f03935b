"""Samples on the dashboard's clock."""

import pytest

from dashboard.runs.demos.autoscale.samples import SampleClock

NOW = 1_800_000_000.0


def test_sample_that_is_late_stays_as_it_is() -> None:
    assert SampleClock().corrected({"u": (NOW - 9, 5.0, 15.0)}, NOW, 15.0) == {"u": (NOW - 9, 5.0, 15.0)}


def test_one_of_a_time_to_come_is_put_back_and_so_are_those_after_it() -> None:
    clock = SampleClock()
    assert clock.corrected({"u": (NOW + 56, 5.0, 15.0)}, NOW, 15.0) == {"u": (NOW, 5.0, 15.0)}
    assert clock.corrected({"u": (NOW + 56, 5.0, 15.0)}, NOW + 10, 15.0) == {"u": (NOW, 5.0, 15.0)}
    assert clock.corrected({"u": (NOW + 71, 5.0, 15.0)}, NOW + 17, 15.0) == {"u": (NOW + 15, 5.0, 15.0)}


def test_each_pod_has_the_clock_of_its_own_node() -> None:
    found = SampleClock().corrected({"u": (NOW + 56, 5.0, 15.0), "v": (NOW - 4, 5.0, 15.0)}, NOW, 15.0)
    assert (found["u"][0], found["v"][0]) == (NOW, NOW - 4)


@pytest.mark.parametrize(("window", "counted"), [(0.0, 60.0), (14.5, 14.5)])
def test_one_without_a_window_is_of_the_time_between_two(window: float, counted: float) -> None:
    assert SampleClock().corrected({"u": (NOW, 5.0, window)}, NOW, 60.0)["u"][2] == counted
