"""The simulation emits what the real sources could have emitted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from dashboard.config import DashboardConfig
from dashboard.core import events, wire
from dashboard.core.objects import KINDS
from dashboard.core.state.builder import StateBuilder
from dashboard.core.targets import Targets
from dashboard.mock.clock import STEP_SECONDS
from dashboard.mock.cluster.pods import LONGEST_NAME
from dashboard.mock.schedule import CYCLE_SECONDS
from dashboard.mock.simulation import PAST_SECONDS, Simulation, SimulationOptions
from dashboard.parts.cluster import source_names
from dashboard.sources.watches import PATHS
from tests.dashboard.stubs import STREAMS

pytestmark = pytest.mark.slow  # more than an hour is simulated

TARGETS = Targets("flask-mongodb", "mock", "flask", "mongodb", "flask", "flask")
SOURCES = source_names(DashboardConfig("", "", ""), None)
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
STEP = timedelta(seconds=STEP_SECONDS)


class Recording:
    """A simulation's events, the state after each step, and the charts' tables."""

    def __init__(self, seconds: float, **options: Any) -> None:
        simulation, builder = Simulation(TARGETS, SimulationOptions(**options)), StateBuilder(TARGETS, SOURCES, "")
        self.opening = simulation.opening(START)
        self.events = list(self.opening)
        for event in self.opening:
            builder.apply(event)
        self.states = [builder.state(0)]
        for step in range(1, int(seconds / STEP_SECONDS) + 1):
            for event in simulation.step(START + step * STEP):
                self.events.append(event)
                builder.apply(event)
            self.states.append(builder.state(0))
        self.history = builder.history.since(0)["tables"]

    def kubernetes_events(self, reason: str) -> list[Any]:
        """Return the Kubernetes Events with a reason, the listed ones too."""
        found = [event for event in self.events if getattr(event, "kind", None) == "events"]
        listed = [each for event in found if isinstance(event, events.ObjectsListed) for each in event.objects]
        changed = [event.object for event in found if isinstance(event, events.ObjectChanged)]
        return [each for each in (*listed, *changed) if each.reason == reason]


@pytest.fixture(scope="module")
def recording() -> Recording:
    """The opening and two cycles."""
    return Recording(2 * CYCLE_SECONDS)


@pytest.mark.parametrize(
    ("autoscaler", "metrics", "asks", "findings"),
    [
        ("", ["cpu"], None, []),
        ("several", ["cpu", "memory", "queue"], 2, []),
        ("missing", ["cpu", "queue"], None, []),
        ("average", ["cpu"], None, []),
        ("container", ["cpu"], None, []),
        ("memory", ["memory"], 3, []),
        ("broken", ["cpu"], None, ["TargetOverLimit", "MinIsMax", "ScaleUpDisabled", "ReplicasApplied"]),
    ],
)
def test_autoscaler_has_other_settings(
    autoscaler: str, metrics: list[str], asks: int | None, findings: list[str]
) -> None:
    simulation, builder = (
        Simulation(TARGETS, SimulationOptions(autoscaler=autoscaler)),
        StateBuilder(TARGETS, SOURCES, ""),
    )
    for event in simulation.opening(START):
        builder.apply(event)
    view = builder.state(0)["autoscaler"]
    msgspec.convert(view, wire.AutoscalerView, strict=True)
    assert [metric["name"] for metric in view["metrics"]] == metrics
    assert [one["id"] for one in view["findings"]] == findings
    assert (view["asks"] or {}).get("replicas") == asks


def test_opening_has_everything_ready(recording: Recording) -> None:
    state = recording.states[0]
    assert [pod["ready"] for pod in state["pods"]] == [True] * 5
    assert state["deployment"]["ready"] == state["autoscaler"]["current"] == state["service"]["endpoints"] == 2
    assert state["mongo"]["state"] == "up" and len(state["mongo"]["newest"]) == 20
    assert state["mongo"]["volume"]["used_bytes"] < state["mongo"]["volume"]["total_bytes"]
    assert all(source["state"] == "live" for source in state["sources"].values())
    assert state["claims"][0]["phase"] == "Bound"


def test_opening_has_the_metrics_of_an_hour(recording: Recording) -> None:
    start = START.timestamp()
    traffic, cpu, replicas = (recording.history[name] for name in ("traffic", "cpu", "replicas"))
    before = [at for at in traffic["at"] if at <= start]
    assert len(before) > 0.95 * PAST_SECONDS and before[0] < start - PAST_SECONDS + 10
    assert len([at for at in cpu["at"] if at <= start]) > 200
    desired = [desired for at, desired in zip(replicas["at"], replicas["desired"], strict=True) if at <= start]
    assert max(desired) == 5 and desired[-1] == 2
    lists = [event for event in recording.opening if isinstance(event, events.ObjectsListed)]
    (listed,) = [each for each in lists if each.kind == "events"]
    assert len(listed.objects) > 200


def test_replicas_follow_the_load_up_and_down(recording: Recording) -> None:
    desired = [state["autoscaler"]["desired"] for state in recording.states]
    peak = desired.index(5)
    assert 2 in desired[:peak] and 2 in desired[peak:]
    assert max(state["deployment"]["ready"] for state in recording.states) == 5
    assert max(state["autoscaler"]["cpu_percent"] for state in recording.states) > 100
    assert recording.kubernetes_events("SuccessfulRescale") and recording.kubernetes_events("ScalingReplicaSet")


def test_new_pod_has_no_sample_and_pods_are_sampled_at_different_times(recording: Recording) -> None:
    flask = [pod for state in recording.states for pod in state["pods"] if pod["app"] == "flask"]
    assert any(pod["ready"] and pod["cpu_millicores"] is None for pod in flask)
    sampled = [event for event in recording.events if isinstance(event, events.MetricsSampled)]
    assert any(len({sample.timestamp for sample in event.samples}) > 2 for event in sampled)


def test_database_pod_is_replaced_with_the_same_name_and_claim(recording: Recording) -> None:
    uids = {pod["uid"] for state in recording.states for pod in state["pods"] if pod["name"] == "mongodb-0"}
    assert len(uids) == 3
    assert {state["mongo"]["state"] for state in recording.states} == {"up", "down"}
    assert len({claim["uid"] for state in recording.states for claim in state["claims"]}) == 1


def test_requests_during_a_database_restart_are_slow(recording: Recording) -> None:
    slowest = max(figure for figure in recording.history["traffic"]["p99_ms"] if figure is not None)
    assert slowest > 1_000


def test_container_is_oom_killed_and_restarted(recording: Recording) -> None:
    assert "OOMKilled" in {pod["reason"] for state in recording.states for pod in state["pods"]}
    assert max(pod["restarts"] for pod in recording.states[-1]["pods"]) >= 2
    assert max(each.count for each in recording.kubernetes_events("Started")) >= 2


def test_source_fails_and_is_live_again(recording: Recording) -> None:
    failed = [
        {name for name, source in state["sources"].items() if name != "mongo" and source["state"] != "live"}
        for state in recording.states
    ]
    assert [len(names) for names in failed].count(1) > 20
    assert failed[-1] == set()


def test_documents_are_newest_first(recording: Recording) -> None:
    newest = recording.states[-1]["mongo"]["newest"]
    assert recording.states[-1]["mongo"]["count"] > 100 and len(newest) == 20
    assert [each["id"] for each in newest] == sorted((each["id"] for each in newest), reverse=True)


def test_opening_has_odd_documents_and_the_longest_name(recording: Recording) -> None:
    state = recording.states[0]
    assert max(len(pod["name"]) for pod in state["pods"]) == LONGEST_NAME
    newest = state["mongo"]["newest"]
    assert any("<script>" in str(each["document"]) for each in newest)
    assert any(each["truncated"] for each in newest)
    assert any(str(each["document"]).count("{") > 40 for each in newest)
    assert any("\u202e" in each["document"].get("rtl", "") for each in newest)
    assert any(each["text"] and str(2**63 - 1) in each["text"] for each in newest)


def test_pod_names_and_uids_are_unique(recording: Recording) -> None:
    for state in recording.states:
        assert len({pod["uid"] for pod in state["pods"]}) == len({pod["name"] for pod in state["pods"]})


def test_many_pods_change() -> None:
    many = Recording(10, pods=200, churn=20)
    assert len([pod for pod in many.states[0]["pods"] if pod["app"] == "flask"]) == 200
    changed = [event for event in many.events[len(many.opening) :] if getattr(event, "kind", "") == "pods"]
    assert len(changed) > 100


def test_events_are_of_the_types_and_kinds_of_the_real_sources(recording: Recording) -> None:
    kinds = {
        event.kind
        for event in recording.events
        if isinstance(event, events.ObjectsListed | events.ObjectChanged | events.ObjectDeleted)
    }
    assert kinds == set(PATHS)
    for event in recording.opening:
        if isinstance(event, events.ObjectsListed):
            assert all(isinstance(each, KINDS[event.kind]) for each in event.objects)
    real = {
        events.ObjectsListed, events.ObjectChanged, events.ObjectDeleted, events.MetricsSampled, events.ClusterVersion,
        events.SourceStatus, events.CollectionRead, events.OperationRate, events.VolumeUsage, events.MongoUnavailable,
        events.CountersScraped, events.ActionsAllowed,
    }  # fmt: skip
    assert {type(event) for event in recording.events} == real


def test_quiet_simulation_ends_its_schedule_with_the_past() -> None:
    quiet = Recording(CYCLE_SECONDS, quiet=True)
    assert max(quiet.history["replicas"]["desired"]) == 5
    for state in quiet.states:
        assert [pod["ready"] for pod in state["pods"]] == [True] * 5
        assert state["mongo"]["state"] == "up"
    assert quiet.states[-1]["mongo"]["count"] > quiet.states[0]["mongo"]["count"]


def test_timestamps_never_decrease_after_the_opening(recording: Recording) -> None:
    timestamps = [event.at for event in recording.events[len(recording.opening) :]]
    assert timestamps == sorted(timestamps)


def test_pods_have_the_fields_of_recorded_ones(recording: Recording) -> None:
    """Each field that is set in a real API server's pods is set in a simulated one at some time."""
    recorded = [
        msgspec.convert(line["object"], KINDS["pods"])
        for stream in ("replaced", "dropped")
        for exchange in json.loads((STREAMS / f"{stream}.json").read_text())["exchanges"]
        for line in exchange.get("lines", ())
        if line["type"] in ("ADDED", "MODIFIED")
    ]
    changes = [event for event in recording.events if isinstance(event, events.ObjectChanged)]
    simulated = [event.object for event in changes if event.kind == "pods"]
    assert recorded and set_fields(recorded) - {".metadata.resourceVersion"} <= set_fields(simulated)


def set_fields(objects: list[Any]) -> set[str]:
    """Return the paths of all fields with a value other than the default."""

    def walk(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from walk(item, f"{path}.{key}")
        elif isinstance(value, list):
            for item in value:
                yield from walk(item, f"{path}[]")
        elif value not in (None, "", 0):
            yield path

    return {path for each in objects for path in walk(msgspec.to_builtins(each), "")}


def test_equal_seeds_give_equal_events() -> None:
    def emitted(seed: int) -> list[events.Event]:
        simulation = Simulation(TARGETS, SimulationOptions(seed=seed))
        opening = simulation.opening(START)
        return [*opening, *(event for step in range(1, 100) for event in simulation.step(START + step * STEP))]

    assert emitted(1) == emitted(1)
    assert emitted(1) != emitted(2)
