"""The records of a failover run, beside the journal of the state and those of its workload."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from dashboard.runs.demos.failover.observation import FailoverObservations, Loss, PrimaryChange
from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.evidence.records import Stopped
from dashboard.runs.mode import Mode
from dashboard.runs.workload import records as workload
from dashboard.runs.workload.records import Back, Operated, WorkloadReader, WorkloadRecord


class Lost(Struct, frozen=True, tag=True, tag_field="type"):
    """A loss of the primary. The line's `t` is when its end was asked for."""

    loss: Loss


class FailoverObserved(Struct, frozen=True, tag="FailedOver", tag_field="type"):
    """What else a failover run observed."""

    mode: Mode
    members: int | None
    last_write: bool | None
    last_error: str | None
    unread: str | None
    changes: tuple[PrimaryChange, ...] = ()


FailoverRecord = Lost | FailoverObserved


def records_of(run: FailoverObservations) -> Iterator[tuple[float | None, WorkloadRecord | FailoverRecord]]:
    """Yield the records, each with its time by the monotonic clock; None for now."""
    yield from workload.records_of(run.operations, run.read_backs)
    for loss in run.losses:
        yield loss.at, Lost(loss)
    yield None, FailoverObserved(run.mode, run.members, run.last_write, run.last_error, run.unread, tuple(run.changes))


def observations(records: Iterable[Any]) -> FailoverObservations:
    """Return the observations of the records. Raise `Unreadable` if they are not those of a failover run."""
    reader = WorkloadReader()
    losses: list[Loss] = []
    observed: FailoverObserved | None = None
    stopped: str | None = None
    for record in records:
        match record:
            case Operated() | Back():
                reader.add(record)
            case Lost():
                losses.append(record.loss)
            case FailoverObserved():
                observed = record
            case Stopped():
                stopped = record.reason
    if observed is None:
        raise Unreadable("It has no record FailedOver.")
    operations, read_backs = reader.read()
    return FailoverObservations(
        mode=observed.mode,
        members=observed.members,
        losses=losses,
        changes=observed.changes,
        operations=operations,
        read_backs=read_backs,
        last_write=observed.last_write,
        last_error=observed.last_error,
        unread=observed.unread,
        stopped=stopped,
    )
