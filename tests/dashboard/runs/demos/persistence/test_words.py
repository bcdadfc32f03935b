"""The text of a persistence run's evidence."""

from typing import Any

import pytest

from dashboard.runs.demos.persistence.words import compared, key_figures, lines

Json = dict[str, Any]

EVIDENCE: Json = {
    "mode": "graceful", "attempted": 5120, "acked": 5116, "unknown": 4, "failed": 0, "lost": 0, "corrupt": 0,
    "unexpected": 0, "recovered": 4, "pod": {"before": "1f0c22ab-55", "after": "7d9e4410-66"}, "volume": "same",
    "down": 2.9, "longest_write": 3.1,
}  # fmt: skip


def joined_lines(evidence: Json) -> list[str]:
    return [" · ".join(parts).replace("\N{NO-BREAK SPACE}", " ") for parts in lines(evidence)]


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        ({"acked": 2196, "lost": 0, "down": 2.8}, "0 of 2,196 lost · down 2.8 s"),
        ({"acked": 2196, "lost": 3, "down": None}, "3 of 2,196 lost"),
        ({"acked": 60, "lost": None}, ""),
        ({}, ""),
        ({"acked": "many", "lost": True, "down": [1]}, ""),
    ],
)
def test_key_figures(evidence: Json, text: str) -> None:
    assert " · ".join(key_figures(evidence)).replace("\N{NO-BREAK SPACE}", " ") == text


def test_passed_run_has_two_lines() -> None:
    assert joined_lines(EVIDENCE) == [
        "acknowledged 5,116 of 5,120 · lost 0 · failed 0 · unknown 4 · recovered 4",
        "pod 1f0c22ab → 7d9e4410 · same volume · down 2.9 s · longest write 3.1 s",
    ]


def test_lines_name_losses_and_another_volume() -> None:
    counts, identities = joined_lines(EVIDENCE | {"lost": 16, "corrupt": 1, "unexpected": 2, "volume": "changed"})
    assert "lost 16 · corrupt 1 · unexpected 2" in counts
    assert "another volume" in identities


def test_lines_of_a_crash_name_the_containers_and_those_of_an_early_end_only_count() -> None:
    early: Json = {"mode": "crash", "attempted": 60, "acked": 60, "unknown": 0, "failed": 0, "lost": None}
    counts = "acknowledged 60 of 60 · failed 0 · unknown 0"
    assert joined_lines(early | {"container": {"before": "a1", "after": None}}) == [counts]
    assert joined_lines(early | {"container": {"before": "a1", "after": "b2"}})[1] == "container a1 → b2"


def test_lines_name_wrong_reads_the_reads_and_several_kills() -> None:
    counts, identities = joined_lines(
        EVIDENCE | {"stale": 1, "regressed": 2, "resurrected": 3, "reads": 440, "kills": 3}
    )
    assert "lost 0 · stale 1 · regressed 2 · resurrected 3" in counts and counts.endswith(" · reads 440")
    assert identities.startswith("3 kills · pod ")


@pytest.mark.parametrize("evidence", [{}, {"pod": 7, "down": "x", "acked": None}])
def test_missing_or_invalid_evidence_has_no_lines(evidence: Json) -> None:
    assert joined_lines(evidence) == []


def test_runs_are_compared_by_the_outage() -> None:
    assert (compared(EVIDENCE), compared({})) == (2.9, None)
