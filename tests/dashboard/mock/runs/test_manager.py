"""The mock's run manager and load generator: the interface of the real ones, and each verdict."""

import inspect
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.core.errors import InvalidOption
from dashboard.core.events import LeaseChanged, LoadUpdated, RunHistoryUpdated, RunUpdated
from dashboard.core.state.builder import Journal, Look
from dashboard.core.targets import Targets
from dashboard.load.options import LoadBusy, LoadOptions
from dashboard.load.progress import LoadProgress
from dashboard.load.supervisor import LoadSupervisor
from dashboard.mock import Mock
from dashboard.mock.runs.load_generator import MockLoad
from dashboard.mock.runs.manager import MockRunManager
from dashboard.mock.runs.scripted_run import OUTCOMES
from dashboard.mock.simulation import SimulationOptions
from dashboard.runs.activity_lock import RunActive
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.manager import RunManager
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.records.archive import UnknownRun
from tests.dashboard.stubs import Emitted

TARGETS = Targets("flask-mongodb", "mock", "flask", "mongodb", "flask", "flask")
DATABASE = {"name": "mongodb-0", "uid": "uid-1"}
QUICK = 200.0
BY = "operator"


class StubView:
    """Implements `runs.ports.View`, with the database's pod and without a journal."""

    def view(self) -> dict[str, Any]:
        return {"pods": [DATABASE]}

    def look(self, at: str) -> Look:
        return Look(self.view(), {}, 0.0)

    def record(self, take: Journal | None, at: str) -> None:
        """Record nothing."""


