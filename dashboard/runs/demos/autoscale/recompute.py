"""Recomputes an autoscale run's verdict from its records, by the account that the run kept too."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import asdict

from dashboard.core.state.journal import Began
from dashboard.runs.demo import Recomputed
from dashboard.runs.demos.autoscale.account import Account
from dashboard.runs.demos.autoscale.observed.observation import Observation
from dashboard.runs.demos.autoscale.records import (
    LoadBegan,
    LoadEnded,
    LoadSeen,
    Observed,
    RateChanged,
    Settled,
    observed,
)
from dashboard.runs.demos.autoscale.verdict import verdict_of
from dashboard.runs.evidence.records import Header, Stopped
from dashboard.runs.evidence.replay import Replay

MOST_DIFFERENCES = 20  # that are named


def recompute(header: Header, records: Iterable[Any]) -> Recomputed:
    """Raise `Unreadable` if the records are not those of an autoscale run."""
    recomputation = Recomputation(header)
    for record in records:
        recomputation.apply(record)
    verdict = verdict_of(recomputation.account.findings(recomputation.stopped, recomputation.aborted))
    return Recomputed(verdict, recomputation.differences)


class Recomputation:
    def __init__(self, header: Header) -> None:
        rate = header.options.get("rate")
        self._asked = float(rate) if isinstance(rate, int | float) else None
        self.account = Account("", self._asked)
        self.stopped: str | None = None
        self.aborted = False
        self.differences: list[str] = []
        self._replay = Replay()
        self._seen: Observation | None = None  # at the last look
        self._in_flight = 0
        self._rate: float | None = None  # to which the load should change now

    def apply(self, record: Any) -> None:
        match record:
            case Began():
                self.account = Account(record.targets.get("deployment", ""), self._asked)
            case Observed():
                self._compare(record)
            case Settled():
                if self._seen:
                    self.account.settle(self._seen)
            case LoadBegan():
                if self._seen:
                    self.account.begin_load(self._seen, record.rate)
            case LoadSeen():
                self._in_flight = record.totals.in_flight
            case RateChanged():
                if self._rate != record.rate:
                    change = f"at {record.at} the rate was changed to {record.rate:g}"
                    self._differ(f"{change}, by the records it had to be {self._rate or 'kept'}")
                self._rate = None
            case LoadEnded():
                self.account.end_load(record.at, record.totals)
            case Stopped():
                self.stopped, self.aborted = record.reason, record.aborted
        if look := self._replay.apply(record):
            self._look(self.account.see(look, record.at))

    def _look(self, seen: Observation | None) -> None:
        if self._rate is not None:
            self._differ(f"by the records the rate had to be changed to {self._rate:g}, which it was not")
        self._seen, self._rate = seen, None
        if seen is not None:
            self._rate = self.account.advance(seen, self._in_flight).rate

    def _compare(self, record: Observed) -> None:
        """Compare what the run saw with what it had to see by the journal."""
        if self._seen is None:
            return self._differ(f"at {record.at} the run saw an autoscaler, by the records there was none")
        found = asdict(observed(self._seen, record.at))
        for name, value in asdict(record).items():
            if found[name] != value:
                self._differ(f"at {record.at} the run saw {name}={value}, by the records it was {found[name]}")
        return None

    def _differ(self, difference: str) -> None:
        if len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(difference)
