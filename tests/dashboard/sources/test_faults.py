"""What goes wrong between the dashboard and its sources: it is said, waited out without hammering, and mended."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.config import incluster_config
from prometheus_client import generate_latest
from pymongo import MongoClient

from dashboard.core import events
from dashboard.core.snapshot import Snapshot, Targets
from dashboard.kube.client import LARGEST_LINE, Configuration, connection
from dashboard.sources import watches as cluster
from dashboard.sources.mongo import MongoSource
from dashboard.sources.watches import METRICS_PATH, PATHS, ClusterSource
from dashboard.web.health import HealthServer
from dashboard.web.hub import Hub
from tests.dashboard.stubs import Heard, Measured, StubApi
from tools.local.mongod import Mongod

pytestmark = pytest.mark.slow

TARGETS = Targets("flask-mongodb", "stub", "flask", "mongodb", "flask", "flask")
PODS = PATHS["pods"].format("flask-mongodb")
METRICS = METRICS_PATH.format("flask-mongodb")


@pytest.fixture
def watching(api: StubApi, heard: Heard) -> Iterator[ClusterSource]:
    """Started by the test, when the streams are chosen."""
    started = ClusterSource(Configuration(host=api.url), "flask-mongodb", heard)
    yield started
    started.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five times as fast, for tests that are not about how often is asked."""
    monkeypatch.setattr(cluster, "REQUEST_SECONDS", (0.2, 0.25))
    monkeypatch.setattr(cluster, "METRICS_SECONDS", 1.0)


def state(heard: Heard) -> dict[str, Any]:
    """As the page would have it now."""
    snapshot = Snapshot(TARGETS, (*cluster.SOURCES, "mongo", "traffic"), "")
    for told in list(heard):
        snapshot.apply(told)
    return snapshot.state(0)


def sources(heard: Heard) -> dict[str, str]:
    """The state of each source that Kubernetes feeds."""
    return {name: source["state"] for name, source in state(heard)["sources"].items() if name in cluster.SOURCES}


def all_are(word: str, *but: str) -> Callable[[Heard], bool]:
    return lambda heard: all(state == word for name, state in sources(heard).items() if name not in but)


def pods(heard: Heard) -> list[tuple[str, int]]:
    return [(pod["uid"], pod["restarts"]) for pod in state(heard)["pods"]]


def settle(api: StubApi, heard: Heard) -> None:
    """Waits until all is live and every watch is open, so that a test knows what it breaks."""
    heard.wait(all_are("live"))
    for path in PATHS.values():
        api.wait_for_watch(path.format("flask-mongodb"))


def assert_not_hammered(api: StubApi, since: float) -> None:
    """Of each kind no more than a request a second, whatever the jitter; two may come at once at first."""
    for path in (*(path.format("flask-mongodb") for path in PATHS.values()), METRICS):
        times = [at for at in api.times(path) if at >= since]
        assert len(times) <= time.monotonic() - since + 2, f"{path}: {len(times)} requests"


def test_a_server_that_is_restarted_is_found_again(api: StubApi, heard: Heard, measured: Measured) -> None:
    port = api.server_address[1]
    watching = ClusterSource(Configuration(host=api.url), "flask-mongodb", heard)
    watching.start()
    settle(api, heard)
    api.stop()
    heard.wait(all_are("stale", "metrics"))
    refused = "the API server can't be reached: Connection refused"
    heard.wait(lambda heard: state(heard)["sources"]["pods"]["error"] == refused)
    told = state(heard)["sources"]["pods"]
    assert told["since"] > told["as_of"]
    time.sleep(2)
    back = StubApi(port).start()
    began = time.monotonic()
    try:
        heard.wait(all_are("live", "metrics"))
        measured("API server restarted (stub)", time.monotonic() - began, 3)
        back.wait_for_watch(PODS)
        assert not [query for query in back.asked(PODS) if not query.get("watch")], "no list: the watch goes on"
        assert_not_hammered(back, began)
    finally:
        watching.stop()
        back.stop()


