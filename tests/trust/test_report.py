"""The report docs/trust.md."""

from dataclasses import replace

from tests.trust.case import AUTOSCALE, BROKEN, FAIL, HEALTHY, INCONCLUSIVE, PASS, PERSISTENCE, Case
from tests.trust.report import report
from tests.trust.results import ERROR, Result

CASES = [
    Case("at rest", AUTOSCALE, HEALTHY),
    Case("a quota", AUTOSCALE, BROKEN, verdicts=(FAIL,), reason="quota"),
    Case("at rest", PERSISTENCE, HEALTHY),
]


def result(case: str, kind: str, demo: str, verdict: str, ok: bool, reason: str | None = None) -> Result:
    line, started = f"{demo} LINE", "2026-01-01T00:00:00Z"
    return Result(case, kind, demo, verdict, ok, line, reason, 60.0, started, "abc", "2 cores", 1)


def row(text: str, start: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_matrix_counts_runs_by_demo_kind_and_verdict() -> None:
    text = report(
        [
            result("at rest", HEALTHY, AUTOSCALE, PASS, True),
            result("at rest", HEALTHY, AUTOSCALE, INCONCLUSIVE, False, "No figures."),
            result("a quota", BROKEN, AUTOSCALE, FAIL, True, "exceeded quota"),
        ],
        CASES,
    )
    assert row(text, "Autoscaling, healthy")[1:6] == ["1", "0", "1", "1", "1"]
    assert row(text, "Autoscaling, broken")[1:6] == ["0", "1", "0", "1", "1"]
    assert row(text, "Persistence, healthy")[1:6] == ["0", "0", "0", "0", "0"]


def test_recomputed_runs_are_counted() -> None:
    ran = result("at rest", HEALTHY, AUTOSCALE, PASS, True)
    text = report([ran, replace(ran, checked="same"), replace(ran, checked="differs")], CASES)
    assert "recomputed 2 of them from their evidence, 1 to the same verdict" in text


def test_healthy_run_that_did_not_pass_is_listed_with_its_reason() -> None:
    text = report([result("at rest", HEALTHY, AUTOSCALE, INCONCLUSIVE, False, "a|b\nc")], CASES)
    section = text.partition("## Healthy, and not PASS")[2].partition("\n## ")[0]
    assert "INCONCLUSIVE" in section and "a\\|b c" in section


def test_error_is_not_counted_as_a_run() -> None:
    text = report([result("at rest", HEALTHY, AUTOSCALE, ERROR, False, "no pods")], CASES)
    assert row(text, "Autoscaling, healthy")[1:4] == ["0", "0", "0"]
    assert "no pods" in text.partition("## Not brought about")[2]


def test_results_of_unknown_cases_are_left_out() -> None:
    text = report([result("a former case", HEALTHY, AUTOSCALE, FAIL, False, "former reason")], CASES)
    assert "former reason" not in text and row(text, "Autoscaling, healthy")[2] == "0"
