"""The hub, with a broadcaster that records the messages."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
import pytest

from dashboard.core import events, objects
from dashboard.core.state.diff import patch
from dashboard.web import hub as hub_module
from dashboard.web.hub import Hub, TooManyViewers, source_of
from tests.dashboard.stubs import TARGETS, wait_until

AT = "2026-11-24T12:00:00Z"
EVENTS = [each for each in events.Event.__subclasses__() if each.__module__ == events.__name__]  # others: the journal's


class RecordingBroadcaster:
    """Records the messages to each viewer, in order. A viewer of None is a broadcast."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, str, str | None, dict[str, Any]]] = []
        self.following: set[str] = set()
        self.disconnected: list[str] = []

    def send(self, viewer: str, name: str, message: bytes) -> None:
        self._record(name, viewer, message)

    def patch(self, message: bytes) -> None:
        self._record("patch", None, message)
        for viewer in self.following:
            self._record("patch", viewer, message)

    def tick(self, message: bytes) -> None:
        self._record("tick", None, message)

    def follow(self, viewer: str) -> None:
        self.following.add(viewer)

    def unfollow(self, viewer: str) -> None:
        self.following.discard(viewer)

    def disconnect(self, viewer: str) -> None:
        self.disconnected.append(viewer)

    def of(self, name: str, viewer: str | None = None) -> list[dict[str, Any]]:
        return [message for _, sent, to, message in self.messages if (sent, to) == (name, viewer)]

    def times(self, name: str) -> list[float]:
        return [at for at, sent, to, _ in self.messages if (sent, to) == (name, None)]

    def _record(self, name: str, viewer: str | None, message: bytes) -> None:
        self.messages.append((time.monotonic(), name, viewer, orjson.loads(message)))


@pytest.fixture
def broadcaster() -> RecordingBroadcaster:
    return RecordingBroadcaster()


@pytest.fixture
def hub(broadcaster: RecordingBroadcaster) -> Iterator[Hub]:
    hub = Hub(TARGETS, ("pods", "metrics", "mongo"), epoch="e", viewers=3)
    hub.start(broadcaster)
    yield hub
    hub.stop()


def pod(uid: str, restarts: int = 0) -> events.ObjectChanged:
    status = objects.PodStatus(container_statuses=[objects.ContainerStatus(name="c", restart_count=restarts)])
    meta = objects.Meta(name=f"pod-{uid}", uid=uid, creation_timestamp=AT)
    return events.ObjectChanged(at=AT, kind="pods", object=objects.Pod(meta, status=status))


def publish(hub: Hub, restarts: int) -> None:
    """Put a change of the pod and wait until it is published."""
    hub.put(pod("1", restarts))
    wait_until(lambda: [pod["restarts"] for pod in orjson.loads(hub.state())["pods"]] == [restarts])


def test_single_change_is_published_as_a_patch(hub: Hub, broadcaster: RecordingBroadcaster) -> None:
    time.sleep(0.15)
    hub.put(pod("1"))
    wait_until(lambda: broadcaster.of("patch"))
    assert len(broadcaster.of("patch")) == 1


@pytest.mark.slow
def test_many_changes_are_coalesced(hub: Hub, broadcaster: RecordingBroadcaster) -> None:
    end, put = time.monotonic() + 1, 0
    while time.monotonic() < end:
        for _ in range(20):
            put += 1
            hub.put(pod("1", restarts=put))
        time.sleep(0.005)
    wait_until(lambda: orjson.loads(hub.state())["pods"][0]["restarts"] == put)
    patches = broadcaster.of("patch")
    assert len(patches) < put / 10
    assert [message["seq"] for message in patches] == list(range(1, len(patches) + 1))
    assert all(message["changes"] for message in patches)


def test_event_without_a_change_publishes_nothing(hub: Hub, broadcaster: RecordingBroadcaster) -> None:
    hub.put(pod("1"))
    wait_until(lambda: broadcaster.of("patch"))
    hub.put(pod("1"))
    time.sleep(0.25)
    assert len(broadcaster.of("patch")) == 1