def test_a_failing_server_is_not_hammered_and_its_wishes_are_heeded(
    api: StubApi, heard: Heard, watching: ClusterSource, measured: Measured
) -> None:
    watching.start()
    settle(api, heard)
    api.refusal = (503, {"Retry-After": "2"})
    api.end_watches()
    refused_at = time.monotonic()
    heard.wait(all_are("stale", "metrics"))
    time.sleep(max(0.0, refused_at + 4 - time.monotonic()))
    times = [at for at in api.times(PODS) if at >= refused_at]
    assert len(times) <= 3, "about one each two seconds"
    api.refusal, mended = None, time.monotonic()
    heard.wait(all_are("live", "metrics"))
    measured("503 with Retry-After (stub)", time.monotonic() - mended, 3)


def test_a_refusal_is_told_and_outlived(
    api: StubApi, heard: Heard, watching: ClusterSource, measured: Measured
) -> None:
    watching.start()
    settle(api, heard)
    api.refusal = (403, {})
    api.end_watches()
    began = time.monotonic()
    heard.wait(all_are("forbidden", "metrics"))
    assert state(heard)["sources"]["pods"]["error"] == "403: Forbidden"
    time.sleep(1.5)
    assert_not_hammered(api, began)
    api.refusal, mended = None, time.monotonic()
    heard.wait(all_are("live", "metrics"))
    measured("403 (stub)", time.monotonic() - mended, 3)


@pytest.mark.usefixtures("quick")
def test_what_was_told_is_the_same_at_each_try(api: StubApi, heard: Heard) -> None:
    """Else each try would be a change, and go to every page."""
    watching = ClusterSource(Configuration(host="http://127.0.0.1:9"), "flask-mongodb", heard)
    watching.start()
    heard.wait(lambda heard: len([told for told in heard.of(events.SourceStatus) if told.source == "pods"]) >= 3)
    watching.stop()
    assert len({told.error for told in heard.of(events.SourceStatus)}) == 1


@pytest.mark.usefixtures("quick")
def test_a_renewed_token_is_used_at_once(
    api: StubApi, heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: Measured
) -> None:
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("old\n")
    authority.write_text("not looked at here")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.server_address[1]))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    configuration = connection(None)
    configuration.host, configuration.ssl_ca_cert = api.url, None  # the stub speaks no TLS
    api.token = "old"
    watching = ClusterSource(configuration, "flask-mongodb", heard)
    watching.start()
    try:
        settle(api, heard)
        api.token = "new"
        api.end_watches()
        heard.wait(all_are("forbidden", "metrics"))
        assert state(heard)["sources"]["pods"]["error"] == "401: Unauthorized"
        token.unlink()
        heard.wait(lambda heard: "No such file" in (state(heard)["sources"]["pods"]["error"] or ""))
        token.write_text("new")
        renewed = time.monotonic()
        heard.wait(all_are("live", "metrics"))
        measured("token expired (stub)", time.monotonic() - renewed, 3)
    finally:
        watching.stop()


def test_a_server_that_stands_still_is_noticed_long_before_its_watches_end(
    api: StubApi, heard: Heard, monkeypatch: pytest.MonkeyPatch, measured: Measured
) -> None:
    """Its kernel takes connections, and nobody answers."""
    monkeypatch.setattr(cluster, "PULSE_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "PULSE_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 1.0)
    watching = ClusterSource(Configuration(host=api.url), "flask-mongodb", heard)
    watching.start()
    try:
        settle(api, heard)
        api.answering.clear()
        began = time.monotonic()
        heard.wait(all_are("stale", "metrics"))
        assert state(heard)["sources"]["pods"]["error"] == "the API server gives no answer in time"
        assert_not_hammered(api, began)
        api.answering.set()
        mended = time.monotonic()
        heard.wait(all_are("live", "metrics"))
        measured("API server stands still (stub)", time.monotonic() - mended, 3)
    finally:
        watching.stop()


