"""The records of a failover run, beside the journal of the state and those of its workload."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from msgspec import Struct

from dashboard.runs.demo import Recomputed, recomputed
from dashboard.runs.demos.failover.observation import FailoverObservations, Loss, PrimaryChange
from dashboard.runs.demos.failover.verdict import findings, verdict_of
from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.evidence.kills import Moment, bounded, out_of_order
from dashboard.runs.evidence.kills import contradictions as contradictions_of_kills
from dashboard.runs.evidence.records import Header, Stopped
from dashboard.runs.evidence.replay import played
from dashboard.runs.mode import Mode
from dashboard.runs.workload import records as workload
from dashboard.runs.workload.contradictions import contradictions, unexplained
from dashboard.runs.workload.records import Back, Operated, WorkloadReader, WorkloadRecord


class Lost(Struct, frozen=True, tag=True, tag_field="type", forbid_unknown_fields=True):
    """A loss of the primary. The line's `t` is when its end was asked for."""

    loss: Loss


class FailoverObserved(Struct, frozen=True, tag="FailedOver", tag_field="type", forbid_unknown_fields=True):
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


def recompute(header: Header, records: Iterable[Any]) -> Recomputed:
    """Return the verdict that follows from the records. Raise `Unreadable` if they are not those of a failover run."""
    reader = WorkloadReader()
    run = observations(played(records), header.options, reader)
    differences = chain(reader.differences, _contradictions(run, header.options))
    return recomputed(verdict_of(findings(run)), differences)


def _contradictions(run: FailoverObservations, options: Mapping[str, Any]) -> Iterator[str]:
    finished = run.stopped is None and not run.unread and run.last_write is not None
    yield from contradictions(run.operations, run.read_backs)
    yield from unexplained(run.read_backs, ("service", "database"), finished)
    early = run.stopped is not None or any(loss.overdue for loss in run.losses)
    yield from contradictions_of_kills(options, run.mode, [loss.mode for loss in run.losses], early)
    yield from out_of_order(_moments(run.losses))
    if (run.members or 0) < 2 and any(loss.successor not in (None, loss.former) for loss in run.losses):
        yield f"another member took over, of {run.members}"


def _moments(losses: Iterable[Loss]) -> Iterator[Moment]:
    """Yield what happened, in the order in which it has to."""
    for number, loss in enumerate(losses, 1):
        yield f"kill {number}", loss.at
        yield f"the former primary's last answer after kill {number}", loss.gone
        yield f"the new primary's answer after kill {number}", loss.back
        yield f"the former primary's readiness after kill {number}", loss.ready


def observations(records: Iterable[Any], options: Mapping[str, Any], reader: WorkloadReader) -> FailoverObservations:
    """Return the observations of the records. Raise `Unreadable` if they are not those of a failover run with these
    options."""
    losses: list[Loss] = []
    observed: FailoverObserved | None = None
    stopped: str | None = None
    for record in records:
        match record:
            case Operated() | Back():
                reader.add(record)
            case Lost():
                losses.append(record.loss)
                bounded(losses, options)
            case FailoverObserved() if observed is None:
                observed = record
            case FailoverObserved():
                raise Unreadable("It has two records FailedOver.")
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
