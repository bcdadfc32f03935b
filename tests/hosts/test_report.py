"""The report docs/hosts.md, and the file that it is made from."""

from pathlib import Path

from tests.hosts.report import report
from tests.hosts.results import FAILED, INCONCLUSIVE, NOT_RUN, OK, Result, Results, StepResult


def result(machine: str, *steps: StepResult) -> Result:
    return Result(machine, {"system": "Debian 13", "kernel": "6.12"}, list(steps), "2026-01-01", "abc", "tcg")


def row(text: str, start: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_overview_names_the_steps_that_were_not_ok() -> None:
    steps = (StepResult("make up", OK, 90.0), StepResult("make prove", INCONCLUSIVE, 60.0, "a|b"))
    text = report([result("debian-13", *steps)])
    assert row(text, "debian-13")[1:3] == ["Debian 13", "6.12"]
    assert row(text, "debian-13")[-1] == "make prove inconclusive"
    assert row(text, "make up") == ["make up", "ok", "1.5", ""]


def test_report_without_results_says_so() -> None:
    assert "No trial has come to its end yet." in report([])


def test_step_that_was_not_run_has_no_minutes() -> None:
    text = report([result("debian-13", StepResult("make up", FAILED, 6.0, "why"), StepResult("curl", NOT_RUN, 0.0))])
    assert row(text, "curl") == ["curl", "not run", "", ""]
    assert row(text, "debian-13")[-1] == "make up failed"


def test_latest_result_of_a_machine_replaces_its_former_one(tmp_path: Path) -> None:
    results = Results(tmp_path / "hosts.jsonl")
    other, former, latest = (result(name, StepResult(step, OK, 1.0)) for name, step in (
        ("debian-13", "make up"), ("debian-12", "make up"), ("debian-12", "make down"),
    ))  # fmt: skip
    for each in (other, former, latest):
        results.replace(each)
    assert results.read() == [latest, other]


def test_only_failed_steps_fail_a_result() -> None:
    assert result("x", StepResult("a", OK, 1.0), StepResult("b", INCONCLUSIVE, 1.0)).ok
    assert not result("x", StepResult("a", FAILED, 1.0), StepResult("b", NOT_RUN, 0.0)).ok
