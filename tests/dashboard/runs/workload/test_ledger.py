"""The ledger of a run's operations."""

import pytest

from dashboard.runs.workload.ledger import Full, Ledger


def test_operation_is_in_the_ledger_before_its_outcome() -> None:
    ledger = Ledger()
    write = ledger.begin(3, "put", "a", 1.0, 2, "sha")
    assert ledger.operations() == [write]
    assert (write.by, write.kind, write.id, write.version, write.sha256) == (3, "put", "a", 2, "sha")
    assert (write.began, write.ended, write.outcome) == (1.0, None, "open")
    ledger.end(write, 2.0, "acknowledged")
    assert (write.ended, write.outcome) == (2.0, "acknowledged")


def test_read_has_what_it_has_seen() -> None:
    ledger = Ledger()
    read = ledger.begin(0, "get", "a", 1.0)
    ledger.see(read, 2.0, {})
    assert (read.seen, read.ended, read.outcome) == ({}, 2.0, "seen")


def test_last_error_is_kept() -> None:
    ledger = Ledger()
    ledger.end(ledger.begin(0, "post", "a", 1.0), 2.0, "unknown", "No answer.")
    ledger.end(ledger.begin(0, "post", "b", 1.0), 2.0, "acknowledged")
    assert ledger.last_error == "No answer."


def test_full_ledger_refuses_new_operations_only() -> None:
    ledger = Ledger(largest=1)
    write = ledger.begin(0, "post", "a", 0.0)
    with pytest.raises(Full):
        ledger.begin(0, "post", "b", 0.0)
    ledger.end(write, 2.0, "acknowledged")
    assert [each.outcome for each in ledger.operations()] == ["acknowledged"]


def test_operations_are_a_copy() -> None:
    ledger = Ledger()
    before = ledger.operations()
    ledger.begin(0, "post", "a", 0.0)
    assert before == []
