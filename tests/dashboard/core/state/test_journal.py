"""The journal: another builder makes the same state from its records, as they are in a file."""

import msgspec
import pytest

from dashboard.core import events, objects
from dashboard.core.state.builder import StateBuilder
from dashboard.core.state.journal import Began, Looked, Recorded, counters_of, event_of, pod_counters
from dashboard.core.targets import Targets
from tests.dashboard.runs.demos.autoscale.simulation import AutoscalerSimulation
from tests.dashboard.runs.virtual_clock import VirtualClock

START = "2026-11-24T12:00:00Z"


def replayed(records: list[bytes]) -> StateBuilder:
    decoder = msgspec.json.Decoder(Recorded)
    began, *others = (decoder.decode(record) for record in records)
    assert isinstance(began, Began)
    builder = StateBuilder(Targets(**began.targets), began.sources, began.at)
    for record in others:
        if not isinstance(record, Looked):
            builder.apply(event_of(record))
    return builder


@pytest.mark.parametrize("seconds", [0, 60])
def test_state_made_from_the_journal_is_the_same(seconds: int) -> None:
    clock = VirtualClock(0.25)
    simulation = AutoscalerSimulation(clock, lambda: 150.0)
    clock.advance(45)
    records: list[bytes] = []
    simulation.record(lambda event: records.append(msgspec.json.encode(event)), clock.now())
    clock.advance(seconds)
    simulation.look(clock.now())
    made, real = replayed(records), simulation.builder
    for name in ("pods", "autoscaler", "deployment", "service", "load"):
        assert made.state(0)[name] == real.state(0)[name]
    assert (made.samples(), made.behavior()) == (real.samples(), real.behavior())
    states = [{name: each["state"] for name, each in one.state(0)["sources"].items()} for one in (made, real)]
    assert states[0] == states[1]


def test_journal_ends() -> None:
    clock = VirtualClock(0.25)
    simulation = AutoscalerSimulation(clock, lambda: 0.0)
    records: list[events.Event] = []
    simulation.record(records.append, clock.now())
    simulation.record(None, clock.now())
    count = len(records)
    clock.advance(30)
    assert len(records) == count


def test_other_objects_and_documents_are_left_out() -> None:
    clock = VirtualClock(0.25)
    simulation = AutoscalerSimulation(clock, lambda: 0.0)
    records: list[events.Event] = []
    simulation.record(records.append, clock.now())
    count = len(records)
    document = events.Document("1", {"secret": 1}, None)
    simulation.builder.apply(
        events.CollectionRead(at=clock.now(), version="7", count=1, size_bytes=9, newest=[document])
    )
    simulation.builder.apply(events.RunHistoryUpdated(at=clock.now(), runs=[]))
    assert len(records) == count


def test_applied_manifest_is_left_out() -> None:
    applied = objects.WorkloadAnnotations(applied='{"spec": {"replicas": 3}}')
    meta = objects.WorkloadMeta(name="flask", uid="d", annotations=applied)
    builder = StateBuilder(Targets("n", "c", "flask", "mongodb", "flask", "flask"), ["deployments"], START)
    records: list[bytes] = []
    event = events.ObjectChanged(at=START, kind="deployments", object=objects.Workload(meta))
    builder.record(lambda event: records.append(msgspec.json.encode(event)), START)
    builder.apply(event)
    builder.record(lambda event: records.append(msgspec.json.encode(event)), START)
    written = b"".join(records)
    assert written.count(b'"uid":"d"') == 2 and b"replicas\\" not in written


def test_infinite_bound_of_a_bucket_is_null_in_a_record() -> None:
    counters = events.Counters(3.0, 1.0, ((0.1, 2.0), (float("inf"), 3.0)))
    assert b"null" in msgspec.json.encode(pod_counters(counters))
    assert counters_of(pod_counters(counters)) == counters
