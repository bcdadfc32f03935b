"""What a load may be, and what its generator's samples come to, on literals."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core import events
from dashboard.core.errors import InvalidOption
from dashboard.core.snapshot import Snapshot, Targets
from dashboard.load.options import ErrorCounts, LoadBusy, LoadOptions, LoadSample, LoadTotals, unfit
from dashboard.load.progress import LoadProgress

AT = "2026-11-25T12:00:00.000Z"
NOTHING: dict[str, Any] = {
    "elapsed": 0.0, "offered": 0, "sent": 0, "dropped": 0, "answered": 0, "errors": ErrorCounts(), "in_flight": 0,
    "connections": 0, "p50_ms": None, "p99_ms": None, "whole_p50_ms": None, "whole_p99_ms": None, "lag_p99_ms": None,
    "whole_lag_p99_ms": None, "cpu_seconds": 0.0,
}  # fmt: skip


def sample(elapsed: float, answered: int, **other: Any) -> LoadSample:
    """One where all was answered, but for what `other` says."""
    figures = NOTHING | {"elapsed": elapsed, "offered": answered, "sent": answered, "answered": answered}
    return LoadSample(**(figures | other))


def course(*samples: LoadSample, rate: float = 100, duration: float = 60) -> LoadProgress:
    made = LoadProgress(LoadOptions(rate=rate, duration=duration), "Anna")
    for each in samples:
        assert made.take(each) is None
    return made


@pytest.mark.parametrize(
    "bad",
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
def test_what_is_out_of_bounds_is_refused_in_one_sentence(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as refused:
        LoadOptions.read(bad)
    assert str(refused.value).startswith("A load") and str(refused.value).endswith((".", ")."))


def test_bounds_hold_however_the_options_came_about() -> None:
    with pytest.raises(InvalidOption, match="it must be from 1 to 2000"):
        LoadOptions(rate=5000, duration=10)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"rate": 5000, "duration": 10}, LoadOptions)


def test_what_is_allowed_is_read() -> None:
    assert LoadOptions.read({"rate": 2000, "duration": 1800}) == LoadOptions(rate=2000.0, duration=1800.0)
    read = LoadOptions.read({"rate": 1.5, "duration": 10, "ramp_seconds": 10, "connections": 200.0})
    assert read == LoadOptions(rate=1.5, duration=10, ramp_seconds=10, connections=200)
    assert isinstance(read.connections, int)


def test_the_state_has_the_rates_of_the_last_second() -> None:
    after = sample(2, 201, sent=203, offered=210, dropped=7, in_flight=1, connections=9, p50_ms=3, p99_ms=8,
                   lag_p99_ms=1, cpu_seconds=0.35, errors=ErrorCounts(timeout=1, failing=4))  # fmt: skip
    load = course(sample(1, 100, cpu_seconds=0.1), after, rate=110).to_json(AT, AT, active=True)
    assert load == {
        "active": True, "rate": 110, "duration": 60, "by": "Anna", "started": AT, "ends": AT, "offered": 110.0,
        "achieved": 101.0, "dropped": 7, "errors_per_second": 5.0, "p50_ms": 3, "p99_ms": 8, "lag_p99_ms": 1,
        "cpu_percent": 25.0, "connections": 9, "error": None,
    }  # fmt: skip


def test_a_load_that_is_over_has_no_rates_but_says_what_went_wrong() -> None:
    load = course(sample(1, 100), sample(2, 190, p99_ms=4)).to_json(AT, AT, active=False, error="It broke.")
    assert (load["active"], load["offered"], load["achieved"], load["p99_ms"]) == (False, 0, 0, None)
    assert load["error"] == "It broke."


def test_the_snapshot_takes_it_into_the_state_and_the_history() -> None:
    snapshot = Snapshot(Targets("n", "c", "d", "s", "a", "flask"), (), AT)
    told = course(sample(1, 100), sample(2, 200, p99_ms=4)).to_json(AT, AT, active=True)
    snapshot.apply(events.LoadUpdated(at=AT, load=told))
    assert snapshot.state(0)["load"] == told


def test_totals_are_of_all_seconds_and_errors_have_kinds() -> None:
    errors = ErrorCounts(connect=3, timeout=2, broken=1, failing=5, other=4)
    last = sample(10, 90, offered=100, sent=97, dropped=3, in_flight=1, errors=errors, whole_p50_ms=2, whole_p99_ms=9,
                  whole_lag_p99_ms=1.5, final=True)  # fmt: skip
    totals = course(sample(1, 10), last).totals()
    assert (totals.offered, totals.sent, totals.achieved, totals.dropped, totals.errors) == (100, 97, 90, 3, 15)
    assert totals.by_kind == {"connect": 3, "timeout": 2, "broken": 1, "5xx": 5, "other": 4}
    assert (totals.p50_ms, totals.p99_ms, totals.lag_p99_ms, totals.seconds) == (2, 9, 1.5, 10)


def test_the_cpu_is_that_of_the_worst_five_seconds() -> None:
    used = [0, 0.9, 1, 1.1, 1.2, 1.3, 1.9, 2.5, 3.1, 3.7, 4.3, 4.4]  # 5 s at 60 %, after a second at 90
    seconds = [sample(second, second, cpu_seconds=cpu) for second, cpu in enumerate(used)]
    assert course(*seconds).totals().cpu_percent == 60.0
    assert course(*seconds[:2]).totals().cpu_percent == 90.0, "of a shorter load, all of it"
    assert course(seconds[0]).totals().cpu_percent is None


def test_a_load_that_never_began_has_nothing() -> None:
    assert course().totals("No.") == LoadTotals(failed="No.")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (sample(1, 50, final=True), "less"),
        (sample(0.5, 100), "less"),
        (sample(2, 100, cpu_seconds=-1.0), "below zero"),
        (sample(math.nan, 100), "below zero"),
        (sample(2, 100, offered=120), "what was due"),
        (sample(2, 100, sent=110, offered=110), "not what it sent"),
        (sample(2, 100, sent=90, offered=90, in_flight=-10), "below zero"),
        (sample(2, 100, errors=ErrorCounts(failing=101)), "more answers"),
        (sample(2, 202), "more than it was told"),
    ],
)
def test_what_cant_be_true_is_left_out_and_named(told: LoadSample, words: str) -> None:
    made = course(sample(1, 100))
    lie = made.take(told)
    assert lie and words in lie
    assert made.totals().achieved == 100


def test_due_is_the_integral_of_the_rates_that_were_asked_for() -> None:
    made = course(sample(1, 100))
    made.change_rate(2.0, 200)
    made.change_rate(4.0, 50)
    assert made.take(sample(6, 690)) is None
    totals = made.totals()
    assert (totals.due, totals.sent, totals.offered) == (200 + 400 + 100, 690, 690)
    assert made.to_json(AT, AT, active=True)["rate"] == 50


def test_nothing_is_due_after_a_stop() -> None:
    made = course(sample(1, 100))
    made.stop(1.5)
    assert made.take(sample(2, 150, final=True)) is None
    assert made.totals().due == 150
    assert made.to_json(AT, AT, active=False)["rate"] == 100


def test_more_than_a_change_allows_is_a_lie() -> None:
    raised = course(sample(1, 100))
    raised.change_rate(2.0, 200)
    assert raised.take(sample(2, 210)) == "it sent more than it was told to"
    assert raised.take(sample(3, 400)) is None
    lowered = course(sample(1, 100))
    lowered.change_rate(2.0, 50)
    assert lowered.take(sample(10, 1000)) is None, "the change may have been late"
    assert lowered.take(sample(20, 1700)) == "it sent more than it was told to"


@given(steps=st.lists(st.tuples(st.floats(0, 9), st.floats(0, 7.9), st.floats(1, 2000)), max_size=8), data=st.data())
def test_an_honest_generator_is_never_called_a_liar(
    steps: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    """Each change is sent so long after the one before, and takes effect so much later, in the changes' order."""
    options = LoadOptions(rate=300, duration=40, ramp_seconds=data.draw(st.floats(0, 5)))
    told, done = LoadProgress(options, "Anna"), options.schedule()
    sent = took = 0.0
    for pause, delay, rate in steps:
        sent += pause
        took = max(took, sent + delay)
        told.change_rate(sent, rate)
        done = done.changed(took, rate)
    for elapsed in sorted(data.draw(st.lists(st.floats(0, 60), min_size=1, max_size=20))):
        assert told.take(sample(elapsed, done.offered(elapsed))) is None


def test_nothing_comes_after_the_end() -> None:
    assert "after its end" in str(course(sample(1, 100, final=True)).take(sample(2, 100)))


@pytest.mark.parametrize(
    ("totals", "words"),
    [
        (LoadTotals(lag_p99_ms=50.0, cpu_percent=80.0), None),
        (LoadTotals(lag_p99_ms=50.1, cpu_percent=80.0), "late"),
        (LoadTotals(lag_p99_ms=5.0, cpu_percent=80.1), "of a core"),
        (LoadTotals(), "nothing"),
    ],
)
def test_figures_of_a_generator_that_lagged_or_was_full_say_nothing(totals: LoadTotals, words: str | None) -> None:
    reason = unfit(totals)
    assert reason is None if words is None else words in str(reason)


def test_who_is_in_the_way_is_named() -> None:
    busy = LoadBusy("Anna")
    assert busy.by == "Anna" and "Anna" in str(busy)
