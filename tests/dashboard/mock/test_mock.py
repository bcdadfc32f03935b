"""The mock tells a story that the real sources could have told."""

import json
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import yaml
from bson import ObjectId

from dashboard.app import SOURCES
from dashboard.core import events
from dashboard.core.objects import KINDS
from dashboard.core.snapshot import Snapshot, Targets
from dashboard.mock import Mock
from dashboard.mock.clock import STEP_SECONDS, SimulationClock
from dashboard.mock.cluster.manifests import BEHAVIOR
from dashboard.mock.cluster.pods import DATABASE, LONGEST_NAME, SERVICE
from dashboard.mock.data.collection import ODD, MockCollection
from dashboard.mock.schedule import CYCLE_SECONDS
from dashboard.mock.simulation import PAST_SECONDS, Simulation, SimulationOptions
from dashboard.mock.traffic import BOUNDS
from dashboard.sources.mongo import shown
from dashboard.sources.watches import PATHS
from service.metrics import REQUEST_BUCKETS
from tests.dashboard.stubs import ROOT, STREAMS, Emitted

TARGETS = Targets("flask-mongodb", "mock", "flask", "mongodb", "flask", "flask")
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
STEP = timedelta(seconds=STEP_SECONDS)


class Reading:
    """A story as it was told: its events, the state after each step, and the charted figures."""

    def __init__(self, seconds: float, **options: Any) -> None:
        story, snapshot = Simulation(TARGETS, SimulationOptions(**options)), Snapshot(TARGETS, SOURCES, "")
        self.opening = story.opening(START)
        self.told = list(self.opening)
        for told in self.opening:
            snapshot.apply(told)
        self.states = [snapshot.state(0)]
        for step in range(1, int(seconds / STEP_SECONDS) + 1):
            for told in story.step(START + step * STEP):
                self.told.append(told)
                snapshot.apply(told)
            self.states.append(snapshot.state(0))
        self.history = snapshot.history.since(0)["tables"]

    def happenings(self, reason: str) -> list[Any]:
        """Kubernetes' own Events of a reason, the listed ones too."""
        told = [one for one in self.told if getattr(one, "kind", None) == "events"]
        listed = [each for one in told if isinstance(one, events.ObjectsListed) for each in one.objects]
        changed = [one.object for one in told if isinstance(one, events.ObjectChanged)]
        return [each for each in (*listed, *changed) if each.reason == reason]


@pytest.fixture(scope="module")
def reading() -> Reading:
    """Two cycles after the opening."""
    return Reading(2 * CYCLE_SECONDS)


def test_it_opens_with_everything_in_place(reading: Reading) -> None:
    state = reading.states[0]
    assert [pod["ready"] for pod in state["pods"]] == [True] * 5
    assert state["deployment"]["ready"] == state["autoscaler"]["current"] == state["service"]["endpoints"] == 2
    assert state["mongo"]["state"] == "up" and len(state["mongo"]["newest"]) == 20
    assert state["mongo"]["volume"]["used_bytes"] < state["mongo"]["volume"]["total_bytes"]
    assert all(source["state"] == "live" for source in state["sources"].values())
    assert state["claims"][0]["phase"] == "Bound"


def test_it_opens_with_an_hour_behind_it(reading: Reading) -> None:
    start = START.timestamp()
    traffic, cpu, replicas = (reading.history[name] for name in ("traffic", "cpu", "replicas"))
    before = [at for at in traffic["at"] if at <= start]
    assert len(before) > 0.95 * PAST_SECONDS and before[0] < start - PAST_SECONDS + 10
    assert len([at for at in cpu["at"] if at <= start]) > 200
    desired = [desired for at, desired in zip(replicas["at"], replicas["desired"], strict=True) if at <= start]
    assert max(desired) == 5 and desired[-1] == 2
    (listed,) = [told for told in reading.opening if isinstance(told, events.ObjectsListed) and told.kind == "events"]
    assert len(listed.objects) > 200


