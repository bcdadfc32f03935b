"""The records of an autoscale run, beside the journal of the state: what the run did, and what it saw."""

from dashboard.load.options import LoadTotals
from dashboard.runs.demos.autoscale.observed.observation import Observation
from dashboard.runs.evidence.records import Record


class Observed(Record, frozen=True):
    """What the run saw at its last look (`Looked`). `used` are the millicores of all Ready pods by their newest
    samples, `newest` is the newest sample's time in seconds since 1970, `figure` the CPU value that the controller
    reports in `unit`, and `owed` the number of pods that it had to ask for by that value."""

    low: int
    high: int
    desired: int
    current: int
    ready: int
    serving: int
    used: float | None
    newest: float | None
    figure: int | None
    unit: str
    owed: int | None


class Settled(Record, frozen=True):
    """By the last look, the autoscaler had settled."""


class LoadBegan(Record, frozen=True):
    """The load began before the last look: requests a second, and whether the user chose the rate, so that it stays."""

    rate: float
    fixed: bool


class LoadSeen(Record, frozen=True):
    """The load's totals, just before the next look."""

    totals: LoadTotals


class RateChanged(Record, frozen=True):
    """The load's rate was changed, after the last look."""

    rate: float


class LoadEnded(Record, frozen=True):
    """`at` is when the load was told to stop, `totals` are the final ones."""

    totals: LoadTotals


AutoscaleRecord = Observed | Settled | LoadBegan | LoadSeen | RateChanged | LoadEnded


def observed(seen: Observation, at: str) -> Observed:
    return Observed(
        at=at,
        low=seen.low,
        high=seen.high,
        desired=seen.desired,
        current=seen.current,
        ready=len(seen.ready),
        serving=len(seen.serving),
        used=seen.used,
        newest=seen.newest,
        figure=seen.figure,
        unit=seen.unit,
        owed=seen.owed,
    )
