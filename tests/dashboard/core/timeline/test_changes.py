"""The change detector's entries, between states that the snapshot builds from events."""

import json
from typing import Any

import msgspec
import pytest

from dashboard.core import events, objects
from dashboard.core.snapshot import Snapshot, Targets
from dashboard.core.timeline.timeline import Timeline
from dashboard.core.timestamps import rfc3339, seconds

START = seconds("2026-11-24T12:00:00Z")
TARGETS = Targets("flask-mongodb", "embedded", "flask", "mongodb", "flask", "flask")
KINDS = (*objects.KINDS, "metrics", "traffic", "mongo")

Json = dict[str, Any]


class Changes:
    """Applies events, publishes like the hub, and returns the new entries since the last call."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(TARGETS, KINDS, timestamp(0))
        self.timeline = Timeline()
        self.state = self.snapshot.state(0)
        self._read: set[str] = set()

    def at(self, second: float, *events: Any) -> "Changes":
        for make in events:
            self.snapshot.apply(make(timestamp(second)))
        before, self.state = self.state, self.snapshot.state(0)
        self.timeline.compare(before, self.state, timestamp(second))
        return self

    def new(self) -> list[Json]:
        """Return the new entries, oldest first."""
        entries = [entry for entry in reversed(self.timeline.entries()) if entry["id"] not in self._read]
        self._read |= {entry["id"] for entry in entries}
        return entries

    def texts(self) -> list[str]:
        return [entry["text"] for entry in self.new()]


def timestamp(second: float) -> str:
    return rfc3339(START + second)


def parsed(kind: str, text: Json) -> Any:
    return msgspec.json.decode(json.dumps(text), type=objects.KINDS[kind])


def listed(kind: str, *texts: Json) -> Any:
    return lambda at: events.ObjectsListed(at=at, kind=kind, objects=[parsed(kind, text) for text in texts])


def changed(kind: str, text: Json) -> Any:
    return lambda at: events.ObjectChanged(at=at, kind=kind, object=parsed(kind, text))


def deleted(kind: str, uid: str) -> Any:
    return lambda at: events.ObjectDeleted(at=at, kind=kind, uid=uid)


def source(source: str, state: str, error: str | None = None) -> Any:
    return lambda at: events.SourceStatus(at=at, source=source, state=state, error=error)


def pod(
    uid: str = "u1", name: str = "flask-1", *, ready: bool = False, created: float = 0, restarts: int = 0,
    ends: bool = False, phase: str = "Running", reason: str = "",
) -> Json:  # fmt: skip
    meta = {"name": name, "uid": uid, "creationTimestamp": timestamp(created)[:19] + "Z"}
    meta |= {"deletionTimestamp": timestamp(created)} if ends else {}
    state = {"terminated": {"reason": reason}} if reason else {}
    return {
        "metadata": meta | {"labels": {"app": name.rpartition("-")[0]}},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "c", "restartCount": restarts, "state": state}],
        },
    }


def workload(name: str, desired: int = 1, ready: int = 1) -> Json:
    return {
        "metadata": {"name": name, "uid": name},
        "spec": {"replicas": desired},
        "status": {"readyReplicas": ready},
    }


def autoscaler(desired: int, cpu: int | None = 40, *, active: str = "True", reason: str = "", most: int = 10) -> Json:
    target = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 70}}}
    current = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": cpu}}}
    condition = {"type": "ScalingActive", "status": active, "reason": reason, "message": ""}
    return {
        "metadata": {"name": "flask", "uid": "hpa"},
        "spec": {"minReplicas": 2, "maxReplicas": most, "metrics": [target]},
        "status": {"desiredReplicas": desired, "currentMetrics": [current], "conditions": [condition]},
    }


def claim(phase: str = "Bound", volume: str = "pvc-1", uid: str = "c1") -> Json:
    return {
        "metadata": {"name": "data-mongodb-0", "uid": uid},
        "spec": {"volumeName": volume},
        "status": {"phase": phase},
    }


def slice_of(*addresses: str) -> Json:
    return {
        "metadata": {"name": "s", "uid": "s", "labels": {"kubernetes.io/service-name": "flask"}},
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


def contents(at: str) -> events.Event:
    return events.CollectionRead(at=at, version="8.0", count=1, size_bytes=9, newest=[])


def mongo_down(at: str) -> events.Event:
    return events.MongoUnavailable(at=at, error="the database has no primary")


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def running(changes: Changes) -> Changes:
    """A healthy deployment, after the first list of every kind."""
    changes.at(
        1,
        listed("pods", pod(ready=True, created=-600), pod("m1", "mongodb-0", ready=True, created=-600)),
        listed("deployments", workload("flask", 2)),
        listed("statefulsets", workload("mongodb")),
        listed("horizontalpodautoscalers", autoscaler(2)),
        listed("persistentvolumeclaims", claim()),
        listed("endpointslices", slice_of("10.0.0.1")),
        listed("events"),
        lambda at: events.MetricsSampled(at=at, samples=[]),
        lambda at: events.CountersScraped(at=at, pods={}),
        contents,
    )
    return changes


def test_objects_from_before_the_start_are_no_changes(running: Changes) -> None:
    assert running.texts() == []


def test_sources_that_never_connected_give_no_entries(changes: Changes) -> None:
    changes.at(1, source("pods", "forbidden", "403"), source("events", "connecting", "refused"), mongo_down)
    changes.at(60, listed("pods", pod(), pod("m1", "mongodb-0", ends=True)), listed("events"))
    changes.at(70, listed("horizontalpodautoscalers", autoscaler(5)), listed("persistentvolumeclaims", claim("Lost")))
    assert changes.texts() == []


def test_unchanged_state_gives_no_entries(running: Changes) -> None:
    running.at(2).at(3, changed("pods", pod(ready=True, created=-600)), contents)
    assert running.texts() == []


def test_life_of_a_pod(running: Changes) -> None:
    running.at(10.4, changed("pods", pod("u2", "flask-2", created=10, phase="Pending")))
    running.at(12, changed("pods", pod("u2", "flask-2", created=10)))
    running.at(14.5, changed("pods", pod("u2", "flask-2", created=10, ready=True)))
    running.at(60, changed("pods", pod("u2", "flask-2", created=10, ready=True, ends=True)))
    running.at(62, changed("pods", pod("u2", "flask-2", created=10, ends=True)))
    running.at(65, deleted("pods", "u2"))
    entries = running.new()
    assert [(entry["at"], entry["tone"], entry["text"]) for entry in entries] == [
        (timestamp(10.4), "busy", "flask-2 created"),
        (timestamp(14.5), "good", "flask-2 Ready after 4.1 s"),
        (timestamp(60), "off", "flask-2 terminating"),
        (timestamp(65), "off", "flask-2 gone, 5.0 s after it began to terminate"),
    ]
    assert {entry["kind"] for entry in entries} == {"change"}
    assert {entry["mark"] for entry in entries} == {None}
    assert entries[0]["about"] == {"kind": "Pod", "name": "flask-2", "uid": "u2"}


def test_pod_observed_late_became_ready_after_its_creation(running: Changes) -> None:
    running.at(40, listed("pods", pod("u2", "flask-2", created=10)))
    running.at(45, changed("pods", pod("u2", "flask-2", created=10, ready=True)))
    assert running.texts()[-1] == "flask-2 Ready after 35 s"


def test_unready_pod_becomes_ready_again(running: Changes) -> None:
    running.at(20, changed("pods", pod(created=-600)))
    running.at(32, changed("pods", pod(created=-600, ready=True)))
    assert running.texts() == ["flask-1 not ready", "flask-1 Ready again after 12 s"]


def test_pod_that_was_starting_before_the_dashboard_has_no_duration(changes: Changes) -> None:
    changes.at(1, listed("pods", pod(created=-3_600))).at(2, changed("pods", pod(created=-3_600, ready=True)))
    assert changes.texts() == ["flask-1 Ready"]


def test_restart_has_its_reason_and_count(running: Changes) -> None:
    running.at(20, changed("pods", pod(created=-600, reason="OOMKilled")))
    running.at(21, changed("pods", pod(created=-600, restarts=1)))
    running.at(22, changed("pods", pod(created=-600, restarts=3, ready=True)))
    assert [(entry["tone"], entry["text"]) for entry in running.new()] == [
        ("warn", "flask-1 not ready: OOMKilled"),
        ("bad", "flask-1 container restarted, after OOMKilled (once so far)"),
        ("warn", "flask-1 container restarted (3 times so far)"),
        ("good", "flask-1 Ready again after 2.0 s"),
    ]


def test_failed_or_finished_pod_is_not_reported_as_unready(running: Changes) -> None:
    running.at(20, changed("pods", pod(created=-600, phase="Failed")))
    running.at(21, changed("pods", pod("m1", "mongodb-0", created=-600, phase="Succeeded")))
    assert running.texts() == ["flask-1 failed", "mongodb-0 finished"]


def test_replacement_of_the_database_pod_marks_the_charts(running: Changes) -> None:
    running.at(20, changed("pods", pod("m1", "mongodb-0", created=-600, ready=True, ends=True)))
    running.at(21, deleted("pods", "m1"))
    running.at(21.5, changed("pods", pod("m2", "mongodb-0", created=21)))
    running.at(24.5, changed("pods", pod("m2", "mongodb-0", created=21, ready=True)))
    assert [(entry["text"], entry["mark"]) for entry in running.new()] == [
        ("mongodb-0 terminating", "mongodb-0 ends"),
        ("mongodb-0 gone, 1.0 s after it began to terminate", None),
        ("mongodb-0 replaced by a new pod, 0.5 s after the old one was gone", None),
        ("mongodb-0 Ready after 3.0 s", "mongodb-0 Ready"),
    ]


def test_replacement_in_one_list_has_no_duration(running: Changes) -> None:
    running.at(20, listed("pods", pod(ready=True), pod("m2", "mongodb-0", created=19)))
    assert [(entry["text"], entry["mark"]) for entry in running.new()] == [
        ("mongodb-0 gone", "mongodb-0 gone"),
        ("mongodb-0 replaced by a new pod", None),
    ]


def test_scaling_has_its_reason(running: Changes) -> None:
    running.at(20, changed("horizontalpodautoscalers", autoscaler(3, 98)))
    running.at(35, changed("horizontalpodautoscalers", autoscaler(3, 75)))
    running.at(50, changed("horizontalpodautoscalers", autoscaler(10, 240)))
    running.at(90, changed("horizontalpodautoscalers", autoscaler(4, None)))
    running.at(99, changed("horizontalpodautoscalers", autoscaler(2, 12)))
    assert [(entry["tone"], entry["text"], entry["mark"]) for entry in running.new()] == [
        ("busy", "Autoscaler 2 → 3: CPU 98 % of a 70 % target", "2 → 3"),
        ("busy", "Autoscaler 3 → 10, its max: CPU 240 % of a 70 % target", "3 → 10"),
        ("good", "Autoscaler 10 → 4", "10 → 4"),
        ("good", "Autoscaler 4 → 2, back at its min: CPU 12 % of a 70 % target", "4 → 2"),
    ]


def test_target_in_millicores_is_reported_in_millicores(running: Changes) -> None:
    more = autoscaler(3)
    cpu = {"name": "cpu", "target": {"averageValue": "70m"}, "current": {"averageValue": "98m"}}
    more["spec"]["metrics"] = more["status"]["currentMetrics"] = [{"type": "Resource", "resource": cpu}]
    running.at(20, changed("horizontalpodautoscalers", more))
    assert any("CPU 98 m of a 70 m target" in text for text in running.texts()), running.texts()


def test_autoscaler_without_metrics(running: Changes) -> None:
    lost = autoscaler(2, None, active="False", reason="FailedGetResourceMetric")
    running.at(20, changed("horizontalpodautoscalers", lost))
    running.at(50, changed("horizontalpodautoscalers", autoscaler(2)))
    assert [(entry["tone"], entry["text"]) for entry in running.new()] == [
        ("warn", "Autoscaler can't scale: FailedGetResourceMetric"),
        ("good", "Autoscaler can scale again after 30 s"),
    ]


def test_autoscaler_changed_deleted_and_created(running: Changes) -> None:
    running.at(20, changed("horizontalpodautoscalers", autoscaler(2, most=12)))
    running.at(30, deleted("horizontalpodautoscalers", "hpa"))
    running.at(40, changed("horizontalpodautoscalers", autoscaler(2)))
    assert running.texts() == [
        "Autoscaler's range changed: 2 to 10 pods → 2 to 12 pods",
        "Autoscaler deleted",
        "Autoscaler created: 2 to 10 pods",
    ]


def test_manual_scaling_without_an_autoscaler(running: Changes) -> None:
    running.at(20, changed("statefulsets", workload("mongodb", 0)), changed("deployments", workload("flask", 3)))
    running.at(30, deleted("horizontalpodautoscalers", "hpa"))
    running.at(40, changed("deployments", workload("flask", 5)))
    assert running.texts() == ["StatefulSet mongodb 1 → 0", "Autoscaler deleted", "Deployment flask 3 → 5"]


def test_mongo_down_and_up_have_their_own_times(running: Changes) -> None:
    running.at(20, lambda _: mongo_down(timestamp(19.97)))
    running.at(21, mongo_down).at(21.9, lambda _: contents(timestamp(21.87))).at(22, contents)
    assert [(entry["at"], entry["tone"], entry["text"], entry["mark"]) for entry in running.new()] == [
        (timestamp(19.97), "bad", "Mongo does not answer: the database has no primary", "mongod down"),
        (timestamp(21.87), "good", "Mongo answers again after 1.9 s", "mongod up"),
    ]


def test_mongo_down_and_up_between_two_publications(running: Changes) -> None:
    running.at(21, mongo_down, lambda _: contents(timestamp(21.05)))
    assert running.texts() == ["Mongo was briefly unavailable"]


def test_mongo_answers_for_the_first_time(changes: Changes) -> None:
    changes.at(1, mongo_down).at(6, contents)
    assert changes.texts() == ["Mongo answers after 5.0 s"]


def test_claim_changes(running: Changes) -> None:
    running.at(20, changed("persistentvolumeclaims", claim("Lost")))
    running.at(30, deleted("persistentvolumeclaims", "c1"))
    running.at(31, changed("persistentvolumeclaims", claim("Pending", "", "c2")))
    running.at(32, changed("persistentvolumeclaims", claim("Bound", "pvc-2", "c2")))
    running.at(33, changed("persistentvolumeclaims", claim("Bound", "pvc-3", "c2")))
    assert [(entry["tone"], entry["text"]) for entry in running.new()] == [
        ("bad", "Volume claim data-mongodb-0 Lost, was Bound"),
        ("warn", "Volume claim data-mongodb-0 deleted: Mongo has lost the data on it"),
        ("busy", "Volume claim data-mongodb-0 created"),
        ("good", "Volume claim data-mongodb-0 Bound to pvc-2, was Pending"),
        ("warn", "Volume claim data-mongodb-0 has another volume: pvc-2 → pvc-3"),
    ]


def test_service_without_endpoints(running: Changes) -> None:
    running.at(20, changed("endpointslices", slice_of()))
    running.at(24, changed("endpointslices", slice_of("10.0.0.2")))
    assert running.texts() == [
        "Service flask has no endpoints: no pod answers",
        "Service flask has endpoints again after 4.0 s",
    ]


def test_sources_lost_and_resumed_together_share_an_entry(running: Changes) -> None:
    error = "the API server can't be reached: refused"
    running.at(20, source("pods", "stale", error)).at(21, source("events", "stale", error))
    running.at(21.9)
    assert running.texts() == []
    running.at(22.1)
    assert [(entry["at"], entry["tone"], entry["text"]) for entry in running.new()] == [
        (timestamp(20), "warn", f"No updates for pods and events: {error}")
    ]
    running.at(30, source("pods", "live"), source("pods", "live")).at(31, source("events", "live")).at(31.5)
    assert running.texts() == []
    running.at(32.1).at(60)
    assert [(entry["at"], entry["tone"], entry["text"]) for entry in running.new()] == [
        (timestamp(31), "good", "Live again after 10 s: pods and events")
    ]


def test_brief_loss_of_a_source_gives_no_entry(running: Changes) -> None:
    for second in range(20, 40, 4):
        running.at(second, source("pods", "stale", "reset")).at(second + 1.5, source("pods", "live")).at(second + 3)
    assert running.texts() == []


def test_source_is_back_only_after_it_is_stable(running: Changes) -> None:
    live, stale = (source("horizontalpodautoscalers", state) for state in ("live", "stale"))
    running.at(20, stale).at(23).at(30, live).at(31, stale).at(35).at(40, live).at(43)
    assert running.texts() == ["No updates for autoscalers", "Live again after 20 s: autoscalers"]


def test_source_that_becomes_forbidden(running: Changes) -> None:
    running.at(20, source("events", "forbidden", "403: no")).at(25)
    assert [(entry["tone"], entry["text"]) for entry in running.new()] == [
        ("bad", "No longer allowed to read events: 403: no")
    ]


def test_long_names_are_shortened(running: Changes) -> None:
    name = "mongodb-" + "9" * 245
    running.at(20, changed("pods", pod("long", name, created=20)))
    running.at(21, changed("pods", pod("long", name, created=20, ready=True)))
    for entry in running.new():
        assert len(entry["text"]) < 100
        assert len(entry["mark"] or "") < 30
        assert entry["about"]["name"] == name


def test_memory_is_bounded_after_many_pods(running: Changes) -> None:
    for number in range(300):
        second = 20 + number
        one = pod(f"x{number}", f"flask-{number}", created=second)
        running.at(second, changed("pods", one)).at(second + 0.5, deleted("pods", f"x{number}"))
    attributes = vars(running.timeline._changes)
    assert max(len(value) for value in attributes.values() if isinstance(value, dict)) <= 100
    assert len(running.timeline.entries()) == 200
