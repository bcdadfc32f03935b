"""A load's options, the checks of its samples, and its totals."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core import events
from dashboard.core.errors import InvalidOption
from dashboard.core.state.builder import StateBuilder
from dashboard.core.targets import Targets
from dashboard.load.options import (
    MOST_RATE,
    MOST_SECONDS,
    ErrorCounts,
    LoadBusy,
    LoadOptions,
    LoadSample,
    LoadTotals,
    unfit,
)
from dashboard.load.progress import LoadProgress
from tests.dashboard.stubs import ROOT

AT = "2026-11-25T12:00:00.000Z"
ZERO: dict[str, Any] = {
    "elapsed": 0.0, "offered": 0, "sent": 0, "dropped": 0, "answered": 0, "errors": ErrorCounts(), "in_flight": 0,
    "connections": 0, "p50_ms": None, "p99_ms": None, "whole_p50_ms": None, "whole_p99_ms": None, "lag_p99_ms": None,
    "whole_lag_p99_ms": None, "cpu_seconds": 0.0,
}  # fmt: skip


def sample(elapsed: float, answered: int, **fields: Any) -> LoadSample:
    """Return a sample without pending or failed requests. `fields` replaces fields."""
    figures = ZERO | {"elapsed": elapsed, "offered": answered, "sent": answered, "answered": answered}
    return LoadSample(**(figures | fields))


def progress(*samples: LoadSample, rate: float = 100, duration: float = 60) -> LoadProgress:
    load = LoadProgress(LoadOptions(rate=rate, duration=duration), "Anna")
    for sample in samples:
        assert load.take(sample) is None
    return load


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rate": 100},
        {"duration": 10},
        {"rate": 0, "duration": 10},
        {"rate": 2001, "duration": 10},
        {"rate": math.nan, "duration": 10},
        {"rate": 10**400, "duration": 10},
        {"rate": "100", "duration": 10},
        {"rate": True, "duration": 10},
        {"rate": None, "duration": 10},
        {"rate": 100, "duration": 0.5},
        {"rate": 100, "duration": 1801},
        {"rate": 100, "duration": math.inf},
        {"rate": 100, "duration": 10, "ramp_seconds": -1},
        {"rate": 100, "duration": 10, "ramp_seconds": 11},
        {"rate": 100, "duration": 10, "connections": 0},
        {"rate": 100, "duration": 10, "connections": 201},
        {"rate": 100, "duration": 10, "connections": 1.5},
        {"rate": 100, "duration": 10, "connections": math.inf},
        {"rate": 100, "duration": 10, "url": "http://elsewhere/"},
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match=r"^A load.*\.$"):
        LoadOptions.read(options)


def test_bounds_are_checked_by_the_constructor_and_by_msgspec() -> None:
    with pytest.raises(InvalidOption):
        LoadOptions(rate=5000, duration=10)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"rate": 5000, "duration": 10}, LoadOptions)


def test_valid_options_are_read() -> None:
    assert LoadOptions.read({"rate": 2000, "duration": 1800}) == LoadOptions(rate=2000.0, duration=1800.0)
    read = LoadOptions.read({"rate": 1.5, "duration": 10, "ramp_seconds": 10, "connections": 200.0})
    assert read == LoadOptions(rate=1.5, duration=10, ramp_seconds=10, connections=200)
    assert isinstance(read.connections, int)


def test_json_has_the_rates_of_the_last_second() -> None:
    second = sample(2, 201, sent=203, offered=210, dropped=7, in_flight=1, connections=9, p50_ms=3, p99_ms=8,
                   lag_p99_ms=1, cpu_seconds=0.35, errors=ErrorCounts(timeout=1, failing=4))  # fmt: skip
    load = progress(sample(1, 100, cpu_seconds=0.1), second, rate=110).to_json(AT, AT, active=True)
    assert load == {
        "active": True, "rate": 110, "duration": 60, "by": "Anna", "started": AT, "ends": AT, "offered": 110.0,
        "achieved": 101.0, "dropped": 7, "errors_per_second": 5.0, "p50_ms": 3, "p99_ms": 8, "lag_p99_ms": 1,
        "cpu_percent": 25.0, "connections": 9, "error": None,
    }  # fmt: skip


def test_json_of_an_ended_load_has_its_error_and_no_rates() -> None:
    load = progress(sample(1, 100), sample(2, 190, p99_ms=4)).to_json(AT, AT, active=False, error="It broke.")
    assert (load["active"], load["offered"], load["achieved"], load["p99_ms"]) == (False, 0, 0, None)
    assert load["error"] == "It broke."


def test_snapshot_has_the_load() -> None:
    builder = StateBuilder(Targets("n", "c", "d", "s", "a", "flask"), (), AT)
    load = progress(sample(1, 100), sample(2, 200, p99_ms=4)).to_json(AT, AT, active=True)
    builder.apply(events.LoadUpdated(at=AT, load=load))
    assert builder.state(0)["load"] == load


def test_totals_cover_the_whole_load_and_count_errors_by_kind() -> None:
    errors = ErrorCounts(connect=3, timeout=2, broken=1, failing=5, other=4)
    last = sample(10, 90, offered=100, sent=97, dropped=3, in_flight=1, errors=errors, whole_p50_ms=2, whole_p99_ms=9,
                  whole_lag_p99_ms=1.5, final=True)  # fmt: skip
    totals = progress(sample(1, 10), last).totals()
    assert (totals.offered, totals.sent, totals.achieved, totals.dropped, totals.errors) == (100, 97, 90, 3, 15)
    assert totals.by_kind == {"connect": 3, "timeout": 2, "broken": 1, "5xx": 5, "other": 4}
    assert (totals.p50_ms, totals.p99_ms, totals.lag_p99_ms, totals.seconds) == (2, 9, 1.5, 10)


def test_cpu_percent_is_the_mean_of_the_worst_five_seconds() -> None:
    cpu_seconds = [0, 0.9, 1, 1.1, 1.2, 1.3, 1.9, 2.5, 3.1, 3.7, 4.3, 4.4]  # 5 s at 60 %, after one at 90 %
    samples = [sample(second, second, cpu_seconds=cpu) for second, cpu in enumerate(cpu_seconds)]
    assert progress(*samples).totals().cpu_percent == 60.0
    assert progress(*samples[:2]).totals().cpu_percent == 90.0, "the mean of a shorter load"
    assert progress(samples[0]).totals().cpu_percent is None


def test_totals_of_a_load_that_never_began_are_zero() -> None:
    assert progress().totals("No.") == LoadTotals(failed="No.")


@pytest.mark.parametrize(
    ("invalid", "problem"),
    [
        (sample(1, 50, final=True), "decreased"),
        (sample(0.5, 100), "decreased"),
        (sample(2, 100, cpu_seconds=-1.0), "negative"),
        (sample(math.nan, 100), "negative or not finite"),
        (sample(2, 100, offered=120), "to those offered"),
        (sample(2, 100, sent=110, offered=110), "to those sent"),
        (sample(2, 100, sent=90, offered=90, in_flight=-10), "negative"),
        (sample(2, 100, errors=ErrorCounts(failing=101)), "more errors"),
        (sample(2, 202), "more requests"),
    ],
)
def test_invalid_sample_is_ignored_and_its_problem_returned(invalid: LoadSample, problem: str) -> None:
    load = progress(sample(1, 100))
    assert problem in (load.take(invalid) or "")
    assert load.totals().achieved == 100


def test_due_requests_are_the_integral_of_the_rates() -> None:
    load = progress(sample(1, 100))
    load.change_rate(2.0, 200)
    load.change_rate(4.0, 50)
    assert load.take(sample(6, 690)) is None
    totals = load.totals()
    assert (totals.due, totals.sent, totals.offered) == (200 + 400 + 100, 690, 690)
    assert load.to_json(AT, AT, active=True)["rate"] == 50


def test_no_requests_are_due_after_a_stop() -> None:
    load = progress(sample(1, 100))
    load.stop(1.5)
    assert load.take(sample(2, 150, final=True)) is None
    assert load.totals().due == 150
    assert load.to_json(AT, AT, active=False)["rate"] == 100


def test_sample_with_more_requests_than_the_changed_rates_allow_is_invalid() -> None:
    raised = progress(sample(1, 100))
    raised.change_rate(2.0, 200)
    assert raised.take(sample(2, 210)) is not None
    assert raised.take(sample(3, 400)) is None
    lowered = progress(sample(1, 100))
    lowered.change_rate(2.0, 50)
    assert lowered.take(sample(10, 1000)) is None, "the change may have taken effect late"
    assert lowered.take(sample(20, 1700)) is not None


@given(steps=st.lists(st.tuples(st.floats(0, 9), st.floats(0, 7.9), st.floats(1, 2000)), max_size=8), data=st.data())
def test_samples_of_a_correct_generator_are_valid(steps: list[tuple[float, float, float]], data: st.DataObject) -> None:
    """A step is (seconds since the previous step, delay until the change takes effect, rate)."""
    options = LoadOptions(rate=300, duration=40, ramp_seconds=data.draw(st.floats(0, 5)))
    load, schedule = LoadProgress(options, "Anna"), options.schedule()
    requested = applied = 0.0
    for pause, delay, rate in steps:
        requested += pause
        applied = max(applied, requested + delay)
        load.change_rate(requested, rate)
        schedule = schedule.changed(applied, rate)
    for elapsed in sorted(data.draw(st.lists(st.floats(0, 60), min_size=1, max_size=20))):
        assert load.take(sample(elapsed, schedule.offered(elapsed))) is None


def test_sample_after_the_final_one_is_invalid() -> None:
    assert "final" in str(progress(sample(1, 100, final=True)).take(sample(2, 100)))


@pytest.mark.parametrize(
    ("totals", "reason"),
    [
        (LoadTotals(lag_p99_ms=50.0, cpu_percent=80.0), None),
        (LoadTotals(lag_p99_ms=50.1, cpu_percent=80.0), "late"),
        (LoadTotals(lag_p99_ms=5.0, cpu_percent=80.1), "of a core"),
        (LoadTotals(), "nothing"),
    ],
)
def test_generator_with_too_much_lag_or_cpu_is_unfit(totals: LoadTotals, reason: str | None) -> None:
    problem = unfit(totals)
    assert problem is None if reason is None else reason in str(problem)


def test_load_busy_names_the_user_of_the_running_load() -> None:
    error = LoadBusy("Anna")
    assert error.by == "Anna" and "Anna" in str(error)


def test_limits_are_those_of_the_page() -> None:
    limits = json.loads((ROOT / "tests/cases/limits.json").read_text())
    assert limits["load"] == {"rate": MOST_RATE, "seconds": MOST_SECONDS}
