"""The loop, with an broadcaster that keeps what it is given."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from dashboard.core import events, objects
from dashboard.core.diff import patch
from dashboard.core.snapshot import Targets
from dashboard.web import hub as hub_module
from dashboard.web.hub import Hub, TooManyViewers

AT = "2026-11-24T12:00:00Z"
TARGETS = Targets("flask-mongodb", "embedded", "flask", "mongodb", "flask", "flask")


class Kept:
    """What each viewer would have got, in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, str, str | None, dict[str, Any]]] = []
        self.following: set[str] = set()
        self.was_cut: list[str] = []

    def send(self, viewer: str, name: str, message: bytes) -> None:
        self._keep(name, viewer, message)

    def patch(self, message: bytes) -> None:
        self._keep("patch", None, message)
        for viewer in self.following:
            self._keep("patch", viewer, message)

    def tick(self, message: bytes) -> None:
        self._keep("tick", None, message)

    def follow(self, viewer: str) -> None:
        self.following.add(viewer)

    def unfollow(self, viewer: str) -> None:
        self.following.discard(viewer)

    def disconnect(self, viewer: str) -> None:
        self.was_cut.append(viewer)

    def of(self, name: str, viewer: str | None = None) -> list[dict[str, Any]]:
        return [message for _, kept, to, message in self.messages if (kept, to) == (name, viewer)]

    def times(self, name: str) -> list[float]:
        return [at for at, kept, to, _ in self.messages if (kept, to) == (name, None)]

    def _keep(self, name: str, viewer: str | None, message: bytes) -> None:
        self.messages.append((time.monotonic(), name, viewer, orjson.loads(message)))


@pytest.fixture
def broadcaster() -> Kept:
    return Kept()


@pytest.fixture
def hub(broadcaster: Kept) -> Iterator[Hub]:
    started = Hub(TARGETS, ("pods", "metrics", "mongo"), epoch="e", viewers=3)
    started.start(broadcaster)
    yield started
    started.stop()


def pod(uid: str, restarts: int = 0) -> events.ObjectChanged:
    status = objects.PodStatus(container_statuses=[objects.ContainerStatus(name="c", restart_count=restarts)])
    meta = objects.Meta(name=f"pod-{uid}", uid=uid, creation_timestamp=AT)
    return events.ObjectChanged(at=AT, kind="pods", object=objects.Pod(meta, status=status))


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.002)


def publish(hub: Hub, restarts: int) -> None:
    """Puts a change of its pod, and waits until the patch that tells of it is out."""
    hub.put(pod("1", restarts))
    until(lambda: [one["restarts"] for one in orjson.loads(hub.state())["pods"]] == [restarts])


def test_first_change_after_quiet_goes_out_by_itself(hub: Hub, broadcaster: Kept) -> None:
    time.sleep(0.15)
    hub.put(pod("1"))
    until(lambda: broadcaster.of("patch"))
    assert len(broadcaster.of("patch")) == 1


def test_storm_is_coalesced(hub: Hub, broadcaster: Kept) -> None:
    end, put = time.monotonic() + 1, 0
    while time.monotonic() < end:
        for _ in range(20):
            put += 1
            hub.put(pod("1", restarts=put))
        time.sleep(0.005)
    until(lambda: orjson.loads(hub.state())["pods"][0]["restarts"] == put)
    patches = broadcaster.of("patch")
    assert len(patches) < put / 10
    assert [one["seq"] for one in patches] == list(range(1, len(patches) + 1))
    assert all(one["changes"] for one in patches)


def test_event_without_a_change_publishes_nothing(hub: Hub, broadcaster: Kept) -> None:
    hub.put(pod("1"))
    until(lambda: broadcaster.of("patch"))
    hub.put(pod("1"))
    time.sleep(0.25)
    assert len(broadcaster.of("patch")) == 1


def test_every_viewer_s_patches_go_on_from_its_snapshot(hub: Hub, broadcaster: Kept) -> None:
    """Viewers join in the middle of a storm; each must end where the hub is."""
    storm = threading.Thread(target=lambda: [hub.put(pod(str(n % 7), n)) or time.sleep(0.001) for n in range(600)])
    storm.start()
    for viewer in ("a", "b", "c"):
        hub.join(viewer)
        time.sleep(0.13)
    storm.join()
    until(lambda: max(one["restarts"] for one in orjson.loads(hub.state())["pods"]) == 599)
    final = orjson.loads(hub.state())
    for viewer in ("a", "b", "c"):
        (snapshot,) = broadcaster.of("snapshot", viewer)
        state, seq = snapshot["state"], snapshot["seq"]
        for one in broadcaster.of("patch", viewer):
            assert (one["epoch"], one["seq"]) == ("e", seq + 1)
            state, seq = patch(state, one["changes"]), one["seq"]
        assert (state["pods"], state["about"]["viewers"], seq) == (final["pods"], 3, final["seq"])


@pytest.mark.slow
def test_tick_a_second_tells_the_time_and_the_last_seq(hub: Hub, broadcaster: Kept) -> None:
    hub.put(pod("1"))
    until(lambda: len(broadcaster.of("tick")) == 2)
    first, second = broadcaster.times("tick")
    assert 0.5 < second - first < 10  # on a machine that is busy, each comes late
    assert broadcaster.of("tick")[0]["seq"] == 1 and broadcaster.of("tick")[0]["as_of"].endswith("Z")


