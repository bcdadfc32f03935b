"""The check of evidence files: the same verdict from the records, and what differs after each kind of change."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from dashboard.check import main
from dashboard.runs.evidence.records import VERSION
from tests.dashboard.runs.evidence.recorded import (
    Json,
    altered,
    changed,
    failing,
    forged,
    healthy,
    lines_of,
    losing,
    numbers,
    of_type,
    packed,
    persistent,
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


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (healthy, "autoscale PASS"), (failing, "autoscale FAIL"),
        (persistent, "persistence PASS"), (losing, "persistence FAIL"),
    ],
)  # fmt: skip
def test_recorded_run_has_the_same_verdict(check: Check, file: Callable[[], bytes], words: str) -> None:
    status, result = check(file())
    assert (status, result["result"], result["differences"]) == (0, "same", [])
    assert result["line"].startswith(f"{words} ")


def test_missing_package_is_a_sentence_and_no_difference() -> None:
    """As after `make up` alone, whose environment has no packages of the dashboard."""
    done = subprocess.run([sys.executable, "-S", "-m", "dashboard.check", "x.gz"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "") and "make evidence" in done.stderr
    assert "Traceback" not in done.stderr


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


def new_sample(file: bytes) -> int:
    """Return the number of the first record under load that has a new CPU sample."""
    began, lines = numbers(file, "LoadBegan")[0], lines_of(file)
    samples = {n: lines[n]["record"]["samples"] for n in numbers(file, "MetricsSampled") if n > began}
    return next(n for before, n in pairwise(samples) if samples[before] != samples[n])


REMOVED = {"a sample": new_sample, "the load's beginning": lambda file: numbers(file, "LoadBegan")[0]}


@pytest.mark.parametrize("removed", REMOVED)
def test_removed_record_is_noticed_by_the_figures_even_if_the_checks_are_made_anew(check: Check, removed: str) -> None:
    status, result = check(forged(without(healthy(), REMOVED[removed](healthy()))))
    assert status == 1 and not any("missing" in each for each in result["differences"])
    assert any("by the records" in each for each in result["differences"])


def operated(file: bytes, **fields: str) -> int:
    """Return the number of the tenth operation with these fields."""
    found = [line for line in lines_of(file) if line["record"]["type"] == "Operated"]
    return int([line["n"] for line in found if fields.items() <= line["record"].items()][9])


@pytest.mark.parametrize(("fields", "figure"), [({"outcome": "acknowledged"}, "acked"), ({"outcome": "seen"}, "reads")])
def test_removed_operation_is_named_and_counted(check: Check, fields: Json, figure: str) -> None:
    n = operated(persistent(), **fields)
    status, result = check(without(persistent(), n))
    assert (status, result["differences"][0]) == (1, f"record {n} is missing")
    status, result = check(forged(without(persistent(), n)))
    assert status == 1 and any(each.startswith(f"{figure} is ") for each in result["differences"])


def test_altered_outcome_is_named_and_counted(check: Check) -> None:
    n = operated(persistent(), outcome="acknowledged")
    status, result = check(altered(persistent(), n, '"acknowledged"', '"unknown"'))
    assert (status, "was altered" in result["differences"][0]) == (1, True)
    assert any(each.startswith("unknown is 0, by the records 1") for each in result["differences"])


def test_document_removed_from_the_read_back_is_lost_by_the_records(check: Check) -> None:
    n = numbers(persistent(), "Back")[0]
    documents = lines_of(persistent())[n]["record"]["documents"]
    id_, version = next((id_, version) for id_, version in documents.items() if isinstance(version, int))
    status, result = check(forged(altered(persistent(), n, f'"{id_}":{version},', "")))
    assert status == 1 and "the verdict is 'pass', by the records 'fail'" in result["differences"]


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


def test_altered_verdict_of_a_claim_is_named(check: Check) -> None:
    end = numbers(losing(), "End")[0]
    lost = next(each for each in lines_of(losing())[end]["record"]["checks"] if each["name"] == "lost")
    assert lost["verdict"] == "fail"
    before = json.dumps(lost, ensure_ascii=False, separators=(",", ":"))
    after = json.dumps(lost | {"verdict": "pass"}, ensure_ascii=False, separators=(",", ":"))
    status, result = check(forged(altered(losing(), end, before, after)))
    assert status == 1 and "the claim lost is pass, by the records fail" in result["differences"]


def end_of(lines: list[Json]) -> Json:
    found: Json = lines[-1]["record"]
    return found


Claims = list[Json]
CLAIMS: dict[str, tuple[Callable[[Claims], Claims], str]] = {
    "one more": (lambda claims: [*claims, {"name": "power"}], 'the claims are ["lost",'),
    "one less": (lambda claims: claims[1:], "the claim lost is None, by the records pass"),
    "one twice": (lambda claims: [claims[0], *claims], 'the claims are ["lost", "lost",'),
    "another order": (lambda claims: claims[::-1], "the claims are ["),
    "other words": (
        lambda claims: [claims[0] | {"claim": "It survives"}, *claims[1:]],
        'the claim lost is {"claim": "It',
    ),
    "a name that is no text": (lambda claims: [*claims, {"name": []}], "the claims are ["),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_that_do_not_follow_from_the_records_are_named(check: Check, name: str) -> None:
    change, words = CLAIMS[name]
    status, result = check(
        changed(persistent(), lambda lines: end_of(lines).update(checks=change(end_of(lines)["checks"])))
    )
    assert status == 1 and any(words in each for each in result["differences"])


FIGURES: dict[str, tuple[Json, str]] = {
    "false for 0": ({"lost": False}, "lost is false, by the records 0"),
    "true for 1": ({"kills": True}, "kills is true, by the records 1"),
    "one more": ({"bonus": None}, "there is a figure bonus, which does not follow from the records"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_of_another_type_is_named(check: Check, name: str) -> None:
    figures, words = FIGURES[name]
    status, result = check(changed(persistent(), lambda lines: end_of(lines)["evidence"].update(figures)))
    assert status == 1 and words in result["differences"]


def test_missing_figure_is_named_even_if_it_is_null(check: Check) -> None:
    name = next(name for name, each in lines_of(failing())[-1]["record"]["evidence"].items() if each is None)
    status, result = check(changed(failing(), lambda lines: end_of(lines)["evidence"].pop(name)))
    assert status == 1 and f"the figure {name} is missing" in result["differences"]


def test_options_that_the_demo_does_not_have_are_refused(check: Check) -> None:
    status, result = check(changed(persistent(), lambda lines: lines[0]["record"]["options"].update(x=1)))
    assert status == 2 and result["reason"].startswith("Its options are not those of the demo: ")


def test_strangers_file_does_not_end_the_check_of_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, same = tmp_path / "bad.gz", tmp_path / "same.gz"
    bad.write_bytes(
        changed(healthy(), lambda lines: of_type(lines, "Remembered")[0].update(autoscaler={"evaluation": "x"}))
    )
    same.write_bytes(persistent())
    assert main([str(bad), str(same)]) == 2
    first, second = capsys.readouterr().out.splitlines()
    assert "can't be recomputed: " in first and "Error" in first and "the same verdict" in second


def test_line_of_a_file_is_short_whatever_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "long.gz"
    path.write_bytes(changed(persistent(), lambda lines: end_of(lines).update(line="x" * 100_000 + "\ny")))
    assert main([str(path)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert len(line) < 1_000


def test_line_has_the_files_sha256_which_may_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "same.gz"
    path.write_bytes(persistent())
    sha256 = hashlib.sha256(persistent()).hexdigest()
    assert main([str(path), "--sha256", sha256.upper()]) == 0
    assert capsys.readouterr().out.endswith(f" (SHA-256 {sha256})\n")
    assert main([str(path), "--sha256", "0" * 64]) == 1
    assert f"its SHA-256 is {sha256}, not {'0' * 64}" in capsys.readouterr().out


def test_file_that_sends_nothing_is_given_up(tmp_path: Path) -> None:
    fifo, same = tmp_path / "fifo", tmp_path / "same.gz"
    os.mkfifo(fifo)
    same.write_bytes(persistent())
    command = [sys.executable, "-m", "dashboard.check", "--seconds", "5", str(fifo), str(same)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    first, second = done.stdout.splitlines()
    assert (done.returncode, first) == (2, f"{fifo}: It can't be recomputed within 5 s.")
    assert "the same verdict" in second


def test_file_that_takes_too_much_memory_is_given_up(monkeypatch: pytest.MonkeyPatch, check: Check) -> None:
    def exhaust(name: str, digest: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("dashboard.check._chunks", exhaust)
    status, result = check(persistent())
    assert (status, result["reason"]) == (2, "It takes more memory than there is.")


UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda file: b"",
    "text": lambda file: b"text",
    "without its last byte": lambda file: file[:-1],
    "half": lambda file: file[: len(file) // 2],
    "with more": lambda file: file + b"x",
    "without its last line": lambda file: packed(gzip.decompress(file).splitlines()[:-1]),
    "of another version": lambda file: altered(file, 0, f'"version":{VERSION}', '"version":9'),
    "of an unknown demo": lambda file: altered(file, 0, '"autoscale"', '"another"'),
    "with other names of targets": lambda file: altered(file, 1, '"deployment"', '"another"'),
    "without the journal's beginning": lambda file: without(file, 1),
    "of the mock": lambda file: altered(file, 0, '"source":"cluster"', '"source":"mock"'),
}


@pytest.mark.parametrize("spoiled", UNREADABLE)
def test_unreadable_file_has_a_reason(check: Check, spoiled: str) -> None:
    status, result = check(UNREADABLE[spoiled](healthy()))
    assert (status, result["result"]) == (2, "unreadable") and result["reason"].endswith(".")


def test_missing_file_is_unreadable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "latin-1"])
def test_status_is_the_same_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl.gz"
    path.write_bytes(persistent())
    done = subprocess.run(
        [sys.executable, "-m", "dashboard.check", str(path)],
        capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == b""
    assert "same verdict: persistence PASS " in done.stdout.decode(encoding)


def test_defect_of_the_check_is_no_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("dashboard.check.check", lambda name: 1 / 0)
    assert main([str(tmp_path)]) == 2
