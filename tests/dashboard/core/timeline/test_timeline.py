"""Kubernetes Events as timeline entries, and the bounds of the timeline."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core import events, objects
from dashboard.core.state.diff import identity
from dashboard.core.state.kept import KeptEntry
from dashboard.core.state.kept import entry as kept_entry
from dashboard.core.text import listing, plain, shorten, span
from dashboard.core.timeline.entry import Entry
from dashboard.core.timeline.timeline import ASSURED, ENTRIES, Timeline
from dashboard.core.timestamps import rfc3339, seconds
from tests.dashboard.core.decoding import Json, decoded

RECEIVED = "2026-11-24T12:00:00Z"
START = seconds(RECEIVED) - 3_600


def event(uid: str = "e1", **more: Any) -> Any:
    object_ = {
        "metadata": {"name": "mongodb-0.17", "uid": uid, "creationTimestamp": "2026-11-24T11:00:00Z"},
        "involvedObject": {"kind": "Pod", "name": "mongodb-0", "uid": "u1", "fieldPath": "spec.containers{mongod}"},
        "type": "Warning",
        "reason": "Unhealthy",
        "message": "Readiness probe failed: HTTP probe failed with statuscode: 503",
        **more,
    }
    return decoded("events", object_)


def listed(*objects: Any, at: str = RECEIVED) -> events.ObjectsListed:
    return events.ObjectsListed(at=at, kind="events", objects=list(objects))


def changed(object_: Any, at: str = RECEIVED) -> events.ObjectChanged:
    return events.ObjectChanged(at=at, kind="events", object=object_)


def entries_of(*applied: events.Event) -> list[Json]:
    timeline = Timeline()
    for event in applied:
        timeline.apply(event)
    return timeline.entries()


def only_entry(*applied: events.Event) -> Json:
    (entry,) = entries_of(*applied)
    return entry


def timestamp(minute: float) -> str:
    return rfc3339(START + 60 * minute)


def change_entry(minute: float = 0) -> Entry:
    return Entry(timestamp(minute), "good", "flask-1 Ready")


def test_event_has_its_reason_object_and_message() -> None:
    assert only_entry(changed(event(lastTimestamp="2026-11-24T11:30:00Z"))) == {
        "id": "e1/1",
        "at": "2026-11-24T11:30:00.000Z",
        "kind": "event",
        "tone": "warn",
        "text": "Unhealthy mongodb-0/mongod: Readiness probe failed: HTTP probe failed with statuscode: 503",
        "about": {"kind": "Pod", "name": "mongodb-0", "uid": "u1"},
        "mark": None,
    }


def test_time_of_an_event_is_that_of_its_last_occurrence() -> None:
    times: Json = {}
    for field, value in [
        ("eventTime", "2026-11-24T11:01:00.123456Z"),
        ("lastTimestamp", "2026-11-24T11:02:00Z"),
        ("series", {"count": 1, "lastObservedTime": "2026-11-24T11:03:00.5Z"}),
    ]:
        times[field] = value
        expected = value["lastObservedTime"] if isinstance(value, dict) else value
        assert seconds(only_entry(changed(event(**times)))["at"]) == round(seconds(expected), 3)
    assert only_entry(changed(event()))["at"] == "2026-11-24T11:00:00.000Z"


def test_event_without_a_valid_time_has_the_time_of_receipt() -> None:
    for value in (None, "", "yesterday", "99999-01-01T00:00:00Z", "2027-01-01T00:00:00Z"):
        undated = event(metadata={"name": "x", "uid": "e1"}, lastTimestamp=value)
        assert seconds(only_entry(changed(undated))["at"]) == seconds(RECEIVED)


def test_repeated_event_moves_to_its_new_time_with_a_new_id() -> None:
    first = event("e1", lastTimestamp="2026-11-24T11:10:00Z", count=1)
    other = event("e2", lastTimestamp="2026-11-24T11:20:00Z")
    again = event("e1", lastTimestamp="2026-11-24T11:30:00Z", count=3)
    entries = entries_of(changed(first), changed(other), changed(again))
    assert [(entry["id"], entry["at"]) for entry in entries] == [
        ("e1/3", "2026-11-24T11:30:00.000Z"),
        ("e2/1", "2026-11-24T11:20:00.000Z"),
    ]
    assert entries[0]["text"].endswith("(3\u00d7)")


def test_event_series_has_its_count_and_time() -> None:
    series = {"count": 7, "lastObservedTime": "2026-11-24T11:30:00.123456Z"}
    entry = only_entry(changed(event(eventTime="2026-11-24T11:00:00.0Z")), changed(event(series=series)))
    assert (entry["id"], entry["at"]) == ("e1/7", "2026-11-24T11:30:00.123Z")


def test_repeated_and_older_lists_change_nothing() -> None:
    timeline = Timeline()
    objects = [event("e1", count=2), event("e2")]
    timeline.apply(listed(*objects))
    entries = timeline.entries()
    timeline.apply(listed(*objects, at="2026-11-24T13:00:00Z"))
    timeline.apply(listed(event("e1", count=1)))
    timeline.apply(changed(event("e2")))
    assert timeline.entries() is entries
    assert len(entries) == 2


def test_entry_of_an_expired_event_stays() -> None:
    assert only_entry(changed(event()), events.ObjectDeleted(at=RECEIVED, kind="events", uid="e1"))
    assert only_entry(changed(event()), listed())


def test_other_kinds_are_ignored() -> None:
    pod = objects.Pod(objects.Meta(name="x", uid="u"))
    listed_pods = events.ObjectsListed(at=RECEIVED, kind="pods", objects=[pod])
    assert entries_of(listed_pods, events.ObjectChanged(at=RECEIVED, kind="pods", object=pod)) == []


def test_tones_of_events() -> None:
    tones = {
        ("Normal", "Started"): "off",
        ("Warning", "Unhealthy"): "warn",
        ("Warning", "BackOff"): "bad",
        ("Warning", "OOMKilling"): "bad",
        ("Odd", "Whatever"): "warn",
    }
    assert {key: only_entry(changed(event(type=key[0], reason=key[1])))["tone"] for key in tones} == tones


def test_event_without_a_container_has_the_objects_name() -> None:
    involved = {"kind": "HorizontalPodAutoscaler", "name": "flask", "uid": "h"}
    entry = only_entry(changed(event(involvedObject=involved, reason="SuccessfulRescale", message="New size: 3")))
    assert entry["text"] == "SuccessfulRescale flask: New size: 3"


def test_pod_name_in_a_kubelet_message_is_cut() -> None:
    message = "Back-off restarting failed container mongod in pod mongodb-0_flask-mongodb(d21c0a20-d35e)"
    entry = only_entry(changed(event(reason="BackOff", message=message, count=445)))
    assert entry["text"] == "BackOff mongodb-0/mongod: Back-off restarting failed container mongod (445\u00d7)"


def test_long_message_and_name_are_cut_to_one_line() -> None:
    involved = {"kind": "Pod", "name": "a" * 200 + "b" * 53, "fieldPath": "spec.containers{" + "c" * 63 + "}"}
    entry = only_entry(changed(event(involvedObject=involved, message="line\n\tof \u202e text\0 " * 20_000, count=2)))
    assert len(entry["text"]) < 450
    assert entry["text"].isprintable()
    assert entry["text"].endswith("… (2\u00d7)")
    assert entry["about"]["name"] == involved["name"]


def test_empty_event_has_an_entry() -> None:
    entry = only_entry(changed(objects.KubernetesEvent(objects.Meta(name="x"))))
    assert (entry["id"], entry["text"]) == ("x/1", "")


def test_entries_are_sorted_by_time_newest_first() -> None:
    timeline = Timeline()
    for minute in (5, 1, 9, 3):
        timeline.add("change", change_entry(minute))
    assert [entry["at"] for entry in timeline.entries()] == [timestamp(9), timestamp(5), timestamp(3), timestamp(1)]


def test_entries_of_the_same_time_are_sorted_by_arrival_newest_first() -> None:
    timeline = Timeline()
    for kind in ("change", "action"):
        timeline.add(kind, change_entry())
    assert [entry["kind"] for entry in timeline.entries()] == ["action", "change"]


def test_entries_return_the_same_list_until_a_change() -> None:
    timeline = Timeline()
    empty = timeline.entries()
    assert empty == []
    assert timeline.entries() is empty
    timeline.add("change", change_entry())
    entries = timeline.entries()
    assert entries is not empty
    assert empty == []
    assert timeline.entries() is entries


def test_only_the_newest_entries_are_kept() -> None:
    timeline = Timeline()
    events = [event(f"e{minute}", lastTimestamp=timestamp(minute / 10)) for minute in range(ENTRIES * 2)]
    timeline.apply(listed(*events))
    entries = timeline.entries()
    assert [entry["id"] for entry in entries] == [f"e{minute}/1" for minute in reversed(range(ENTRIES, ENTRIES * 2))]
    timeline.apply(listed(*events))
    timeline.apply(changed(events[0]))
    assert timeline.entries() is entries


def test_events_and_changes_do_not_displace_each_other() -> None:
    timeline = Timeline()
    for minute in range(ENTRIES):
        timeline.add("change", change_entry(minute / 10))
    for minute in range(ENTRIES * 2):
        timeline.apply(changed(event(f"e{minute}", lastTimestamp=timestamp(30 + minute / 20))))
    kinds = [entry["kind"] for entry in timeline.entries()]
    assert (len(kinds), kinds.count("event")) == (ENTRIES, ASSURED)
    for minute in range(ENTRIES):
        timeline.add("action", change_entry(minute / 10))
    kinds = [entry["kind"] for entry in timeline.entries()]
    assert (len(kinds), kinds.count("event")) == (ENTRIES, ASSURED)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 60), st.just(0), st.just(0)),
        st.tuples(st.just("event"), st.integers(0, 60), st.integers(0, 20), st.integers(0, 5)),
        st.tuples(st.just("list"), st.integers(0, 60), st.integers(0, 20), st.integers(0, 400)),
    ),
    max_size=60,
)


@pytest.mark.slow
@given(STEPS)
def test_ids_are_unique_and_order_and_bound_hold(steps: list[tuple[str, int, int, int]]) -> None:
    timeline = Timeline()
    for kind, minute, uid, number in steps:
        if kind == "change":
            timeline.add("change", change_entry(minute))
        elif kind == "event":
            timeline.apply(changed(event(f"e{uid}", lastTimestamp=timestamp(minute), count=number)))
        else:
            events = [event(f"e{uid + index}", lastTimestamp=timestamp(minute)) for index in range(number)]
            timeline.apply(listed(*events))
        entries = timeline.entries()
        assert len(entries) <= ENTRIES
        assert len({entry["id"] for entry in entries}) == len(entries)
        assert identity(entries) in ("uid", "id")  # an empty list fits both
        times = [seconds(entry["at"]) for entry in entries]
        assert times == sorted(times, reverse=True)
        assert timeline.entries() is entries


@given(st.text(), st.integers(2, 40))
def test_plain_text_is_one_printable_line_within_its_length(text: str, length: int) -> None:
    line = plain(text, length)
    assert len(line) <= length
    assert line.isprintable()


def test_text_helpers() -> None:
    assert plain("a  b\nc", 10) == "a b c"
    assert plain("abcdefgh", 5) == "abcd…"
    assert shorten("flask-7c87d5-kt769", 60) == "flask-7c87d5-kt769"
    assert shorten("flask-7c87d5-kt769", 12) == "flask-7…t769"
    assert [span(s) for s in (-1, 0.42, 9.96, 59.4, 61, 3_660, 90_000)] == [
        "0.0 s", "0.4 s", "10 s", "59 s", "1 min", "1 h 01", "25 h 00",
    ]  # fmt: skip
    assert [listing(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_action_has_its_object_and_mark() -> None:
    about = {"kind": "Pod", "name": "mongodb-0", "uid": "u1"}
    action = events.ActionRecorded(at=RECEIVED, tone="warn", text="mongodb-0 restarted", about=about, mark="restart")
    entry = only_entry(action)
    assert (entry["kind"], entry["tone"], entry["text"]) == ("action", "warn", "mongodb-0 restarted")
    assert (entry["about"], entry["mark"]) == (about, "restart")


def kept(timeline: Timeline) -> list[KeptEntry]:
    return [kept_entry(each) for each in reversed(timeline.entries())]


def adopted(timeline: Timeline, minute: float = 60) -> Timeline:
    """Return a new timeline, begun at `minute`, with what another one keeps."""
    restored = Timeline()
    restored.adopt(kept(timeline), START + 60 * minute, START + 60 * minute)
    return restored


def test_adopted_timeline_is_the_kept_one() -> None:
    timeline = Timeline()
    timeline.add("change", change_entry(1))
    timeline.apply(changed(event(count=3, lastTimestamp=timestamp(2))))
    timeline.apply(events.ActionRecorded(at=timestamp(3), tone="busy", text="kill", about=None, mark="kill"))
    timeline.add("change", change_entry(3))
    restored = adopted(timeline)
    assert restored.entries() == timeline.entries()
    restored.apply(listed(event(count=3, lastTimestamp=timestamp(2))))
    assert restored.entries() == timeline.entries(), "the Event is listed again"
    restored.apply(changed(event(count=4, lastTimestamp=timestamp(4))))
    restored.add("change", change_entry(5))
    ids = [entry["id"] for entry in restored.entries()]
    assert len({*ids}) == len(ids) == 5 and ids[1] == "e1/4"


def test_full_timeline_is_adopted_whole() -> None:
    timeline = Timeline()
    for minute in range(ENTRIES):
        timeline.add("change", change_entry(minute / 10))
        timeline.apply(changed(event(f"e{minute}", lastTimestamp=timestamp(minute / 10))))
    assert adopted(timeline).entries() == timeline.entries()


def test_entries_from_the_future_and_changes_seen_here_are_not_adopted() -> None:
    timeline = Timeline()
    for minute in (1, 10, 30):
        timeline.add("change", change_entry(minute))
        timeline.add("action", change_entry(minute))
    restored = Timeline()
    restored.add("change", change_entry(11))
    restored.adopt(kept(timeline), START + 60 * 5, START + 60 * 20)
    found = [(entry["kind"], entry["at"]) for entry in restored.entries()]
    assert found == [
        ("change", timestamp(11)), ("action", timestamp(10)), ("action", timestamp(1)), ("change", timestamp(1)),
    ]  # fmt: skip
    again = restored.entries()
    restored.adopt(kept(timeline), START + 60 * 5, START + 60 * 20)
    assert restored.entries() is again
