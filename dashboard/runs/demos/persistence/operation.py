"""What a run observed, as plain data: its operations, kills and read-backs. The verdict follows from these alone.

All timestamps are of one monotonic clock, in seconds.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

Kind = Literal["post", "put", "delete", "get", "list"]
Outcome = Literal["open", "acknowledged", "failed", "unknown", "seen"]
Mode = Literal["graceful", "crash"]

WRITES: frozenset[Kind] = frozenset({"post", "put", "delete"})


class Operation(Struct, gc=False):
    """One request, from before it was sent until its outcome.

    Each document belongs to one writer, which sends one request at a time: the writes of a document are in order, and
    each version has a payload, and so a sha256, of its own. A write is `failed` if the service says that nothing was
    applied, and `unknown` if it may be applied, now or later. A read is `seen` if it was answered, and else `failed`.
    """

    by: int  # the number of the writer or reader
    kind: Kind
    id: str | None  # of the document; None for a list, which is a page of the newest documents
    began: float
    ended: float | None = None
    outcome: Outcome = "open"
    version: int | None = None  # that a post (1) or a put stores
    sha256: str | None = None  # of its payload
    seen: Mapping[str, str] | None = None  # by a read: id → sha256. Empty for a document that is not there


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


class ReadBack(Struct, frozen=True):
    """All documents of the run, read once the writers had ended."""

    source: Literal["database", "service"]
    began: float
    ended: float
    documents: Mapping[str, str]  # id → sha256


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
