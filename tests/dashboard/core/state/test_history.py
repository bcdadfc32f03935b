"""The metrics history: its resolution, its bounds, and reads from a given time."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core.state.history import (
    COARSE_POINTS,
    COARSE_SECONDS,
    FINE_POINTS,
    SPARK_PODS,
    SPARK_POINTS,
    STEPS,
    TABLES,
    MetricsTables,
)
from tests.dashboard.stubs import ROOT

T0 = 1_764_000_000.0  # a whole minute


@pytest.fixture
def history() -> MetricsTables:
    return MetricsTables()


def add_traffic(history: MetricsTables, seconds: int, first: int = 0) -> None:
    """Add a point a second: the requests count the seconds, and every other point has latencies."""
    for second in range(first, first + seconds):
        latencies = (1.0, 2.0) if second % 2 else (None, None)
        history.add("traffic", T0 + second, float(second), 0.0, *latencies)


def columns(history: MetricsTables, table: str, since: float = 0) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = history.since(since)["tables"][table]
    return columns


def test_empty_history_has_all_columns(history: MetricsTables) -> None:
    empty: dict[str, dict[str, list[float]]] = {
        name: {column: [] for column in ("at", *figures)} for name, figures in TABLES.items()
    }
    assert history.since(0) == {"tables": empty, "pods": {}}
    assert history.take() is None


def test_since_returns_only_later_points(history: MetricsTables) -> None:
    add_traffic(history, 4)
    assert columns(history, "traffic", T0 + 1) == {
        "at": [T0 + 2, T0 + 3],
        "requests": [2.0, 3.0],
        "errors": [0.0, 0.0],
        "p50_ms": [None, 1.0],
        "p99_ms": [None, 2.0],
    }
    assert columns(history, "traffic", T0 + 1.5)["at"] == [T0 + 2, T0 + 3]
    assert columns(history, "traffic", T0 + 3)["at"] == []
    assert columns(history, "traffic", math.inf)["at"] == []


def test_point_that_is_not_later_is_ignored(history: MetricsTables) -> None:
    history.add("cpu", T0 + 10, 50)
    history.add("cpu", T0 + 10, 60)
    history.add("cpu", T0 + 9, 70)
    assert columns(history, "cpu") == {"at": [T0 + 10], "percent": [50.0]}
    taken = history.take()
    assert taken and taken["tables"]["cpu"]["percent"] == [50]


def test_none_affects_only_its_own_column(history: MetricsTables) -> None:
    history.add("load", T0, 180, 179.5, 0, None, math.nan)
    history.add("load", T0 + 1, 180, 180, 0, 4, 9)
    load = columns(history, "load")
    assert (load["p50_ms"], load["p99_ms"], load["achieved"]) == ([None, 4.0], [None, 9.0], [179.5, 180.0])


def test_older_points_are_the_means_of_their_minutes(history: MetricsTables) -> None:
    add_traffic(history, 3 * 3600)
    at, requests, p99 = (columns(history, "traffic")[name] for name in ("at", "requests", "p99_ms"))
    end = T0 + 3 * 3600
    fine = [moment for moment in at if moment >= end - 3600]
    assert fine == [end - 3600 + second for second in range(3600)]
    coarse = [(moment, value) for moment, value in zip(at, requests, strict=True) if moment < T0 + 3600]
    assert coarse == [(T0 + minute * 60, minute * 60 + 29.5) for minute in range(60)]
    assert p99[0] == 2.0  # the mean of the points that have latencies


@pytest.mark.slow
def test_no_gap_between_coarse_and_fine_points(history: MetricsTables) -> None:
    for second in range(0, 6000, 7):
        add_traffic(history, 7, second)
        at = columns(history, "traffic")["at"]
        assert at == sorted(set(at))
        assert all(after - before <= 60 for before, after in pairwise(at))


def test_minute_without_values_is_none(history: MetricsTables) -> None:
    for second in range(2 * FINE_POINTS):
        history.add("traffic", T0 + second, 0, 0, None, None)
    assert set(columns(history, "traffic")["p50_ms"]) == {None}


def test_memory_is_bounded(history: MetricsTables) -> None:
    for minute in range(30 * 60):  # two points a minute fill the table as well as sixty, and faster
        for half in (0.0, 30.0):
            history.add("traffic", T0 + minute * 60 + half, 1, 0, None, None)
    add_traffic(history, 2 * FINE_POINTS, first=31 * 3600)
    limit = (FINE_POINTS + COARSE_POINTS) * 9 // 8 + 3
    assert len(columns(history, "traffic")["at"]) <= limit
    assert len(columns(history, "traffic", T0 + 31 * 3600)["at"]) >= FINE_POINTS


def test_step_is_added_only_on_a_change(history: MetricsTables) -> None:
    for second, desired, ready in ((0, 2, 2), (1, 2, 2), (2, 4, 2), (3, 4, 2), (4, 4, None), (5, 4, None)):
        history.add_step("replicas", T0 + second, desired, ready)
    assert columns(history, "replicas") == {
        "at": [T0, T0 + 2, T0 + 4],
        "desired": [2.0, 4.0, 4.0],
        "ready": [2.0, 2.0, None],
    }


def test_step_at_the_time_of_another_is_not_lost(history: MetricsTables) -> None:
    history.add_step("replicas", T0, 2, 0)
    history.add_step("replicas", T0, 3, 0)
    history.add_step("replicas", T0 - 5, 4, 0)
    at, desired = (columns(history, "replicas")[name] for name in ("at", "desired"))
    assert desired == [2.0, 3.0, 4.0]
    assert at == sorted(set(at)) and at[-1] - at[0] < 0.01


def test_old_steps_are_never_averaged(history: MetricsTables) -> None:
    for change in range(3 * FINE_POINTS):
        history.add_step("replicas", T0 + change * 10, 2 + change % 2 * 2, 2)
    assert set(columns(history, "replicas")["desired"]) == {2.0, 4.0}


def test_pod_has_a_sparkline_while_it_has_samples(history: MetricsTables) -> None:
    for sample in range(2 * SPARK_POINTS):
        history.add_pods({"u1": (T0 + sample * 15, 100.0 + sample, 15.0), "u2": (T0, 7.0, 15.0)})
    spark = history.since(0)["pods"]
    assert spark["u2"] == {"at": [T0], "cpu_millicores": [7.0]}  # counted once, at its own timestamp
    assert SPARK_POINTS <= len(spark["u1"]["at"]) <= SPARK_POINTS * 9 // 8 + 1
    history.add_pods({"u2": (T0 + 15, 8.0, 15.0)})
    assert list(history.since(0)["pods"]) == ["u2"]


def test_pod_without_new_points_is_included(history: MetricsTables) -> None:
    history.add_pods({"u1": (T0, 1.0, 15.0)})
    assert history.since(T0)["pods"] == {"u1": {"at": [], "cpu_millicores": []}}


def test_many_pods_have_no_sparklines(history: MetricsTables) -> None:
    history.add_pods({f"u{pod}": (T0, 1.0, 15.0) for pod in range(SPARK_PODS)})
    assert len(history.since(0)["pods"]) == SPARK_PODS
    history.add_pods({f"u{pod}": (T0 + 15, 1.0, 15.0) for pod in range(SPARK_PODS + 1)})
    assert history.since(0)["pods"] == {}


def test_take_returns_new_points_once(history: MetricsTables) -> None:
    history.add("cpu", T0, 84.5)
    history.add("traffic", T0, 10, 0, None, 9)
    history.add("traffic", T0 + 1, 11, 1, 4, 9)
    history.add_pods({"cpu": (T0, 88.0, 15.0)})  # a pod's uid may be a table's name
    assert history.take() == {
        "tables": {
            "cpu": {"at": [T0], "percent": [84.5]},
            "traffic": {
                "at": [T0, T0 + 1],
                "requests": [10, 11],
                "errors": [0, 1],
                "p50_ms": [None, 4],
                "p99_ms": [9, 9],
            },
        },
        "pods": {"cpu": {"at": [T0], "cpu_millicores": [88.0]}},
    }
    assert history.take() is None


def test_taken_in_counts_added_points(history: MetricsTables) -> None:
    history.add("cpu", T0, 1)
    history.add("cpu", T0, 2)
    history.add_step("replicas", T0, 2, 2)
    history.add_step("replicas", T0 + 1, 2, 2)
    history.add_pods({"u1": (T0, 1.0, 15.0)})
    assert history.taken_in == 3


def adopted(history: MetricsTables, at: float = math.inf) -> MetricsTables:
    """Return a new history with what another one keeps."""
    restored = MetricsTables()
    restored.adopt(*history.kept(at), at)
    return restored


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(TABLES)), st.integers(1, 90), st.one_of(st.none(), st.integers(0, 9))),
        max_size=60,
    )
)
def test_adopted_history_is_the_kept_one(steps: list[tuple[str, int, int | None]]) -> None:
    history, at = MetricsTables(), T0
    for name, seconds, value in steps:
        at += seconds
        add = history.add_step if name in STEPS else history.add
        add(name, at, *(value for _ in TABLES[name]))
    found = adopted(history, at + 1).since(0)["tables"]
    for name, table in history.since(0)["tables"].items():
        count = len(table["at"])
        assert {column: values[:count] for column, values in found[name].items()} == table
        assert name in STEPS or len(found[name]["at"]) == count


def test_adopted_hours_are_the_kept_ones(history: MetricsTables) -> None:
    add_traffic(history, 3 * 3600 + 500)
    again = adopted(history)
    newest = T0 + 3 * 3600 + 500 - FINE_POINTS - 1
    assert columns(again, "traffic", newest) == columns(history, "traffic", newest)
    old = {
        at: value for at, value in zip(*(columns(again, "traffic")[name] for name in ("at", "requests")), strict=True)
    }
    coarse = zip(*(columns(history, "traffic")[name] for name in ("at", "requests")), strict=True)
    assert all(old[at] == value for at, value in coarse if at < T0 + 7000)
    twice = adopted(again)
    assert columns(twice, "traffic") == columns(again, "traffic")


def test_points_from_the_future_are_not_adopted(history: MetricsTables) -> None:
    for second in (0, 100):
        history.add("cpu", T0 + second, 50)
        history.add_pods({"u1": (T0 + second, 7.0, 15.0)})
    restored = MetricsTables()
    restored.adopt(*history.kept(T0 + 100), T0 + 50)
    assert columns(restored, "cpu")["at"] == [T0] and restored.since(0)["pods"]["u1"]["at"] == [T0]
    restored.add("cpu", T0 + 51, 60)
    assert columns(restored, "cpu")["at"] == [T0, T0 + 51]


def test_replicas_hold_until_the_end_of_what_is_kept_and_not_beyond(history: MetricsTables) -> None:
    history.add_step("replicas", T0, 2, 2)
    restored = MetricsTables()
    restored.adopt(*history.kept(T0 + 59), T0 + 80)
    restored.add_step("replicas", T0 + 90, 2, 2)
    assert columns(restored, "replicas") == {
        "at": [T0, T0 + 59, T0 + 59.001, T0 + 90],
        "desired": [2, 2, None, 2],
        "ready": [2, 2, None, 2],
    }


def test_points_that_come_later_are_adopted_between(history: MetricsTables) -> None:
    """A roll-out's new dashboard reads what the old one kept, observes, and then reads what it wrote at its end."""
    history.add_step("replicas", T0, 2, 2)
    add_traffic(history, 3)
    restored = MetricsTables()
    restored.adopt(*history.kept(T0 + 3), T0 + 10)
    add_traffic(restored, 2, first=10)
    restored.add_step("replicas", T0 + 11, 2, 2)
    restored.take()
    add_traffic(history, 12, first=3)
    history.add_step("replicas", T0 + 5, 3, 2)
    before = restored.taken_in
    restored.adopt(*history.kept(T0 + 9), T0 + 10)
    assert columns(restored, "traffic")["at"] == [T0 + second for second in range(12)]
    assert restored.taken_in > before and restored.take() is None
    at, desired = (columns(restored, "replicas")[name] for name in ("at", "desired"))
    assert at == [T0, T0 + 3, T0 + 5, T0 + 9, T0 + 9.001, T0 + 11]
    assert desired == [2, 2, 3, 3, None, 2]
    again = columns(restored, "replicas")
    restored.adopt(*history.kept(T0 + 9), T0 + 10)
    assert columns(restored, "replicas") == again


def test_tables_and_their_resolution_are_those_of_the_page() -> None:
    kept = {
        "tables": {name: list(columns) for name, columns in TABLES.items()},
        "steps": sorted(STEPS),
        "fine_seconds": FINE_POINTS,  # at one point a second
        "coarse_seconds": COARSE_SECONDS,
        "kept_seconds": COARSE_POINTS * COARSE_SECONDS,
        "sparkline_points": SPARK_POINTS,
    }
    assert kept == json.loads((ROOT / "tests/cases/history.json").read_text())
