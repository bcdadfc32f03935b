"""Kubernetes' Events as entries, and how many of them are kept."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core import events, objects
from dashboard.core.diff import identity
from dashboard.core.timeline.entry import Entry, listing, plain, shorten, span
from dashboard.core.timeline.timeline import ASSURED, ENTRIES, Timeline
from dashboard.core.timestamps import rfc3339, seconds

HEARD = "2026-11-24T12:00:00Z"
START = seconds(HEARD) - 3_600

Json = dict[str, Any]


def happened(uid: str = "e1", **more: Any) -> Any:
    text = {
        "metadata": {"name": "mongodb-0.17", "uid": uid, "creationTimestamp": "2026-11-24T11:00:00Z"},
        "involvedObject": {"kind": "Pod", "name": "mongodb-0", "uid": "u1", "fieldPath": "spec.containers{mongod}"},
        "type": "Warning",
        "reason": "Unhealthy",
        "message": "Readiness probe failed: HTTP probe failed with statuscode: 503",
        **more,
    }
    return msgspec.json.decode(json.dumps(text), type=objects.KubernetesEvent)


def listed(*told: Any, at: str = HEARD) -> events.ObjectsListed:
    return events.ObjectsListed(at=at, kind="events", objects=list(told))


def changed(one: Any, at: str = HEARD) -> events.ObjectChanged:
    return events.ObjectChanged(at=at, kind="events", object=one)


def told(*all_told: events.Event) -> list[Json]:
    timeline = Timeline()
    for one in all_told:
        timeline.tell(one)
    return timeline.entries()


def only(*all_told: events.Event) -> Json:
    (entry,) = told(*all_told)
    return entry


def at(minute: float) -> str:
    return rfc3339(START + 60 * minute)


def change(minute: float = 0) -> Entry:
    return Entry(at(minute), "good", "flask-1 Ready")


def test_an_event_is_told_with_its_reason_object_and_message() -> None:
    assert only(changed(happened(lastTimestamp="2026-11-24T11:30:00Z"))) == {
        "id": "e1/1",
        "at": "2026-11-24T11:30:00.000Z",
        "kind": "event",
        "tone": "warn",
        "text": "Unhealthy mongodb-0/mongod: Readiness probe failed: HTTP probe failed with statuscode: 503",
        "about": {"kind": "Pod", "name": "mongodb-0", "uid": "u1"},
        "mark": None,
    }


def test_an_event_happened_when_it_was_last_seen_wherever_that_is_written() -> None:
    times: Json = {}
    for field, value in [
        ("eventTime", "2026-11-24T11:01:00.123456Z"),
        ("lastTimestamp", "2026-11-24T11:02:00Z"),
        ("series", {"count": 1, "lastObservedTime": "2026-11-24T11:03:00.5Z"}),
    ]:
        times[field] = value
        expected = value["lastObservedTime"] if isinstance(value, dict) else value
        assert seconds(only(changed(happened(**times)))["at"]) == round(seconds(expected), 3)
    assert only(changed(happened()))["at"] == "2026-11-24T11:00:00.000Z"


def test_an_event_without_any_time_or_with_a_wrong_one_happened_when_it_was_heard() -> None:
    for stamp in (None, "", "yesterday", "99999-01-01T00:00:00Z", "2027-01-01T00:00:00Z"):
        nameless = happened(metadata={"name": "x", "uid": "e1"}, lastTimestamp=stamp)
        assert seconds(only(changed(nameless))["at"]) == seconds(HEARD)


def test_an_event_that_repeats_moves_to_its_new_time_under_a_new_id() -> None:
    first = happened("e1", lastTimestamp="2026-11-24T11:10:00Z", count=1)
    other = happened("e2", lastTimestamp="2026-11-24T11:20:00Z")
    again = happened("e1", lastTimestamp="2026-11-24T11:30:00Z", count=3)
    entries = told(changed(first), changed(other), changed(again))
    assert [(entry["id"], entry["at"]) for entry in entries] == [
        ("e1/3", "2026-11-24T11:30:00.000Z"),
        ("e2/1", "2026-11-24T11:20:00.000Z"),
    ]
    assert entries[0]["text"].endswith("(3\u00d7)")


def test_a_series_counts_as_well() -> None:
    series = {"count": 7, "lastObservedTime": "2026-11-24T11:30:00.123456Z"}
    entry = only(changed(happened(eventTime="2026-11-24T11:00:00.0Z")), changed(happened(series=series)))
    assert (entry["id"], entry["at"]) == ("e1/7", "2026-11-24T11:30:00.123Z")


def test_a_list_that_comes_again_adds_nothing_and_an_older_one_takes_nothing_back() -> None:
    timeline = Timeline()
    now = [happened("e1", count=2), happened("e2")]
    timeline.tell(listed(*now))
    entries = timeline.entries()
    timeline.tell(listed(*now, at="2026-11-24T13:00:00Z"))
    timeline.tell(listed(happened("e1", count=1)))
    timeline.tell(changed(happened("e2")))
    assert timeline.entries() is entries
    assert len(entries) == 2


def test_an_event_that_has_outlived_its_time_in_the_cluster_stays_here() -> None:
    assert only(changed(happened()), events.ObjectDeleted(at=HEARD, kind="events", uid="e1"))
    assert only(changed(happened()), listed())


def test_other_kinds_are_not_its_concern() -> None:
    pod = objects.Pod(objects.Meta(name="x", uid="u"))
    listed_pods = events.ObjectsListed(at=HEARD, kind="pods", objects=[pod])
    assert told(listed_pods, events.ObjectChanged(at=HEARD, kind="pods", object=pod)) == []


def test_a_normal_event_is_quiet_and_a_warning_is_bad_where_something_does_not_run() -> None:
    tones = {
        ("Normal", "Started"): "off",
        ("Warning", "Unhealthy"): "warn",
        ("Warning", "BackOff"): "bad",
        ("Warning", "OOMKilling"): "bad",
        ("Odd", "Whatever"): "warn",
    }
    assert {key: only(changed(happened(type=key[0], reason=key[1])))["tone"] for key in tones} == tones


def test_an_object_without_a_container_is_told_by_its_name() -> None:
    of = {"kind": "HorizontalPodAutoscaler", "name": "flask", "uid": "h"}
    entry = only(changed(happened(involvedObject=of, reason="SuccessfulRescale", message="New size: 3")))
    assert entry["text"] == "SuccessfulRescale flask: New size: 3"


def test_what_the_kubelet_repeats_of_the_pod_is_left_out() -> None:
    message = "Back-off restarting failed container mongod in pod mongodb-0_flask-mongodb(d21c0a20-d35e)"
    entry = only(changed(happened(reason="BackOff", message=message, count=445)))
    assert entry["text"] == "BackOff mongodb-0/mongod: Back-off restarting failed container mongod (445\u00d7)"


def test_a_huge_message_and_a_long_name_are_cut_and_stay_one_line() -> None:
    of = {"kind": "Pod", "name": "a" * 200 + "b" * 53, "fieldPath": "spec.containers{" + "c" * 63 + "}"}
    entry = only(changed(happened(involvedObject=of, message="line\n\tof \u202e text\0 " * 20_000, count=2)))
    assert len(entry["text"]) < 450
    assert entry["text"].isprintable()
    assert entry["text"].endswith("… (2\u00d7)")
    assert entry["about"]["name"] == of["name"]


def test_an_event_that_says_nothing_still_has_an_entry() -> None:
    entry = only(changed(objects.KubernetesEvent(objects.Meta(name="x"))))
    assert (entry["id"], entry["text"]) == ("x/1", "")


def test_entries_are_newest_first_by_time_and_not_by_arrival() -> None:
    timeline = Timeline()
    for minute in (5, 1, 9, 3):
        timeline.note("change", change(minute))
    assert [entry["at"] for entry in timeline.entries()] == [at(9), at(5), at(3), at(1)]


def test_what_arrives_later_in_the_same_moment_stands_first() -> None:
    timeline = Timeline()
    for kind in ("change", "action"):
        timeline.note(kind, change())
    assert [entry["kind"] for entry in timeline.entries()] == ["action", "change"]


def test_the_same_list_is_given_until_something_happens() -> None:
    timeline = Timeline()
    empty = timeline.entries()
    assert empty == []
    assert timeline.entries() is empty
    timeline.note("change", change())
    entries = timeline.entries()
    assert entries is not empty
    assert empty == []
    assert timeline.entries() is entries


def test_no_more_than_the_newest_are_kept_and_older_ones_that_come_late_change_nothing() -> None:
    timeline = Timeline()
    events = [happened(f"e{minute}", lastTimestamp=at(minute / 10)) for minute in range(ENTRIES * 2)]
    timeline.tell(listed(*events))
    entries = timeline.entries()
    assert [entry["id"] for entry in entries] == [f"e{minute}/1" for minute in reversed(range(ENTRIES, ENTRIES * 2))]
    timeline.tell(listed(*events))
    timeline.tell(changed(events[0]))
    assert timeline.entries() is entries


def test_neither_events_nor_changes_push_the_others_out() -> None:
    timeline = Timeline()
    for minute in range(ENTRIES):
        timeline.note("change", change(minute / 10))
    for minute in range(ENTRIES * 2):
        timeline.tell(changed(happened(f"e{minute}", lastTimestamp=at(30 + minute / 20))))
    kinds = [entry["kind"] for entry in timeline.entries()]
    assert (len(kinds), kinds.count("event")) == (ENTRIES, ASSURED)
    for minute in range(ENTRIES):
        timeline.note("action", change(minute / 10))
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


@given(STEPS)
def test_ids_are_unique_and_order_and_bound_hold_whatever_comes(steps: list[tuple[str, int, int, int]]) -> None:
    timeline = Timeline()
    for kind, minute, uid, number in steps:
        if kind == "change":
            timeline.note("change", change(minute))
        elif kind == "event":
            timeline.tell(changed(happened(f"e{uid}", lastTimestamp=at(minute), count=number)))
        else:
            events = [happened(f"e{uid + index}", lastTimestamp=at(minute)) for index in range(number)]
            timeline.tell(listed(*events))
        entries = timeline.entries()
        assert len(entries) <= ENTRIES
        assert len({entry["id"] for entry in entries}) == len(entries)
        assert identity(entries) in ("uid", "id")  # diff takes nothing at all as either
        times = [seconds(entry["at"]) for entry in entries]
        assert times == sorted(times, reverse=True)
        assert timeline.entries() is entries


@given(st.text(), st.integers(2, 40))
def test_a_plain_text_is_one_printable_line_within_its_length(text: str, length: int) -> None:
    line = plain(text, length)
    assert len(line) <= length
    assert line.isprintable()


def test_words_have_their_measures() -> None:
    assert plain("a  b\nc", 10) == "a b c"
    assert plain("abcdefgh", 5) == "abcd…"
    assert shorten("flask-7c87d5-kt769", 60) == "flask-7c87d5-kt769"
    assert shorten("flask-7c87d5-kt769", 12) == "flask-7…t769"
    assert [span(s) for s in (-1, 0.42, 9.96, 59.4, 61, 3_660, 90_000)] == [
        "0.0 s", "0.4 s", "10 s", "59 s", "1 min", "1 h 01", "25 h 00",
    ]  # fmt: skip
    assert [listing(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_an_action_is_an_entry_with_what_it_was_about_and_its_mark() -> None:
    about = {"kind": "Pod", "name": "mongodb-0", "uid": "u1"}
    entry = only(events.ActionRecorded(at=HEARD, tone="warn", text="mongodb-0 restarted", about=about, mark="restart"))
    assert (entry["kind"], entry["tone"], entry["text"]) == ("action", "warn", "mongodb-0 restarted")
    assert (entry["about"], entry["mark"]) == (about, "restart")
