"""What the dashboard says on the wire is what dashboard/core/contract.py says that it says."""

import json
import time
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.request import Request, urlopen

import msgspec
import pytest
import socketio

from dashboard.core import contract
from dashboard.core.diff import patch
from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import OPERATOR

T = TypeVar("T")
SPEED = "30"
END_SECONDS = 60.0


@pytest.fixture(scope="module")
def dashboard() -> Iterator[DashboardProcess]:
    made = DashboardProcess(5, MOCK_SPEED=SPEED, MOCK_OUTCOME="fail")
    made.wait_until_ready()
    yield made
    made.stop()


def ask(dashboard: DashboardProcess, method: str, path: str, body: object = None) -> Any:
    headers = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{dashboard.url}{path}", data, headers, method=method)  # noqa: S310
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def checked(value: Any, type_: type[T]) -> T:
    """The value as this type: strictly, unknown fields refused."""
    return msgspec.convert(value, type_, strict=True)


@pytest.fixture(scope="module")
def proved(dashboard: DashboardProcess) -> DashboardProcess:
    """Both demos have run, and a load by hand goes on."""
    for demo in ("persistence", "autoscale"):
        run = ask(dashboard, "POST", "/api/runs", {"demo": demo})["id"]
        end = time.monotonic() + END_SECONDS
        while ask(dashboard, "GET", f"/api/runs/{run}")["verdict"] == "running":
            assert time.monotonic() < end
            time.sleep(0.2)
    time.sleep(0.5)  # the lease is given back after the verdict
    ask(dashboard, "PUT", "/api/load", {"rate": 20, "duration": 60})
    return dashboard


@pytest.mark.slow
def test_state_before_and_after_everything_was_used(dashboard: DashboardProcess, proved: DashboardProcess) -> None:
    state = checked(ask(proved, "GET", "/api/state"), contract.State)
    assert state.run and state.load and state.mongo and state.autoscaler and state.runs[0].lines
    assert {run.demo for run in state.runs} == {"persistence", "autoscale"}


@pytest.mark.slow
def test_runs_demos_and_the_audit(proved: DashboardProcess) -> None:
    rows = checked(ask(proved, "GET", "/api/runs"), list[contract.RunRow])
    assert any(row.owed for row in rows)
    for row in rows:
        assert checked(ask(proved, "GET", f"/api/runs/{row.id}"), contract.RunView).evidence
    demos = checked(ask(proved, "GET", "/api/demos"), list[contract.DemoView])
    for demo in demos:
        for option in demo.options:
            checked(option, contract.ChoiceOption if "choices" in option else contract.NumberOption)
    fields = {demo.id: {field.name for field in demo.evidence} for demo in demos}
    for row in rows:
        assert ask(proved, "GET", f"/api/runs/{row.id}")["evidence"].keys() <= fields[row.demo]
    assert checked(ask(proved, "GET", "/api/audit"), list[contract.ActionView])


@pytest.mark.slow
def test_socket_s_messages_build_the_state(proved: DashboardProcess) -> None:
    got: list[tuple[str, Any]] = []
    client = socketio.Client()
    for name in ("snapshot", "patch", "tick"):
        client.on(name, lambda message, name=name: got.append((name, message)))
    client.connect(proved.url, headers={"Authorization": f"Bearer {OPERATOR}"}, transports=["websocket"])
    try:
        end = time.monotonic() + END_SECONDS
        while {name for name, _ in got} < {"snapshot", "patch", "tick"} or got[-1][0] != "tick":
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        client.disconnect()
    types = {"snapshot": contract.SnapshotMessage, "patch": contract.PatchMessage, "tick": contract.TickMessage}
    state: Any = None
    for name, message in list(got):
        checked(message, types[name])
        if name == "snapshot":
            state = message["state"]
        elif name == "patch" and state is not None and message["seq"] > state["seq"]:
            state = patch(state, message["changes"]) | {"seq": message["seq"]}
    checked(state, contract.State)
