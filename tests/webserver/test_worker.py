"""The worker under slow, silent and greedy clients, in a gunicorn process."""

import contextlib
import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.process import wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SHORT = {"first_seconds": 5.0, "request_seconds": 5.0, "answer_seconds": 2.0, "linger_seconds": 1.0}
PROMPT_SECONDS = 4.0  # on a busy machine
LONG_SECONDS = 30  # for anything


class WebServerProcess:
    """gunicorn with `application`, on a free port."""

    def __init__(self, path: Path, application: str = "application", **bounds: float) -> None:
        command = [sys.executable, "-m", "gunicorn", "--config", "tests/webserver/application.py"]
        environment = os.environ | {"BOUNDS": json.dumps(SHORT | bounds)}
        with path.open("w") as output:
            command.append(f"tests.webserver.application:{application}")
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=output)
        self._path = path
        self._clients: list[socket.socket] = []
        while "Booting worker" not in self.log():
            assert self.process.poll() is None, self.log()
            time.sleep(0.05)
        found = re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", self.log())
        assert found
        self.port = int(found[1])

    def log(self) -> str:
        return self._path.read_text()

    def connect(self, **options: int) -> socket.socket:
        client = socket.socket()
        for name, value in options.items():
            client.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        client.settimeout(10)
        client.connect(("127.0.0.1", self.port))
        self._clients.append(client)
        return client

    def request(self, method: str = "GET", path: str = "/", body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, body, headers, encode_chunked=not isinstance(body, bytes | None))
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, content

    def response_seconds(self) -> float:
        began = time.monotonic()
        assert self.request(path="/?100") == (200, b"x" * 100)
        return time.monotonic() - began

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self) -> int:
        """Wait for the process's end. Return the exit status."""
        status = self.process.wait(30)
        for client in self._clients:
            client.close()
        return status


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WebServerProcess]:
    started = WebServerProcess(tmp_path / "log", **getattr(request, "param", {}))
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.log()


def closed(client: socket.socket) -> bool:
    """Return whether the server has closed the connection. Skips what it has sent."""
    client.settimeout(0.0)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def test_bodies_arrive_whole(server: WebServerProcess) -> None:
    assert server.request("POST", "/", b"abc") == (200, b"abc")
    assert server.request("POST", "/", iter([b"abc", b"d" * 70_000])) == (200, b"abc" + b"d" * 70_000)
    large = os.urandom(1 << 20)
    assert server.request("POST", "/", large) == (200, large)


def test_connection_serves_pipelined_and_later_requests(server: WebServerProcess) -> None:
    with server.connect() as client:
        request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n%b"
        for first, second in ((b"abc", b"def"), (b"ghi", b"jkl")):
            client.sendall(request % first + (request % second)[:-1])
            assert read_until(client, first)
            client.sendall((request % second)[-1:])
            assert read_until(client, second)