def test_viewer_over_the_cap_is_refused_and_a_place_is_free_again(hub: Hub) -> None:
    for viewer in ("a", "b", "c"):
        hub.join(viewer)
    assert hub.full()
    with pytest.raises(TooManyViewers):
        hub.join("d")
    hub.leave("a")
    hub.join("d")


def test_slow_client_gets_no_more_patches_until_it_has_caught_up_then_a_snapshot(
    hub: Hub, broadcaster: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "UNACKED_PATCHES", 3)
    monkeypatch.setattr(hub_module, "PUBLISH_SECONDS", 0.01)
    hub.join("slow")
    until(lambda: broadcaster.of("patch", "slow"))  # the number of viewers
    for restarts in range(1, 30):
        publish(hub, restarts)
    got = broadcaster.of("patch", "slow")
    assert len(got) == 4, "three and the one that was too much"
    assert hub.counts.slow_clients == 1
    hub.ack("slow", got[-2]["seq"])
    assert len(broadcaster.of("snapshot", "slow")) == 1, "not all of its queue is seen"
    hub.ack("slow", got[-1]["seq"])
    until(lambda: len(broadcaster.of("snapshot", "slow")) == 2)
    snapshot = broadcaster.of("snapshot", "slow")[1]
    assert snapshot["state"]["pods"][0]["restarts"] == 29
    hub.put(pod("1", 100))
    until(lambda: broadcaster.of("patch", "slow")[-1]["seq"] == snapshot["seq"] + 1)


def test_viewer_that_acknowledges_a_little_late_is_no_slow_client(
    hub: Hub, broadcaster: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "UNACKED_PATCHES", 5)
    monkeypatch.setattr(hub_module, "PUBLISH_SECONDS", 0.01)
    hub.join("good")
    for restarts in range(1, 40):
        publish(hub, restarts)
        got = broadcaster.of("patch", "good")
        if len(got) > 2:
            hub.ack("good", got[-3]["seq"])
    assert hub.counts.slow_clients == 0


def test_snapshots_are_not_given_faster_than_they_are_read(
    hub: Hub, broadcaster: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SNAPSHOT_SECONDS", 0.0)
    hub.join("greedy")
    for _ in range(50):
        hub.request_snapshot("greedy")
    assert len(broadcaster.of("snapshot", "greedy")) == hub_module.UNACKED_SNAPSHOTS


def test_snapshot_asked_for_too_soon_comes_with_the_next_tick(hub: Hub, broadcaster: Kept) -> None:
    hub.join("eager")
    hub.request_snapshot("eager")
    assert len(broadcaster.of("snapshot", "eager")) == 1
    until(lambda: len(broadcaster.of("snapshot", "eager")) == 2)


def test_slow_client_that_stays_silent_is_cut_off(
    hub: Hub, broadcaster: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "UNACKED_PATCHES", 0)
    monkeypatch.setattr(hub_module, "EVICT_SECONDS", 0.1)
    hub.join("gone")
    hub.put(pod("1"))
    until(lambda: broadcaster.was_cut == ["gone"])
    assert hub.viewers() == 0


def test_page_that_goes_while_it_is_written_to_does_not_block_the_hub(hub: Hub, broadcaster: Kept) -> None:
    broadcaster.patch = lambda message: hub.leave("a")  # type: ignore[method-assign]
    hub.join("a")
    hub.put(pod("1"))
    until(lambda: hub.viewers() == 0)
    assert hub.alive()


def test_malformed_object_stops_nothing(hub: Hub, broadcaster: Kept, caplog: pytest.LogCaptureFixture) -> None:
    hub.put(events.SourceStatus(at="", source="no such source", state="live"))
    hub.put(pod("1"))
    until(lambda: broadcaster.of("patch"))
    assert "could not apply an event" in caplog.text


def test_part_that_cannot_be_encoded_stays_as_it_was_and_the_others_go_on(
    hub: Hub, broadcaster: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    publish(hub, 1)
    hub.put(events.RunUpdated(at=AT, run={"id": 2**70}))
    publish(hub, 2)
    assert "could not encode" in caplog.text
    assert orjson.loads(hub.state())["run"] is None
    hub.put(events.RunUpdated(at=AT, run={"id": "run-1"}))
    until(lambda: orjson.loads(hub.state())["run"] == {"id": "run-1"})
    assert [one["seq"] for one in broadcaster.of("patch")] == [*range(1, orjson.loads(hub.state())["seq"] + 1)]


def test_full_queue_makes_the_source_wait_and_stop_frees_it(
    broadcaster: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "QUEUE_EVENTS", 2)
    hub = Hub(TARGETS, ("pods", "metrics", "mongo"), epoch="e", viewers=3)  # its loop does not run yet
    source = threading.Thread(target=lambda: [hub.put(pod(str(n))) for n in range(5)])
    source.start()
    source.join(0.1)
    assert source.is_alive()
    hub.start(broadcaster)
    source.join(2)
    assert not source.is_alive()
    until(lambda: len(orjson.loads(hub.state())["pods"]) == 5)
    hub.stop()
