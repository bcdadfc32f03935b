"""The history of runs, against an API server that compares resourceVersions."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dashboard.kube.client import KubeClient
from dashboard.runs import ports
from dashboard.runs.records.history import HISTORY, UNREADABLE, UNREADABLE_BYTES, ConfigMapHistory, SavedRuns
from dashboard.runs.records.record import HISTORY_BYTES
from tests.dashboard.kube.manifests import RUNS, manifest
from tests.dashboard.kube.stubs import NAMESPACE, Json, ObjectApi
from tests.dashboard.runs.invalid_runs import INVALID_RUNS


@pytest.fixture
def history_of(clients: Callable[[float], KubeClient]) -> Callable[[], ConfigMapHistory]:
    """A factory of histories, one for each dashboard."""
    return lambda: ConfigMapHistory(clients, NAMESPACE)


@pytest.fixture
def history(history_of: Callable[[], ConfigMapHistory]) -> ports.History:
    return history_of()


def run(number: int) -> Json:
    started = f"2026-11-25T00:{number:02}:00.000Z"
    return {"id": f"run-{number}", "demo": "persistence", "verdict": "pass", "started": started}


def test_history_starts_empty_and_keeps_saved_runs(history_of: Callable[[], ConfigMapHistory]) -> None:
    first = history_of()
    assert first.load().runs == []
    first.save([run(2), run(1)])
    assert history_of().load().runs == [run(2), run(1)]
    first.save([run(3), run(2)])
    assert first.load().runs == [run(3), run(2)]


def test_runs_of_another_dashboard_are_kept(history_of: Callable[[], ConfigMapHistory]) -> None:
    first, second = history_of(), history_of()
    first.load()
    first.save([run(1)])
    second.load()
    second.save([run(3), run(1)])
    first.save([run(2), run(1)])
    assert first.load().runs == [run(3), run(2), run(1)]


def test_run_saved_between_read_and_write_is_kept(
    object_api: ObjectApi, history_of: Callable[[], ConfigMapHistory]
) -> None:
    first, second = history_of(), history_of()
    object_api.meanwhile = lambda: second.save([run(2)])
    first.save([run(1)])
    assert first.load().runs == [run(2), run(1)]


def test_run_removed_by_a_save_stays_removed(history: ConfigMapHistory) -> None:
    history.save([run(2), run(1)])
    history.save([run(3), run(2)])
    assert history.load().runs == [run(3), run(2)]


def test_oldest_runs_are_removed_if_the_history_is_too_long(object_api: ObjectApi, history: ConfigMapHistory) -> None:
    runs = [run(number) | {"evidence": {"ids": "x" * 60_000}} for number in range(20, 0, -1)]
    history.save(runs)
    assert len(object_api.objects[RUNS]["data"][HISTORY]) <= HISTORY_BYTES
    kept = [run["id"] for run in history.load().runs]
    assert kept == [f"run-{number}" for number in range(20, 12, -1)]


@pytest.mark.parametrize("text", ["{", "[1]", '{"id":1}', '[{"id":1}]', "null", "[" * 5000])
def test_unreadable_history_is_counted_and_moved_to_a_key_of_its_own(
    text: str, object_api: ObjectApi, history: ConfigMapHistory
) -> None:
    object_api.put(RUNS, manifest("dashboard-runs-configmap") | {"data": {HISTORY: text, "other": "kept"}})
    assert history.load() == SavedRuns([], unreadable=1)
    history.save([run(1)])
    assert history.load() == SavedRuns([run(1)])
    assert object_api.objects[RUNS]["data"][UNREADABLE] in (text, text.strip("[]"))
    assert object_api.objects[RUNS]["data"]["other"] == "kept"
    assert object_api.objects[RUNS]["metadata"]["labels"]


@pytest.mark.parametrize("invalid", INVALID_RUNS)
def test_invalid_entry_is_moved_to_a_key_of_its_own(
    invalid: Any, object_api: ObjectApi, history: ConfigMapHistory
) -> None:
    text = json.dumps([run(3), invalid, run(1)])
    object_api.put(RUNS, manifest("dashboard-runs-configmap") | {"data": {HISTORY: text}})
    assert history.load() == SavedRuns([run(3), run(1)], unreadable=1)
    history.save([run(4), run(3), run(1)])
    assert history.load() == SavedRuns([run(4), run(3), run(1)])
    assert json.loads(object_api.objects[RUNS]["data"][UNREADABLE]) == invalid


def test_second_run_with_an_id_is_moved_to_a_key_of_its_own(object_api: ObjectApi, history: ConfigMapHistory) -> None:
    text = json.dumps([run(3), run(3) | {"verdict": "fail"}, run(1)])
    object_api.put(RUNS, manifest("dashboard-runs-configmap") | {"data": {HISTORY: text}})
    assert history.load() == SavedRuns([run(3), run(1)], unreadable=1)


def test_unreadable_entries_are_kept_up_to_a_limit(object_api: ObjectApi, history: ConfigMapHistory) -> None:
    for number in range(4):
        text = json.dumps([f"{number}" * 100_000])
        data = object_api.objects[RUNS].get("data") or {}
        object_api.put(RUNS, manifest("dashboard-runs-configmap") | {"data": data})
        object_api.objects[RUNS]["data"][HISTORY] = text
        history.save([run(1)])
    kept = object_api.objects[RUNS]["data"][UNREADABLE]
    assert len(kept) == UNREADABLE_BYTES
    assert kept.endswith('"' + "3" * 100_000 + '"')
