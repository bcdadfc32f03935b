"""The fake tells a story that the real sources could have told."""

from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard import SOURCES
from dashboard.core import event
from dashboard.core.snapshot import Snapshot, Targets
from dashboard.fake import Fake
from dashboard.fake.story import CYCLE_STEPS, Story
from tests.dashboard.stubs import Heard

TARGETS = Targets("flask-mongodb", "fake", "flask", "mongodb", "flask", "flask")
START = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def states() -> list[dict[str, Any]]:
    """The state at every step of two cycles."""
    story, snapshot = Story(TARGETS, 7, START), Snapshot(TARGETS, SOURCES, "")
    for told in story.opening():
        snapshot.apply(told)
    states = [snapshot.state(0)]
    for _ in range(2 * CYCLE_STEPS):
        for told in story.step():
            snapshot.apply(told)
        states.append(snapshot.state(0))
    return states


def test_it_opens_with_everything_in_place(states: list[dict[str, Any]]) -> None:
    state = states[0]
    assert [pod["ready"] for pod in state["pods"]] == [True] * 4
    assert state["deployment"]["ready"] == state["autoscaler"]["current"] == state["service"]["endpoints"] == 2
    assert state["mongo"]["state"] == "up" and len(state["mongo"]["newest"]) == 8
    assert all(source["state"] == "live" for source in state["sources"].values())
    assert state["claims"][0]["phase"] == "Bound"


def test_replicas_follow_the_load_up_and_down(states: list[dict[str, Any]]) -> None:
    desired = [state["autoscaler"]["desired"] for state in states]
    assert min(desired) == 2 and max(desired) >= 4
    peak = desired.index(max(desired))
    assert 2 in desired[peak:]


def test_the_database_s_pod_is_replaced_under_its_name(states: list[dict[str, Any]]) -> None:
    uids = {pod["uid"] for state in states for pod in state["pods"] if pod["name"] == "mongodb-0"}
    assert len(uids) >= 3
    assert {state["mongo"]["state"] for state in states} == {"up", "down"}


def test_documents_arrive_newest_first(states: list[dict[str, Any]]) -> None:
    newest = states[-1]["mongo"]["newest"]
    assert states[-1]["mongo"]["count"] > 50 and len(newest) == 20
    assert [one["id"] for one in newest] == sorted((one["id"] for one in newest), reverse=True)


def test_no_pod_is_ever_twice_there(states: list[dict[str, Any]]) -> None:
    for state in states:
        assert len({pod["uid"] for pod in state["pods"]}) == len({pod["name"] for pod in state["pods"]})


def test_a_seed_tells_the_same_story_each_time() -> None:
    def told(seed: int) -> list[event.Told]:
        story = Story(TARGETS, seed, START)
        return [*story.opening(), *(one for _ in range(100) for one in story.step())]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_it_plays_in_real_time_and_stops(heard: Heard) -> None:
    fake = Fake(TARGETS, heard)
    fake.start()
    heard.wait(lambda heard: heard.of(event.Operations))
    fake.stop()
