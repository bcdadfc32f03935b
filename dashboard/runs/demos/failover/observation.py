"""What a failover run observed, as plain data. The verdict follows from it alone.

All timestamps are of one monotonic clock, in seconds.
"""

from collections.abc import Sequence

from msgspec import Struct

from dashboard.runs.mode import Mode
from dashboard.runs.workload.judgement.coverage import Gone
from dashboard.runs.workload.judgement.figures import WorkloadObservations


class Loss(Struct):
    """One loss of the primary, and what followed. None for what did not happen or was not seen."""

    mode: Mode
    at: float  # just before the request that ended it
    former: str  # the name of its pod
    pod: str  # the pod's uid
    container: str | None = None  # the id of its mongod's container
    gone: float | None = None  # when it last answered as the primary: one that is told to end hands over first
    back: float | None = None  # a primary answered that is another process
    successor: str | None = None  # the name of its pod
    overdue: str | None = None  # why there was none in time, a sentence
    given_up: float | None = None  # when that was said
    ready: float | None = None  # the former primary's pod was Ready again, and so a member

    @property
    def since(self) -> float:
        """From when on there was no primary."""
        return self.at if self.gone is None else self.gone


class PrimaryChange(Struct, frozen=True):
    """A change of the primary that the run did not cause: when the former one was last seen, and another one first."""

    at: float
    back: float
    name: str  # of the new one


class FailoverObservations(WorkloadObservations, frozen=True, kw_only=True):
    """Everything that a failover run observed."""

    mode: Mode  # of the first loss
    members: int | None = None  # that held data, before
    losses: Sequence[Loss] = ()
    changes: Sequence[PrimaryChange] = ()

    @property
    def gone(self) -> list[Gone]:
        """The times without a primary."""
        return [(loss.since, loss.back) for loss in self.losses]
