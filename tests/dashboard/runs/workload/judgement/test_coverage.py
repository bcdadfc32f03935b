"""What of a proof the operations of a run that ends its database cover."""

from msgspec.structs import replace

from dashboard.runs.workload.judgement.coverage import coverage, in_flight, outages
from dashboard.runs.workload.judgement.traffic import EVER
from tests.dashboard.runs.workload.operations import acknowledgements, read, write


def test_each_kill_has_its_outage() -> None:
    operations = acknowledgements(1.0, 2.0, 3.0, 3.5, 7.0, 7.5)
    assert outages(operations, [(4.0, 6.8), (7.2, None)]) == [(4.0, 7.0), (7.5, EVER)]


def test_writes_in_flight_were_pending_during_the_outage() -> None:
    assert in_flight([write(0, 1), write(1.9, 6), write(3, None), write(6, 7), read(3, 4)], [(2, 5.9)]) == 2


def test_least_of_several_outages_counts() -> None:
    operations = [*acknowledgements(1, 2), write(2, 5), *acknowledgements(6, 7)]
    assert in_flight(operations, [(2.5, 4.5)]) == 1
    assert in_flight(operations, [(2.5, 4.5), (7.5, 9)]) == 0


def test_nothing_is_in_flight_after_the_writers_stopped() -> None:
    assert in_flight([write(0, 1), write(1, 2, "unknown")], [(3, 8)]) == 0


FULL = [
    *acknowledgements(1, 2, 9, 10),
    *(write(at, at + 0.5, kind=kind) for at in (1, 9) for kind in ("put", "delete")),  # type: ignore[arg-type]
    *(read(at, at + 0.5) for at in (1, 9)),
    read(3, 6),
    write(1.9, 8),
]


def test_coverage_of_a_full_run_is_seen() -> None:
    covered = coverage(FULL, [(2, 7.9)])
    assert all(each.seen for each in covered)
    assert sum(each.required for each in covered) == 7


def test_each_missing_operation_is_not_seen() -> None:
    """After the four plain acknowledgements, each operation of a full run is the only one of its sort."""
    for missing in range(4, len(FULL)):
        operations = [each for number, each in enumerate(FULL) if number != missing]
        unseen = [each for each in coverage(operations, [(2, 7.9)]) if not each.seen]
        assert [each.required for each in unseen] in ([True], [False, False]), FULL[missing]


def test_short_outage_is_listed_and_not_required() -> None:
    short = coverage(FULL, [(7.0, 7.9)])[-1]
    assert (short.seen, short.required, round(short.count, 1)) == (False, False, 0.9)


def test_short_outage_needs_no_read() -> None:
    operations = [each for each in FULL if each != read(3, 6)]
    needed = {short: coverage(operations, [(2, 7.9)], short=short)[0].required for short in (False, True)}
    assert needed == {False: True, True: False}


def test_run_whose_outage_has_not_ended_covers_nothing() -> None:
    assert coverage(FULL, []) == coverage(FULL, [(2, None)]) == ()


def test_read_without_an_answer_is_under_way_and_not_answered() -> None:
    operations = [replace(each, outcome="failed", seen=None) if each.seen is not None else each for each in FULL]
    missing = [each.what for each in coverage(operations, [(2, 7.9)]) if each.required and not each.seen]
    assert missing == ["reads answered before the kill", "reads answered after the outage"]
