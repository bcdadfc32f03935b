"""Contradictions in the records of a run that disrupts the service's pods."""

from collections.abc import Callable

import pytest

from dashboard.runs.evidence.file import Unreadable
from tests.dashboard.runs.evidence.recorded import Json, changed, contradictions, healed, of_type, repeated


def swap(lines: list[Json]) -> None:
    first, second = (line for line in lines if line["record"]["type"] == "Disrupted")
    first["record"], second["record"] = second["record"], first["record"]


def without_database(lines: list[Json]) -> None:
    lines[:] = [line for line in lines if line["record"].get("source") != "database"]


CHANGES: dict[str, tuple[Callable[[list[Json]], object], str]] = {
    "no read-back from the database": (without_database, "there is no read-back from the database"),
    "another kind": (
        lambda lines: of_type(lines, "Disrupted")[0]["disruption"].update(kind="kill"),
        "the disruptions are kill, kill, where delete, kill were asked for",
    ),
    "another order": (swap, "the disruptions are not in the order of their times"),
    "errors": (
        lambda lines: of_type(lines, "Loaded")[-1]["totals"].update(errors=5),
        "the load has 5 errors, by kind 0",
    ),
    "totals": (lambda lines: of_type(lines, "Loaded")[-1]["totals"].update(offered=1), "the load's offered fell from"),
    "an outcome": (lambda lines: of_type(lines, "Operated")[9].update(ended=None), "has no end"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_contradiction_is_named(name: str) -> None:
    change, words = CHANGES[name]
    assert contradictions(healed()) == []
    assert any(words in each for each in contradictions(changed(healed(), change)))


@pytest.mark.parametrize("type_", ["Disrupted", "Served"])
def test_record_that_is_there_too_often_is_refused(type_: str) -> None:
    with pytest.raises(Unreadable):
        contradictions(repeated(healed(), type_))
