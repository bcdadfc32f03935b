"""Plays the journal in an evidence file into a snapshot, which then has what the dashboard had: state and charts."""

from collections import defaultdict
from typing import Any, cast

from dashboard.core.events import Event, ObjectChanged, ObjectDeleted, ObjectsListed
from dashboard.core.state.journal import Began, Looked, Recorded, event_of
from dashboard.core.state.snapshot import Look, Snapshot, Targets
from dashboard.runs.evidence.file import EvidenceReader, Unreadable

Json = dict[str, Any]

MOST_OBJECTS = 2_000  # of a kind: a run records those of its own deployment only


class Replay:
    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._uids: defaultdict[str, set[str]] = defaultdict(set)  # of the objects, by kind

    def apply(self, record: Any) -> Look | None:
        """Apply a record of the journal; ignore others. Return the look if a run looked at the state. Raise
        `Unreadable`."""
        if not isinstance(record, Event):
            return None
        try:
            if isinstance(record, Began):
                self._snapshot = Snapshot(Targets(**record.targets), record.sources, record.at)
                return None
            if isinstance(record, Looked):
                return self._known.look(record.at)
            self._count(record)
            self._known.apply(event_of(cast(Recorded, record)))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            raise Unreadable(f"A {type(record).__name__} is invalid: {type(error).__name__}: {error}.") from error
        return None

    def _count(self, record: Event) -> None:
        """Raise `Unreadable` if there are more objects than a run can have seen: a snapshot of them takes much more
        memory than the file."""
        match record:
            case ObjectsListed():
                self._uids[record.kind] = {one["metadata"]["uid"] for one in record.objects}
            case ObjectChanged():
                self._uids[record.kind].add(record.object["metadata"]["uid"])
            case ObjectDeleted():
                self._uids[record.kind].discard(record.uid)
            case _:
                return
        if len(self._uids[record.kind]) > MOST_OBJECTS:
            raise Unreadable(f"It has more than {MOST_OBJECTS} {record.kind} at once.")

    def tables(self) -> Json:
        """Return the charts' tables (core.state.history)."""
        tables: Json = self._known.history.since(0.0)["tables"]
        return tables

    def target(self) -> float | None:
        """Return the CPU target in percent of the pods' requests."""
        found = self._known.state(0)["autoscaler"]
        return found["target_of_requests"] if found else None

    @property
    def _known(self) -> Snapshot:
        if self._snapshot is None:
            raise Unreadable("Its journal has no beginning.")
        return self._snapshot


def replayed(reader: EvidenceReader) -> Replay:
    """Return the replay of a whole file. Raise `Unreadable`."""
    replay = Replay()
    for record in reader.records():
        replay.apply(record)
    return replay
