"""The records of a persistence run, beside the journal of the state and those of its workload: kills, and the rest."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from dashboard.runs.demos.persistence.observation import Kill, Observations
from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.evidence.records import Stopped
from dashboard.runs.mode import Mode
from dashboard.runs.workload import records as workload
from dashboard.runs.workload.operation import WRITES, Kind
from dashboard.runs.workload.records import Back, Operated, WorkloadReader


class Killed(Struct, frozen=True, tag=True, tag_field="type"):
    """A kill of the database, and its return. The line's `t` is when it was asked for."""

    kill: Kill


class PersistenceObserved(Struct, frozen=True, tag="Ran", tag_field="type"):
    """What else a persistence run observed. `kinds` are the writes that the service takes; `adapter`: whether the
    database itself could be asked; `database`: "mongodb", "postgresql", or "" if nothing is known of it. Files from
    before a field was added have its default, which is MongoDB's."""

    mode: Mode
    last_write: bool | None
    last_error: str | None
    unread: str | None
    kinds: list[Kind] = msgspec.field(default_factory=lambda: [*sorted(WRITES)])
    adapter: bool = True
    database: str = "mongodb"


PersistenceRecord = Operated | Killed | Back | PersistenceObserved


def records_of(run: Observations) -> Iterator[tuple[float | None, PersistenceRecord]]:
    """Yield the records, each with its time by the monotonic clock; None for now."""
    yield from workload.records_of(run.operations, run.read_backs)
    for kill in run.kills:
        yield kill.at, Killed(kill)
    kinds = sorted(run.kinds)
    rest = PersistenceObserved(run.mode, run.last_write, run.last_error, run.unread, kinds, run.adapter, run.database)
    yield None, rest


def observations(records: Iterable[Any]) -> Observations:
    """Return the observations of the records. Raise `Unreadable` if they are not those of a persistence run."""
    reader = WorkloadReader()
    kills: list[Kill] = []
    observed = stopped = None
    for record in records:
        match record:
            case Operated() | Back():
                reader.add(record)
            case Killed():
                kills.append(record.kill)
            case PersistenceObserved():
                observed = record
            case Stopped():
                stopped = record.reason
    if observed is None:
        raise Unreadable("It has no record Ran.")
    operations, read_backs = reader.read()
    return Observations(
        mode=observed.mode,
        operations=operations,
        kills=kills,
        read_backs=read_backs,
        last_write=observed.last_write,
        last_error=observed.last_error,
        unread=observed.unread,
        stopped=stopped,
        kinds=observed.kinds,
        adapter=observed.adapter,
        database=observed.database,
    )