class Managed:
    """A run manager with its load generator. The database's pod never changes."""

    def __init__(self, emitted: Emitted, seed: int = 1, speed: float = QUICK, outcome: str = "") -> None:
        self.emitted = emitted
        self.audited: list[tuple[Any, ...]] = []
        mock = Mock(TARGETS, emitted, SimulationOptions(seed))
        self.load = MockLoad(mock.generate, emitted, seed)
        self.manager = MockRunManager(
            mock, self.load, StubView(), emitted, lambda *line, **more: self.audited.append(line),
            seed=seed, speed=speed, outcome=outcome, holder="dashboard", pod="mongodb-0",
        )  # fmt: skip

    def ended(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.emitted.wait(
            lambda emitted: next(
                (each.run for each in emitted.of(RunUpdated) if each.run["id"] == run and each.run["ended"]), None
            )
        )
        self.emitted.wait(lambda emitted: emitted.of(LeaseChanged)[-1].lease is None)
        return found


@pytest.fixture
def slow(emitted: Emitted) -> Iterator[Managed]:
    """A manager whose runs last until they are aborted."""
    managed = Managed(emitted, speed=0.01)
    yield managed
    managed.manager.end()


def seed_of(outcome: str) -> int:
    weights = [*OUTCOMES.values()]
    return next(seed for seed in range(1000) if random.Random(seed).choices([*OUTCOMES], weights)[0] == outcome)  # noqa: S311


@pytest.mark.parametrize(("mock", "real"), [(MockRunManager, RunManager), (MockLoad, LoadSupervisor)])
def test_methods_and_parameters_are_those_of_the_real_class(mock: type[Any], real: type[Any]) -> None:
    def interface(of: type[Any]) -> dict[str, list[str]]:
        methods = inspect.getmembers(of, inspect.isfunction)
        return {name: list(inspect.signature(each).parameters) for name, each in methods if not name.startswith("_")}

    assert interface(mock) == interface(real)


@pytest.mark.slow
def test_rate_of_a_load_changes(slow: Managed) -> None:
    slow.load.change_rate(50)
    slow.load.start(LoadOptions(rate=100, duration=60), BY)
    slow.load.change_rate(250)
    slow.emitted.wait(
        lambda emitted: any(each.load["rate"] == 250 == each.load["offered"] for each in emitted.of(LoadUpdated))
    )
    with pytest.raises(InvalidOption):
        slow.load.change_rate(0)
    slow.load.stop()
    assert slow.load.totals().due == slow.load.totals().offered >= 250


@pytest.mark.slow
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("demo", DEMOS)
def test_run_ends_with_its_outcome(emitted: Emitted, demo: str, outcome: str) -> None:
    managed = Managed(emitted, seed_of(outcome))
    options = {"mode": "crash"} if demo == "persistence" else {}  # a graceful restart would have another pod
    run = managed.ended(managed.manager.start(demo, options, BY))
    assert run["verdict"] == outcome
    assert run["line"].split()[:2] == [demo, outcome.upper()]
    assert (run["reason"] is None) == (outcome == "pass")
    states = [step["state"] for step in run["steps"]]
    assert states == ["done"] * len(run["steps"]) if outcome == "pass" else "waiting" not in states
    assert not managed.load.running()
    assert emitted.of(RunHistoryUpdated)[-1].runs == managed.manager.list()
    assert managed.manager.get(run["id"]) == run


@pytest.mark.slow
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_configured_outcome_is_that_of_each_run(emitted: Emitted, outcome: str) -> None:
    managed = Managed(emitted, outcome=outcome)
    verdicts = [managed.ended(managed.manager.start("autoscale", {}, BY))["verdict"] for _ in range(3)]
    assert verdicts == [outcome] * 3


def test_failed_autoscale_run_has_an_unmet_obligation(emitted: Emitted) -> None:
    managed = Managed(emitted, outcome="fail")
    run = managed.ended(managed.manager.start("autoscale", {}, BY))
    row = managed.manager.list()[0]
    owed = row["owed"]
    assert owed == run["evidence"]["owed"][0]
    assert owed["met"] is None and run["started"] <= owed["since"] < owed["by"] <= run["ended"]
    assert owed["text"] in run["reason"]
    assert row["figures"] == {"start": 2, "peak": 2, "t2": None, "t6": None, "t8": None}


def test_failed_persistence_run_names_the_lost_documents(emitted: Emitted) -> None:
    managed = Managed(emitted, outcome="fail")
    run = managed.ended(managed.manager.start("persistence", {}, BY))
    row = managed.manager.list()[0]
    assert row["figures"]["lost"] == len(run["evidence"]["lost_ids"]) > 0
    assert row["owed"] is None and run["evidence"]["lost_ids"][0] in row["reason"]


def test_persistence_run_has_as_many_kills_as_were_asked_for(emitted: Emitted) -> None:
    managed = Managed(emitted, outcome="pass")
    run = managed.ended(managed.manager.start("persistence", {"mode": "crash", "kills": 3}, BY))
    assert (run["verdict"], run["evidence"]["kills"]) == ("pass", 3)
    assert [each["mode"] for each in run["evidence"]["outages"]] == ["crash", "graceful", "crash"]
    assert run["evidence"]["coverage"] and all(each["seen"] for each in run["evidence"]["coverage"])


def test_emitted_run_does_not_change_afterwards(emitted: Emitted) -> None:
    managed = Managed(emitted)
    managed.ended(managed.manager.start("persistence", {}, BY))
    first = emitted.of(RunUpdated)[0].run
    assert (first["verdict"], first["timeline"], {step["state"] for step in first["steps"]}) == (
        "running", [], {"waiting"},
    )  # fmt: skip


def test_during_a_run_everything_else_is_refused(slow: Managed) -> None:
    run = slow.manager.start("persistence", {"mode": "crash"}, BY)
    assert slow.emitted.of(LeaseChanged)[-1].lease["run"] == run
    for attempt in (
        lambda: slow.manager.start("autoscale", {}, "another"),
        lambda: slow.manager.restart_mongo("uid-1", "graceful", BY),
        lambda: slow.manager.load(LoadOptions(rate=10.0, duration=10.0), BY),
        lambda: slow.manager.unload(BY),
    ):
        with pytest.raises(RunActive) as refused:
            attempt()
        assert (refused.value.holder, refused.value.run) == ("dashboard", run)
    slow.manager.abort(run, "another")
    ended = slow.ended(run)
    assert (ended["verdict"], ended["reason"]) == ("inconclusive", "Aborted by another.")
    slow.manager.abort(run, "another")


def test_invalid_requests_are_refused(slow: Managed) -> None:
    for demo, options in (("chaos", {}), ("persistence", {"mode": "fire"}), ("autoscale", {"rate": 1e9})):
        with pytest.raises(InvalidOption):
            slow.manager.start(demo, options, BY)
    with pytest.raises(InvalidOption):
        slow.manager.restart_mongo("uid-1", "fire", BY)
    with pytest.raises(UidNotCurrent):
        slow.manager.restart_mongo("uid-0", "graceful", BY)
    with pytest.raises(UnknownRun):
        slow.manager.get("persistence-0")
    assert slow.audited == []


def test_load_has_the_fields_of_a_real_one_and_stops(slow: Managed) -> None:
    options = LoadOptions(rate=100.0, duration=300.0)
    slow.manager.load(options, BY)
    with pytest.raises(LoadBusy):
        slow.manager.load(options, "another")
    slow.manager.unload(BY)
    assert not slow.load.running()
    first, last = slow.emitted.of(LoadUpdated)[0].load, slow.emitted.of(LoadUpdated)[-1].load
    real = LoadProgress(options, BY).to_json(first["started"], first["ends"], active=True)
    assert first.keys() == last.keys() == real.keys()
    assert (first["active"], first["offered"], last["active"], last["offered"]) == (True, 100.0, False, 0.0)
    assert slow.load.totals().offered >= 100


def test_load_by_hand_holds_the_lease_and_refuses_runs(slow: Managed) -> None:
    slow.manager.load(LoadOptions(rate=100.0, duration=300.0), "somebody")
    lease = slow.emitted.of(LeaseChanged)[-1].lease
    assert lease["holder"] == "dashboard" and lease["run"].startswith("load-")
    with pytest.raises(RunActive) as refused:
        slow.manager.start("autoscale", {}, BY)
    assert refused.value.run == lease["run"] and "somebody" in str(refused.value)
    slow.manager.restart_mongo("uid-1", "graceful", BY)
    slow.manager.unload(BY)
    assert slow.emitted.of(LeaseChanged)[-1].lease is None
    slow.manager.start("autoscale", {}, BY)


@pytest.mark.slow
def test_load_ends_after_its_duration(slow: Managed) -> None:
    slow.manager.load(LoadOptions(rate=10.0, duration=1.0), BY)
    slow.emitted.wait(lambda emitted: not emitted.of(LoadUpdated)[-1].load["active"])
    end = time.monotonic() + 10
    while slow.load.running() and time.monotonic() < end:
        time.sleep(0.01)
    assert not slow.load.running()