def test_replicas_follow_the_load_up_and_down(reading: Reading) -> None:
    desired = [state["autoscaler"]["desired"] for state in reading.states]
    peak = desired.index(5)
    assert 2 in desired[:peak] and 2 in desired[peak:]
    assert max(state["deployment"]["ready"] for state in reading.states) == 5
    assert max(state["autoscaler"]["cpu_percent"] for state in reading.states) > 100
    assert {"SuccessfulRescale", "ScalingReplicaSet"} <= {
        each.reason for reason in ("SuccessfulRescale", "ScalingReplicaSet") for each in reading.happenings(reason)
    }


def test_new_pod_has_no_sample_at_first_and_an_old_one_has_its_own_moments(reading: Reading) -> None:
    flask = [pod for state in reading.states for pod in state["pods"] if pod["app"] == "flask"]
    assert any(pod["ready"] and pod["cpu_millicores"] is None for pod in flask)
    sampled = [told for told in reading.told if isinstance(told, events.MetricsSampled)]
    assert any(len({sample.timestamp for sample in told.samples}) > 2 for told in sampled)


def test_database_s_pod_is_replaced_under_its_name_on_the_same_claim(reading: Reading) -> None:
    uids = {pod["uid"] for state in reading.states for pod in state["pods"] if pod["name"] == "mongodb-0"}
    assert len(uids) == 3
    assert {state["mongo"]["state"] for state in reading.states} == {"up", "down"}
    assert len({claim["uid"] for state in reading.states for claim in state["claims"]}) == 1


def test_requests_that_waited_for_the_database_are_answered_late(reading: Reading) -> None:
    slowest = max(figure for figure in reading.history["traffic"]["p99_ms"] if figure is not None)
    assert slowest > 1_000


def test_container_is_killed_for_its_memory_and_started_again(reading: Reading) -> None:
    assert "OOMKilled" in {pod["reason"] for state in reading.states for pod in state["pods"]}
    assert max(pod["restarts"] for pod in reading.states[-1]["pods"]) >= 2
    assert max(each.count for each in reading.happenings("Started")) >= 2


def test_source_fails_for_a_while_and_is_live_again(reading: Reading) -> None:
    failed = [
        {name for name, source in state["sources"].items() if name != "mongo" and source["state"] != "live"}
        for state in reading.states
    ]
    assert [len(names) for names in failed].count(1) > 20
    assert failed[-1] == set()


def test_documents_arrive_newest_first(reading: Reading) -> None:
    newest = reading.states[-1]["mongo"]["newest"]
    assert reading.states[-1]["mongo"]["count"] > 100 and len(newest) == 20
    assert [one["id"] for one in newest] == sorted((one["id"] for one in newest), reverse=True)


def test_mock_has_the_difficult_cases_from_the_start(reading: Reading) -> None:
    state = reading.states[0]
    assert max(len(pod["name"]) for pod in state["pods"]) == LONGEST_NAME
    newest = state["mongo"]["newest"]
    assert any("<script>" in str(one["document"]) for one in newest)
    assert any(one["truncated"] for one in newest)
    assert any(str(one["document"]).count("{") > 40 for one in newest)
    assert any("\u202e" in one["document"].get("rtl", "") for one in newest)
    assert any(one["text"] and str(2**63 - 1) in one["text"] for one in newest)


def test_no_pod_is_ever_twice_there(reading: Reading) -> None:
    for state in reading.states:
        assert len({pod["uid"] for pod in state["pods"]}) == len({pod["name"] for pod in state["pods"]})


@pytest.mark.slow
def test_many_pods_churn(reading: Reading) -> None:
    crowd = Reading(10, pods=200, churn=20)
    assert len([pod for pod in crowd.states[0]["pods"] if pod["app"] == "flask"]) == 200
    changed = [told for told in crowd.told[len(crowd.opening) :] if getattr(told, "kind", "") == "pods"]
    assert len(changed) > 100


def test_mock_emits_the_same_events_as_the_real_sources(reading: Reading) -> None:
    kinds = {
        told.kind
        for told in reading.told
        if isinstance(told, events.ObjectsListed | events.ObjectChanged | events.ObjectDeleted)
    }
    assert kinds == set(PATHS)
    assert all(isinstance(one, KINDS[told.kind]) for told in reading.opening if isinstance(told, events.ObjectsListed)
               for one in told.objects)  # fmt: skip
    real = {
        events.ObjectsListed, events.ObjectChanged, events.ObjectDeleted, events.MetricsSampled, events.ClusterVersion,
        events.SourceStatus, events.CollectionRead, events.OperationRate, events.VolumeUsage, events.MongoUnavailable,
        events.CountersScraped,
    }  # fmt: skip
    assert {type(told) for told in reading.told} == real


