"""The conversion of samples' timestamps to the dashboard's clock."""

import pytest

from dashboard.runs.demos.autoscale.observed.samples import SampleClock

NOW = 1_800_000_000.0


def test_timestamp_in_the_past_is_unchanged() -> None:
    assert SampleClock().corrected({"u": (NOW - 9, 5.0, 15.0)}, NOW, 15.0) == {"u": (NOW - 9, 5.0, 15.0)}


def test_timestamp_in_the_future_is_corrected_like_later_ones() -> None:
    clock = SampleClock()
    assert clock.corrected({"u": (NOW + 56, 5.0, 15.0)}, NOW, 15.0) == {"u": (NOW, 5.0, 15.0)}
    assert clock.corrected({"u": (NOW + 56, 5.0, 15.0)}, NOW + 10, 15.0) == {"u": (NOW, 5.0, 15.0)}
    assert clock.corrected({"u": (NOW + 71, 5.0, 15.0)}, NOW + 17, 15.0) == {"u": (NOW + 15, 5.0, 15.0)}


def test_correction_is_by_pod() -> None:
    samples = SampleClock().corrected({"u": (NOW + 56, 5.0, 15.0), "v": (NOW - 4, 5.0, 15.0)}, NOW, 15.0)
    assert (samples["u"][0], samples["v"][0]) == (NOW, NOW - 4)


@pytest.mark.parametrize(("window", "expected"), [(0.0, 60.0), (14.5, 14.5)])
def test_missing_window_is_the_resolution(window: float, expected: float) -> None:
    assert SampleClock().corrected({"u": (NOW, 5.0, window)}, NOW, 60.0)["u"][2] == expected
