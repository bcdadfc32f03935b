"""What is told of two states. The states are the snapshot's own, made from what the sources tell."""

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


class Scene:
    """Plays events, publishes after each moment as the hub does, and has what was told since it was last asked."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(TARGETS, KINDS, moment(0))
        self.timeline = Timeline()
        self.state = self.snapshot.state(0)
        self._read: set[str] = set()

    def at(self, second: float, *told: Any) -> "Scene":
        for make in told:
            self.snapshot.apply(make(moment(second)))
        before, self.state = self.state, self.snapshot.state(0)
        self.timeline.compare(before, self.state, moment(second))
        return self

    def news(self) -> list[Json]:
        """Oldest first."""
        entries = [entry for entry in reversed(self.timeline.entries()) if entry["id"] not in self._read]
        self._read |= {entry["id"] for entry in entries}
        return entries

    def texts(self) -> list[str]:
        return [entry["text"] for entry in self.news()]


def moment(second: float) -> str:
    return rfc3339(START + second)


def parsed(kind: str, text: Json) -> Any:
    return msgspec.json.decode(json.dumps(text), type=objects.KINDS[kind])


def listed(kind: str, *texts: Json) -> Any:
    return lambda at: events.ObjectsListed(at=at, kind=kind, objects=[parsed(kind, text) for text in texts])


def changed(kind: str, text: Json) -> Any:
    return lambda at: events.ObjectChanged(at=at, kind=kind, object=parsed(kind, text))


def deleted(kind: str, uid: str) -> Any:
    return lambda at: events.ObjectDeleted(at=at, kind=kind, uid=uid)


def heard(source: str, state: str, error: str | None = None) -> Any:
    return lambda at: events.SourceStatus(at=at, source=source, state=state, error=error)


def pod(
    uid: str = "u1", name: str = "flask-1", *, ready: bool = False, created: float = 0, restarts: int = 0,
    ends: bool = False, phase: str = "Running", reason: str = "",
) -> Json:  # fmt: skip
    meta = {"name": name, "uid": uid, "creationTimestamp": moment(created)[:19] + "Z"}
    meta |= {"deletionTimestamp": moment(created)} if ends else {}
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
def scene() -> Scene:
    return Scene()


@pytest.fixture
def running(scene: Scene) -> Scene:
    """A deployment that is well, and told for the first time."""
    scene.at(
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
    return scene


def test_what_was_there_when_the_dashboard_started_is_no_news(running: Scene) -> None:
    assert running.texts() == []


def test_nothing_is_told_of_what_connects_or_may_not_be_read_from_the_start(scene: Scene) -> None:
    scene.at(1, heard("pods", "forbidden", "403"), heard("events", "connecting", "refused"), mongo_down)
    scene.at(60, listed("pods", pod(), pod("m1", "mongodb-0", ends=True)), listed("events"))
    scene.at(70, listed("horizontalpodautoscalers", autoscaler(5)), listed("persistentvolumeclaims", claim("Lost")))
    assert scene.texts() == []


def test_a_quiet_state_is_no_news(running: Scene) -> None:
    running.at(2).at(3, changed("pods", pod(ready=True, created=-600)), contents)
    assert running.texts() == []


def test_a_pod_is_told_from_its_creation_to_its_end(running: Scene) -> None:
    running.at(10.4, changed("pods", pod("u2", "flask-2", created=10, phase="Pending")))
    running.at(12, changed("pods", pod("u2", "flask-2", created=10)))
    running.at(14.5, changed("pods", pod("u2", "flask-2", created=10, ready=True)))
    running.at(60, changed("pods", pod("u2", "flask-2", created=10, ready=True, ends=True)))
    running.at(62, changed("pods", pod("u2", "flask-2", created=10, ends=True)))
    running.at(65, deleted("pods", "u2"))
    news = running.news()
    assert [(entry["at"], entry["tone"], entry["text"]) for entry in news] == [
        (moment(10.4), "busy", "flask-2 created"),
        (moment(14.5), "good", "flask-2 Ready after 4.1 s"),
        (moment(60), "off", "flask-2 terminating"),
        (moment(65), "off", "flask-2 gone, 5.0 s after it began to terminate"),
    ]
    assert {entry["kind"] for entry in news} == {"change"}
    assert {entry["mark"] for entry in news} == {None}
    assert news[0]["about"] == {"kind": "Pod", "name": "flask-2", "uid": "u2"}


def test_a_pod_first_seen_long_after_its_creation_is_counted_from_that(running: Scene) -> None:
    running.at(40, listed("pods", pod("u2", "flask-2", created=10)))
    running.at(45, changed("pods", pod("u2", "flask-2", created=10, ready=True)))
    assert running.texts()[-1] == "flask-2 Ready after 35 s"


def test_readiness_that_is_lost_comes_back_after_so_long(running: Scene) -> None:
    running.at(20, changed("pods", pod(created=-600)))
    running.at(32, changed("pods", pod(created=-600, ready=True)))
    assert running.texts() == ["flask-1 not ready", "flask-1 Ready again after 12 s"]


def test_a_pod_that_was_starting_when_the_dashboard_started_has_no_duration(scene: Scene) -> None:
    scene.at(1, listed("pods", pod(created=-3_600))).at(2, changed("pods", pod(created=-3_600, ready=True)))
    assert scene.texts() == ["flask-1 Ready"]


def test_a_restart_is_told_with_its_reason_and_how_often(running: Scene) -> None:
    running.at(20, changed("pods", pod(created=-600, reason="OOMKilled")))
    running.at(21, changed("pods", pod(created=-600, restarts=1)))
    running.at(22, changed("pods", pod(created=-600, restarts=3, ready=True)))
    assert [(entry["tone"], entry["text"]) for entry in running.news()] == [
        ("warn", "flask-1 not ready: OOMKilled"),
        ("bad", "flask-1 container restarted, after OOMKilled (once so far)"),
        ("warn", "flask-1 container restarted (3 times so far)"),
        ("good", "flask-1 Ready again after 2.0 s"),
    ]


def test_a_pod_that_failed_or_finished_is_not_called_unready(running: Scene) -> None:
    running.at(20, changed("pods", pod(created=-600, phase="Failed")))
    running.at(21, changed("pods", pod("m1", "mongodb-0", created=-600, phase="Succeeded")))
    assert running.texts() == ["flask-1 failed", "mongodb-0 finished"]


def test_the_database_s_pod_that_is_replaced_marks_the_charts(running: Scene) -> None:
    running.at(20, changed("pods", pod("m1", "mongodb-0", created=-600, ready=True, ends=True)))
    running.at(21, deleted("pods", "m1"))
    running.at(21.5, changed("pods", pod("m2", "mongodb-0", created=21)))
    running.at(24.5, changed("pods", pod("m2", "mongodb-0", created=21, ready=True)))
    assert [(entry["text"], entry["mark"]) for entry in running.news()] == [
        ("mongodb-0 terminating", "mongodb-0 ends"),
        ("mongodb-0 gone, 1.0 s after it began to terminate", None),
        ("mongodb-0 replaced by a new pod, 0.5 s after the old one was gone", None),
        ("mongodb-0 Ready after 3.0 s", "mongodb-0 Ready"),
    ]


def test_a_replacement_told_at_once_does_not_say_how_long_it_took(running: Scene) -> None:
    running.at(20, listed("pods", pod(ready=True), pod("m2", "mongodb-0", created=19)))
    assert [(entry["text"], entry["mark"]) for entry in running.news()] == [
        ("mongodb-0 gone", "mongodb-0 gone"),
        ("mongodb-0 replaced by a new pod", None),
    ]


def test_the_autoscaler_s_steps_are_told_with_their_reason(running: Scene) -> None:
    running.at(20, changed("horizontalpodautoscalers", autoscaler(3, 98)))
    running.at(35, changed("horizontalpodautoscalers", autoscaler(3, 75)))
    running.at(50, changed("horizontalpodautoscalers", autoscaler(10, 240)))
    running.at(90, changed("horizontalpodautoscalers", autoscaler(4, None)))
    running.at(99, changed("horizontalpodautoscalers", autoscaler(2, 12)))
    assert [(entry["tone"], entry["text"], entry["mark"]) for entry in running.news()] == [
        ("busy", "Autoscaler 2 → 3: CPU 98 % of a 70 % target", "2 → 3"),
        ("busy", "Autoscaler 3 → 10, its max: CPU 240 % of a 70 % target", "3 → 10"),
        ("good", "Autoscaler 10 → 4", "10 → 4"),
        ("good", "Autoscaler 4 → 2, back at its min: CPU 12 % of a 70 % target", "4 → 2"),
    ]


def test_a_target_in_millicores_is_told_in_millicores(running: Scene) -> None:
    more = autoscaler(3)
    cpu = {"name": "cpu", "target": {"averageValue": "70m"}, "current": {"averageValue": "98m"}}
    more["spec"]["metrics"] = more["status"]["currentMetrics"] = [{"type": "Resource", "resource": cpu}]
    running.at(20, changed("horizontalpodautoscalers", more))
    assert any("CPU 98 m of a 70 m target" in text for text in running.texts()), running.texts()


def test_an_autoscaler_without_figures_says_so_and_how_long_it_lasted(running: Scene) -> None:
    lost = autoscaler(2, None, active="False", reason="FailedGetResourceMetric")
    running.at(20, changed("horizontalpodautoscalers", lost))
    running.at(50, changed("horizontalpodautoscalers", autoscaler(2)))
    assert [(entry["tone"], entry["text"]) for entry in running.news()] == [
        ("warn", "Autoscaler can't scale: FailedGetResourceMetric"),
        ("good", "Autoscaler can scale again after 30 s"),
    ]


def test_an_autoscaler_that_is_deleted_made_or_given_another_range_is_news(running: Scene) -> None:
    running.at(20, changed("horizontalpodautoscalers", autoscaler(2, most=12)))
    running.at(30, deleted("horizontalpodautoscalers", "hpa"))
    running.at(40, changed("horizontalpodautoscalers", autoscaler(2)))
    assert running.texts() == [
        "Autoscaler's range changed: 2 to 10 pods → 2 to 12 pods",
        "Autoscaler deleted",
        "Autoscaler created: 2 to 10 pods",
    ]


def test_scaling_by_hand_is_told_where_no_autoscaler_tells_it(running: Scene) -> None:
    running.at(20, changed("statefulsets", workload("mongodb", 0)), changed("deployments", workload("flask", 3)))
    running.at(30, deleted("horizontalpodautoscalers", "hpa"))
    running.at(40, changed("deployments", workload("flask", 5)))
    assert running.texts() == ["StatefulSet mongodb 1 → 0", "Autoscaler deleted", "Deployment flask 3 → 5"]


def test_mongo_down_and_up_again_are_told_at_their_own_moments(running: Scene) -> None:
    running.at(20, lambda _: mongo_down(moment(19.97)))
    running.at(21, mongo_down).at(21.9, lambda _: contents(moment(21.87))).at(22, contents)
    assert [(entry["at"], entry["tone"], entry["text"], entry["mark"]) for entry in running.news()] == [
        (moment(19.97), "bad", "Mongo does not answer: the database has no primary", "mongod down"),
        (moment(21.87), "good", "Mongo answers again after 1.9 s", "mongod up"),
    ]


def test_mongo_that_was_away_between_two_publications_is_told_too(running: Scene) -> None:
    running.at(21, mongo_down, lambda _: contents(moment(21.05)))
    assert running.texts() == ["Mongo was away for a moment"]


def test_mongo_that_was_never_there_answers_for_the_first_time(scene: Scene) -> None:
    scene.at(1, mongo_down).at(6, contents)
    assert scene.texts() == ["Mongo answers after 5.0 s"]


def test_a_claim_that_changes_is_told(running: Scene) -> None:
    running.at(20, changed("persistentvolumeclaims", claim("Lost")))
    running.at(30, deleted("persistentvolumeclaims", "c1"))
    running.at(31, changed("persistentvolumeclaims", claim("Pending", "", "c2")))
    running.at(32, changed("persistentvolumeclaims", claim("Bound", "pvc-2", "c2")))
    running.at(33, changed("persistentvolumeclaims", claim("Bound", "pvc-3", "c2")))
    assert [(entry["tone"], entry["text"]) for entry in running.news()] == [
        ("bad", "Volume claim data-mongodb-0 Lost, was Bound"),
        ("warn", "Volume claim data-mongodb-0 gone: what Mongo stored on it is no longer its own"),
        ("busy", "Volume claim data-mongodb-0 created"),
        ("good", "Volume claim data-mongodb-0 Bound to pvc-2, was Pending"),
        ("warn", "Volume claim data-mongodb-0 has another volume: pvc-2 → pvc-3"),
    ]


def test_a_service_without_endpoints_is_told(running: Scene) -> None:
    running.at(20, changed("endpointslices", slice_of()))
    running.at(24, changed("endpointslices", slice_of("10.0.0.2")))
    assert running.texts() == [
        "Service flask has no endpoints: no pod answers",
        "Service flask has endpoints again after 4.0 s",
    ]


def test_sources_that_go_and_return_together_are_told_together(running: Scene) -> None:
    error = "the API server can't be reached: refused"
    running.at(20, heard("pods", "stale", error)).at(21, heard("events", "stale", error))
    running.at(21.9)
    assert running.texts() == []
    running.at(22.1)
    assert [(entry["at"], entry["tone"], entry["text"]) for entry in running.news()] == [
        (moment(20), "warn", f"No word on pods and events: {error}")
    ]
    running.at(30, heard("pods", "live"), heard("pods", "live")).at(31, heard("events", "live")).at(31.5)
    assert running.texts() == []
    running.at(32.1).at(60)
    assert [(entry["at"], entry["tone"], entry["text"]) for entry in running.news()] == [
        (moment(31), "good", "Live again after 10 s: pods and events")
    ]


def test_a_source_that_only_flickers_is_no_news(running: Scene) -> None:
    for second in range(20, 40, 4):
        running.at(second, heard("pods", "stale", "reset")).at(second + 1.5, heard("pods", "live")).at(second + 3)
    assert running.texts() == []


def test_a_source_that_flickers_on_its_way_back_is_not_back_yet(running: Scene) -> None:
    running.at(20, heard("horizontalpodautoscalers", "stale")).at(23)
    running.at(30, heard("horizontalpodautoscalers", "live")).at(31, heard("horizontalpodautoscalers", "stale")).at(35)
    running.at(40, heard("horizontalpodautoscalers", "live")).at(43)
    assert running.texts() == ["No word on autoscalers", "Live again after 20 s: autoscalers"]


def test_a_source_that_may_no_longer_be_read_is_told(running: Scene) -> None:
    running.at(20, heard("events", "forbidden", "403: no")).at(25)
    assert [(entry["tone"], entry["text"]) for entry in running.news()] == [
        ("bad", "No longer allowed to read events: 403: no")
    ]


def test_names_of_any_length_make_short_texts_and_marks(running: Scene) -> None:
    name = "mongodb-" + "9" * 245
    running.at(20, changed("pods", pod("long", name, created=20)))
    running.at(21, changed("pods", pod("long", name, created=20, ready=True)))
    for entry in running.news():
        assert len(entry["text"]) < 100
        assert len(entry["mark"] or "") < 30
        assert entry["about"]["name"] == name


def test_what_is_remembered_ends_with_the_pods(running: Scene) -> None:
    for number in range(300):
        second = 20 + number
        one = pod(f"x{number}", f"flask-{number}", created=second)
        running.at(second, changed("pods", one)).at(second + 0.5, deleted("pods", f"x{number}"))
    remembered = vars(running.timeline._changes)
    assert max(len(value) for value in remembered.values() if isinstance(value, dict)) <= 100
    assert len(running.timeline.entries()) == 200
