"""The history saver, with hubs and audits of several dashboards, against a stub of the Kubernetes API."""

import base64
import time
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import orjson
import pytest

from dashboard.core import events, objects
from dashboard.core.state.kept import KEPT_BYTES, Kept
from dashboard.core.timestamps import rfc3339
from dashboard.kube.client import KubeClient
from dashboard.web import history_saver as saver_module
from dashboard.web.audit_log import AuditLog
from dashboard.web.history_saver import FILE, HistorySaver
from dashboard.web.hub import Hub
from tests.dashboard.kube.manifests import HISTORY, manifest
from tests.dashboard.kube.stubs import NAMESPACE, Json, ObjectApi
from tests.dashboard.stubs import TARGETS, wait_until
from tests.dashboard.web.test_hub import RecordingBroadcaster


class Dashboard:
    """The parts of a dashboard that are kept."""

    def __init__(self, clients: Callable[[float], KubeClient], name: str) -> None:
        self.hub = Hub(TARGETS, ("pods", "metrics", "mongo", "runs"), epoch=name, viewers=3)
        self.audit = AuditLog(self.hub.put, None, StringIO())
        self.saver = HistorySaver(self.hub, self.audit, clients, NAMESPACE, name)
        self.broadcaster = RecordingBroadcaster()

    def start(self) -> None:
        self.saver.start()
        self.hub.start(self.broadcaster)

    def stop(self) -> None:
        self.saver.stop()
        self.hub.stop()

    def observe(self, offered: float, at: float | None = None) -> None:
        """Put a point of the load, and wait until the history has it."""
        load: Json = {"offered": offered, "achieved": 0, "errors_per_second": 0, "p50_ms": None, "p99_ms": None}
        self.hub.put(events.LoadUpdated(at=rfc3339(at or time.time()), load=load))
        wait_until(lambda: offered in self.offered())

    def offered(self) -> list[float]:
        found: list[float] = orjson.loads(self.hub.history(0))["tables"]["load"]["offered"]
        return found

    def texts(self) -> list[str]:
        return [entry["text"] for entry in orjson.loads(self.hub.state())["timeline"]]

    def audited(self) -> list[str]:
        return [line["action"] for line in self.audit.newest()]


@pytest.fixture
def dashboard_of(clients: Callable[[float], KubeClient]) -> Iterator[Callable[[str], Dashboard]]:
    made: list[Dashboard] = []

    def make(name: str) -> Dashboard:
        made.append(Dashboard(clients, name))
        return made[-1]

    yield make
    for each in made:
        each.stop()


DashboardOf = Callable[[str], Dashboard]


def damage(object_api: ObjectApi, **fields: Any) -> None:
    object_api.put(HISTORY, manifest("dashboard-history-configmap") | fields)


def test_next_dashboard_has_what_the_last_one_kept(dashboard_of: DashboardOf, object_api: ObjectApi) -> None:
    first = dashboard_of("a")
    first.start()
    first.observe(180.0)
    first.audit("operator", "start a load", "started")
    wait_until(first.texts)
    first.stop()
    assert object_api.objects[HISTORY]["metadata"]["labels"], "the rest of the ConfigMap stays"
    second = dashboard_of("b")
    second.start()
    assert second.offered() == [180.0] and second.audited() == ["start a load"]
    wait_until(second.texts)
    assert second.texts() == first.texts()
    assert not any(tick.get("points") for tick in second.broadcaster.of("tick")), "they are no new points"


@pytest.mark.slow
def test_roll_outs_new_dashboard_adopts_what_the_old_one_kept_last(dashboard_of: DashboardOf) -> None:
    old = dashboard_of("a")
    old.start()
    old.observe(1.0)
    old.saver.save()
    old.observe(2.0)
    new = dashboard_of("b")
    new.start()
    assert new.offered() == [1.0]
    new.observe(3.0)
    old.audit("operator", "the last action", "started")
    old.stop()
    new.hub.join("page")
    new.saver.save()
    wait_until(lambda: len(new.broadcaster.of("snapshot", "page")) == 2)
    assert new.offered() == [1.0, 2.0, 3.0] and new.audited() == ["the last action"]
    new.saver.save()
    third = dashboard_of("c")
    third.start()
    assert third.offered() == [1.0, 2.0, 3.0]


