"""Faults of the dashboard's sources: each is reported, retried at a limited rate, and recovered from."""

import contextlib
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
from pymongo import MongoClient

from dashboard.core import events
from dashboard.core.state.builder import StateBuilder
from dashboard.kube.client import LARGEST_LINE, Configuration, connection
from dashboard.sources import watches
from dashboard.sources.mongo import MongoSource
from dashboard.sources.watches import METRICS_PATH, PATHS, ClusterSource
from dashboard.web.health import Probes
from dashboard.web.hub import Hub
from tests.dashboard.kube.stubs import StubApi, StubApiHandler
from tests.dashboard.stubs import TARGETS, Emitted, RecordDuration, wait_until
from tools.local.mongod import Mongod

pytestmark = pytest.mark.slow

PODS = PATHS["pods"].format("flask-mongodb")
METRICS = METRICS_PATH.format("flask-mongodb")


@pytest.fixture
def source(api: StubApi, emitted: Emitted) -> Iterator[ClusterSource]:
    """A source that the test starts once it has scripted the API."""
    cluster = ClusterSource(Configuration(host=api.url), "flask-mongodb", emitted)
    yield cluster
    cluster.stop()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses between requests, for tests that do not count requests."""
    monkeypatch.setattr(watches, "REQUEST_SECONDS", (0.2, 0.25))
    monkeypatch.setattr(watches, "METRICS_SECONDS", 1.0)


def state(emitted: Emitted) -> dict[str, Any]:
    """Return the state that the page would show."""
    builder = StateBuilder(TARGETS, (*watches.SOURCES, "mongo", "traffic"), "")
    for event in list(emitted):
        builder.apply(event)
    return builder.state(0)


def source_states(emitted: Emitted) -> dict[str, str]:
    """Return the state of each Kubernetes source."""
    return {name: source["state"] for name, source in state(emitted)["sources"].items() if name in watches.SOURCES}


def all_are(expected: str, *excluded: str) -> Callable[[Emitted], bool]:
    """Return a condition: all Kubernetes sources but the excluded ones are in a state."""
    return lambda emitted: all(
        state == expected for name, state in source_states(emitted).items() if name not in excluded
    )


def pods(emitted: Emitted) -> list[tuple[str, int]]:
    """Return the uid and the restarts of each pod."""
    return [(pod["uid"], pod["restarts"]) for pod in state(emitted)["pods"]]


def wait_until_watching(api: StubApi, emitted: Emitted) -> None:
    """Wait until every source is live and every watch is open."""
    emitted.wait(all_are("live"))
    for path in PATHS.values():
        api.wait_for_watch(path.format("flask-mongodb"))


def assert_rate_limited(api: StubApi, since: float) -> None:
    """Assert that each kind had at most one request a second, after a burst of two."""
    for path in (*(path.format("flask-mongodb") for path in PATHS.values()), METRICS):
        times = [at for at in api.times(path) if at >= since]
        assert len(times) <= time.monotonic() - since + 2, f"{path}: {len(times)} requests"


def test_watches_resume_after_an_api_server_restart(
    api: StubApi, emitted: Emitted, record_duration: RecordDuration
) -> None:
    port = api.port
    source = ClusterSource(Configuration(host=api.url), "flask-mongodb", emitted)
    source.start()
    wait_until_watching(api, emitted)
    api.stop()
    emitted.wait(all_are("stale", "metrics"))
    emitted.wait(lambda emitted: "Connection refused" in (state(emitted)["sources"]["pods"]["error"] or ""))
    stale = state(emitted)["sources"]["pods"]
    assert stale["since"] > stale["as_of"]
    time.sleep(2)
    restarted = StubApi(port).start()
    restarted_at = time.monotonic()
    try:
        emitted.wait(all_are("live", "metrics"))
        record_duration("API server restarted (stub)", time.monotonic() - restarted_at, 3)
        restarted.wait_for_watch(PODS)
        lists = [query for query in restarted.queries(PODS) if not query.get("watch")]
        assert not lists, "the watch is resumed without a list"
        assert_rate_limited(restarted, restarted_at)
    finally:
        source.stop()
        restarted.stop()


def test_requests_to_a_failing_server_are_rate_limited_and_respect_retry_after(
    api: StubApi, emitted: Emitted, source: ClusterSource, record_duration: RecordDuration
) -> None:
    source.start()
    wait_until_watching(api, emitted)
    before = len(api.times(PODS))
    api.error = (503, {"Retry-After": "2"})
    api.end_watches()
    emitted.wait(all_are("stale", "metrics"))
    wait_until(lambda: len(api.times(PODS)) >= before + 4)
    times = api.times(PODS)[before:]
    assert times[3] - times[0] > 4.5, "one request every two seconds, of which the first may come late"
    api.error, recovered_at = None, time.monotonic()
    emitted.wait(all_are("live", "metrics"))
    record_duration("503 with Retry-After (stub)", time.monotonic() - recovered_at, 3)


def test_403_is_reported_and_recovered_from(
    api: StubApi, emitted: Emitted, source: ClusterSource, record_duration: RecordDuration
) -> None:
    source.start()
    wait_until_watching(api, emitted)
    api.error = (403, {})
    api.end_watches()
    forbidden_at = time.monotonic()
    emitted.wait(all_are("forbidden", "metrics"))
    assert state(emitted)["sources"]["pods"]["error"] == "403: Forbidden"
    time.sleep(1.5)
    assert_rate_limited(api, forbidden_at)
    api.error, recovered_at = None, time.monotonic()
    emitted.wait(all_are("live", "metrics"))
    record_duration("403 (stub)", time.monotonic() - recovered_at, 3)


@pytest.mark.usefixtures("short_pauses")
def test_error_is_the_same_at_each_attempt(api: StubApi, emitted: Emitted) -> None:
    """A changed error would be a patch for every page."""
    source = ClusterSource(Configuration(host="http://127.0.0.1:9"), "flask-mongodb", emitted)
    source.start()
    emitted.wait(lambda emitted: [event.source for event in emitted.of(events.SourceStatus)].count("pods") >= 3)
    source.stop()
    assert len({event.error for event in emitted.of(events.SourceStatus)}) == 1


@pytest.mark.usefixtures("short_pauses")
def test_renewed_token_is_used_at_once(
    api: StubApi, emitted: Emitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_duration: RecordDuration
) -> None:
    token, certificate = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("old\n")
    certificate.write_text("unused")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificate))
    configuration = connection(None)
    configuration.host, configuration.ssl_ca_cert = api.url, None  # the stub speaks no TLS
    api.token = "old"
    source = ClusterSource(configuration, "flask-mongodb", emitted)
    source.start()
    try:
        wait_until_watching(api, emitted)
        api.token = "new"
        api.end_watches()
        emitted.wait(all_are("forbidden", "metrics"))
        assert state(emitted)["sources"]["pods"]["error"] == "401: Unauthorized"
        token.unlink()
        emitted.wait(lambda emitted: "No such file" in (state(emitted)["sources"]["pods"]["error"] or ""))
        token.write_text("new")
        renewed_at = time.monotonic()
        emitted.wait(all_are("live", "metrics"))
        record_duration("token expired (stub)", time.monotonic() - renewed_at, 3)
    finally:
        source.stop()


def test_heartbeat_detects_a_hanging_server(
    api: StubApi, emitted: Emitted, monkeypatch: pytest.MonkeyPatch, record_duration: RecordDuration
) -> None:
    """The kernel accepts the connections, but the server does not respond."""
    monkeypatch.setattr(watches, "HEARTBEAT_SECONDS", 0.5)
    monkeypatch.setattr(watches, "HEARTBEAT_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(watches, "ANSWER_SECONDS", 1.0)
    source = ClusterSource(Configuration(host=api.url), "flask-mongodb", emitted)
    source.start()
    try:
        wait_until_watching(api, emitted)
        api.answering.clear()
        hanging_since = time.monotonic()
        emitted.wait(all_are("stale", "metrics"))
        assert "in time" in state(emitted)["sources"]["pods"]["error"]
        assert_rate_limited(api, hanging_since)
        api.answering.set()
        recovered_at = time.monotonic()
        emitted.wait(all_are("live", "metrics"))
        record_duration("API server hangs (stub)", time.monotonic() - recovered_at, 3)
    finally:
        source.stop()


@pytest.mark.usefixtures("short_pauses")
def test_refused_heartbeat_does_not_end_the_watches(
    api: StubApi, emitted: Emitted, source: ClusterSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "HEARTBEAT_SECONDS", 0.1)
    api.error, api.error_paths = (403, {}), ("/version",)
    source.start()
    wait_until_watching(api, emitted)
    time.sleep(2)
    assert len(api.queries(PODS)) == 2, "a list and a watch"
    assert state(emitted)["about"]["kubernetes_version"] is None
    api.error = None
    emitted.wait(lambda emitted: state(emitted)["about"]["kubernetes_version"] == "v1.36.3")


@pytest.mark.usefixtures("short_pauses")
def test_list_is_shown_while_the_watch_is_forbidden(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    api.play("watch-forbidden")
    source.start()
    refused = emitted.wait(
        lambda emitted: [
            event for event in emitted.of(events.SourceStatus) if (event.source, event.state) == ("pods", "forbidden")
        ]
    )
    until_then = emitted[: emitted.index(refused[0]) + 1]  # the watch may be allowed already
    assert pods(until_then) == [("pod-1", 0)]
    assert source_states(until_then)["pods"] == "forbidden"
    assert 'cannot watch resource "pods"' in state(until_then)["sources"]["pods"]["error"]
    emitted.wait(lambda emitted: source_states(emitted)["pods"] == "live" and pods(emitted) == [("pod-1", 1)])
    assert len(emitted.of(events.ObjectsListed, "pods")) == 1


def test_late_or_repeated_changes_are_ignored(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    api.play("late")
    source.start()
    emitted.wait(lambda emitted: pods(emitted) == [("pod-2", 0)])
    api.wait_for_watch(PODS)
    versions = [event.object.metadata.resource_version for event in emitted.of(events.ObjectChanged, "pods")]
    assert versions == ["103", "106"]
    assert pods(emitted) == [("pod-2", 0)], "the deleted pod did not return"


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("stream", ["history-back", "broken-event"])
def test_list_recovers_missed_changes(stream: str, api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    api.play(stream)
    source.start()
    emitted.wait(lambda emitted: pods(emitted) == [("pod-2", 0)] and source_states(emitted)["pods"] == "live")
    api.wait_for_watch(PODS)


def send(handler: StubApiHandler, line: str) -> None:
    with contextlib.suppress(OSError):  # the source may close the connection meanwhile
        handler.send_line(line)


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"type":"ADDED","object":' + '{"a":' * 100_000, "can't be read"),
        ('{"type":"ADDED","object":' + '{"a":' * 100_000 + "1" + "}" * 100_001, "can't be read"),
        ('{"type":"ADDED","object":{"metadata":{"name":"' + "x" * (LARGEST_LINE + (1 << 20)), "longer than 8 MiB"),
        ('{"type":"ADDED","object":{"metadata":7}}', "can't be read"),
    ],
    ids=["nested and cut off", "nested", "too long", "wrong type"],
)
def test_invalid_line_is_reported_and_recovered_from(
    line: str, message: str, api: StubApi, emitted: Emitted, source: ClusterSource
) -> None:
    source.start()
    handler = api.wait_for_watch(PODS)
    sender = threading.Thread(target=lambda: send(handler, line))
    sender.start()
    emitted.wait(lambda emitted: any(message in (event.error or "") for event in emitted.of(events.SourceStatus)))
    emitted.wait(all_are("live"))
    sender.join(10)


def test_large_object_is_emitted(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    """etcd stores objects of up to 1.5 MB."""
    source.start()
    meta = {"name": "n" * 253, "uid": "large", "resourceVersion": "2", "annotations": {"a": "x" * 1_500_000}}
    api.wait_for_watch(PODS).send_line(json.dumps({"type": "ADDED", "object": {"metadata": meta}}))
    emitted.wait(lambda emitted: pods(emitted) == [("large", 0)])


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("status", [404, 503])
def test_other_sources_stay_live_without_a_metrics_server(
    status: int, api: StubApi, emitted: Emitted, source: ClusterSource
) -> None:
    source.start()
    wait_until_watching(api, emitted)
    api.error, api.error_paths = (status, {}), ("/apis/metrics.k8s.io/",)
    emitted.wait(lambda emitted: source_states(emitted)["metrics"] == "stale")
    metrics = state(emitted)["sources"]["metrics"]
    assert metrics["error"].startswith(f"{status}: ") and metrics["as_of"]
    assert all_are("live", "metrics")(emitted)
    api.error = None
    emitted.wait(lambda emitted: source_states(emitted)["metrics"] == "live")


@pytest.mark.usefixtures("short_pauses")
def test_as_of_of_a_silent_watch_is_the_time_of_its_last_start(
    api: StubApi, emitted: Emitted, source: ClusterSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some kinds, such as Events, have no bookmarks. Their age must not grow."""
    source.start()
    wait_until_watching(api, emitted)
    before = state(emitted)["sources"]["pods"]
    time.sleep(1.5)
    api.end_watches()
    emitted.wait(lambda emitted: state(emitted)["sources"]["pods"]["as_of"] > before["as_of"])
    after = state(emitted)["sources"]["pods"]
    assert (after["state"], after["since"]) == ("live", before["since"])


