"""The process that holds a node's namespaces, with processes of its own."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.cluster import holder
from tools.cluster.errors import StartError
from tools.cluster.instance import Instance, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Instance("test", tmp_path, 6443).place()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(("sleep", "60")) as started:
        yield started
        started.kill()


def record(place: Place, process: subprocess.Popen[bytes]) -> None:
    holder.write_record(place, {"pid": process.pid, "started": holder.start_time(process.pid)})


def test_recorded_process_runs_until_it_is_killed(place: Place, process: subprocess.Popen[bytes]) -> None:
    assert holder.running_pid(place) is None
    record(place, process)
    assert holder.running_pid(place) == process.pid
    holder.kill(place)
    assert holder.running_pid(place) is None


def test_process_that_has_the_pid_of_a_former_one_is_not_it(place: Place, process: subprocess.Popen[bytes]) -> None:
    holder.write_record(place, {"pid": process.pid, "started": "1"})
    assert holder.running_pid(place) is None
    holder.kill(place)
    assert process.poll() is None


def test_progress_is_relayed_until_the_awaited_word(place: Place) -> None:
    said: list[str] = []
    lines = iter(["step one\n", "attach\n", "step two\n", "ready\n", "step three\n"])
    holder.follow(place, lines, said.append, until="attach")
    assert said == ["one"]
    holder.follow(place, lines, said.append)
    assert said == ["one", "two"]


def test_failure_has_the_end_of_the_programs_log(place: Place) -> None:
    place.logs.mkdir()
    (place.logs / "kubelet.log").write_text("the reason\n")
    with pytest.raises(StartError, match=r"^kubelet: not ready[^$]*the reason"):
        holder.follow(place, iter(["failed kubelet: not ready\n"]), print)


def test_node_that_ends_silently_is_an_error(place: Place) -> None:
    with pytest.raises(StartError, match="ended before it was ready"):
        holder.follow(place, iter(["step one\n"]), lambda _: None)
