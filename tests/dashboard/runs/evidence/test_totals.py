"""A load's totals against those before."""

import pytest
from msgspec.structs import replace

from dashboard.load.options import LoadTotals
from dashboard.runs.evidence.totals import contradictions

BEFORE = LoadTotals(offered=10, sent=9, achieved=8, dropped=1, errors=3, by_kind={"connect": 1, "5xx": 2})


@pytest.mark.parametrize("name", ["offered", "sent", "achieved", "dropped"])
def test_count_that_falls_is_named(name: str) -> None:
    count = getattr(BEFORE, name)
    assert [*contradictions(BEFORE, BEFORE)] == []
    assert [*contradictions(BEFORE, replace(BEFORE, **{name: 0}))] == [f"the load's {name} fell from {count} to 0"]


def test_errors_are_the_sum_of_their_kinds_of_which_none_falls() -> None:
    assert [*contradictions(BEFORE, replace(BEFORE, errors=4))] == ["the load has 4 errors, by kind 3"]
    assert [*contradictions(BEFORE, replace(BEFORE, by_kind={"connect": 3}))] == ["the load's 5xx fell from 2 to 0"]
