"""The results file, and its count of missing runs."""

import json
from pathlib import Path

import pytest

from tests.trust.case import AUTOSCALE, HEALTHY, Case
from tests.trust.results import ERROR, PROTOCOLS, Result, Results

CASE = Case("at rest", AUTOSCALE, HEALTHY)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "trust.jsonl")


def result(verdict: str = "pass", protocol: int = PROTOCOLS[AUTOSCALE], case: str = "at rest") -> Result:
    return Result(case, HEALTHY, AUTOSCALE, verdict, True, "", None, 1.0, "2026-01-01T00:00:00Z", "abc", "", protocol)


def test_appended_results_are_read(results: Results) -> None:
    results.append(result())
    results.append(result("fail"))
    assert results.read() == [result(), result("fail")]


def test_file_has_one_json_object_per_line(results: Results, tmp_path: Path) -> None:
    results.append(result())
    results.append(result())
    assert [json.loads(line)["verdict"] for line in (tmp_path / "trust.jsonl").read_text().splitlines()] == ["pass"] * 2


def test_missing_runs_of_a_case_are_counted(results: Results) -> None:
    assert results.missing(CASE, 2) == 2
    results.append(result())
    assert results.missing(CASE, 2) == 1
    results.append(result("fail"))
    assert results.missing(CASE, 2) == 0
    results.append(result())
    assert results.missing(CASE, 2) == 0


def test_errors_and_other_protocols_do_not_count(results: Results) -> None:
    results.append(result(ERROR))
    results.append(result(protocol=PROTOCOLS[AUTOSCALE] - 1))
    assert results.missing(CASE, 2) == 2
    assert [each.verdict for each in results.read()] == [ERROR]


def test_only_the_given_cases_are_deleted(results: Results) -> None:
    results.append(result())
    results.append(result(case="one core is busy"))
    results.delete([CASE])
    assert [each.case for each in results.read()] == ["one core is busy"]
