"""What a persistence run observed, as plain data. The verdict follows from it alone.

All timestamps are of one monotonic clock, in seconds.
"""

from collections.abc import Sequence

from msgspec import Struct

from dashboard.runs.mode import Mode
from dashboard.runs.workload.judgement.coverage import Gone
from dashboard.runs.workload.judgement.figures import WorkloadObservations


class DatabaseIdentity(Struct, frozen=True):
    """The ids of the database's pod and volume at one time. None if there is none or it is unknown."""

    pod: str | None = None
    container: str | None = None
    node: str | None = None
    claim: str | None = None  # uid
    volume: str | None = None  # PersistentVolume


class Kill(Struct):
    """One kill of the database and its return. None for what did not happen or was not seen."""

    mode: Mode
    at: float  # just before the request
    before: DatabaseIdentity
    back: float | None = None  # a new mongod answered as primary
    ready: float | None = None  # its pod was Ready
    after: DatabaseIdentity | None = None


class Observations(WorkloadObservations, frozen=True, kw_only=True):
    """Everything that a persistence run observed."""

    mode: Mode  # of the first kill
    kills: Sequence[Kill] = ()
    database: str = "mongodb"  # "postgresql"; "" if nothing is known of it

    @property
    def gone(self) -> list[Gone]:
        """The outages."""
        return [(kill.at, kill.back) for kill in self.kills]