@pytest.mark.usefixtures("quick")
def test_a_pulse_that_is_refused_is_a_pulse(
    api: StubApi, heard: Heard, watching: ClusterSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PULSE_SECONDS", 0.1)
    api.refusal, api.refused_paths = (403, {}), ("/version",)
    watching.start()
    settle(api, heard)
    time.sleep(2)
    assert len(api.asked(PODS)) == 2, "a list and a watch"
    assert state(heard)["about"]["kubernetes_version"] is None
    api.refusal = None
    heard.wait(lambda heard: state(heard)["about"]["kubernetes_version"] == "v1.36.3")


@pytest.mark.usefixtures("quick")
def test_a_watch_that_may_not_be_taken_up_shows_what_was_listed_and_goes_on_later(
    api: StubApi, heard: Heard, watching: ClusterSource
) -> None:
    api.play("watch-forbidden")
    watching.start()
    heard.wait(lambda heard: sources(heard)["pods"] == "forbidden")
    assert pods(heard) == [("pod-1", 0)]
    assert 'cannot watch resource "pods"' in state(heard)["sources"]["pods"]["error"]
    heard.wait(lambda heard: sources(heard)["pods"] == "live" and pods(heard) == [("pod-1", 1)])
    assert len(heard.of(events.ObjectsListed, "pods")) == 1


def test_a_change_that_comes_late_or_twice_undoes_nothing(api: StubApi, heard: Heard, watching: ClusterSource) -> None:
    api.play("late")
    watching.start()
    heard.wait(lambda heard: pods(heard) == [("pod-2", 0)])
    api.wait_for_watch(PODS)
    assert [told.object.metadata.resource_version for told in heard.of(events.ObjectChanged, "pods")] == ["103", "106"]
    assert pods(heard) == [("pod-2", 0)], "no ghost"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("stream", ["history-back", "broken-event"])
def test_what_was_missed_is_listed(stream: str, api: StubApi, heard: Heard, watching: ClusterSource) -> None:
    api.play(stream)
    watching.start()
    heard.wait(lambda heard: pods(heard) == [("pod-2", 0)] and sources(heard)["pods"] == "live")
    api.wait_for_watch(PODS)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"type":"ADDED","object":' + '{"a":' * 100_000, "can't be read"),
        ('{"type":"ADDED","object":' + '{"a":' * 100_000 + "1" + "}" * 100_001, "can't be read"),
        ('{"type":"ADDED","object":{"metadata":{"name":"' + "x" * (LARGEST_LINE + (1 << 20)), "longer than 8 MiB"),
        ('{"type":"ADDED","object":{"metadata":7}}', "can't be read"),
    ],
    ids=["deep", "deep and whole", "endless", "of another shape"],
)
def test_a_line_that_no_object_can_be_is_refused_and_outlived(
    line: str, words: str, api: StubApi, heard: Heard, watching: ClusterSource
) -> None:
    watching.start()
    handler = api.wait_for_watch(PODS)
    sender = threading.Thread(target=lambda: _send(handler, line))
    sender.start()
    heard.wait(lambda heard: any(words in (told.error or "") for told in heard.of(events.SourceStatus)))
    heard.wait(all_are("live"))
    sender.join(10)


def test_a_large_object_is_taken(api: StubApi, heard: Heard, watching: ClusterSource) -> None:
    """1.5 MB is what etcd holds; only what is shown of it is kept."""
    watching.start()
    meta = {"name": "n" * 253, "uid": "large", "resourceVersion": "2", "annotations": {"a": "x" * 1_500_000}}
    api.wait_for_watch(PODS).line(json.dumps({"type": "ADDED", "object": {"metadata": meta}}))
    heard.wait(lambda heard: pods(heard) == [("large", 0)])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("status", [404, 503])
def test_a_metrics_server_that_is_gone_leaves_the_rest_live(
    status: int, api: StubApi, heard: Heard, watching: ClusterSource
) -> None:
    watching.start()
    settle(api, heard)
    api.refusal, api.refused_paths = (status, {}), ("/apis/metrics.k8s.io/",)
    heard.wait(lambda heard: sources(heard)["metrics"] == "stale")
    told = state(heard)["sources"]["metrics"]
    assert told["error"].startswith(f"{status}: ") and told["as_of"]
    assert all_are("live", "metrics")(heard)
    api.refusal = None
    heard.wait(lambda heard: sources(heard)["metrics"] == "live")