@pytest.mark.usefixtures("short_pauses")
def test_requests_and_watches_are_counted(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    source.start()
    wait_until_watching(api, emitted)
    requests = source.requests
    emitted.wait(lambda emitted: requests.watches == dict.fromkeys(PATHS, 1))
    assert requests.outcomes["pods", "ok"] == 2
    api.error = (403, {})
    api.end_watches()
    emitted.wait(all_are("forbidden", "metrics"))
    assert requests.outcomes["pods", "forbidden"] >= 1
    assert requests.watches == dict.fromkeys(PATHS, 0)


def test_number_of_watches_does_not_depend_on_the_number_of_viewers(api: StubApi) -> None:
    hub = Hub(TARGETS, (*watches.SOURCES, "mongo"), epoch="e", viewers=10)
    source = ClusterSource(Configuration(host=api.url), "flask-mongodb", hub.put)
    responses = Probes(hub, source.requests).answers()

    def metrics() -> str:
        return responses["/metrics"]()[2].decode()

    for viewer in range(10):
        hub.join(str(viewer))
    source.start()
    try:
        wait_until(lambda: all(f'dashboard_api_watches{{kind="{kind}"}} 1.0' in metrics() for kind in PATHS))
        assert 'dashboard_api_requests_total{kind="pods",outcome="ok"} 2.0' in metrics()
        assert "dashboard_viewers 10.0" in metrics()
        assert len(api.queries(PODS)) == 2, "a list and a watch"
    finally:
        source.stop()


@pytest.mark.parametrize("fault", ["suspended", "killed"])
def test_database_outage_has_a_start_and_an_end(
    fault: str, own_mongod: Mongod, emitted: Emitted, record_duration: RecordDuration
) -> None:
    """The kernel accepts connections to a suspended mongod, and refuses those to a killed one."""

    def mongo() -> dict[str, Any]:
        mongo: dict[str, Any] = state(emitted)["mongo"]
        return mongo

    with MongoClient[dict[str, Any]](own_mongod.uri) as client:
        client["faults"][fault].insert_many([{"key": number} for number in range(3)])
        source = MongoSource(own_mongod.uri, "faults", fault, emitted)
        source.start()
        try:
            emitted.wait(lambda emitted: emitted.of(events.CollectionRead) and mongo()["state"] == "up")
            began, last_event_at = time.monotonic(), emitted[-1].at
            pid = own_mongod.pid
            assert pid
            os.kill(pid, signal.SIGSTOP) if fault == "suspended" else own_mongod.kill()
            emitted.wait(lambda emitted: mongo()["state"] == "down")
            record_duration(f"MongoDB {fault}: detected", time.monotonic() - began, 5)
            down = mongo()
            assert down["since"] >= last_event_at and (down["count"], down["ops_per_second"]) == (3, None)
            time.sleep(3)
            assert mongo()["since"] == down["since"] and state(emitted)["sources"]["mongo"]["state"] == "stale"
            os.kill(pid, signal.SIGCONT) if fault == "suspended" else own_mongod.start()
            recovered_at = time.monotonic()
            emitted.wait(lambda emitted: mongo()["state"] == "up")
            record_duration(f"MongoDB {fault}", time.monotonic() - recovered_at, 3)
            client["faults"][fault].insert_one({"key": "after"})
            emitted.wait(lambda emitted: mongo()["count"] == 4)
        finally:
            if own_mongod.pid:
                os.kill(own_mongod.pid, signal.SIGCONT)
            source.stop()
