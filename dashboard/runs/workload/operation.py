"""What a run's clients asked for, as plain data.

All timestamps are of one monotonic clock, in seconds.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Kind = Literal["post", "put", "delete", "get", "list"]
Outcome = Literal["open", "acknowledged", "failed", "unknown", "seen"]

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


class ReadBack(Struct, frozen=True):
    """All documents of the run, read once the writers had ended."""

    source: Literal["database", "service"]
    began: float
    ended: float
    documents: Mapping[str, str]  # id → sha256