def test_two_dashboards_keep_the_actions_of_both(dashboard_of: DashboardOf, object_api: ObjectApi) -> None:
    first, second = dashboard_of("a"), dashboard_of("b")
    for each in (first, second):
        each.start()
        each.audit("operator", f"action of {each.hub.epoch}", "started")
    object_api.meanwhile = second.saver.save  # between the first one's read and its write
    first.saver.save()
    second.saver.save()
    assert sorted(first.audited()) == sorted(second.audited()) == ["action of a", "action of b"]


def test_history_is_written_at_an_interval(
    dashboard_of: DashboardOf, object_api: ObjectApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver_module, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(saver_module, "SAVE_SECONDS", 0.05)
    dashboard_of("a").start()
    wait_until(lambda: "binaryData" in object_api.objects[HISTORY])
    version = object_api.objects[HISTORY]["metadata"]["resourceVersion"]
    wait_until(lambda: object_api.objects[HISTORY]["metadata"]["resourceVersion"] != version)


@pytest.mark.parametrize(
    "fields",
    [
        {"binaryData": {"other": "AA=="}},
        {"binaryData": {FILE: "***"}},
        {"binaryData": {FILE: 7}},
        {"binaryData": [1]},
        {"binaryData": {FILE: base64.b64encode(b"foreign").decode()}},
    ],
    ids=repr,
)
def test_contents_of_somebody_else_are_said_and_replaced(
    dashboard_of: DashboardOf, object_api: ObjectApi, fields: Json
) -> None:
    damage(object_api, **fields)
    dashboard = dashboard_of("a")
    dashboard.start()
    dashboard.saver.save()
    assert dashboard.audited() == ["read the history from before"], "once"
    wait_until(dashboard.texts)
    assert len(base64.b64decode(object_api.objects[HISTORY]["binaryData"][FILE])) < KEPT_BYTES
    dashboard_of("b").start()


@pytest.mark.parametrize("failure", ["missing", "forbidden", "gibberish"])
def test_failure_to_read_or_write_stops_nothing(
    dashboard_of: DashboardOf, object_api: ObjectApi, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    if failure == "missing":
        del object_api.objects[HISTORY]
    elif failure == "forbidden":
        object_api.error = (403, {})
    else:
        object_api.objects[HISTORY] = []  # type: ignore[assignment]
    dashboard = dashboard_of("a")
    dashboard.start()
    dashboard.observe(1.0)
    dashboard.stop()
    assert "the history from before is missing" in caplog.text or failure == "gibberish"
    assert "the history is not kept" in caplog.text


def test_what_could_not_be_read_at_the_start_is_adopted_before_the_first_write(
    dashboard_of: DashboardOf, object_api: ObjectApi
) -> None:
    first = dashboard_of("a")
    first.start()
    first.observe(1.0)
    first.stop()
    object_api.error = (503, {})
    second = dashboard_of("b")
    second.start()
    object_api.error = None
    second.observe(2.0)
    second.stop()
    assert second.offered() == [1.0, 2.0]


def test_sparklines_wait_for_the_pods(dashboard_of: DashboardOf) -> None:
    """Samples may arrive before the first list of pods, which does not mean that the pods are gone."""
    dashboard = dashboard_of("a")
    dashboard.hub.adopt(Kept("z", {}, {"u1": [(1_764_000_000.0, 7.0)]}, [], []))
    dashboard.start()
    dashboard.hub.put(events.MetricsSampled(at=rfc3339(time.time()), samples=[]))
    dashboard.observe(1.0)
    assert list(orjson.loads(dashboard.hub.history(0))["pods"]) == ["u1"]
    listed: list[Any] = [objects.Pod(objects.Meta(name="x", uid="u2"))]
    dashboard.hub.put(events.ObjectsListed(at=rfc3339(time.time()), kind="pods", objects=listed))
    dashboard.hub.put(events.MetricsSampled(at=rfc3339(time.time()), samples=[]))
    wait_until(lambda: not orjson.loads(dashboard.hub.history(0))["pods"])
