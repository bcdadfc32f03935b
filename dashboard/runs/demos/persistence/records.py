"""The records of a persistence run, beside the journal of the state and those of its workload: kills, and the rest."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct

from dashboard.runs.demo import Recomputed, recomputed
from dashboard.runs.demos.persistence.observation import Kill, Observations
from dashboard.runs.demos.persistence.verdict import findings, verdict_of
from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.evidence.kills import Moment, bounded, out_of_order
from dashboard.runs.evidence.kills import contradictions as contradictions_of_kills
from dashboard.runs.evidence.records import Header, Stopped
from dashboard.runs.evidence.replay import played
from dashboard.runs.mode import Mode
from dashboard.runs.workload import records as workload
from dashboard.runs.workload.contradictions import contradictions, unexplained
from dashboard.runs.workload.operation import WRITES, Kind
from dashboard.runs.workload.records import Back, Operated, WorkloadReader


class Killed(Struct, frozen=True, tag=True, tag_field="type", forbid_unknown_fields=True):
    """A kill of the database, and its return. The line's `t` is when it was asked for."""

    kill: Kill


class PersistenceObserved(Struct, frozen=True, tag="Ran", tag_field="type", forbid_unknown_fields=True):
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


def recompute(header: Header, records: Iterable[Any]) -> Recomputed:
    """Return the verdict that follows from the records. Raise `Unreadable` if they are not those of a persistence
    run."""
    reader = WorkloadReader()
    run = observations(played(records), header.options, reader)
    differences = chain(reader.differences, _contradictions(run, header.options))
    return recomputed(verdict_of(findings(run)), differences)


def _contradictions(run: Observations, options: Mapping[str, Any]) -> Iterator[str]:
    sources = {"service", "database"} if run.adapter else {"service"}
    finished = run.stopped is None and not run.unread and run.last_write is not None
    yield from contradictions(run.operations, run.read_backs, run.kinds)
    yield from unexplained(run.read_backs, sources, finished)
    modes = [kill.mode for kill in run.kills]
    yield from contradictions_of_kills(options, run.mode, modes, early=run.stopped is not None)
    yield from out_of_order(_moments(run.kills))


def _moments(kills: Iterable[Kill]) -> Iterator[Moment]:
    """Yield what happened, in the order in which it has to."""
    for number, kill in enumerate(kills, 1):
        yield f"kill {number}", kill.at
        yield f"the database's return after kill {number}", kill.back
        yield f"its pod's readiness after kill {number}", kill.ready


def observations(records: Iterable[Any], options: Mapping[str, Any], reader: WorkloadReader) -> Observations:
    """Return the observations of the records. Raise `Unreadable` if they are not those of a persistence run with these
    options."""
    kills: list[Kill] = []
    observed = stopped = None
    for record in records:
        match record:
            case Operated() | Back():
                reader.add(record)
            case Killed():
                kills.append(record.kill)
                bounded(kills, options)
            case PersistenceObserved() if observed is None:
                observed = record
            case PersistenceObserved():
                raise Unreadable("It has two records Ran.")
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
