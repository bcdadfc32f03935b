"""The mock's API has the same keys and types as a real deployment's."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from tests.dashboard.stubs import OPERATOR
from tests.e2e.deployment import Deployment
from tests.page.mock import MockProcess
from tests.shapes import differences

pytestmark = pytest.mark.cluster

AUTHORIZATION = {"Authorization": f"Bearer {OPERATOR}"}
FIGURES_SECONDS = 150


@pytest.fixture(scope="module")
def mock() -> Iterator[MockProcess]:
    started = MockProcess(MOCK_QUIET="1")
    yield started
    started.stop()


def test_mock_state_has_the_shape_of_the_real_one(mock: MockProcess, deployment: Deployment) -> None:
    real = wait_for_figures(deployment.state)
    simulated = wait_for_figures(lambda: get(mock, "/api/state"))
    confidence = [list(state.pop("confidence").values()) for state in (simulated, real)]  # by demo that has runs
    assert differences(simulated, real) == []
    assert differences(*confidence) == []
    assert simulated["sources"].keys() == real["sources"].keys()
    assert simulated["autoscaler"]["evaluation"].keys() == real["autoscaler"]["evaluation"].keys()


def test_mock_history_has_the_shape_of_the_real_one(mock: MockProcess, deployment: Deployment) -> None:
    wait_for_figures(deployment.state)
    headers = deployment.authorization
    real = deployment.http.request("GET", f"{deployment.dashboard}/api/history", headers=headers).json()
    simulated = get(mock, "/api/history")
    pods = [history.pop("pods") for history in (simulated, real)]
    assert differences(simulated, real) == []
    assert not differences(*(list(each.values()) for each in pods)), "the histories of single pods"


def test_mock_pod_details_have_the_shape_of_the_real_ones(mock: MockProcess, deployment: Deployment) -> None:
    for app in ("flask", "mongodb"):
        real_uid = _uid(wait_for_figures(deployment.state), app)
        path = f"{deployment.dashboard}/api/pods/{real_uid}"
        real = deployment.http.request("GET", path, headers=deployment.authorization).json()
        simulated_uid = _uid(wait_for_figures(lambda: get(mock, "/api/state")), app)
        assert differences(get(mock, f"/api/pods/{simulated_uid}"), real) == []


def wait_for_figures(read_state: Callable[[], Any]) -> Any:
    """Return the state once it has all figures."""
    end = time.monotonic() + FIGURES_SECONDS
    while not _has_figures(state := read_state()):
        assert time.monotonic() < end, "figures are missing"
        time.sleep(1)
    return state


def _has_figures(state: Any) -> bool:
    sampled = state["pods"] and all(pod["cpu_millicores"] is not None for pod in state["pods"])
    return sampled and state["autoscaler"]["evaluation"] and state["mongo"]["volume"] and state["traffic"]


def _uid(state: Any, app: str) -> str:
    return next(pod["uid"] for pod in state["pods"] if pod["app"] == app)


def get(mock: MockProcess, path: str) -> Any:
    return urllib3.request("GET", f"{mock.url}{path}", headers=AUTHORIZATION).json()
