"""The Kubernetes source, against a stub that replays the API server's streams."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.core import events
from dashboard.core.state.builder import StateBuilder
from dashboard.kube.client import Configuration, KubeStatusError, connection
from dashboard.sources import watches
from dashboard.sources.watches import ClusterSource, is_earlier, pause
from tests.dashboard.kube.stubs import StubApi
from tests.dashboard.stubs import STREAMS, TARGETS, Emitted
from webserver.environment import ConfigError


@pytest.fixture
def source(api: StubApi, emitted: Emitted) -> Iterator[ClusterSource]:
    """A source that the test starts once it has scripted the API."""
    cluster = ClusterSource(Configuration(host=api.url), "flask-mongodb", emitted)
    yield cluster
    cluster.stop()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the pauses between requests, for streams that end at once instead of after half a minute."""
    monkeypatch.setattr(watches, "REQUEST_SECONDS", (0.0, 0.0))


def state(emitted: Emitted) -> dict[str, Any]:
    """Return the state that the page would show."""
    builder = StateBuilder(TARGETS, (*watches.SOURCES, "mongo"), "")
    for event in list(emitted):
        builder.apply(event)
    return builder.state(0)


def pods(emitted: Emitted) -> list[tuple[str, str, bool]]:
    """Return each pod's uid and phase, and whether it is ready."""
    return [(pod["uid"], pod["phase"], pod["ready"]) for pod in state(emitted)["pods"]]


def restarts(emitted: Emitted) -> list[int]:
    """Return the restart count of each changed pod."""
    changes = emitted.of(events.ObjectChanged, "pods")
    return [change.object.status.container_statuses[0].restart_count for change in changes]


def status(emitted: Emitted) -> tuple[str, str | None]:
    """Return the state and the error of the source of pods."""
    source = state(emitted)["sources"]["pods"]
    return source["state"], source["error"]


