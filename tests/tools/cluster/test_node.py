"""The supervisor of the node's programs, with programs of its own."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tools.cluster import node
from tools.cluster.errors import StartError
from tools.cluster.instance import NodeSpec
from tools.cluster.programs import Program


def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> node.Node:
    monkeypatch.setattr(node, "RESTART_DELAY", 0.01)
    supervisor = node.Node(tmp_path, 1, {})
    supervisor.start(Program("program", ("/bin/sh", "-c", script)))
    return supervisor


def test_program_that_ends_once_during_the_start_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, ready = tmp_path / "mark", tmp_path / "ready"
    script = f"[ -e {mark} ] && touch {ready} && exit; touch {mark}; exit 1"
    started(tmp_path, monkeypatch, script).wait_for("program", ready.exists)


def test_program_that_keeps_ending_fails_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = started(tmp_path, monkeypatch, "echo tried; exit 1")
    with pytest.raises(StartError, match=r"^program: it ended 3 times"):
        supervisor.wait_for("program", lambda: False)
    assert (tmp_path / "program.log").read_text().splitlines() == ["tried"] * 3


def test_start_that_lasts_too_long_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "START_LIMIT", 0.2)
    supervisor = started(tmp_path, monkeypatch, "sleep 5")
    began = time.monotonic()
    with pytest.raises(StartError, match="not ready"):
        supervisor.wait_for("program", lambda: False)
    assert time.monotonic() - began < 5
    for pid in supervisor.running:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_further_node_ends_with_the_first(tmp_path: Path) -> None:
    with subprocess.Popen(("sleep", "60")) as first:
        descriptor = os.pidfd_open(first.pid)
        supervisor = node.Node(tmp_path, 1, {}, NodeSpec(2), 2, descriptor)
        assert not supervisor._is_orphaned()
        first.kill()
        first.wait()
        assert supervisor._is_orphaned()
        supervisor.supervise()
        with pytest.raises(StartError, match="stopped during the start"):
            supervisor.wait_for("kubelet", lambda: False)
        os.close(descriptor)
