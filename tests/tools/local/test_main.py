"""`make local`, run as a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tools.local import docker
from tools.local.mongod import Mongod, find_binary, free_port, holder

ROOT = Path(__file__).parents[3]


class LocalRun:
    """A running `python -m tools.local`."""

    def __init__(self, state: Path, *, port: int | None = None, path: str | None = None, **environment: str) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.local"],
            cwd=ROOT,
            env={
                "PATH": path or "/usr/bin:/bin",
                "SERVICE_PORT": str(self.port),
                "LOCAL_STATE": str(state),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_ready(self) -> list[str]:
        """Return the output up to the line with the address."""
        assert self.process.stdout
        lines = []
        for line in self.process.stdout:
            lines.append(line.rstrip())
            if line.startswith("service "):
                return lines
        raise AssertionError(lines)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(60)
        assert self.process.stdout
        self.process.stdout.close()
        return status


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The directory of a run's data. After the test no mongod may use it."""
    directory = tmp_path / "state"
    yield directory
    assert holder(directory / "mongo") is None


@pytest.fixture
def docker_command(tmp_path: Path) -> str:
    """A PATH with a stand-in for `docker` that runs the embedded mongod."""
    script = tmp_path / "bin" / "docker"
    script.parent.mkdir()
    data = tmp_path / "volume"
    data.mkdir()
    script.write_text(
        f"""#!/bin/bash
echo "$*" >> {tmp_path}/asked
case $1 in
run)
    while [ "$1" != {docker.IMAGE} ]; do shift; done
    {find_binary()} --dbpath {data} "${{@:2}}" --fork --logpath {data}/log --pidfilepath {data}/pid > /dev/null ;;
ps) echo cafe ;;
stop) kill "$(cat {data}/pid)"; while [ -s {data}/mongod.lock ]; do sleep 0.1; done ;;
esac
"""
    )
    script.chmod(0o755)
    return f"{script.parent}:/usr/bin:/bin"


@pytest.mark.mongod
def test_documents_survive_an_interrupt_and_a_kill(state: Path) -> None:
    run = LocalRun(state)
    lines = run.wait_ready()
    assert lines[-1] == f"service http://127.0.0.1:{run.port}"
    assert all(re.match(r"\[ +\d+\.\d s\] ", line) for line in lines[:-1])
    identity = requests.post(f"{run.url}/data", json={"key": "value"}, timeout=5).json()["id"]
    assert run.interrupt() == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(run.url, timeout=1)

    run = LocalRun(state)
    run.wait_ready()
    run.process.kill()
    run.process.communicate()

    run = LocalRun(state)
    run.wait_ready()
    assert requests.get(f"{run.url}/data", timeout=5).json() == [{"_id": identity, "key": "value"}]
    assert run.interrupt() == 0


def test_mongodb_uri_replaces_the_embedded_mongod(state: Path, mongod: Mongod) -> None:
    run = LocalRun(state, MONGODB_URI=mongod.uri, MONGODB_DATABASE="given")
    run.wait_ready()
    assert requests.get(f"{run.url}/data", timeout=5).json() == []
    assert not (state / "mongo").exists()
    assert run.interrupt() == 0


@pytest.mark.mongod
def test_docker_is_used_if_an_engine_runs(state: Path, docker_command: str, tmp_path: Path) -> None:
    run = LocalRun(state, path=docker_command)
    lines = run.wait_ready()
    assert "mongo:7.0 in Docker" in lines[0]
    assert requests.post(f"{run.url}/data", json={}, timeout=5).status_code == 201
    assert run.interrupt() == 0
    verbs = [line.split()[0] for line in (tmp_path / "asked").read_text().splitlines()]
    assert [verb for verb in verbs if verb != "ps"] == ["info", "rm", "run", "stop"]


def test_docker_without_an_engine_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "docker"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert not docker.answers()


def test_taken_port_is_an_error_and_the_next_port_is_suggested(state: Path, mongod: Mongod) -> None:
    run = LocalRun(state, port=mongod.port)
    output, _ = run.process.communicate(timeout=60)
    assert run.process.returncode == 1
    assert output.startswith(f"local: Port {mongod.port} is taken") and output.count("\n") == 1
    assert f"SERVICE_PORT={mongod.port + 1} make local" in output


def test_invalid_port_is_an_error(state: Path) -> None:
    run = LocalRun(state, SERVICE_PORT="http")
    output, _ = run.process.communicate(timeout=60)
    assert run.process.returncode == 1
    assert output.startswith("local: SERVICE_PORT=http ") and output.count("\n") == 1
