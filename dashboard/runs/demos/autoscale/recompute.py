"""Recomputes an autoscale run's verdict from its records, by the account that the run kept too."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import asdict

from dashboard.core.state.journal import Began, Looked
from dashboard.load.options import LoadTotals
from dashboard.runs.demo import MOST_DIFFERENCES, Recomputed
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
from dashboard.runs.evidence.totals import contradictions as contradictions_of_load


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
        self._looked: str | None = None  # when, if what it saw was not recorded yet
        self._totals = LoadTotals()
        self._over: str | None = None  # why the run had to end at the last look
        self._rate: float | None = None  # to which the load should change now

    def apply(self, record: Any) -> None:
        match record:
            case Began():
                self.account = Account(record.targets.get("deployment", ""), self._asked)
            case Looked():
                self._expect_observed()
            case Observed():
                self._compare(record)
                self._looked = None
            case Settled():
                if self._seen:
                    self.account.settle(self._seen)
            case LoadBegan():
                self._begin_load(record)
                if self._seen:
                    self.account.begin_load(self._seen, record.rate)
            case LoadSeen():
                self._see_totals(record.totals)
            case RateChanged():
                if self._rate != record.rate:
                    change = f"at {record.at} the rate was changed to {record.rate:g}"
                    self._differ(f"{change}, by the records it had to be {self._rate or 'kept'}")
                self._rate = None
            case LoadEnded():
                self._see_totals(record.totals)
                if self.account.totals is not None:
                    self._differ(f"at {record.at} the load ended once more")
                self.account.end_load(record.at, record.totals)
            case Stopped():
                self.stopped, self.aborted = record.reason, record.aborted
        if look := self._replay.apply(record):
            self._look(self.account.see(look, record.at))
            self._looked = record.at if self._seen is not None else None

    def _expect_observed(self) -> None:
        if self._looked is not None:
            self._differ(f"what the run saw at {self._looked} is missing")

    def _begin_load(self, record: LoadBegan) -> None:
        if self.account.start is None:
            self._differ("the load began before the autoscaler had settled")
        if record.fixed != (self._asked is not None) or (record.fixed and record.rate != self._asked):
            asked = "none" if self._asked is None else f"{self._asked:g}"
            self._differ(
                f"the load began with {record.rate:g} requests a second, fixed={record.fixed}; asked for: {asked}"
            )

    def _see_totals(self, totals: LoadTotals) -> None:
        for difference in contradictions_of_load(self._totals, totals):
            self._differ(difference)
        self._totals = totals

    def _look(self, seen: Observation | None) -> None:
        if self._rate is not None:
            self._differ(f"by the records the rate had to be changed to {self._rate:g}, which it was not")
        if self._over is not None:
            self._differ(f"the run went on, though by the records it had to end: {self._over}")
        self._seen, self._rate = seen, None
        if seen is not None:
            advance = self.account.advance(seen, self._totals.in_flight)
            self._rate, self._over = advance.rate, advance.unmet or advance.interrupted

    def _compare(self, record: Observed) -> None:
        """Compare what the run saw with what it had to see by the journal."""
        if self._looked != record.at:
            self._differ(f"at {record.at} the run saw something without a look at that time")
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