@pytest.mark.slow
def test_patches_of_each_viewer_continue_from_its_snapshot(
    hub: Hub, broadcaster: RecordingBroadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Viewers join during many changes, and acknowledge none. Each must end with the hub's state."""
    monkeypatch.setattr(hub_module, "UNACKED_PATCHES", 10_000)
    source = threading.Thread(target=lambda: [hub.put(pod(str(n % 7), n)) or time.sleep(0.001) for n in range(600)])
    source.start()
    for viewer in ("a", "b", "c"):
        hub.join(viewer)
        time.sleep(0.13)
    source.join()

    def final_state() -> dict[str, Any] | None:
        state = orjson.loads(hub.state())
        is_final = max(pod["restarts"] for pod in state["pods"]) == 599 and state["about"]["viewers"] == 3
        return state if is_final else None

    final = wait_until(final_state)
    for viewer in ("a", "b", "c"):
        (snapshot,) = broadcaster.of("snapshot", viewer)
        state, seq = snapshot["state"], snapshot["seq"]
        for message in broadcaster.of("patch", viewer):
            assert (message["epoch"], message["seq"]) == ("e", seq + 1)
            state, seq = patch(state, message["changes"]), message["seq"]
        assert (state["pods"], state["about"]["viewers"], seq) == (final["pods"], 3, final["seq"])


@pytest.mark.slow
def test_tick_each_second_has_the_time_and_the_last_seq(hub: Hub, broadcaster: RecordingBroadcaster) -> None:
    hub.put(pod("1"))
    wait_until(lambda: [tick["seq"] for tick in broadcaster.of("tick")].count(1) >= 2)
    first, second, *_ = broadcaster.times("tick")
    assert 0.5 < second - first < 10  # each may be late on a busy machine
    assert all(tick["as_of"].endswith("Z") for tick in broadcaster.of("tick"))


def test_viewer_over_the_cap_is_refused_until_another_leaves(hub: Hub) -> None:
    for viewer in ("a", "b", "c"):
        hub.join(viewer)
    assert hub.full()
    with pytest.raises(TooManyViewers):
        hub.join("d")
    hub.leave("a")
    hub.join("d")


def test_slow_client_gets_a_snapshot_instead_of_the_missed_patches(
    hub: Hub, broadcaster: RecordingBroadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "UNACKED_PATCHES", 3)
    monkeypatch.setattr(hub_module, "PUBLISH_SECONDS", 0.01)
    hub.join("slow")
    wait_until(lambda: broadcaster.of("patch", "slow"))  # its own join changes the number of viewers
    for restarts in range(1, 30):
        publish(hub, restarts)
    patches = broadcaster.of("patch", "slow")
    assert len(patches) == 4, "three unacknowledged ones and the one that exceeded the limit"
    assert hub.counts.slow_clients == 1
    hub.ack("slow", patches[-2]["seq"])
    assert len(broadcaster.of("snapshot", "slow")) == 1, "one patch is not acknowledged yet"
    hub.ack("slow", patches[-1]["seq"])
    wait_until(lambda: len(broadcaster.of("snapshot", "slow")) == 2)
    snapshot = broadcaster.of("snapshot", "slow")[1]
    assert snapshot["state"]["pods"][0]["restarts"] == 29
    hub.put(pod("1", 100))
    wait_until(lambda: broadcaster.of("patch", "slow")[-1]["seq"] == snapshot["seq"] + 1)


def test_viewer_with_slightly_late_acknowledgements_is_not_a_slow_client(
    hub: Hub, broadcaster: RecordingBroadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "UNACKED_PATCHES", 5)
    monkeypatch.setattr(hub_module, "PUBLISH_SECONDS", 0.01)
    hub.join("good")
    for restarts in range(1, 40):
        publish(hub, restarts)
        patches = broadcaster.of("patch", "good")
        if len(patches) > 2:
            hub.ack("good", patches[-3]["seq"])
    assert hub.counts.slow_clients == 0


def test_unacknowledged_snapshots_are_limited(
    hub: Hub, broadcaster: RecordingBroadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SNAPSHOT_SECONDS", 0.0)
    hub.join("greedy")
    for _ in range(50):
        hub.request_snapshot("greedy")
    assert len(broadcaster.of("snapshot", "greedy")) == hub_module.UNACKED_SNAPSHOTS


@pytest.mark.slow
def test_snapshot_requested_too_soon_is_sent_with_the_next_tick(hub: Hub, broadcaster: RecordingBroadcaster) -> None:
    hub.join("eager")
    hub.request_snapshot("eager")
    assert len(broadcaster.of("snapshot", "eager")) == 1
    wait_until(lambda: len(broadcaster.of("snapshot", "eager")) == 2)


@pytest.mark.slow
def test_slow_client_that_stays_silent_is_disconnected(
    hub: Hub, broadcaster: RecordingBroadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "UNACKED_PATCHES", 0)
    monkeypatch.setattr(hub_module, "EVICT_SECONDS", 0.1)
    hub.join("gone")
    hub.put(pod("1"))
    wait_until(lambda: broadcaster.disconnected == ["gone"])
    assert hub.viewers() == 0


def test_viewer_that_leaves_during_a_broadcast_does_not_block_the_hub(
    hub: Hub, broadcaster: RecordingBroadcaster
) -> None:
    broadcaster.patch = lambda message: hub.leave("a")  # type: ignore[method-assign]
    hub.join("a")
    hub.put(pod("1"))
    wait_until(lambda: hub.viewers() == 0)
    assert hub.alive()


def test_invalid_event_is_logged_and_does_not_stop_the_hub(
    hub: Hub, broadcaster: RecordingBroadcaster, caplog: pytest.LogCaptureFixture
) -> None:
    hub.put(events.SourceStatus(at="", source="no such source", state="live"))
    hub.put(pod("1"))
    wait_until(lambda: broadcaster.of("patch"))
    assert "could not apply an event" in caplog.text


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_each_event_has_a_source(event: type[events.Event]) -> None:
    assert source_of(event(**{field.name: "pods" for field in msgspec.structs.fields(event)}))


def test_part_of_the_state_that_cannot_be_encoded_is_unchanged(
    hub: Hub, broadcaster: RecordingBroadcaster, caplog: pytest.LogCaptureFixture
) -> None:
    publish(hub, 1)
    hub.put(events.RunUpdated(at=AT, run={"id": 2**70}))
    publish(hub, 2)
    assert "could not encode" in caplog.text
    assert orjson.loads(hub.state())["run"] is None
    hub.put(events.RunUpdated(at=AT, run={"id": "run-1"}))
    wait_until(lambda: orjson.loads(hub.state())["run"] == {"id": "run-1"})
    assert [message["seq"] for message in broadcaster.of("patch")] == [*range(1, orjson.loads(hub.state())["seq"] + 1)]


def test_full_queue_blocks_the_source_until_the_hub_reads_it(
    broadcaster: RecordingBroadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "QUEUE_EVENTS", 2)
    hub = Hub(TARGETS, ("pods", "metrics", "mongo"), epoch="e", viewers=3)  # not started yet
    source = threading.Thread(target=lambda: [hub.put(pod(str(n))) for n in range(5)])
    source.start()
    source.join(0.1)
    assert source.is_alive()
    hub.start(broadcaster)
    source.join(60)
    assert not source.is_alive()
    wait_until(lambda: len(orjson.loads(hub.state())["pods"]) == 5)
    hub.stop()
