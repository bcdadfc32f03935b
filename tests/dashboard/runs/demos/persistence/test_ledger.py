"""The ledger of a run's writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.runs.demos.persistence.ledger import Comparison, Full, Ledger, merged

INF = float("inf")


def ledger(*writes: tuple[str, float, float | None, str]) -> Ledger:
    """Return the ledger of writes: (id, began, ended, outcome). A document's hash is its id in upper case."""
    filled = Ledger()
    for id_, began, _, _ in writes:
        filled.attempt(id_, id_.upper(), began)
    for id_, _, ended, outcome in writes:
        if ended is not None:
            {"acked": filled.acknowledge, "failed": filled.fail, "unknown": filled.leave}[outcome](id_, ended)
    return filled


def test_write_counts_by_its_outcome() -> None:
    writes = ledger(("a", 0, 1, "acked"), ("b", 0, 2, "failed"), ("c", 0, 3, "unknown"))
    assert writes.counts() == {"attempted": 3, "acked": 1, "unknown": 1, "failed": 1}


def test_pending_write_counts_as_unknown() -> None:
    assert ledger(("a", 0, None, "")).counts() == {"attempted": 1, "acked": 0, "unknown": 1, "failed": 0}


def test_retried_write_keeps_its_start_and_its_hash() -> None:
    writes = ledger(("a", 1, None, ""))
    writes.attempt("a", "other", 5)
    writes.acknowledge("a", 6)
    assert writes.longest() == 5
    assert writes.compare({"a": "A"}).corrupt == ()


def test_acknowledgement_is_final() -> None:
    writes = ledger(("a", 0, 1, "acked"))
    writes.leave("a", 2)
    writes.acknowledge("a", 3)
    assert writes.counts()["acked"] == 1
    assert writes.acknowledged(0, 10) == 1


def test_unknown_write_can_be_acknowledged_by_a_retry() -> None:
    writes = ledger(("a", 0, 1, "unknown"))
    writes.acknowledge("a", 2)
    assert writes.counts() == {"attempted": 1, "acked": 1, "unknown": 0, "failed": 0}


def test_lost_documents_are_acknowledged_and_missing() -> None:
    writes = ledger(("a", 0, 1, "acked"), ("b", 0, 1, "acked"), ("c", 0, 1, "unknown"), ("d", 0, 1, "failed"))
    assert writes.compare({"a": "A"}) == Comparison(lost=("b",), corrupt=(), unexpected=(), recovered=())


def test_unexpected_documents_were_never_attempted() -> None:
    assert ledger(("a", 0, 1, "acked")).compare({"a": "A", "x": "X"}).unexpected == ("x",)


def test_recovered_documents_are_present_without_an_acknowledgement() -> None:
    writes = ledger(("a", 0, 1, "unknown"), ("b", 0, None, ""), ("c", 0, 1, "failed"), ("d", 0, 1, "unknown"))
    assert writes.compare({"a": "A", "b": "B", "c": "C"}).recovered == ("a", "b", "c")


def test_documents_with_another_hash_are_corrupt() -> None:
    writes = ledger(("a", 0, 1, "acked"), ("b", 0, 1, "unknown"))
    assert writes.compare({"a": "x", "b": "y"}).corrupt == ("a", "b")


def test_acknowledgements_are_counted_in_a_window_with_its_end() -> None:
    writes = ledger(*((str(at), 0, float(at), "acked") for at in range(1, 6)))
    assert writes.acknowledged(2, 4) == 2
    assert writes.acknowledged(-INF, INF) == 5


def test_longest_write_may_have_any_outcome() -> None:
    assert Ledger().longest() is None
    assert ledger(("a", 0, 1, "acked"), ("b", 1, 9, "unknown"), ("c", 2, None, "")).longest() == 8


def test_outage_is_the_longest_silence_around_the_kill() -> None:
    times = (1.0, 2.0, 3.0, 3.5, 7.0, 7.5)
    writes = ledger(*((str(at), 0, at, "acked") for at in times))
    assert writes.silence(3.2, 6.8) == (3.5, 7.0)
    assert writes.silence(4.0, 6.8) == (4.0, 7.0)


def test_outage_without_a_later_acknowledgement_has_no_end() -> None:
    assert ledger(("a", 0, 1, "acked")).silence(2, 5) == (2, INF)


def test_in_flight_writes_were_pending_during_the_outage() -> None:
    writes = ledger(
        ("before", 0, 1, "acked"), ("through", 1.9, 6, "acked"), ("open", 3, None, ""), ("after", 6, 7, "acked")
    )
    assert writes.in_flight(2, 6) == 2


def test_no_writes_are_in_flight_after_the_writers_stopped() -> None:
    writes = ledger(("a", 0, 1, "acked"), ("b", 1, 2, "unknown"))
    assert writes.in_flight(*writes.silence(3, 8)) == 0


def test_full_ledger_refuses_new_documents_only() -> None:
    writes = Ledger(largest=1)
    writes.attempt("a", "A", 0)
    with pytest.raises(Full):
        writes.attempt("b", "B", 0)
    writes.attempt("a", "A", 1)
    writes.acknowledge("a", 2)
    assert writes.counts()["attempted"] == writes.counts()["acked"] == 1


def test_document_missed_by_one_of_two_reads_is_lost() -> None:
    writes = ledger(("a", 0, 1, "acked"), ("b", 0, 1, "unknown"))
    merged_comparison = merged(writes.compare({"a": "A", "b": "B"}), writes.compare({"x": "X"}))
    assert merged_comparison == Comparison(lost=("a",), corrupt=(), unexpected=("x",), recovered=("b",))


IDS = st.sets(st.sampled_from("abcdefgh"))


@given(attempted=IDS, acked=IDS, read=IDS)
def test_comparison_matches_jepsens_set_checker(attempted: set[str], acked: set[str], read: set[str]) -> None:
    acked &= attempted
    writes = ledger(*((id_, 0.0, 1.0, "acked" if id_ in acked else "unknown") for id_ in attempted))
    comparison = writes.compare({id_: id_.upper() for id_ in read})
    assert set(comparison.lost) == acked - read
    assert set(comparison.unexpected) == read - attempted
    assert set(comparison.recovered) == (read & attempted) - acked
    assert comparison.corrupt == ()
