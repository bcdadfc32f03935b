"""The dashboard's responses and messages, checked against dashboard/core/wire.py."""

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import pytest

from dashboard.core import wire
from dashboard.core.state.diff import patch
from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import AS_OPERATOR, wait_until
from tests.dashboard.web.sockets.test_server import SequentialClient

T = TypeVar("T")


@pytest.fixture(scope="module")
def dashboard() -> Iterator[DashboardProcess]:
    with DashboardProcess(5, MOCK_SPEED="30", MOCK_OUTCOME="fail") as process:
        yield process


def checked(value: Any, type_: type[T]) -> T:
    """Convert the value to the type. Unknown fields and other types are errors."""
    return msgspec.convert(value, type_, strict=True)


@pytest.fixture(scope="module")
def used_dashboard(dashboard: DashboardProcess) -> DashboardProcess:
    """The dashboard after a run of each demo, during a manual load."""
    for demo in ("persistence", "autoscale"):
        run = dashboard.request("POST", "/api/runs", {"demo": demo})["id"]
        wait_until(lambda run=run: dashboard.request("GET", f"/api/runs/{run}")["verdict"] != "running")
    wait_until(lambda: dashboard.request("GET", "/api/state")["lease"] is None)  # released after the verdict
    dashboard.request("PUT", "/api/load", {"rate": 20, "duration": 60})
    wait_until(lambda: dashboard.request("GET", "/api/state")["load"])
    return dashboard


@pytest.mark.slow
def test_state_matches_the_types(used_dashboard: DashboardProcess) -> None:
    state = checked(used_dashboard.request("GET", "/api/state"), wire.State)
    assert state.run and state.load and state.mongo and state.autoscaler and state.runs[0].lines
    assert {run.demo for run in state.runs} == {"persistence", "autoscale"}


@pytest.mark.slow
def test_runs_demos_and_audit_match_the_types(used_dashboard: DashboardProcess) -> None:
    rows = checked(used_dashboard.request("GET", "/api/runs"), list[wire.RunRow])
    assert any(row.owed for row in rows)
    for row in rows:
        assert checked(used_dashboard.request("GET", f"/api/runs/{row.id}"), wire.RunView).evidence
    demos = checked(used_dashboard.request("GET", "/api/demos"), list[wire.DemoView])
    for demo in demos:
        for option in demo.options:
            checked(option, wire.ChoiceOption if "choices" in option else wire.NumberOption)
    fields = {demo.id: {field.name for field in demo.evidence} for demo in demos}
    for row in rows:
        assert used_dashboard.request("GET", f"/api/runs/{row.id}")["evidence"].keys() <= fields[row.demo]
    assert checked(used_dashboard.request("GET", "/api/audit"), list[wire.ActionView])


@pytest.mark.slow
def test_messages_match_the_types_and_build_the_state(used_dashboard: DashboardProcess) -> None:
    received: list[tuple[str, Any]] = []
    types = {"snapshot": wire.SnapshotMessage, "patch": wire.PatchMessage, "tick": wire.TickMessage}
    client = SequentialClient()
    for name in types:
        client.on(name, lambda message, name=name: received.append((name, message)))
    client.connect(used_dashboard.url, headers=AS_OPERATOR, transports=["websocket"])
    try:
        wait_until(lambda: {name for name, _ in received} == set(types) and received[-1][0] == "tick")
    finally:
        client.disconnect()
    state: Any = None
    for name, message in list(received):
        checked(message, types[name])
        if name == "snapshot":
            state = message["state"]
        elif name == "patch" and state is not None and message["seq"] > state["seq"]:
            state = patch(state, message["changes"]) | {"seq": message["seq"]}
    checked(state, wire.State)