@pytest.mark.usefixtures("quick")
def test_a_quiet_watch_is_as_old_as_its_last_beginning(
    api: StubApi, heard: Heard, watching: ClusterSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kind whose server sends no bookmarks, as for Events, must not look older and older."""
    watching.start()
    settle(api, heard)
    before = state(heard)["sources"]["pods"]
    time.sleep(1.5)
    api.end_watches()
    heard.wait(lambda heard: state(heard)["sources"]["pods"]["as_of"] > before["as_of"])
    after = state(heard)["sources"]["pods"]
    assert (after["state"], after["since"]) == ("live", before["since"])


@pytest.mark.usefixtures("quick")
def test_requests_and_watches_are_counted(api: StubApi, heard: Heard, watching: ClusterSource) -> None:
    watching.start()
    settle(api, heard)
    asked = watching.requests
    heard.wait(lambda heard: asked.watches == dict.fromkeys(PATHS, 1))
    assert asked.outcomes["pods", "ok"] == 2
    api.refusal = (403, {})
    api.end_watches()
    heard.wait(all_are("forbidden", "metrics"))
    assert asked.outcomes["pods", "forbidden"] >= 1
    assert asked.watches == dict.fromkeys(PATHS, 0)


def test_there_is_one_watch_a_kind_however_many_look(api: StubApi) -> None:
    hub = Hub(TARGETS, (*cluster.SOURCES, "mongo"), epoch="e", viewers=10)
    watching = ClusterSource(Configuration(host=api.url), "flask-mongodb", hub.put)
    probe = HealthServer(hub, "127.0.0.1", 0, watching.requests)

    def exported() -> str:
        return generate_latest(probe.registry).decode()

    for viewer in range(10):
        hub.join(str(viewer))
    watching.start()
    try:
        end = time.monotonic() + 30
        while not all(f'dashboard_api_watches{{kind="{kind}"}} 1.0' in exported() for kind in PATHS):
            assert time.monotonic() < end, exported()
            time.sleep(0.05)
        assert 'dashboard_api_requests_total{kind="pods",outcome="ok"} 2.0' in exported()
        assert "dashboard_viewers 10.0" in exported()
        assert len(api.asked(PODS)) == 2, "a list and a watch"
    finally:
        watching.stop()
        probe.server_close()


@pytest.mark.parametrize("fault", ["stopped", "killed"])
def test_the_database_is_down_since_a_moment_and_back_with_its_documents(
    fault: str, own_mongod: Mongod, heard: Heard, measured: Measured
) -> None:
    """Stopped, its kernel still takes connections; killed, it refuses them."""

    def mongo() -> dict[str, Any]:
        found: dict[str, Any] = state(heard)["mongo"]
        return found

    with MongoClient[dict[str, Any]](own_mongod.uri) as client:
        client["faults"][fault].insert_many([{"key": number} for number in range(3)])
        watching = MongoSource(own_mongod.uri, "faults", fault, heard)
        watching.start()
        try:
            heard.wait(lambda heard: heard.of(events.CollectionRead) and mongo()["state"] == "up")
            began, moment = time.monotonic(), heard[-1].at
            pid = own_mongod.pid
            assert pid
            os.kill(pid, signal.SIGSTOP) if fault == "stopped" else own_mongod.kill()
            heard.wait(lambda heard: mongo()["state"] == "down")
            measured(f"MongoDB {fault}: noticed", time.monotonic() - began, 5)
            down = mongo()
            assert down["since"] >= moment and (down["count"], down["ops_per_second"]) == (3, None)
            time.sleep(3)
            assert mongo()["since"] == down["since"] and state(heard)["sources"]["mongo"]["state"] == "stale"
            os.kill(pid, signal.SIGCONT) if fault == "stopped" else own_mongod.start()
            mended = time.monotonic()
            heard.wait(lambda heard: mongo()["state"] == "up")
            measured(f"MongoDB {fault}", time.monotonic() - mended, 3)
            client["faults"][fault].insert_one({"key": "after"})
            heard.wait(lambda heard: mongo()["count"] == 4)
        finally:
            if own_mongod.pid:
                os.kill(own_mongod.pid, signal.SIGCONT)
            watching.stop()


def _send(handler: Any, line: str) -> None:
    try:
        handler.line(line)
    except OSError:
        return  # it was refused in the middle
