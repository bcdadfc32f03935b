"""The change detector's entries, from the differences of states that the snapshot builds from events."""

from typing import Any

import pytest

from dashboard.core import events, objects
from dashboard.core.state.builder import StateBuilder
from dashboard.core.timeline.timeline import Timeline
from dashboard.core.timestamps import rfc3339, seconds
from tests.dashboard.core.decoding import Json, decoded
from tests.dashboard.stubs import TARGETS

START = seconds("2026-11-24T12:00:00Z")
KINDS = (*objects.KINDS, "metrics", "traffic", "mongo")


class PublishedTimeline:
    """A timeline that follows a snapshot from publication to publication, like the hub's."""

    def __init__(self) -> None:
        self.builder = StateBuilder(TARGETS, KINDS, timestamp(0))
        self.timeline = Timeline()
        self.state = self.builder.state(0)
        self._read: set[str] = set()

    def publish(self, second: float, *events: Any) -> "PublishedTimeline":
        """Apply events and add the entries of the changes. Each of `events` makes an event with the given timestamp."""
        for event_with in events:
            self.builder.apply(event_with(timestamp(second)))
        before, self.state = self.state, self.builder.state(0)
        self.timeline.compare(before, self.state, timestamp(second))
        return self

    def new_entries(self) -> list[Json]:
        """Return the entries since the last call, oldest first."""
        entries = [entry for entry in reversed(self.timeline.entries()) if entry["id"] not in self._read]
        self._read |= {entry["id"] for entry in entries}
        return entries

    def new_texts(self) -> list[str]:
        return [entry["text"] for entry in self.new_entries()]


def timestamp(second: float) -> str:
    return rfc3339(START + second)


def listed(kind: str, *objects: Json) -> Any:
    return lambda at: events.ObjectsListed(at=at, kind=kind, objects=[decoded(kind, one) for one in objects])


def changed(kind: str, object_: Json) -> Any:
    return lambda at: events.ObjectChanged(at=at, kind=kind, object=decoded(kind, object_))


def deleted(kind: str, uid: str) -> Any:
    return lambda at: events.ObjectDeleted(at=at, kind=kind, uid=uid)


def status(source: str, state: str, error: str | None = None) -> Any:
    return lambda at: events.SourceStatus(at=at, source=source, state=state, error=error)


def pod(
    uid: str = "u1", name: str = "flask-1", *, ready: bool = False, created: float = 0, restarts: int = 0,
    terminating: bool = False, phase: str = "Running", reason: str = "",
) -> Json:  # fmt: skip
    meta = {"name": name, "uid": uid, "creationTimestamp": timestamp(created)[:19] + "Z"}
    meta |= {"deletionTimestamp": timestamp(created)} if terminating else {}
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


def autoscaler(desired: int, cpu: int | None = 40, *, active: str = "True", reason: str = "", high: int = 10) -> Json:
    target = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 70}}}
    current = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": cpu}}}
    condition = {"type": "ScalingActive", "status": active, "reason": reason, "message": ""}
    return {
        "metadata": {"name": "flask", "uid": "hpa"},
        "spec": {"minReplicas": 2, "maxReplicas": high, "metrics": [target]},
        "status": {"desiredReplicas": desired, "currentMetrics": [current], "conditions": [condition]},
    }


def claim(phase: str = "Bound", volume: str = "pvc-1", uid: str = "c1") -> Json:
    return {
        "metadata": {"name": "data-mongodb-0", "uid": uid},
        "spec": {"volumeName": volume},
        "status": {"phase": phase},
    }