def test_replaced_pod_of_the_same_name_is_another_pod(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    api.play("replaced")
    source.start()
    emitted.wait(lambda emitted: pods(emitted) == [("pod-2", "Running", True)])
    uids = [event.object.metadata.uid for event in emitted.of(events.ObjectChanged, "pods")]
    assert uids == ["pod-1", "pod-1", "pod-2", "pod-2", "pod-2"]


@pytest.mark.parametrize("stream", ["gone-as-status", "gone-as-event"])
@pytest.mark.usefixtures("no_pauses")
def test_410_causes_a_list_without_deleted_pods(
    stream: str, api: StubApi, emitted: Emitted, source: ClusterSource
) -> None:
    path = api.play(stream)
    source.start()
    emitted.wait(lambda emitted: pods(emitted) == [("pod-2", "Running", True)])
    api.wait_for_watch(path)
    assert status(emitted) == ("live", None)
    assert len(emitted.of(events.ObjectsListed, "pods")) == 2


@pytest.mark.usefixtures("no_pauses")
def test_dropped_watch_resumes_from_the_last_complete_line(
    api: StubApi, emitted: Emitted, source: ClusterSource
) -> None:
    path = api.play("dropped")
    source.start()
    emitted.wait(lambda emitted: restarts(emitted) == [1, 2])
    assert len(emitted.of(events.ObjectsListed, "pods")) == 1, "the watch is resumed without a list"
    versions = [query["resourceVersion"] for query in api.queries(path) if query.get("watch")]
    assert versions == ["100", "101"]
    stale = [event for event in emitted.of(events.SourceStatus) if event.source == "pods" and event.state == "stale"]
    assert stale and stale[0].error
    assert status(emitted) == ("live", None)


@pytest.mark.usefixtures("no_pauses")
def test_bookmark_updates_the_resource_version(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    path = api.play("bookmarks")
    source.start()
    api.wait_for_watch(path)
    queries = [query for query in api.queries(path) if query.get("watch")]
    assert [query["resourceVersion"] for query in queries] == ["100", "200"]
    assert all(query["allowWatchBookmarks"] == "true" for query in queries)


@pytest.mark.slow
def test_interrupted_list_is_restarted_and_emitted_once(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    path = api.play("paged")
    source.start()
    api.wait_for_watch(path)
    (listed,) = emitted.of(events.ObjectsListed, "pods")
    assert [pod.metadata.uid for pod in listed.objects] == ["pod-1", "pod-2"]


@pytest.mark.slow
def test_missing_role_is_reported_and_recovered_from(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    path = api.play("forbidden")
    source.start()
    emitted.wait(lambda emitted: status(emitted) == ("live", None))
    refused = next(event for event in emitted.of(events.SourceStatus) if event.source == "pods" and event.error)
    state_then, error = status(emitted[: emitted.index(refused) + 1])
    assert state_then == "forbidden" and 'cannot list resource "pods"' in str(error)
    times = api.times(path)
    # The requests are sent a second apart, but a busy machine may delay the first of them.
    assert times[2] - times[0] > 0.5


@pytest.mark.slow
def test_requests_after_repeated_410s_are_rate_limited_and_each_list_is_emitted(
    api: StubApi, emitted: Emitted, source: ClusterSource
) -> None:
    path = api.play("steady-410")
    source.start()
    emitted.wait(lambda emitted: len(emitted.of(events.ObjectsListed, "pods")) == 3)
    times = api.times(path)
    assert len(times) <= times[-1] - times[0] + 2, "a list and a watch, then at most one a second"
    assert status(emitted) == ("live", None)


@pytest.mark.usefixtures("no_pauses")
def test_malformed_line_causes_a_list(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    api.play("garbled")
    source.start()
    emitted.wait(lambda emitted: pods(emitted) == [("pod-2", "Running", True)])
    assert any(event.error and "can't be read" in event.error for event in emitted.of(events.SourceStatus))


@pytest.mark.usefixtures("no_pauses")
def test_line_that_is_not_utf_8_causes_a_list(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    path = api.play("garbled")
    api.scripts[path][1]["lines"] = ['{"type":"ADDED","object":{"metadata":{"name":"\udcff"}}}']
    source.start()
    emitted.wait(lambda emitted: pods(emitted) == [("pod-2", "Running", True)])


def test_unreadable_object_is_named_and_does_not_hide_the_others(
    api: StubApi, emitted: Emitted, source: ClusterSource
) -> None:
    path = api.play("replaced")
    api.scripts[path][0]["body"]["items"].append({"metadata": {"name": "odd", "uid": "u"}, "spec": 7})
    api.scripts[path][1]["lines"].append(
        {"type": "ADDED", "object": {"metadata": {"name": "odder", "uid": "v", "resourceVersion": "9999"}, "status": 7}}
    )
    source.start()
    emitted.wait(lambda emitted: emitted.of(events.ObjectUnreadable))
    assert pods(emitted) == [("pod-2", "Running", True)]
    source_state, error = status(emitted)
    assert source_state == "live" and error is not None and error.startswith("odd (and 1 more): ")


def test_source_is_connecting_while_the_api_server_is_unreachable(emitted: Emitted) -> None:
    source = ClusterSource(Configuration(host="http://127.0.0.1:9"), "flask-mongodb", emitted)
    source.start()
    emitted.wait(lambda emitted: any(event.source == "pods" for event in emitted.of(events.SourceStatus)))
    assert status(emitted)[0] == "connecting"
    source.stop()


def test_line_is_emitted_before_the_next_one_arrives(api: StubApi, emitted: Emitted, source: ClusterSource) -> None:
    path = api.play("replaced")
    source.start()
    emitted.wait(lambda emitted: pods(emitted) == [("pod-2", "Running", True)])
    stream = api.wait_for_watch(path)
    line = json.loads((STREAMS / "replaced.json").read_text())["exchanges"][1]["lines"][-1]
    for number in range(20):
        line["object"]["metadata"]["resourceVersion"] = str(1000 + number)
        before = len(emitted.of(events.ObjectChanged))
        stream.send_line(json.dumps(line))
        emitted.wait(lambda emitted, before=before: len(emitted.of(events.ObjectChanged)) > before)


def test_metrics_have_their_timestamp_and_the_version_is_emitted(
    api: StubApi, emitted: Emitted, source: ClusterSource
) -> None:
    usage = {"cpu": "12345678n", "memory": "64Mi"}
    sample = {"metadata": {"name": "mongodb-0"}, "timestamp": "2026-11-24T12:01:00Z", "window": "15s"}
    api.metrics = [{**sample, "containers": [{"name": "mongod", "usage": usage}]}]
    api.play("replaced")
    source.start()
    emitted.wait(lambda emitted: emitted.of(events.MetricsSampled) and emitted.of(events.ClusterVersion))
    assert emitted.of(events.ClusterVersion)[0].kubernetes == "v1.36.3"
    assert emitted.of(events.MetricsSampled)[0].samples[0].timestamp == "2026-11-24T12:01:00Z"


@pytest.mark.usefixtures("no_pauses")
def test_stop_interrupts_a_silent_watch(api: StubApi, emitted: Emitted) -> None:
    source = ClusterSource(Configuration(host=api.url), "flask-mongodb", emitted)
    path = api.play("bookmarks")
    source.start()
    api.wait_for_watch(path)
    stopped_at = time.monotonic()
    source.stop()
    assert time.monotonic() - stopped_at < 30, "`stop` does not wait for the watch to end"


def test_pause_is_a_second_for_each_request_minus_their_duration() -> None:
    for requests in (1, 2, 3):
        assert all(requests <= pause(requests, 0.0) <= requests * 1.25 for _ in range(100))
    assert all(0.5 <= pause(1, 0.5) <= 0.75 for _ in range(100))
    assert all(0 <= pause(1, 30.0) <= 0.1 for _ in range(100))


def test_pause_respects_retry_after_up_to_a_limit() -> None:
    assert pause(1, 0.0, KubeStatusError(429, "", retry_after=2.0)) == 2.0
    assert pause(1, 0.0, KubeStatusError(503, "", retry_after=3600.0)) == watches.LONGEST_WAIT_SECONDS
    assert pause(1, 0.0, KubeStatusError(429, "", retry_after=1.0)) >= 1.0


@pytest.mark.parametrize(
    ("version", "than", "earlier"),
    [
        ("9", "10", True),
        ("10", "9", False),
        ("10", "10", False),
        ("", "10", False),
        ("abc", "abd", False),
        ("9" * 5_000, "1" + "0" * 5_000, True),
    ],
)
def test_only_numeric_versions_are_compared(version: str, than: str, earlier: bool) -> None:
    assert is_earlier(version, than) is earlier


def test_missing_cluster_configuration_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set KUBECONFIG"):
        connection(None)
    with pytest.raises(ConfigError, match="can't be found"):
        connection(str(tmp_path / "none"))
