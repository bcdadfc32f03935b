"""What a persistence run observed, as plain data. The verdict follows from it alone.

All timestamps are of one monotonic clock, in seconds.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from dashboard.runs.workload.operation import Operation, ReadBack

Mode = Literal["graceful", "crash"]


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


class Observations(Struct, frozen=True):
    """Everything that a persistence run observed."""

    mode: Mode  # of the first kill
    operations: Sequence[Operation] = ()
    kills: Sequence[Kill] = ()
    read_backs: Sequence[ReadBack] = ()
    last_write: bool | None = None  # whether the last document was acknowledged; None if it was never written
    last_error: str | None = None  # of a write that was not acknowledged, a sentence
    unread: str | None = None  # why something could not be read back
    stopped: str | None = None  # why the run ended early: an abort, a lost lease, a limit
