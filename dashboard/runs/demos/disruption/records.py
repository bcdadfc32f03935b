"""The records of a run that disrupts the service's pods, beside the journal of the state and the records of its ledger.

`at` and the other times are of the same monotonic clock as the header's `clock`.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from dashboard.core.state.journal import Began
from dashboard.load.options import LoadTotals
from dashboard.runs.demo import MOST_DIFFERENCES, Recomputed, recomputed
from dashboard.runs.demos.disruption.observation import (
    Disruption,
    Facts,
    Kind,
    LoadPoint,
    Silence,
    Standing,
    TrialObservations,
    observe,
)
from dashboard.runs.demos.disruption.verdict import findings, verdict_of
from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.evidence.records import Header, Stopped
from dashboard.runs.evidence.replay import Replay
from dashboard.runs.evidence.totals import contradictions as contradictions_of_load
from dashboard.runs.workload import records as workload
from dashboard.runs.workload.contradictions import contradictions, unexplained
from dashboard.runs.workload.records import Back, Operated, WorkloadReader, WorkloadRecord


class Stood(Struct, frozen=True, tag=True, tag_field="type", forbid_unknown_fields=True):
    """The service's pods as the run saw them at its last look (`Looked`), recorded when they had changed."""

    standing: Standing


class Disrupted(Struct, frozen=True, tag=True, tag_field="type", forbid_unknown_fields=True):
    """A disruption, once the API server had done it."""

    disruption: Disruption


class Loaded(Struct, frozen=True, tag=True, tag_field="type", forbid_unknown_fields=True):
    """The load's totals, recorded when they had changed."""

    at: float
    totals: LoadTotals


class DisruptionObserved(Struct, frozen=True, tag="Served", tag_field="type", forbid_unknown_fields=True):
    """What else a run that disrupts the service's pods observed."""

    facts: Facts | None
    last_write: bool | None
    last_error: str | None
    unread: str | None
    silences: tuple[Silence, ...] = ()


DisruptionRecord = Stood | Disrupted | Loaded | DisruptionObserved


def records_of(run: TrialObservations) -> Iterator[tuple[float | None, WorkloadRecord | DisruptionObserved]]:
    """Yield the records that are written at a run's end, each with its time by the monotonic clock; None for now."""
    yield from workload.records_of(run.operations, run.read_backs)
    yield None, DisruptionObserved(run.facts, run.last_write, run.last_error, run.unread, tuple(run.silences))


def recompute(run: TrialObservations, header: Header, records: Iterable[Any]) -> Recomputed:
    """Return the verdict that follows from the records; `run` has what the demo itself declares. Raise `Unreadable` if
    they are not those of such a run."""
    recomputation = _Recomputation(run)
    for record in records:
        recomputation.apply(record)
    found = recomputation.observations()
    return recomputed(verdict_of(header.demo, findings(found)), recomputation.contradictions(found))


class _Recomputation:
    """Collects a run's observations, and compares what it saw with what it had to see by the journal."""

    def __init__(self, run: TrialObservations) -> None:
        self.differences: list[str] = []
        self._run = run
        self._workload = WorkloadReader()
        self._standings: list[Standing] = []
        self._disruptions: list[Disruption] = []
        self._load: list[LoadPoint] = []
        self._observed: DisruptionObserved | None = None
        self._stopped: str | None = None
        self._replay = Replay()
        self._deployment = ""
        self._state: dict[str, Any] | None = None  # at the last look

    def apply(self, record: Any) -> None:
        match record:
            case Began():
                self._deployment = record.targets.get("deployment", "")
            case Operated() | Back():
                self._workload.add(record)
            case Stood():
                self._compare(record.standing)
                self._standings.append(record.standing)
            case Disrupted():
                self._disruptions.append(record.disruption)
                if len(self._disruptions) > len(self._run.asked):
                    raise Unreadable(f"It has more than {len(self._run.asked)} disruptions.")
            case Loaded():
                self._load.append(LoadPoint(record.at, record.totals))
            case DisruptionObserved() if self._observed is None:
                self._observed = record
            case DisruptionObserved():
                raise Unreadable("It has two records Served.")
            case Stopped():
                self._stopped = record.reason
        if look := self._replay.apply(record):
            self._state = look.state

    def observations(self) -> TrialObservations:
        if self._observed is None:
            raise Unreadable("It has no record Served.")
        operations, read_backs = self._workload.read()
        return replace(
            self._run,
            operations=operations,
            standings=self._standings,
            disruptions=self._disruptions,
            load=self._load,
            read_backs=read_backs,
            facts=self._observed.facts,
            silences=self._observed.silences,
            last_write=self._observed.last_write,
            last_error=self._observed.last_error,
            unread=self._observed.unread,
            stopped=self._stopped,
        )

    def contradictions(self, run: TrialObservations) -> Iterator[str]:
        finished = run.stopped is None and not run.unread and run.last_write is not None
        yield from self.differences
        yield from self._workload.differences
        yield from contradictions(run.operations, run.read_backs)
        yield from unexplained(run.read_backs, ("service", "database"), finished)
        kinds = [each.kind for each in run.disruptions]
        if kinds != [*run.asked[: len(kinds)]]:
            yield f"the disruptions are {', '.join(kinds)}, where {', '.join(run.asked)} were asked for"
        times = {
            "disruptions": [each.at for each in run.disruptions],
            "looks": [each.at for each in run.standings],
            "load's totals": [each.at for each in run.load],
        }
        for name, found in times.items():
            if found != sorted(found):
                yield f"the {name} are not in the order of their times"
        for before, after in pairwise([LoadPoint(0.0, LoadTotals()), *run.load]):
            yield from contradictions_of_load(before.totals, after.totals)

    def _compare(self, seen: Standing) -> None:
        found = None if self._state is None else observe(self._state, self._deployment, seen.at)
        if found != seen and len(self.differences) < MOST_DIFFERENCES:
            names = [name for name in seen.__struct_fields__ if getattr(found, name, None) != getattr(seen, name)]
            self.differences.append(
                f"at {seen.at:.1f} the run saw other {' and '.join(names)} of the service's pods than the journal has"
            )


def asked(*kinds: Kind, **limits: float) -> TrialObservations:
    """Return the observations of a run that has not begun: which disruptions it is made of, and their limits."""
    return TrialObservations(kinds, limits)
