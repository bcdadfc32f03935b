"""Plays the journal in an evidence file into a builder, which then has what the dashboard had: state and charts."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec

from dashboard.core.events import Event, ObjectChanged, ObjectDeleted, ObjectsListed, ObjectUnreadable
from dashboard.core.state.builder import Look, StateBuilder
from dashboard.core.state.journal import Began, Looked, Recorded, Scraped, event_of
from dashboard.core.targets import Targets
from dashboard.runs.evidence.file import EvidenceReader, Unreadable

Json = dict[str, Any]

MOST_OBJECTS = 2_000  # of a kind: a run records those of its own deployment only
MOST_BYTES = 8 << 20  # of the JSON of a kind's objects, or of the pods' counters: in memory they take tenfold


class Replay:
    def __init__(self) -> None:
        self._builder: StateBuilder | None = None
        self._objects: defaultdict[str, dict[str, int]] = defaultdict(dict)  # kind → uid → bytes of its JSON
        self._counters: dict[str, int] = {}  # by pod name: the builder remembers those of pods that are gone

    def apply(self, record: Any) -> Look | None:
        """Apply a record of the journal; ignore others. Return the look if a run looked at the state. Raise
        `Unreadable`."""
        if not isinstance(record, Event):
            return None
        try:
            if isinstance(record, Began):
                if len(record.sources) > MOST_OBJECTS:
                    raise Unreadable(f"It has more than {MOST_OBJECTS} sources.")
                self._builder = StateBuilder(Targets(**record.targets), record.sources, record.at)
                return None
            if isinstance(record, Looked):
                return self._known.look(record.at)
            self._count(record)
            self._known.apply(event_of(cast(Recorded, record)))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            raise Unreadable(f"A {type(record).__name__} is invalid: {type(error).__name__}: {error}.") from error
        return None

    def _count(self, record: Event) -> None:
        """Raise `Unreadable` if there is more than a run can have seen: in a builder it takes much more memory than in
        the file."""
        match record:
            case Scraped():
                self._counters |= {name: _size(pod) for name, pod in record.pods.items()}
                _bound(self._counters, "counters")
                return
            case ObjectsListed():
                unreadable = {one.uid: _size(one) for one in record.unreadable}
                self._objects[record.kind] = unreadable | {_uid(one): _size(one) for one in record.objects}
            case ObjectChanged():
                self._objects[record.kind][_uid(record.object)] = _size(record.object)
            case ObjectUnreadable():
                self._objects[record.kind].setdefault(record.object.uid, _size(record.object))
            case ObjectDeleted():
                self._objects[record.kind].pop(record.uid, None)
            case _:
                return
        found = self._objects[record.kind]
        if len(found) > MOST_OBJECTS:
            raise Unreadable(f"It has more than {MOST_OBJECTS} {record.kind} at once.")
        _bound(found, record.kind)

    def tables(self) -> Json:
        """Return the charts' tables (core.state.history)."""
        tables: Json = self._known.history.since(0.0)["tables"]
        return tables

    def target(self) -> float | None:
        """Return the CPU target in percent of the pods' requests."""
        found = self._known.state(0)["autoscaler"]
        return found["target_of_requests"] if found else None

    @property
    def _known(self) -> StateBuilder:
        if self._builder is None:
            raise Unreadable("Its journal has no beginning.")
        return self._builder


def _uid(object_: Json) -> str:
    uid: str = object_["metadata"]["uid"]
    return uid


def _size(part: object) -> int:
    return len(msgspec.json.encode(part))


def _bound(sizes: dict[str, int], what: str) -> None:
    if sum(sizes.values()) > MOST_BYTES:
        raise Unreadable(f"Its {what} are longer than {MOST_BYTES >> 20} MiB at once.")


def played(records: Iterable[Any], replay: Replay | None = None) -> Iterator[Any]:
    """Yield the records, and play the journal among them. Raise `Unreadable` if it can't be played."""
    replay = replay or Replay()
    for record in records:
        replay.apply(record)
        yield record
        del record  # before the next is decoded, like the reader's line


def replayed(reader: EvidenceReader) -> Replay:
    """Return the replay of a whole file. Raise `Unreadable`."""
    replay = Replay()
    deque(played(reader.records(), replay), maxlen=0)
    return replay
