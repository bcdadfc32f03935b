"""The text of an autoscale run's evidence."""

from typing import Any

import pytest

from dashboard.runs.demos.autoscale.words import compared, key_figures, lines

Json = dict[str, Any]

SCALED: Json = {"min": 2, "start": 2, "peak": 4, "rate": 180.0, "errors": 0}
MOMENTS: Json = {"t0": 0.0, "t1": 18.0, "t2": 21.0, "t3": 30.0, "t4": 31.0, "t5": 104.0, "t6": 105.0, "t7": 168.0}
BACK: Json = {"t8": 184.0}


def joined_lines(evidence: Json) -> list[str]:
    return [" · ".join(parts).replace("\N{NO-BREAK SPACE}", " ") for parts in lines(evidence)]


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        ({"start": 2, "peak": 3, "t2": 41, "t8": 190}, "2 → 3 → 2 pods · 41 s to more pods"),
        ({"start": 2, "peak": 3, "t2": 41, "t8": None}, "2 → 3 pods · 41 s to more pods"),
        ({"start": 1, "peak": 1, "t2": None}, "stayed at 1 pod"),
        ({"min": 2, "peak": 4, "t2": 21, "t8": 184}, "2 → 4 → 2 pods · 21 s to more pods"),
        ({}, ""),
        ({"start": "two", "peak": None}, ""),
    ],
)
def test_key_figures(evidence: Json, text: str) -> None:
    assert " · ".join(key_figures(evidence)).replace("\N{NO-BREAK SPACE}", " ") == text


def test_lines_have_only_the_moments_that_came() -> None:
    assert joined_lines(SCALED | MOMENTS | BACK) == [
        "2 → 4 pods · 180 requests a second · errors 0",
        "over the target after 18 s · more asked for 21 s · Ready 30 s · serving 31 s · steady 1:44 min",
        "load stopped after 1:45 min · fewer asked for 63 s · back where it began 79 s",
    ]
    assert joined_lines(SCALED | {"peak": 2, "t0": 0, "t1": 18, "t2": None, "t6": None, "t7": None}) == [
        "2 → 2 pods · 180 requests a second · errors 0",
        "over the target after 18 s",
    ]


def test_runs_are_compared_by_the_time_to_more_pods() -> None:
    assert (compared(MOMENTS), compared({})) == (21.0, None)
