"""Kills against the run's options, and against their own times."""

import pytest

from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.evidence.kills import Moment, bounded, contradictions, out_of_order
from dashboard.runs.mode import Mode


@pytest.mark.parametrize(
    ("options", "modes", "early", "expected"),
    [
        ({"mode": "crash"}, ["crash"], False, []),
        ({"mode": "crash", "kills": 3}, ["crash", "graceful", "crash"], False, []),
        ({"mode": "crash", "kills": 3}, ["crash"], True, []),
        ({"mode": "crash", "kills": 2}, ["crash"], False, ["there are 1 kills, by the options 2"]),
        ({"mode": "crash", "kills": 2}, ["crash"] * 2, False, ["kill 2 is crash, which is not its turn"]),
        ({"mode": "graceful"}, ["crash"], False, ["the run's mode is crash, by its options graceful"]),
    ],
)
def test_kills_are_those_that_were_asked_for(
    options: dict[str, object], modes: list[Mode], early: bool, expected: list[str]
) -> None:
    assert [*contradictions(options, "crash", modes, early)] == expected


def test_more_kills_than_were_asked_for_are_refused() -> None:
    bounded([1], {})
    with pytest.raises(Unreadable):
        bounded([1, 2], {})


def test_moments_that_do_not_follow_each_other_are_named() -> None:
    moments: list[Moment] = [("kill 1", 5.0), ("its return", None), ("its readiness", 4.0), ("kill 2", 4.0)]
    assert [*out_of_order(moments)] == ["its readiness is 1.0 s before kill 1"]