def test_quiet_story_has_an_eventful_past_and_nothing_more_happens() -> None:
    quiet = Reading(CYCLE_SECONDS, quiet=True)
    assert max(quiet.history["replicas"]["desired"]) == 5
    for state in quiet.states:
        assert [pod["ready"] for pod in state["pods"]] == [True] * 5
        assert state["mongo"]["state"] == "up"
    assert quiet.states[-1]["mongo"]["count"] > quiet.states[0]["mongo"]["count"]


def test_its_moments_never_step_back_once_it_plays(reading: Reading) -> None:
    moments = [told.at for told in reading.told[len(reading.opening) :]]
    assert moments == sorted(moments)


def test_mock_pods_have_the_fields_of_recorded_pods(reading: Reading) -> None:
    """In some moment of the story each field is filled that is filled in what an API server wrote."""
    recorded = [
        msgspec.convert(line["object"], KINDS["pods"])
        for stream in ("replaced", "dropped")
        for exchange in json.loads((STREAMS / f"{stream}.json").read_text())["exchanges"]
        for line in exchange.get("lines", ())
        if line["type"] in ("ADDED", "MODIFIED")
    ]
    played = [told.object for told in reading.told if isinstance(told, events.ObjectChanged) and told.kind == "pods"]
    assert recorded and filled(recorded) - {".metadata.resourceVersion"} <= filled(played)


def test_its_service_is_deployed_as_the_manifests_say() -> None:
    hpa, deployment, statefulset = (
        yaml.safe_load((ROOT / "k8s" / "base" / f"{name}.yaml").read_text())
        for name in ("flask-hpa", "flask-deployment", "mongodb-statefulset")
    )
    behavior = hpa["spec"]["behavior"]
    assert BEHAVIOR["scaleUp"] == behavior["scaleUp"]
    assert BEHAVIOR["scaleDown"] == behavior["scaleDown"] | {"selectPolicy": "Max"}, "the API server's own default"
    patch = yaml.safe_load((ROOT / "k8s" / "overlays" / "embedded" / "mongodb-crash.yaml").read_text())
    crash = [one["value"] for one in patch if one["path"].endswith("/containers/-")]
    for manifest, added, kind in ((deployment, [], SERVICE), (statefulset, crash, DATABASE)):
        containers = [*manifest["spec"]["template"]["spec"]["containers"], *added]
        assert {one["name"]: one["resources"] for one in containers} == kind.containers


def test_its_pods_count_as_the_service_s_do() -> None:
    assert list(BOUNDS) == [*REQUEST_BUCKETS, math.inf]


@pytest.mark.parametrize("document", ODD, ids=lambda document: "-".join(document)[:20])
def test_its_documents_are_shown_as_the_database_s_are(document: dict[str, Any]) -> None:
    contents = MockCollection(SimulationClock(START), random.Random(7))  # noqa: S311 - a story, no secret
    contents.insert(document)
    (mock,) = contents.contents().newest
    real = shown({"_id": ObjectId(mock.id), "size": 100, "root": {"_id": ObjectId(mock.id), **document}})
    assert mock == real


def filled(objects: list[Any]) -> set[str]:
    """The paths in them that have a value other than the default."""

    def walk(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from walk(item, f"{path}.{key}")
        elif isinstance(value, list):
            for item in value:
                yield from walk(item, f"{path}[]")
        elif value not in (None, "", 0):
            yield path

    return {path for one in objects for path in walk(msgspec.to_builtins(one), "")}


@pytest.mark.slow
def test_seed_tells_the_same_story_each_time() -> None:
    def told(seed: int) -> list[events.Event]:
        story = Simulation(TARGETS, SimulationOptions(seed=seed))
        opening = story.opening(START)
        return [*opening, *(one for step in range(1, 100) for one in story.step(START + step * STEP))]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_it_plays_in_real_time_and_stops(emitted: Emitted) -> None:
    mock = Mock(TARGETS, emitted)
    mock.start()
    emitted.wait(lambda emitted: len(emitted.of(events.OperationRate)) > 1)
    mock.stop()
