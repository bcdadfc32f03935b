"""All types of records of an evidence file, and the reader that knows them."""

from collections.abc import Iterable

from dashboard.core.journal import Recorded
from dashboard.runs.demos.autoscale.records import AutoscaleRecord
from dashboard.runs.evidence.file import EvidenceReader
from dashboard.runs.evidence.records import End, Header, Stopped

AnyRecord = Header | Recorded | AutoscaleRecord | Stopped | End


def reader(chunks: Iterable[bytes]) -> EvidenceReader[AnyRecord]:
    """Begin to read a file, and return the reader with its header. Raise `Unreadable`."""
    return EvidenceReader(chunks, AnyRecord)
