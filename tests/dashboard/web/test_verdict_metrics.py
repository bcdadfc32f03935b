"""The metrics of the demos' last verdicts."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dashboard.core.events import RunHistoryUpdated
from dashboard.core.timestamps import seconds
from dashboard.web.health import Probes
from dashboard.web.hub import Hub
from tests.dashboard.runs.harness import RunHarness
from tests.dashboard.stubs import TARGETS, wait_until

T0, T1, T2 = (f"2026-11-27T02:00:0{n}.000Z" for n in range(3))
DEMOS = ("persistence", "autoscale")
NO_VERDICT = {"pass": 0, "fail": 0, "inconclusive": 0}


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub(TARGETS, (), epoch="e", viewers=1)
    hub._thread.start()
    yield hub
    hub.stop()


def show(hub: Hub, *runs: dict[str, Any]) -> None:
    hub.put(RunHistoryUpdated(at=T0, runs=[*runs]))
    wait_until(lambda: hub.view()["runs"] == [*runs])


def row(verdict: str, started: str = T0, ended: str | None = T1, demo: str = "persistence") -> dict[str, Any]:
    return {"id": started, "demo": demo, "verdict": verdict, "started": started, "ended": ended}


def samples(hub: Hub, name: str, proof_seconds: int = 0) -> dict[tuple[str, ...], float]:
    """Return the values of a metric's series by their labels."""
    text = Probes(hub, demos=DEMOS, proof_seconds=proof_seconds).answers()["/metrics"]()[2].decode()
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {tuple(sample.labels.values()): sample.value for sample in found if sample.name == name}


def verdict(hub: Hub, demo: str = "persistence") -> dict[str, float]:
    return {key[1]: value for key, value in samples(hub, "dashboard_verdict").items() if key[0] == demo}


def timestamps(hub: Hub) -> dict[str, float]:
    return {key[0]: value for key, value in samples(hub, "dashboard_verdict_timestamp_seconds").items()}


def test_before_a_verdict_every_state_is_0_and_there_is_no_time(hub: Hub) -> None:
    show(hub, row("running", ended=None))
    assert verdict(hub) == verdict(hub, "autoscale") == NO_VERDICT
    assert timestamps(hub) == {}


@pytest.mark.parametrize("word", NO_VERDICT)
def test_exactly_the_last_verdict_is_1(hub: Hub, word: str) -> None:
    show(hub, row("running", T2, None), row(word, T1, T2), row("fail"), row("pass", demo="autoscale"))
    assert verdict(hub) == NO_VERDICT | {word: 1}
    assert verdict(hub, "autoscale") == NO_VERDICT | {"pass": 1}
    assert timestamps(hub) == {"persistence": seconds(T2), "autoscale": seconds(T1)}


def test_run_that_never_ended_counts_from_its_start(hub: Hub) -> None:
    show(hub, row("inconclusive", ended=None))
    assert timestamps(hub) == {"persistence": seconds(T0)}


def test_run_of_an_unknown_demo_is_not_exported(hub: Hub) -> None:
    show(hub, row("fail", demo="gone"))
    assert {demo for demo, _ in samples(hub, "dashboard_verdict")} == {*DEMOS}


def test_verdict_outlives_a_restart_of_the_dashboard(hub: Hub) -> None:
    harness = RunHarness()
    run = harness.run("persistence")
    harness.emitted.clear()
    restarted = harness.new_manager(harness.clock, harness.spawn)
    restarted._archive.sync()
    show(hub, *harness.events(RunHistoryUpdated)[-1].runs)
    assert verdict(hub) == NO_VERDICT | {run["verdict"]: 1}
    assert timestamps(hub) == {"persistence": seconds(run["ended"])}


def test_promised_time_from_verdict_to_verdict_is_exported_where_there_is_one(hub: Hub) -> None:
    assert samples(hub, "dashboard_verdict_within_seconds") == {}
    assert samples(hub, "dashboard_verdict_within_seconds", proof_seconds=3600) == {(): 3600}