def read_until(client: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        piece = client.recv(65536)
        assert piece, got
        got += piece
    return got


def test_expect_continue_gets_100(server: WebServerProcess) -> None:
    with server.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert read_until(client, b"100 Continue\r\n\r\n")
        client.sendall(b"abc")
        assert read_until(client, b"abc")


@pytest.mark.parametrize("body", [b"a" * (3 << 20), iter([b"a" * 65536] * 48)], ids=["length", "chunked"])
def test_too_large_body_is_refused_before_its_end(server: WebServerProcess, body: Any) -> None:
    assert server.request("POST", "/", body)[0] == 413


def test_malformed_request_is_a_problem(server: WebServerProcess) -> None:
    with server.connect() as client:
        client.sendall(b"NO\r\n\r\n")
        response = read_until(client, b"}")
    assert response.startswith(b"HTTP/1.1 400 ") and b"application/problem+json" in response


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"])
def test_stalled_clients_are_closed_and_delay_no_others(server: WebServerProcess, beginning: bytes) -> None:
    clients = [server.connect() for _ in range(100)]
    for client in clients:
        client.sendall(beginning)
    assert server.response_seconds() < PROMPT_SECONDS
    wait_until(lambda: all(closed(client) for client in clients), LONG_SECONDS)
    assert server.response_seconds() < PROMPT_SECONDS


@pytest.mark.parametrize("beginning", [b"GET / HTTP/1.1\r\nA: ", b"POST / HTTP/1.1\r\nContent-Length: 999\r\n\r\n"])
def test_request_that_arrives_slowly_has_a_deadline(server: WebServerProcess, beginning: bytes) -> None:
    clients = [server.connect() for _ in range(20)]
    for client in clients:
        client.sendall(beginning)
    end = time.monotonic() + LONG_SECONDS
    while not select.select([clients[0]], [], [], 0.5)[0]:
        assert time.monotonic() < end
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(b" ")
    response = clients[0].recv(4096)
    assert response.startswith(b"HTTP/1.1 408 ") and b"Connection: close" in response
    assert server.response_seconds() < PROMPT_SECONDS
    wait_until(lambda: all(closed(client) for client in clients), LONG_SECONDS)


def test_response_has_a_deadline_and_occupies_no_thread(server: WebServerProcess) -> None:
    clients = [server.connect(SO_RCVBUF=4096) for _ in range(8)]
    for client in clients:
        client.sendall(b"GET /?5000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.5)
    assert server.response_seconds() < PROMPT_SECONDS
    time.sleep(10)
    for client in clients:
        client.settimeout(LONG_SECONDS)
        got = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(1 << 20):
                got += len(piece)
        assert got < 5_000_000


@pytest.mark.parametrize("server", [{"answer_seconds": 60.0}], indirect=True)
def test_slow_reader_gets_the_whole_response(server: WebServerProcess) -> None:
    with server.connect(SO_RCVBUF=4096) as client:
        client.sendall(b"GET /?6000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(1)
        got = 0
        while got < 6_000_000:
            piece = client.recv(65536)
            assert piece
            got += len(piece)
        client.sendall(b"GET /?3 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_until(client, b"xxx").endswith(b"\r\n\r\nxxx")


@pytest.mark.parametrize("server", [{"answer_seconds": 60.0}], indirect=True)
def test_stream_waits_for_its_client(server: WebServerProcess) -> None:
    with server.connect(SO_RCVBUF=4096) as client:
        client.sendall(b"GET /stream?500 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(1)
        assert read_until(client, b"\r\n0\r\n\r\n").count(b"x" * 10_000) == 500


@pytest.mark.parametrize("server", [{"sending": 30_000_000, "answer_seconds": 60.0}], indirect=True)
def test_large_answer_is_whole_or_503_however_many_begin_at_once(server: WebServerProcess) -> None:
    clients = [server.connect(SO_RCVBUF=4096) for _ in range(5)]  # the kernel takes up to 4 MB of each answer
    for client in clients:
        client.sendall(b"GET /late?12000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    for client in clients:
        client.recv(12, socket.MSG_PEEK)  # each answer has begun before one of them makes room for others
    answers = [b"".join(iter(lambda client=client: client.recv(1 << 16), b"")) for client in clients]
    lengths = [len(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    assert {*lengths} == {0, 12_000_000}
    assert [b" 503 " in answer for answer in answers] == [length == 0 for length in lengths]
    assert server.request(path="/?29000000")[0] == 200, "everything is given back"


@pytest.mark.parametrize("server", [{"sending": 8_000_000}], indirect=True)
def test_pending_responses_are_limited_in_bytes(server: WebServerProcess) -> None:
    clients = [server.connect(SO_RCVBUF=4096) for _ in range(3)]
    for client in clients:
        client.sendall(b"GET /?7000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)
    assert server.request(path="/?7000000")[0] == 503
    assert server.response_seconds() < PROMPT_SECONDS
    wait_until(lambda: server.request(path="/?7000000")[0] == 200, LONG_SECONDS)  # when the first one's time is over


@pytest.mark.parametrize("server", [{"receiving": 1_000_000, "request_seconds": 10.0}], indirect=True)
def test_incomplete_requests_are_limited_in_bytes(server: WebServerProcess) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
    clients = [server.connect() for _ in range(4)]
    for client in clients:
        client.sendall(head + b"a" * 600_000)
        time.sleep(0.2)
    assert b" 503 " in clients[-1].recv(4096)
    assert server.response_seconds() < PROMPT_SECONDS
    assert server.request("POST", "/", b"abc") == (200, b"abc")
    for client in clients:
        client.close()  # the server would wait for their rest


@pytest.mark.parametrize("server", [{"connections": 50, "first_seconds": 60.0}], indirect=True)
def test_oldest_idle_connections_are_closed_at_the_limit(server: WebServerProcess) -> None:
    clients = []
    for _ in range(80):
        clients.append(server.connect())
        time.sleep(0.005)
    assert server.response_seconds() < PROMPT_SECONDS
    assert all(closed(client) for client in clients[:30])
    assert not any(closed(client) for client in clients[-40:])


@pytest.mark.parametrize("server", [{"queue_seconds": 2.0}], indirect=True)
def test_request_that_waits_too_long_for_a_thread_is_503(server: WebServerProcess) -> None:
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(server.request(path="/sleep?5")[0])) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 4 + [503] * 3


def test_stopping_worker_finishes_its_requests(server: WebServerProcess) -> None:
    responses: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: responses.append(server.request(path="/sleep?2")))
    thread.start()
    idle = server.connect()
    wait_until(lambda: "asleep" in server.log(), LONG_SECONDS)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0
    thread.join()
    assert responses == [(200, b"xx")] and closed(idle)


@pytest.mark.parametrize("server", [{"late_seconds": 20.0}], indirect=True)
def test_stopping_worker_serves_late_clients(server: WebServerProcess) -> None:
    idle = server.connect()
    server.process.send_signal(signal.SIGTERM)
    for _ in range(15):
        assert server.request(path="/?2") == (200, b"xx")
        time.sleep(0.2)
    assert server.process.poll() is None
    assert server.process.wait(10) == 0 and closed(idle)


@pytest.mark.parametrize("server", [{"late_seconds": 2.0}], indirect=True)
def test_late_clients_hold_a_worker_only_for_a_while(server: WebServerProcess) -> None:
    server.process.send_signal(signal.SIGTERM)
    with pytest.raises(OSError):
        for _ in range(LONG_SECONDS * 5):
            server.request(path="/?2")
            time.sleep(0.2)
    assert server.process.wait(10) == 0


def test_closing_a_detached_socket_affects_no_other_connection(server: WebServerProcess) -> None:
    for number in range(40):
        with server.connect() as client:
            client.sendall(b"GET /detach?%d HTTP/1.1\r\nHost: a\r\n\r\n" % (number % 5))
            assert client.recv(100) == b"detached"
        assert server.response_seconds() < PROMPT_SECONDS


def test_server_ends_with_its_worker(tmp_path: Path) -> None:
    server = WebServerProcess(tmp_path / "log")
    (worker,) = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    os.kill(int(worker), signal.SIGKILL)
    assert server.end() == 1


def test_application_with_an_invalid_setting_ends_with_its_sentence(tmp_path: Path) -> None:
    server = WebServerProcess(tmp_path / "log", "misconfigured()")
    assert server.end() == 1
    assert "NAME is empty: set it." in server.log() and "Traceback" not in server.log()
