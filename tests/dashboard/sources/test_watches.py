"""cluster.py against an HTTP server that replays what API servers are known to do."""

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from dashboard.config import ConfigError
from dashboard.core import events
from dashboard.core.snapshot import Snapshot, Targets
from dashboard.kube.client import Configuration, KubeStatusError, connection
from dashboard.sources import watches as cluster
from dashboard.sources.watches import ClusterSource, is_earlier, pause
from tests.dashboard.stubs import STREAMS, Heard, StubApi

TARGETS = Targets("flask-mongodb", "stub", "flask", "mongodb", "flask", "flask")


@pytest.fixture
def watching(api: StubApi, heard: Heard) -> Iterator[ClusterSource]:
    """Starts with the test's first look at it, when the streams are chosen."""
    configuration = Configuration(host=api.url)
    started = ClusterSource(configuration, "flask-mongodb", heard)
    yield started
    started.stop()


@pytest.fixture
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """For streams that end after moments where real ones last half a minute: no request has a price."""
    monkeypatch.setattr(cluster, "REQUEST_SECONDS", (0.0, 0.0))


def pods(heard: Heard) -> list[tuple[str, str, bool]]:
    """The pods as the page would show them now: uid, phase, ready."""
    snapshot = Snapshot(TARGETS, (*cluster.SOURCES, "mongo"), "")
    for told in list(heard):
        snapshot.apply(told)
    return [(pod["uid"], pod["phase"], pod["ready"]) for pod in snapshot.state(0)["pods"]]


def restarts(heard: Heard) -> list[int]:
    return [told.object.status.container_statuses[0].restart_count for told in heard.of(events.ObjectChanged, "pods")]


def source(heard: Heard, name: str = "pods") -> tuple[str, str | None]:
    snapshot = Snapshot(TARGETS, (*cluster.SOURCES, "mongo"), "")
    for told in list(heard):
        snapshot.apply(told)
    found = snapshot.state(0)["sources"][name]
    return found["state"], found["error"]


def test_a_replaced_pod_of_the_same_name_is_shown_as_another(
    api: StubApi, heard: Heard, watching: ClusterSource
) -> None:
    api.play("replaced")
    watching.start()
    heard.wait(lambda heard: pods(heard) == [("pod-2", "Running", True)])
    phases = [told.object.metadata.uid for told in heard.of(events.ObjectChanged, "pods")]
    assert phases == ["pod-1", "pod-1", "pod-2", "pod-2", "pod-2"]


@pytest.mark.parametrize("stream", ["gone-as-status", "gone-as-event"])
@pytest.mark.usefixtures("unpaced")
def test_a_410_lists_anew_and_leaves_no_ghosts(
    stream: str, api: StubApi, heard: Heard, watching: ClusterSource
) -> None:
    path = api.play(stream)
    watching.start()
    heard.wait(lambda heard: pods(heard) == [("pod-2", "Running", True)])
    api.wait_for_watch(path)
    assert source(heard) == ("live", None)
    assert len(heard.of(events.ObjectsListed, "pods")) == 2


@pytest.mark.usefixtures("unpaced")
def test_a_dropped_connection_goes_on_from_the_last_whole_line(
    api: StubApi, heard: Heard, watching: ClusterSource
) -> None:
    path = api.play("dropped")
    watching.start()
    heard.wait(lambda heard: restarts(heard) == [1, 2])
    assert len(heard.of(events.ObjectsListed, "pods")) == 1, "a list would not have been needed"
    watches = [query["resourceVersion"] for query in api.asked(path) if query.get("watch")]
    assert watches == ["100", "101"]
    stale = [told for told in heard.of(events.SourceStatus) if told.source == "pods" and told.state == "stale"]
    assert stale and stale[0].error
    assert source(heard) == ("live", None)


@pytest.mark.usefixtures("unpaced")
def test_a_bookmark_moves_the_version_on(api: StubApi, heard: Heard, watching: ClusterSource) -> None:
    path = api.play("bookmarks")
    watching.start()
    api.wait_for_watch(path)
    watches = [query for query in api.asked(path) if query.get("watch")]
    assert [query["resourceVersion"] for query in watches] == ["100", "200"]
    assert all(query["allowWatchBookmarks"] == "true" for query in watches)


def test_a_list_that_breaks_off_starts_again_and_comes_as_one(
    api: StubApi, heard: Heard, watching: ClusterSource
) -> None:
    path = api.play("paged")
    watching.start()
    api.wait_for_watch(path)
    (listed,) = heard.of(events.ObjectsListed, "pods")
    assert [pod.metadata.uid for pod in listed.objects] == ["pod-1", "pod-2"]


def test_a_missing_role_is_named_and_mended_without_a_restart(
    api: StubApi, heard: Heard, watching: ClusterSource
) -> None:
    path = api.play("forbidden")
    watching.start()
    heard.wait(lambda heard: source(heard)[0] == "forbidden")
    assert 'cannot list resource "pods"' in str(source(heard)[1])
    heard.wait(lambda heard: source(heard) == ("live", None))
    times = [at for at, asked, _ in api.requests if asked == path]
    # A second apart as they were sent; on a busy machine the stub hears of one late, and of the next in time.
    assert min(after - before for before, after in pairwise(times[:3])) > 0.5


