"""The reader of a workload's records: what it refuses, and what it names."""

import pytest
from msgspec.structs import replace

from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.workload import records
from dashboard.runs.workload.records import Back, Operated, WorkloadReader, WorkloadRecord

PART = Back("database", 5.0, 6.0, {"a": 1, "b": 1})
LIST = Operated(1, "list", None, 1.0, 2.0, "seen", seen={"a": 1, "b": 1})


def read(*parts: WorkloadRecord) -> WorkloadReader:
    reader = WorkloadReader()
    for part in parts:
        reader.add(part)
    return reader


def test_parts_with_the_same_beginning_are_one_read_back() -> None:
    reader = read(PART, Back("database", 5.0, 6.0, {"c": 1}), Back("service", 7.0, 8.0, {}))
    _, (database, service) = reader.read()
    assert ({*database.documents}, {*service.documents}, reader.differences) == ({"a", "b", "c"}, set(), [])


@pytest.mark.parametrize("other", [Back("database", 5.0, 6.0, {"b": 2}), Back("database", 5.0, 9.0, {"c": 1})])
def test_parts_that_have_the_same_document_or_other_ends_contradict_each_other(other: Back) -> None:
    assert read(Back("database", 5.0, 6.0, {"b": 1}), other).differences == [
        "the parts of the read-back from the database contradict each other"
    ]


def test_second_read_back_from_the_same_source_is_refused() -> None:
    with pytest.raises(Unreadable, match="two read-backs from the database"):
        read(PART, replace(PART, began=9.0))


def test_more_documents_than_a_ledger_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LARGEST", 2)
    read(PART)
    with pytest.raises(Unreadable, match="more than 2 documents from the database"):
        read(Back("database", 5.0, 6.0, {"a": 1}), Back("database", 5.0, 6.0, {"b": 1, "c": 1}))


def test_more_documents_than_reads_can_have_seen_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_SEEN", 3)
    read(LIST)
    with pytest.raises(Unreadable, match="saw more than 3 documents"):
        read(LIST, LIST)
