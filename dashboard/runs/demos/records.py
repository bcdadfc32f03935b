"""All types of records of an evidence file, and the reader that knows them."""

from collections.abc import Iterable

from msgspec import Struct

from dashboard.core.state.journal import Recorded
from dashboard.runs.demos.autoscale.records import AutoscaleRecord
from dashboard.runs.demos.disruption.records import DisruptionRecord
from dashboard.runs.demos.failover.records import FailoverRecord, Lost
from dashboard.runs.demos.persistence.records import Killed, PersistenceRecord
from dashboard.runs.evidence.file import EvidenceReader
from dashboard.runs.evidence.records import End, Header, Stopped
from dashboard.runs.workload.records import Back, Operated

AnyRecord = Header | Recorded | AutoscaleRecord | PersistenceRecord | DisruptionRecord | FailoverRecord | Stopped | End


class EvidenceLine(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the file: its number from 0 on, the seconds since the run's start by a clock that never goes back, what
    happened, and the beginning of the SHA-256 of the check before and of the line up to this one."""

    n: int
    t: float
    record: AnyRecord
    check: str


def reader(chunks: Iterable[bytes]) -> EvidenceReader:
    """Begin to read a file, and return the reader with its header. Raise `Unreadable`."""
    return EvidenceReader(chunks, EvidenceLine, time_of)


def time_of(record: AnyRecord) -> float | None:
    """Return the time of a record by the header's monotonic clock, if its line's t is that time."""
    match record:
        case Operated() | Back():
            return record.began
        case Killed():
            return record.kill.at
        case Lost():
            return record.loss.at
    return None