@pytest.mark.slow
def test_a_steady_410_is_not_hammered_and_each_list_is_shown(
    api: StubApi, heard: Heard, watching: ClusterSource
) -> None:
    path = api.play("steady-410")
    watching.start()
    heard.wait(lambda heard: len(heard.of(events.ObjectsListed, "pods")) == 3)
    times = api.times(path)
    assert len(times) <= times[-1] - times[0] + 2, "a list and a watch, and then no more than one a second"
    assert source(heard) == ("live", None)


@pytest.mark.usefixtures("unpaced")
def test_a_garbled_line_lists_anew(api: StubApi, heard: Heard, watching: ClusterSource) -> None:
    api.play("garbled")
    watching.start()
    heard.wait(lambda heard: pods(heard) == [("pod-2", "Running", True)])
    assert any(told.error and "can't be read" in told.error for told in heard.of(events.SourceStatus))


def test_an_api_server_that_is_away_leaves_the_source_connecting(heard: Heard) -> None:
    away = ClusterSource(Configuration(host="http://127.0.0.1:9"), "flask-mongodb", heard)
    away.start()
    heard.wait(lambda heard: len([told for told in heard.of(events.SourceStatus) if told.source == "pods"]) >= 1)
    assert source(heard)[0] == "connecting"
    away.stop()


def test_an_event_is_heard_before_the_next_line_comes(api: StubApi, heard: Heard, watching: ClusterSource) -> None:
    path = api.play("replaced")
    watching.start()
    heard.wait(lambda heard: pods(heard) == [("pod-2", "Running", True)])
    stream = api.wait_for_watch(path)
    line = json.loads((STREAMS / "replaced.json").read_text())["exchanges"][1]["lines"][-1]
    for number in range(20):
        line["object"]["metadata"]["resourceVersion"] = str(1000 + number)
        before = len(heard.of(events.ObjectChanged))
        stream.line(json.dumps(line))
        heard.wait(lambda heard, before=before: len(heard.of(events.ObjectChanged)) > before)


def test_metrics_carry_their_own_time_and_the_version_is_told(
    api: StubApi, heard: Heard, watching: ClusterSource
) -> None:
    usage = {"cpu": "12345678n", "memory": "64Mi"}
    sample = {"metadata": {"name": "mongodb-0"}, "timestamp": "2026-11-24T12:01:00Z", "window": "15s"}
    api.metrics = [{**sample, "containers": [{"name": "mongod", "usage": usage}]}]
    api.play("replaced")
    watching.start()
    heard.wait(lambda heard: heard.of(events.MetricsSampled) and heard.of(events.ClusterVersion))
    assert heard.of(events.ClusterVersion)[0].kubernetes == "v1.36.3"
    assert heard.of(events.MetricsSampled)[0].samples[0].timestamp == "2026-11-24T12:01:00Z"


@pytest.mark.usefixtures("unpaced")
def test_it_stops_at_once_while_it_waits_for_news(api: StubApi, heard: Heard) -> None:
    started = ClusterSource(Configuration(host=api.url), "flask-mongodb", heard)
    path = api.play("bookmarks")
    started.start()
    api.wait_for_watch(path)
    began = time.monotonic()
    started.stop()
    assert time.monotonic() - began < 30, "it waited for the watch's own end"


def test_each_request_of_a_round_costs_a_second_and_a_long_round_has_paid() -> None:
    for asked in (1, 2, 3):
        assert all(asked <= pause(asked, 0.0) <= asked * 1.25 for _ in range(100))
    assert all(0.5 <= pause(1, 0.5) <= 0.75 for _ in range(100))
    assert all(0 <= pause(1, 30.0) <= 0.1 for _ in range(100))


def test_a_servers_wish_to_be_left_alone_is_heeded_for_a_while() -> None:
    assert pause(1, 0.0, KubeStatusError(429, "", retry_after=2.0)) == 2.0
    assert pause(1, 0.0, KubeStatusError(503, "", retry_after=3600.0)) == cluster.LONGEST_WAIT_SECONDS
    assert pause(1, 0.0, KubeStatusError(429, "", retry_after=1.0)) >= 1.0


@pytest.mark.parametrize(
    ("version", "than", "earlier"),
    [("9", "10", True), ("10", "9", False), ("10", "10", False), ("", "10", False), ("abc", "abd", False)],
)
def test_versions_are_compared_as_numbers_and_only_where_they_are(version: str, than: str, earlier: bool) -> None:
    assert is_earlier(version, than) is earlier


def test_without_a_cluster_one_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set KUBECONFIG"):
        connection(None)
    with pytest.raises(ConfigError, match="can't be found"):
        connection(str(tmp_path / "none"))
