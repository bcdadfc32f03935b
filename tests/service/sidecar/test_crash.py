"""The container that kills mongod: a program of that name, and others, under a /proc that shows only the test's own.

The real /proc holds whatever mongod this machine runs; nothing here may see those.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from service.config import CrashConfig
from service.sidecar.crash import AT_ONCE, LARGEST_BODY, Killer, KillServer
from webserver.environment import ConfigError

ROOT = Path(__file__).parents[3]
TOKEN = "c7f1-93ab-55de-08b4"
UID = "0b1c2d3e-pod"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


class Processes:
    """Programs that only sleep, each under the name it is started by, and the /proc that shows them alone."""

    def __init__(self, directory: Path) -> None:
        self.proc = directory / "proc"
        self.proc.mkdir()
        (self.proc / "self").mkdir()
        self._programs = directory / "bin"
        self._programs.mkdir()
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        path = self._programs / program
        if not path.exists():
            shutil.copy2("/bin/sleep", path)
        process = subprocess.Popen([*(arguments or (path.name,)), "600"], executable=path)
        self.started.append(process)
        self.show(process.pid)
        return process

    def show(self, pid: int) -> None:
        (self.proc / str(pid)).symlink_to(f"/proc/{pid}")

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.end()


@pytest.fixture
def serve(processes: Processes) -> Iterator[Callable[..., str]]:
    """Starts the server, and gives its address."""
    servers: list[tuple[KillServer, threading.Thread]] = []

    def started(token: str = TOKEN) -> str:
        server = KillServer(CrashConfig(token, UID, port=0), Killer(processes.proc))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield started
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def crash(url: str, headers: dict[str, str] = AUTHORIZED, uid: Any = UID) -> requests.Response:
    return requests.post(f"{url}/crash", json={"uid": uid}, headers=headers, timeout=10)


def test_mongod_is_killed_and_nothing_else_is(processes: Processes, serve: Callable[..., str]) -> None:
    mongod = processes.start("mongod")
    others = [
        processes.start("mongodump"),
        processes.start("sleeper", "mongod"),  # calls itself so
        processes.start("mongos"),
    ]
    answer = crash(serve())
    assert answer.status_code == 200
    assert answer.json()["pid"] == mongod.pid and answer.json()["exe"].endswith("/bin/mongod")
    assert mongod.wait(10) == -signal.SIGKILL
    assert [other.poll() for other in others] == [None, None, None]


def test_answered_kill_has_happened(processes: Processes, serve: Callable[..., str]) -> None:
    mongod = processes.start("mongod")
    url = serve()
    assert crash(url).status_code == 200
    assert "State:\tZ" in Path(f"/proc/{mongod.pid}/status").read_text()
    again = crash(url)
    assert again.status_code == 409
    assert again.json()["detail"] == "No mongod runs here now."


def test_one_that_came_in_its_place_can_be_killed_as_well(processes: Processes, serve: Callable[..., str]) -> None:
    url = serve()
    for _ in range(2):
        mongod = processes.start("mongod")
        assert crash(url).json()["pid"] == mongod.pid


def test_of_two_it_kills_none_for_a_pod_has_one(processes: Processes, serve: Callable[..., str]) -> None:
    two = [processes.start("mongod"), processes.start("mongod")]
    answer = crash(serve())
    assert answer.status_code == 409 and "2 processes" in answer.json()["detail"]
    assert [each.poll() for each in two] == [None, None]


def test_pod_that_was_replaced_is_not_the_one_that_was_meant(processes: Processes, serve: Callable[..., str]) -> None:
    mongod = processes.start("mongod")
    url = serve()
    for uid in ("another", None, 7, ""):
        assert crash(url, uid=uid).status_code == 412
    assert mongod.poll() is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer k\u00e4se"},
    ],
)
def test_without_the_right_token_nothing_is_killed(
    headers: dict[str, str], processes: Processes, serve: Callable[..., str]
) -> None:
    mongod = processes.start("mongod")
    answer = crash(serve(), headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert TOKEN not in answer.text
    assert mongod.poll() is None


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/crash", 405, "POST"),
        ("PUT", "/crash", 405, "POST"),
        ("DELETE", "/crash", 405, "POST"),
        ("HEAD", "/crash", 405, "POST"),
        ("POST", "/healthz", 405, "GET"),
        ("POST", "/", 404, None),
        ("POST", "/crash/", 404, None),
        ("GET", "/metrics", 404, None),
        ("GET", "/healthz", 200, None),
    ],
)
def test_only_one_thing_can_be_asked_of_it_and_a_probe(
    method: str, path: str, status: int, allow: str | None, processes: Processes, serve: Callable[..., str]
) -> None:
    mongod = processes.start("mongod")
    answer = requests.request(method, serve() + path, headers=AUTHORIZED, timeout=10)
    assert (answer.status_code, answer.headers.get("Allow")) == (status, allow)
    assert mongod.poll() is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'"uid"', 400),
        (b"{}", 412),
        (b" " * (LARGEST_BODY + 1), 413),
        (iter([b"{}"]), 411),  # in chunks, without a length
    ],
)
def test_body_that_says_nothing_kills_nothing(
    body: Any, status: int, processes: Processes, serve: Callable[..., str]
) -> None:
    mongod = processes.start("mongod")
    answer = requests.post(f"{serve()}/crash", data=body, headers=AUTHORIZED, timeout=10)
    assert answer.status_code == status
    assert mongod.poll() is None


def test_clients_that_say_nothing_cost_no_more_than_their_places(
    processes: Processes, serve: Callable[..., str]
) -> None:
    mongod = processes.start("mongod")
    url = serve()
    host, port = url.removeprefix("http://").split(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(AT_ONCE)]
    try:
        with pytest.raises(requests.ConnectionError):
            crash(url)
    finally:
        for each in silent:
            each.close()
    end = time.monotonic() + 30
    while mongod.poll() is None:
        assert time.monotonic() < end
        try:
            crash(url)
        except requests.ConnectionError:
            time.sleep(0.05)


def test_process_of_another_user_is_ignored(processes: Processes, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to start one as another user")
    path = Path("/tmp") / f"crash-test-{os.getpid()}"  # where the other user may go
    path.mkdir()
    path.chmod(0o755)
    try:
        shutil.copy2("/bin/sleep", path / "mongod")
        (path / "mongod").chmod(0o755)
        theirs = subprocess.Popen([path / "mongod", "600"], user=65534, group=65534, extra_groups=[])
        processes.started.append(theirs)
        processes.show(theirs.pid)
        code = (
            "import os, sys; from pathlib import Path; from service.sidecar.crash import CrashRefused, Killer\n"
            "os.setresgid(10002, 10002, 10002); os.setgroups([]); os.setresuid(10002, 10002, 10002)\n"
            "try: Killer(Path(sys.argv[1])).kill()\n"
            "except CrashRefused as refused: print(int(refused.status))"
        )
        proc = path / "proc"
        proc.mkdir()
        (proc / str(theirs.pid)).symlink_to(f"/proc/{theirs.pid}")
        said = subprocess.run(
            [sys.executable, "-c", code, str(proc)], cwd=ROOT, capture_output=True, text=True, timeout=20
        )
        assert said.stdout.strip() == "409", said.stderr
        assert theirs.poll() is None
    finally:
        shutil.rmtree(path)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"POD_UID": UID}, "CRASH_TOKEN is not set"),
        ({"POD_UID": UID, "CRASH_TOKEN": ""}, "CRASH_TOKEN is not set"),
        ({"POD_UID": UID, "CRASH_TOKEN": "short"}, "CRASH_TOKEN is too short"),
        ({"CRASH_TOKEN": TOKEN}, "POD_UID is not set"),
        ({"CRASH_TOKEN": TOKEN, "POD_UID": ""}, "POD_UID is not set"),
        ({"CRASH_TOKEN": TOKEN, "POD_UID": UID, "PORT": "no"}, "PORT is 'no'"),
    ],
)
def test_it_does_not_start_where_anybody_could_use_it(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CrashConfig.from_environment(environment)


def test_token_is_not_logged() -> None:
    assert TOKEN not in repr(CrashConfig(TOKEN, UID))


def test_environment_that_is_unusable_ends_it_with_one_sentence() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "service.sidecar.crash"], cwd=ROOT, env={}, capture_output=True, text=True, timeout=20
    )
    assert ended.returncode == 1
    assert ended.stderr == "crash: CRASH_TOKEN is not set. It is required.\n"
