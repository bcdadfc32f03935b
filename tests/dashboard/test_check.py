"""The check of evidence files: the same verdict from the records, and what differs after each kind of change."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard.check import main
from tests.dashboard.runs.evidence.recorded import (
    Json,
    altered,
    failing,
    forged,
    healthy,
    lines_of,
    numbers,
    packed,
    without,
)

Check = Callable[[bytes], tuple[int, Json]]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """A function that checks a file. It returns the exit status and the result."""

    def check(file: bytes) -> tuple[int, Json]:
        path = tmp_path / "evidence.jsonl.gz"
        path.write_bytes(file)
        status = main(["--json", str(path)])
        result: Json = json.loads(capsys.readouterr().out)
        return status, result

    return check


def under_load(file: bytes, type_: str) -> int:
    """Return the number of a record of a type, in the middle of the load."""
    began, ended = numbers(file, "LoadBegan")[0], numbers(file, "LoadEnded")[0]
    return min((n for n in numbers(file, type_) if n > began), key=lambda n: abs(n - (began + ended) // 2))


@pytest.mark.parametrize(("file", "word"), [(healthy, "PASS"), (failing, "FAIL")])
def test_recorded_run_has_the_same_verdict(check: Check, file: Callable[[], bytes], word: str) -> None:
    status, result = check(file())
    assert (status, result["result"], result["differences"]) == (0, "same", [])
    assert result["line"].startswith(f"autoscale {word} ")


def test_result_is_one_line_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same, bad = tmp_path / "same.gz", tmp_path / "bad.gz"
    same.write_bytes(healthy())
    bad.write_bytes(without(healthy(), under_load(healthy(), "MetricsSampled")))
    assert main([str(same), str(bad)]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{same}: the same verdict: autoscale PASS") and second.startswith(f"{bad}: record ")


@pytest.mark.parametrize("type_", ["MetricsSampled", "ObjectsListed", "Scraped", "LoadSeen", "Looked", "Observed"])
def test_removed_record_is_named(check: Check, type_: str) -> None:
    n = under_load(healthy(), type_)
    status, result = check(without(healthy(), n))
    assert (status, result["differences"][0]) == (1, f"record {n} is missing")


def test_altered_sample_is_named_and_contradicts_what_the_run_saw(check: Check) -> None:
    n = under_load(healthy(), "MetricsSampled")
    sample = next(each for each in lines_of(healthy())[n]["record"]["samples"])
    cpu = sample["containers"][0]["usage"]["cpu"]
    status, result = check(altered(healthy(), n, f'"cpu":"{cpu}"', '"cpu":"1m"'))
    assert status == 1 and "was altered" in result["differences"][0]
    assert any("the run saw used=" in each for each in result["differences"])


@pytest.mark.parametrize("type_", ["MetricsSampled", "LoadBegan"])
def test_removed_record_is_noticed_by_the_figures_even_if_the_checks_are_made_anew(check: Check, type_: str) -> None:
    removed = forged(without(healthy(), under_load(healthy(), type_)))
    status, result = check(removed)
    assert status == 1 and not any("missing" in each for each in result["differences"])
    assert any("by the records" in each for each in result["differences"])


def test_altered_verdict_is_named(check: Check) -> None:
    end = numbers(failing(), "End")[0]
    status, result = check(forged(altered(failing(), end, '"verdict":"fail"', '"verdict":"pass"')))
    assert status == 1
    assert "the verdict is 'pass', by the records 'fail'" in result["differences"]


def test_altered_figure_of_the_evidence_is_named(check: Check) -> None:
    end = numbers(healthy(), "End")[0]
    errors = lines_of(healthy())[end]["record"]["evidence"]["errors"]
    status, result = check(forged(altered(healthy(), end, f'"errors":{errors}', '"errors":1')))
    assert status == 1 and f"errors is 1, by the records {errors}" in result["differences"]


@pytest.mark.parametrize(
    "file",
    [
        b"", b"text", healthy()[:-1], healthy()[: len(healthy()) // 2], healthy() + b"x",
        packed(gzip.decompress(healthy()).splitlines()[:-1]),
        altered(healthy(), 0, '"version":1', '"version":9'), altered(healthy(), 0, '"autoscale"', '"another"'),
        altered(healthy(), 1, '"deployment"', '"another"'), without(healthy(), 1),
    ],
    ids=range(10),
)  # fmt: skip
def test_unreadable_file_has_a_reason(check: Check, file: bytes) -> None:
    status, result = check(file)
    assert (status, result["result"]) == (2, "unreadable") and result["reason"].endswith(".")


def test_missing_file_is_unreadable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().out


def test_file_of_the_mock_has_nothing_to_recompute(check: Check) -> None:
    assert check(altered(healthy(), 0, '"source":"cluster"', '"source":"mock"'))[0] == 2
