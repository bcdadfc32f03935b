"""The ledger of a run's writes, on literals and on every story that hypothesis makes up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.runs.demos.persistence.ledger import Comparison, Full, Ledger, merged

INF = float("inf")


def ledger(*writes: tuple[str, float, float | None, str]) -> Ledger:
    """Writes as (id, began, ended, what became of it); the hash of each is its id's upper case."""
    made = Ledger()
    for id_, began, _, _ in writes:
        made.attempt(id_, id_.upper(), began)
    for id_, _, ended, outcome in writes:
        if ended is not None:
            {"acked": made.acknowledge, "failed": made.fail, "unknown": made.leave}[outcome](id_, ended)
    return made


def test_write_counts_by_its_answer() -> None:
    made = ledger(("a", 0, 1, "acked"), ("b", 0, 2, "failed"), ("c", 0, 3, "unknown"))
    assert made.counts() == {"attempted": 3, "acked": 1, "unknown": 1, "failed": 1}


def test_write_that_is_still_under_way_counts_as_unknown() -> None:
    assert ledger(("a", 0, None, "")).counts() == {"attempted": 1, "acked": 0, "unknown": 1, "failed": 0}


def test_document_that_is_attempted_again_keeps_its_beginning_and_its_hash() -> None:
    made = ledger(("a", 1, None, ""))
    made.attempt("a", "other", 5)
    made.acknowledge("a", 6)
    assert made.longest() == 5
    assert made.compare({"a": "A"}).corrupt == ()


def test_acknowledgement_stands_whatever_is_heard_afterwards() -> None:
    made = ledger(("a", 0, 1, "acked"))
    made.leave("a", 2)
    made.acknowledge("a", 3)
    assert made.counts()["acked"] == 1
    assert made.acknowledged(0, 10) == 1


def test_unknown_write_that_is_acknowledged_on_a_retry_is_acknowledged() -> None:
    made = ledger(("a", 0, 1, "unknown"))
    made.acknowledge("a", 2)
    assert made.counts() == {"attempted": 1, "acked": 1, "unknown": 0, "failed": 0}


def test_lost_documents_are_acknowledged_and_missing() -> None:
    made = ledger(("a", 0, 1, "acked"), ("b", 0, 1, "acked"), ("c", 0, 1, "unknown"), ("d", 0, 1, "failed"))
    assert made.compare({"a": "A"}) == Comparison(lost=("b",), corrupt=(), unexpected=(), recovered=())


def test_unexpected_documents_were_never_attempted() -> None:
    assert ledger(("a", 0, 1, "acked")).compare({"a": "A", "x": "X"}).unexpected == ("x",)


def test_recovered_documents_are_present_without_an_acknowledgement() -> None:
    made = ledger(("a", 0, 1, "unknown"), ("b", 0, None, ""), ("c", 0, 1, "failed"), ("d", 0, 1, "unknown"))
    assert made.compare({"a": "A", "b": "B", "c": "C"}).recovered == ("a", "b", "c")


def test_corrupt_documents_have_another_hash_acknowledged_or_not() -> None:
    made = ledger(("a", 0, 1, "acked"), ("b", 0, 1, "unknown"))
    assert made.compare({"a": "x", "b": "y"}).corrupt == ("a", "b")


def test_acknowledgements_are_counted_in_a_window_whose_end_belongs_to_it() -> None:
    made = ledger(*((str(at), 0, float(at), "acked") for at in range(1, 6)))
    assert made.acknowledged(2, 4) == 2
    assert made.acknowledged(-INF, INF) == 5


def test_longest_write_counts_whatever_became_of_it() -> None:
    assert Ledger().longest() is None
    assert ledger(("a", 0, 1, "acked"), ("b", 1, 9, "unknown"), ("c", 2, None, "")).longest() == 8


def test_outage_is_the_longest_silence_around_the_kill() -> None:
    moments = (1.0, 2.0, 3.0, 3.5, 7.0, 7.5)
    made = ledger(*((str(at), 0, at, "acked") for at in moments))
    assert made.silence(3.2, 6.8) == (3.5, 7.0)
    assert made.silence(4.0, 6.8) == (4.0, 7.0)


def test_outage_after_which_nothing_is_acknowledged_has_no_end() -> None:
    assert ledger(("a", 0, 1, "acked")).silence(2, 5) == (2, INF)


def test_in_flight_writes_waited_during_the_outage() -> None:
    made = ledger(
        ("before", 0, 1, "acked"), ("through", 1.9, 6, "acked"), ("open", 3, None, ""), ("after", 6, 7, "acked")
    )
    assert made.in_flight(2, 6) == 2


def test_writers_that_stopped_before_the_kill_had_nothing_in_flight() -> None:
    made = ledger(("a", 0, 1, "acked"), ("b", 1, 2, "unknown"))
    assert made.in_flight(*made.silence(3, 8)) == 0


def test_full_ledger_takes_no_new_document_but_the_end_of_those_it_has() -> None:
    made = Ledger(largest=1)
    made.attempt("a", "A", 0)
    with pytest.raises(Full):
        made.attempt("b", "B", 0)
    made.attempt("a", "A", 1)
    made.acknowledge("a", 2)
    assert made.counts()["attempted"] == made.counts()["acked"] == 1


def test_document_missed_by_one_of_two_reads_is_lost() -> None:
    made = ledger(("a", 0, 1, "acked"), ("b", 0, 1, "unknown"))
    both = merged(made.compare({"a": "A", "b": "B"}), made.compare({"x": "X"}))
    assert both == Comparison(lost=("a",), corrupt=(), unexpected=("x",), recovered=("b",))


IDS = st.sets(st.sampled_from("abcdefgh"))


@given(attempted=IDS, acked=IDS, read=IDS)
def test_sets_are_those_of_jepsens_checker(attempted: set[str], acked: set[str], read: set[str]) -> None:
    acked &= attempted
    made = ledger(*((id_, 0.0, 1.0, "acked" if id_ in acked else "unknown") for id_ in attempted))
    found = made.compare({id_: id_.upper() for id_ in read})
    assert set(found.lost) == acked - read
    assert set(found.unexpected) == read - attempted
    assert set(found.recovered) == (read & attempted) - acked
    assert found.corrupt == ()
