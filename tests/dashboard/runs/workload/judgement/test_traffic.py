"""The figures of a run's operations."""

from dashboard.runs.workload.judgement.traffic import EVER, acknowledged, counts, longest, pending, rate, silence
from tests.dashboard.runs.workload.operations import acknowledgements, read, write


def test_writes_count_by_their_outcome_and_pending_ones_as_unknown() -> None:
    operations = [write(0, 1), write(0, 2, "failed"), write(0, 3, "unknown"), write(0, None), read(0, 1)]
    assert counts(operations) == {"attempted": 4, "acked": 1, "unknown": 2, "failed": 1}


def test_acknowledgements_are_counted_in_a_window_with_its_end() -> None:
    operations = [*acknowledgements(1, 2, 3, 4, 5), read(2, 3)]
    assert acknowledged(operations, 2, 4) == 2
    assert acknowledged(operations) == 5


def test_longest_write_may_have_any_outcome() -> None:
    assert longest([]) is None
    assert longest([write(0, 1), write(1, 9, "unknown"), write(2, None), read(0, 20)]) == 8


def test_rate_is_of_the_last_seconds() -> None:
    assert rate(acknowledgements(1, 7.5, 8, 9, 9.5), 9) == 1


def test_silence_is_the_longest_span_without_an_acknowledgement() -> None:
    operations = acknowledgements(1.0, 2.0, 3.0, 3.5, 7.0, 7.5)
    assert silence(operations, 3.2, 6.8) == (3.5, 7.0)
    assert silence(operations, 4.0, 6.8) == (4.0, 7.0)


def test_silence_without_a_later_acknowledgement_has_no_end() -> None:
    assert silence(acknowledgements(1), 2, 5) == (2, EVER)


def test_pending_operations_were_under_way_in_the_window() -> None:
    operations = [write(0, 1), write(1.9, 6), write(3, None), write(6, 7), read(3, 4)]
    assert pending(operations, 2, 6) == [operations[1], operations[2], operations[4]]
