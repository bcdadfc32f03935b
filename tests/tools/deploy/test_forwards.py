"""Background port-forwards, here a command that does nothing else."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.deploy import forwards
from tools.deploy.forwards import Forwards, started


@pytest.fixture(params=["/proc", "ps"])
def record(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The path of a record, on a system with /proc and on one without."""
    if request.param == "ps":
        monkeypatch.setattr(forwards, "PROC", tmp_path / "proc")
    record = tmp_path / "cluster" / "forwards.json"
    yield record
    Forwards(record).stop()


def test_another_process_finds_and_ends_what_was_started(record: Path) -> None:
    for _ in range(2):
        Forwards(record).start(("sleep", "60"))
    pids = [pid for pid, _ in json.loads(record.read_text())]
    assert len(pids) == 2 and all(map(started, pids))
    Forwards(record).stop()
    assert not any(map(started, pids)) and not record.exists()


def test_process_that_has_the_pid_now_is_left_alone(record: Path) -> None:
    with subprocess.Popen(("sleep", "60")) as process:
        record.parent.mkdir()
        for before in ("at another time", None):
            record.write_text(json.dumps([(process.pid, before)]))
            Forwards(record).stop()
            assert started(process.pid)
        process.kill()


def test_ended_process_has_no_start(record: Path) -> None:
    process = subprocess.Popen(("true",))
    try:
        while started(process.pid):  # a zombie afterwards
            pass
    finally:
        process.wait()
    assert started(process.pid) is None
