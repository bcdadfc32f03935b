"""The container that kills mongod, on a /proc that has only the test's processes.

The real /proc has the machine's own mongods, which the tests must not kill.
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
    """Processes that sleep under a given program name, and a /proc that has only them."""

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
    """Starts the server and returns its address."""
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


def test_only_mongod_is_killed(processes: Processes, serve: Callable[..., str]) -> None:
    mongod = processes.start("mongod")
    others = [
        processes.start("mongodump"),
        processes.start("sleeper", "mongod"),  # argv[0] is mongod
        processes.start("mongos"),
    ]
    response = crash(serve())
    assert response.status_code == 200
    assert response.json()["pid"] == mongod.pid and response.json()["exe"].endswith("/bin/mongod")
    assert mongod.wait(10) == -signal.SIGKILL
    assert [other.poll() for other in others] == [None, None, None]


def test_mongod_is_dead_before_the_response(processes: Processes, serve: Callable[..., str]) -> None:
    mongod = processes.start("mongod")
    url = serve()
    assert crash(url).status_code == 200
    assert "State:\tZ" in Path(f"/proc/{mongod.pid}/status").read_text()
    again = crash(url)
    assert again.status_code == 409
    assert again.json()["detail"] == "No mongod runs here now."


def test_restarted_mongod_can_be_killed_too(processes: Processes, serve: Callable[..., str]) -> None:
    url = serve()
    for _ in range(2):
        mongod = processes.start("mongod")
        assert crash(url).json()["pid"] == mongod.pid


def test_two_mongods_are_409_and_both_live(processes: Processes, serve: Callable[..., str]) -> None:
    two = [processes.start("mongod"), processes.start("mongod")]
    response = crash(serve())
    assert response.status_code == 409 and "2 processes" in response.json()["detail"]
    assert [each.poll() for each in two] == [None, None]


def test_uid_of_another_pod_is_412(processes: Processes, serve: Callable[..., str]) -> None:
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
def test_invalid_token_is_401_and_kills_nothing(
    headers: dict[str, str], processes: Processes, serve: Callable[..., str]
) -> None:
    mongod = processes.start("mongod")
    response = crash(serve(), headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert TOKEN not in response.text
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
def test_server_has_no_other_route_or_method(
    method: str, path: str, status: int, allow: str | None, processes: Processes, serve: Callable[..., str]
) -> None:
    mongod = processes.start("mongod")
    response = requests.request(method, serve() + path, headers=AUTHORIZED, timeout=10)
    assert (response.status_code, response.headers.get("Allow")) == (status, allow)
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
        (iter([b"{}"]), 411),  # chunked, without Content-Length
    ],
)
def test_invalid_body_kills_nothing(body: Any, status: int, processes: Processes, serve: Callable[..., str]) -> None:
    mongod = processes.start("mongod")
    response = requests.post(f"{serve()}/crash", data=body, headers=AUTHORIZED, timeout=10)
    assert response.status_code == status
    assert mongod.poll() is None


@pytest.mark.slow
def test_silent_clients_block_others_only_while_connected(processes: Processes, serve: Callable[..., str]) -> None:
    mongod = processes.start("mongod")
    url = serve()
    host, port = url.removeprefix("http://").split(":")
    silent_clients = [socket.create_connection((host, int(port))) for _ in range(AT_ONCE)]
    try:
        with pytest.raises(requests.ConnectionError):
            crash(url)
    finally:
        for each in silent_clients:
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
        pytest.skip("needs root, to start a process as another user")
    path = Path("/tmp") / f"crash-test-{os.getpid()}"  # the other user cannot enter tmp_path
    path.mkdir()
    path.chmod(0o755)
    try:
        shutil.copy2("/bin/sleep", path / "mongod")
        (path / "mongod").chmod(0o755)
        foreign = subprocess.Popen([path / "mongod", "600"], user=65534, group=65534, extra_groups=[])
        processes.started.append(foreign)
        processes.show(foreign.pid)
        code = (
            "import os, sys; from pathlib import Path; from service.sidecar.crash import CrashRefused, Killer\n"
            "os.setresgid(10002, 10002, 10002); os.setgroups([]); os.setresuid(10002, 10002, 10002)\n"
            "try: Killer(Path(sys.argv[1])).kill()\n"
            "except CrashRefused as refused: print(int(refused.status))"
        )
        proc = path / "proc"
        proc.mkdir()
        (proc / str(foreign.pid)).symlink_to(f"/proc/{foreign.pid}")
        ended = subprocess.run(
            [sys.executable, "-c", code, str(proc)], cwd=ROOT, capture_output=True, text=True, timeout=20
        )
        assert ended.stdout.strip() == "409", ended.stderr
        assert foreign.poll() is None
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
def test_missing_or_invalid_setting_raises(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CrashConfig.from_environment(environment)


def test_token_is_not_logged() -> None:
    assert TOKEN not in repr(CrashConfig(TOKEN, UID))


def test_config_error_exits_with_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "service.sidecar.crash"], cwd=ROOT, env={}, capture_output=True, text=True, timeout=20
    )
    assert ended.returncode == 1
    assert ended.stderr == "crash: CRASH_TOKEN is not set. It is required.\n"