def endpoint_slice(*addresses: str) -> Json:
    return {
        "metadata": {"name": "s", "uid": "s", "labels": {"kubernetes.io/service-name": "flask"}},
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


def collection_read(at: str) -> events.Event:
    return events.CollectionRead(at=at, version="8.0", count=1, size_bytes=9, newest=[])


def mongo_down(at: str) -> events.Event:
    return events.MongoUnavailable(at=at, error="the database has no primary")


@pytest.fixture
def timeline() -> PublishedTimeline:
    return PublishedTimeline()


@pytest.fixture
def healthy(timeline: PublishedTimeline) -> PublishedTimeline:
    """The timeline of a healthy deployment, after the first list of every kind."""
    return timeline.publish(
        1,
        listed("pods", pod(ready=True, created=-600), pod("m1", "mongodb-0", ready=True, created=-600)),
        listed("deployments", workload("flask", 2)),
        listed("statefulsets", workload("mongodb")),
        listed("horizontalpodautoscalers", autoscaler(2)),
        listed("persistentvolumeclaims", claim()),
        listed("endpointslices", endpoint_slice("10.0.0.1")),
        listed("events"),
        lambda at: events.MetricsSampled(at=at, samples=[]),
        lambda at: events.CountersScraped(at=at, pods={}),
        collection_read,
    )


def test_objects_that_existed_at_the_start_are_no_changes(healthy: PublishedTimeline) -> None:
    assert healthy.new_texts() == []


def test_sources_that_never_connected_have_no_entries(timeline: PublishedTimeline) -> None:
    timeline.publish(1, status("pods", "forbidden", "403"), status("events", "connecting", "refused"), mongo_down)
    timeline.publish(60, listed("pods", pod(), pod("m1", "mongodb-0", terminating=True)), listed("events"))
    timeline.publish(70, listed("horizontalpodautoscalers", autoscaler(5)))
    timeline.publish(71, listed("persistentvolumeclaims", claim("Lost")))
    assert timeline.new_texts() == []


def test_unchanged_state_adds_no_entries(healthy: PublishedTimeline) -> None:
    healthy.publish(2).publish(3, changed("pods", pod(ready=True, created=-600)), collection_read)
    assert healthy.new_texts() == []


def test_life_of_a_pod(healthy: PublishedTimeline) -> None:
    healthy.publish(10.4, changed("pods", pod("u2", "flask-2", created=10, phase="Pending")))
    healthy.publish(12, changed("pods", pod("u2", "flask-2", created=10)))
    healthy.publish(14.5, changed("pods", pod("u2", "flask-2", created=10, ready=True)))
    healthy.publish(60, changed("pods", pod("u2", "flask-2", created=10, ready=True, terminating=True)))
    healthy.publish(62, changed("pods", pod("u2", "flask-2", created=10, terminating=True)))
    healthy.publish(65, deleted("pods", "u2"))
    entries = healthy.new_entries()
    assert [(entry["at"], entry["tone"], entry["text"]) for entry in entries] == [
        (timestamp(10.4), "busy", "flask-2 created"),
        (timestamp(14.5), "good", "flask-2 Ready after 4.1 s"),
        (timestamp(60), "off", "flask-2 terminating"),
        (timestamp(65), "off", "flask-2 gone, 5.0 s after it began to terminate"),
    ]
    assert {entry["kind"] for entry in entries} == {"change"}
    assert {entry["mark"] for entry in entries} == {None}
    assert entries[0]["about"] == {"kind": "Pod", "name": "flask-2", "uid": "u2"}


def test_pod_observed_late_became_ready_after_its_creation(healthy: PublishedTimeline) -> None:
    healthy.publish(40, listed("pods", pod("u2", "flask-2", created=10)))
    healthy.publish(45, changed("pods", pod("u2", "flask-2", created=10, ready=True)))
    assert healthy.new_texts()[-1] == "flask-2 Ready after 35 s"


def test_unready_pod_becomes_ready_again(healthy: PublishedTimeline) -> None:
    healthy.publish(20, changed("pods", pod(created=-600)))
    healthy.publish(32, changed("pods", pod(created=-600, ready=True)))
    assert healthy.new_texts() == ["flask-1 not ready", "flask-1 Ready again after 12 s"]


def test_pod_that_was_starting_before_the_dashboard_has_no_duration(timeline: PublishedTimeline) -> None:
    timeline.publish(1, listed("pods", pod(created=-3_600)))
    timeline.publish(2, changed("pods", pod(created=-3_600, ready=True)))
    assert timeline.new_texts() == ["flask-1 Ready"]


def test_restart_has_its_reason_and_count(healthy: PublishedTimeline) -> None:
    healthy.publish(20, changed("pods", pod(created=-600, reason="OOMKilled")))
    healthy.publish(21, changed("pods", pod(created=-600, restarts=1)))
    healthy.publish(22, changed("pods", pod(created=-600, restarts=3, ready=True)))
    assert [(entry["tone"], entry["text"]) for entry in healthy.new_entries()] == [
        ("warn", "flask-1 not ready: OOMKilled"),
        ("bad", "flask-1 container restarted, after OOMKilled (once so far)"),
        ("warn", "flask-1 container restarted (3 times so far)"),
        ("good", "flask-1 Ready again after 2.0 s"),
    ]


def test_words_of_a_pod_that_was_not_ready_are_no_reason_for_a_restart(healthy: PublishedTimeline) -> None:
    words = {"flask-1": "MongoDB refuses the user."}
    healthy.publish(20, changed("pods", pod(created=-600)))
    healthy.publish(21, lambda at: events.CountersScraped(at=at, pods={}, unready=words))
    healthy.publish(22, changed("pods", pod(created=-600, restarts=1)))
    assert healthy.new_texts() == ["flask-1 not ready", "flask-1 container restarted (once so far)"]


def test_failed_or_finished_pod_is_not_reported_as_unready(healthy: PublishedTimeline) -> None:
    healthy.publish(20, changed("pods", pod(created=-600, phase="Failed")))
    healthy.publish(21, changed("pods", pod("m1", "mongodb-0", created=-600, phase="Succeeded")))
    assert healthy.new_texts() == ["flask-1 failed", "mongodb-0 finished"]


def test_replacement_of_the_database_pod_marks_the_charts(healthy: PublishedTimeline) -> None:
    healthy.publish(20, changed("pods", pod("m1", "mongodb-0", created=-600, ready=True, terminating=True)))
    healthy.publish(21, deleted("pods", "m1"))
    healthy.publish(21.5, changed("pods", pod("m2", "mongodb-0", created=21)))
    healthy.publish(24.5, changed("pods", pod("m2", "mongodb-0", created=21, ready=True)))
    assert [(entry["text"], entry["mark"]) for entry in healthy.new_entries()] == [
        ("mongodb-0 terminating", "mongodb-0 ends"),
        ("mongodb-0 gone, 1.0 s after it began to terminate", None),
        ("mongodb-0 replaced by a new pod, 0.5 s after the old one was gone", None),
        ("mongodb-0 Ready after 3.0 s", "mongodb-0 Ready"),
    ]


def test_replacement_in_one_list_has_no_duration(healthy: PublishedTimeline) -> None:
    healthy.publish(20, listed("pods", pod(ready=True), pod("m2", "mongodb-0", created=19)))
    assert [(entry["text"], entry["mark"]) for entry in healthy.new_entries()] == [
        ("mongodb-0 gone", "mongodb-0 gone"),
        ("mongodb-0 replaced by a new pod", None),
    ]


def test_scaling_has_its_reason(healthy: PublishedTimeline) -> None:
    healthy.publish(20, changed("horizontalpodautoscalers", autoscaler(3, 98)))
    healthy.publish(35, changed("horizontalpodautoscalers", autoscaler(3, 75)))
    healthy.publish(50, changed("horizontalpodautoscalers", autoscaler(10, 240)))
    healthy.publish(90, changed("horizontalpodautoscalers", autoscaler(4, None)))
    healthy.publish(99, changed("horizontalpodautoscalers", autoscaler(2, 12)))
    assert [(entry["tone"], entry["text"], entry["mark"]) for entry in healthy.new_entries()] == [
        ("busy", "Autoscaler 2 → 3: CPU 98 % of a 70 % target", "2 → 3"),
        ("busy", "Autoscaler 3 → 10, its max: CPU 240 % of a 70 % target", "3 → 10"),
        ("good", "Autoscaler 10 → 4", "10 → 4"),
        ("good", "Autoscaler 4 → 2, back at its min: CPU 12 % of a 70 % target", "4 → 2"),
    ]


def test_target_in_millicores_is_reported_in_millicores(healthy: PublishedTimeline) -> None:
    scaled = autoscaler(3)
    cpu = {"name": "cpu", "target": {"averageValue": "70m"}, "current": {"averageValue": "98m"}}
    scaled["spec"]["metrics"] = scaled["status"]["currentMetrics"] = [{"type": "Resource", "resource": cpu}]
    healthy.publish(20, changed("horizontalpodautoscalers", scaled))
    assert any("CPU 98 m of a 70 m target" in text for text in healthy.new_texts()), healthy.new_texts()


def test_autoscaler_without_metrics(healthy: PublishedTimeline) -> None:
    inactive = autoscaler(2, None, active="False", reason="FailedGetResourceMetric")
    healthy.publish(20, changed("horizontalpodautoscalers", inactive))
    healthy.publish(50, changed("horizontalpodautoscalers", autoscaler(2)))
    assert [(entry["tone"], entry["text"]) for entry in healthy.new_entries()] == [
        ("warn", "Autoscaler can't scale: FailedGetResourceMetric"),
        ("good", "Autoscaler can scale again after 30 s"),
    ]


def test_autoscaler_changed_deleted_and_created(healthy: PublishedTimeline) -> None:
    healthy.publish(20, changed("horizontalpodautoscalers", autoscaler(2, high=12)))
    healthy.publish(30, deleted("horizontalpodautoscalers", "hpa"))
    healthy.publish(40, changed("horizontalpodautoscalers", autoscaler(2)))
    assert healthy.new_texts() == [
        "Autoscaler's range changed: 2 to 10 pods → 2 to 12 pods",
        "Autoscaler deleted",
        "Autoscaler created: 2 to 10 pods",
    ]


def test_manual_scaling_without_an_autoscaler(healthy: PublishedTimeline) -> None:
    healthy.publish(20, changed("statefulsets", workload("mongodb", 0)), changed("deployments", workload("flask", 3)))
    healthy.publish(30, deleted("horizontalpodautoscalers", "hpa"))
    healthy.publish(40, changed("deployments", workload("flask", 5)))
    assert healthy.new_texts() == ["StatefulSet mongodb 1 → 0", "Autoscaler deleted", "Deployment flask 3 → 5"]


def test_mongo_down_and_up_have_their_own_times(healthy: PublishedTimeline) -> None:
    healthy.publish(20, lambda _: mongo_down(timestamp(19.97)))
    healthy.publish(21, mongo_down)
    healthy.publish(21.9, lambda _: collection_read(timestamp(21.87))).publish(22, collection_read)
    assert [(entry["at"], entry["tone"], entry["text"], entry["mark"]) for entry in healthy.new_entries()] == [
        (timestamp(19.97), "bad", "MongoDB does not answer: the database has no primary", "mongod down"),
        (timestamp(21.87), "good", "MongoDB answers again after 1.9 s", "mongod up"),
    ]


def test_mongo_down_and_up_between_two_publications(healthy: PublishedTimeline) -> None:
    healthy.publish(21, mongo_down, lambda _: collection_read(timestamp(21.05)))
    assert healthy.new_texts() == ["MongoDB was briefly unavailable"]


def test_mongo_answers_for_the_first_time(timeline: PublishedTimeline) -> None:
    timeline.publish(1, mongo_down).publish(6, collection_read)
    assert timeline.new_texts() == ["MongoDB answers after 5.0 s"]


def test_deletion_of_another_programs_claim_is_no_loss_of_mongos(healthy: PublishedTimeline) -> None:
    other = claim(uid="c9")
    other["metadata"]["name"] = "data-prometheus-0"
    healthy.publish(20, changed("persistentvolumeclaims", other))
    healthy.publish(30, deleted("persistentvolumeclaims", "c9"))
    texts = [entry["text"] for entry in healthy.new_entries()]
    assert texts == ["Volume claim data-prometheus-0 created", "Volume claim data-prometheus-0 deleted"]


def test_claim_changes(healthy: PublishedTimeline) -> None:
    healthy.publish(20, changed("persistentvolumeclaims", claim("Lost")))
    healthy.publish(30, deleted("persistentvolumeclaims", "c1"))
    healthy.publish(31, changed("persistentvolumeclaims", claim("Pending", "", "c2")))
    healthy.publish(32, changed("persistentvolumeclaims", claim("Bound", "pvc-2", "c2")))
    healthy.publish(33, changed("persistentvolumeclaims", claim("Bound", "pvc-3", "c2")))
    assert [(entry["tone"], entry["text"]) for entry in healthy.new_entries()] == [
        ("bad", "Volume claim data-mongodb-0 Lost, was Bound"),
        ("warn", "Volume claim data-mongodb-0 deleted: the database lost the data on it"),
        ("busy", "Volume claim data-mongodb-0 created"),
        ("good", "Volume claim data-mongodb-0 Bound to pvc-2, was Pending"),
        ("warn", "Volume claim data-mongodb-0 has another volume: pvc-2 → pvc-3"),
    ]


def test_service_without_endpoints(healthy: PublishedTimeline) -> None:
    healthy.publish(20, changed("endpointslices", endpoint_slice()))
    healthy.publish(24, changed("endpointslices", endpoint_slice("10.0.0.2")))
    assert healthy.new_texts() == [
        "Service flask has no endpoints: no pod answers",
        "Service flask has endpoints again after 4.0 s",
    ]


def test_sources_lost_and_resumed_together_share_an_entry(healthy: PublishedTimeline) -> None:
    error = "the API server can't be reached: refused"
    healthy.publish(20, status("pods", "stale", error)).publish(21, status("events", "stale", error))
    healthy.publish(21.9)
    assert healthy.new_texts() == []
    healthy.publish(22.1)
    assert [(entry["at"], entry["tone"], entry["text"]) for entry in healthy.new_entries()] == [
        (timestamp(20), "warn", f"No updates for pods and events: {error}")
    ]
    healthy.publish(30, status("pods", "live"), status("pods", "live"))
    healthy.publish(31, status("events", "live")).publish(31.5)
    assert healthy.new_texts() == []
    healthy.publish(32.1).publish(60)
    assert [(entry["at"], entry["tone"], entry["text"]) for entry in healthy.new_entries()] == [
        (timestamp(31), "good", "Live again after 10 s: pods and events")
    ]


def test_brief_loss_of_a_source_adds_no_entry(healthy: PublishedTimeline) -> None:
    for second in range(20, 40, 4):
        healthy.publish(second, status("pods", "stale", "reset"))
        healthy.publish(second + 1.5, status("pods", "live")).publish(second + 3)
    assert healthy.new_texts() == []


def test_source_is_back_only_after_it_is_stable(healthy: PublishedTimeline) -> None:
    live, stale = (status("horizontalpodautoscalers", state) for state in ("live", "stale"))
    healthy.publish(20, stale).publish(23).publish(30, live).publish(31, stale).publish(35)
    healthy.publish(40, live).publish(43)
    assert healthy.new_texts() == ["No updates for autoscalers", "Live again after 20 s: autoscalers"]


def test_source_that_becomes_forbidden(healthy: PublishedTimeline) -> None:
    healthy.publish(20, status("events", "forbidden", "403: no")).publish(25)
    assert [(entry["tone"], entry["text"]) for entry in healthy.new_entries()] == [
        ("bad", "No longer allowed to read events: 403: no")
    ]


def test_long_names_are_shortened(healthy: PublishedTimeline) -> None:
    name = "mongodb-" + "9" * 245
    healthy.publish(20, changed("pods", pod("long", name, created=20)))
    healthy.publish(21, changed("pods", pod("long", name, created=20, ready=True)))
    for entry in healthy.new_entries():
        assert len(entry["text"]) < 100
        assert len(entry["mark"] or "") < 30
        assert entry["about"]["name"] == name


def test_memory_is_bounded_after_many_pods(healthy: PublishedTimeline) -> None:
    for number in range(300):
        second = 20 + number
        new = pod(f"x{number}", f"flask-{number}", created=second)
        healthy.publish(second, changed("pods", new)).publish(second + 0.5, deleted("pods", f"x{number}"))
    attributes = vars(healthy.timeline._changes)
    assert max(len(value) for value in attributes.values() if isinstance(value, dict)) <= 100
    assert len(healthy.timeline.entries()) == 200
