"""The records of a workload in an evidence file: every operation and read-back.

They are written when the run is over, so they come after what happened later. `began` and `ended` are of the same
monotonic clock as the header's `clock`. A payload is named by the beginning of its SHA-256; where one was read, by the
version of the document that had it when it was written, if there is one.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal

from msgspec import Struct

from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.workload.ledger import LARGEST
from dashboard.runs.workload.operation import Kind, Operation, Outcome, ReadBack

DIGITS = 12  # of a SHA-256
PART = 1_000  # documents of a read-back in a record
MOST_SEEN = 2_000_000  # documents that all reads saw, each counted every time: as many ids as a file has room for

Source = Literal["database", "service"]
Seen = int | str  # a version, or the beginning of a SHA-256


class Operated(Struct, frozen=True, omit_defaults=True, tag=True, tag_field="type", forbid_unknown_fields=True):
    """An operation, as the run's ledger had it. The line's `t` is when it began."""

    by: int
    kind: Kind
    id: str | None
    began: float
    ended: float | None = None
    outcome: Outcome = "open"
    version: int | None = None
    sha256: str | None = None
    seen: dict[str, Seen] | None = None


class Back(Struct, frozen=True, tag=True, tag_field="type", forbid_unknown_fields=True):
    """A part of what was read back. Parts with the same `began` are one read-back."""

    source: Source
    began: float
    ended: float
    documents: dict[str, Seen]


WorkloadRecord = Operated | Back


def records_of(
    operations: Iterable[Operation], read_backs: Iterable[ReadBack]
) -> Iterator[tuple[float, WorkloadRecord]]:
    """Yield the records of operations and read-backs, each with its time by the monotonic clock."""
    operations = [*operations]
    versions = {(each.id, each.sha256): each.version for each in operations if each.version and each.sha256}
    for each in operations:
        yield (
            each.began,
            Operated(
                each.by,
                each.kind,
                each.id,
                each.began,
                each.ended,
                each.outcome,
                each.version,
                each.sha256 and each.sha256[:DIGITS],
                None if each.seen is None else _shortened(each.seen, versions),
            ),
        )
    for back in read_backs:
        for part in _parts(back.documents):
            yield back.began, Back(back.source, back.began, back.ended, _shortened(part, versions))


def _parts(documents: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield parts of the documents, one without any if there are none."""
    left = iter(documents.items())
    yield dict(islice(left, PART))
    while part := dict(islice(left, PART)):
        yield part


def _shortened(seen: Mapping[str, str], versions: Mapping[Any, int | None]) -> dict[str, Seen]:
    return {id_: versions.get((id_, sha)) or sha[:DIGITS] for id_, sha in seen.items()}


class WorkloadReader:
    """Collects the records of a workload, and returns what they are of."""

    def __init__(self) -> None:
        self.differences: list[str] = []  # where parts of a read-back contradict each other
        self._operations: list[Operated] = []
        self._seen = 0  # documents that reads saw
        self._backs: dict[Source, Back] = {}

    def add(self, record: WorkloadRecord) -> None:
        """Raise `Unreadable` if there are more than a run has."""
        if isinstance(record, Back):
            self._add_part(record)
            return
        self._operations.append(record)
        self._seen += len(record.seen or ())
        if len(self._operations) > LARGEST:
            raise Unreadable(f"It has more than {LARGEST:,} operations.")
        if self._seen > MOST_SEEN:
            raise Unreadable(f"Its reads saw more than {MOST_SEEN:,} documents.")

    def _add_part(self, part: Back) -> None:
        whole = self._backs.setdefault(part.source, Back(part.source, part.began, part.ended, {}))
        if part.began != whole.began:
            raise Unreadable(f"It has two read-backs from the {part.source}.")
        if part.ended != whole.ended or part.documents.keys() & whole.documents.keys():
            self.differences.append(f"the parts of the read-back from the {part.source} contradict each other")
        whole.documents.update(part.documents)
        if len(whole.documents) > LARGEST:
            raise Unreadable(f"It has more than {LARGEST:,} documents from the {part.source}.")

    def read(self) -> tuple[list[Operation], list[ReadBack]]:
        written = defaultdict[str, dict[int, str]](dict)
        for each in self._operations:
            if each.id and each.version and each.sha256:
                written[each.id][each.version] = each.sha256
        return (
            [_operation(each, written) for each in self._operations],
            [_read_back(back, written) for back in self._backs.values()],
        )


Written = Mapping[str, Mapping[int, str]]


def _operation(each: Operated, written: Written) -> Operation:
    seen = None if each.seen is None else _lengthened(each.seen, written)
    return Operation(each.by, each.kind, each.id, each.began, each.ended, each.outcome, each.version, each.sha256, seen)


def _read_back(back: Back, written: Written) -> ReadBack:
    return ReadBack(back.source, back.began, back.ended, _lengthened(back.documents, written))


def _lengthened(seen: Mapping[str, Seen], written: Written) -> dict[str, str]:
    """Return the digests. A version that nobody wrote has none, and is like no payload."""
    return {
        id_: each if isinstance(each, str) else written.get(id_, {}).get(each, f"version {each}")
        for id_, each in seen.items()
    }
