"""An hour of each kind of request in minutes, against both programs as their containers run them: the memory stays."""

import http.client
import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dashboard.web.sockets.server import PING_SECONDS
from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import OPERATOR, VIEWER
from tests.dashboard.websocket import CONTINUATION, connect, frame, send_until_closed, wait_until_closed
from tests.service.process import ServiceProcess

pytestmark = pytest.mark.soak

HOUR = 3_600  # of each kind, as from a client that sends one a second
SELDOM = 360  # of what takes a connection and a thread of its own
SETTLE_SECONDS = PING_SECONDS + 1  # the thread of a socket that has ended lasts until its next ping is due
MOST_GROWN = 8 << 20  # bytes: what the allocator holds on to differs by that much
DOCUMENTS = 6_000  # more than the mock keeps

Ask = Callable[[int], None]  # asks once, with another number each time


class Client:
    """Asks over one connection, as long as it lasts, or over one from an address of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def __call__(
        self, method: str, path: str, body: bytes | str | None = None, source: str = "", **headers: str
    ) -> http.client.HTTPResponse:
        """Return the answer, which has been read."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if source:
            with closing(http.client.HTTPConnection("127.0.0.1", self._port, 30, (source, 0))) as own:
                return self._ask(own, method, path, body, named)
        for _ in range(2):
            self._connection = self._connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            try:
                return self._ask(self._connection, method, path, body, named)
            except (http.client.HTTPException, OSError):
                self.close()
        raise ConnectionError(f"no answer to {method} {path}")

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _ask(connection: http.client.HTTPConnection, *request: Any) -> http.client.HTTPResponse:
        connection.request(*request)
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        return answer


Kind = Callable[[Client, int], Ask]  # of a client and a port
Process = DashboardProcess | ServiceProcess


@pytest.fixture(scope="module")
def dashboard() -> Iterator[DashboardProcess]:
    with DashboardProcess(viewers=4) as served:
        with closing(Client(served.port)) as ask:
            for number in range(DOCUMENTS):
                ask("POST", "/api/documents", json.dumps({"key": number}), **JSON, **BEARER)
        yield served


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """Without a MongoDB: what reaches it is answered 503."""
    nowhere = "mongodb://127.0.0.1:1/?directConnection=true"
    with ServiceProcess(tmp_path_factory.mktemp("service"), nowhere, REQUEST_DEADLINE_SECONDS="0.02") as served:
        yield served.wait_alive()


JSON = {"Content_Type": "application/json"}
BEARER = {"Authorization": f"Bearer {OPERATOR}"}
VIEW = {"Authorization": f"Bearer {VIEWER}"}
GZIP = {"Accept_Encoding": "gzip"}


def resident(main: int) -> int:
    """Return the bytes of the only worker of gunicorn."""
    (worker,) = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * 4096


def check(request: pytest.FixtureRequest, served: Process, kind: Kind, warm: int, times: int) -> None:
    """Ask so many times, and compare the memory with that after the `warm` times before."""
    with closing(Client(served.port)) as client:
        measure(request, served.process.pid, kind(client, served.port), warm, times)


def measure(request: pytest.FixtureRequest, main: int, ask: Ask, warm: int, times: int) -> None:
    numbers = itertools.count()
    for _ in range(warm):
        ask(next(numbers))
    time.sleep(SETTLE_SECONDS)
    before, began = resident(main), time.monotonic()
    for _ in range(times):
        ask(next(numbers))
    time.sleep(SETTLE_SECONDS)
    grown = resident(main) - before
    line = f"{times:>9,} times    {time.monotonic() - began:>7.0f} s {grown:>+11,} bytes  {request.node.name}"
    request.node.user_properties.append(("border", line))
    assert grown <= MOST_GROWN


def log_in(ask: Client) -> dict[str, str]:
    """Return the headers of a new session."""
    cookie = ask("POST", "/login", json.dumps({"token": VIEWER}), **JSON).headers["Set-Cookie"].partition(";")[0]
    page: bytes = ask("GET", "/", Cookie=cookie).body  # type: ignore[attr-defined]
    token = page.partition(b'name="csrf-token" content="')[2].partition(b'"')[0].decode()
    return {"Cookie": cookie, "X_CSRF_Token": token}


def log_out(ask: Client, port: int, _: int) -> None:
    answer = ask("POST", "/logout", "{}", **JSON, **log_in(ask), Origin=f"http://127.0.0.1:{port}")
    assert answer.status == 204


def run_and_abort(ask: Client, _: int) -> None:
    """Start a run and abort it. The next one begins once its lease is free."""
    run = json.loads(ask("POST", "/api/runs", '{"demo":"persistence"}', **JSON, **BEARER).body)  # type: ignore[attr-defined]
    if "id" in run:
        ask("DELETE", f"/api/runs/{run['id']}", **BEARER)


def pod_uid(ask: Client) -> str:
    state = json.loads(ask("GET", "/api/state", **VIEW).body)  # type: ignore[attr-defined]
    return str(state["pods"][0]["uid"])


def follow_and_leave(ask: Client, port: int, _: int) -> None:
    """Follow a log, read its beginning, and go without a word."""
    with socket.create_connection(("127.0.0.1", port), 30) as reader:
        path = f"/api/pods/{pod_uid(ask)}/log?follow=true"
        reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {VIEWER}\r\n\r\n".encode())
        assert reader.recv(1000)


def join_and_leave(port: int, number: int) -> None:
    """Join as a page and leave, in turn with a word, without one, and before having joined."""
    with suppress(ConnectionRefusedError), closing(connect(port, VIEWER)) as page:
        if number % 3:
            page.sendall(frame(b"40"))
            page.recv(1000)
        if number % 3 == 1:
            page.sendall(frame(b"41"))
            wait_until_closed(page)


def say(port: int, messages: list[bytes], _: int) -> None:
    """Say what no page says, until the connection is closed."""
    with suppress(ConnectionRefusedError), closing(connect(port, VIEWER)) as page:
        page.sendall(frame(b"40"))
        send_until_closed(page, b"".join(messages), 4 << 20)


def send_half(port: int, number: int) -> None:
    """Send the beginning of a request and leave."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        head = f"POST /login HTTP/1.1\r\nHost: {number}\r\nContent-Length: 60000\r\n\r\n"
        client.sendall(head.encode() + b"x" * 50_000)


DASHBOARD: dict[str, Kind] = {
    "paths": lambda ask, _: lambda n: ask("GET", f"/{n}", **VIEW) and None,
    "paths of one file": lambda ask, _: lambda n: ask("GET", f"/static/css/{n}/../drawer.css", **GZIP) and None,
    "methods": lambda ask, _: lambda n: ask(f"METHOD{n}", "/api/state", **VIEW) and None,
    "hosts": lambda ask, _: lambda n: ask("GET", "/login", Host=f"host{n}") and None,
    "histories": lambda ask, _: lambda n: ask("GET", f"/api/history?since={1.7e9 + n}", **VIEW, **GZIP) and None,
    "states": lambda ask, _: lambda n: ask("GET", "/api/state", **VIEW) and None,
    "wrong tokens": lambda ask, _: lambda n: ask("POST", "/login", f'{{"token":"{n}"}}', **JSON) and None,
    "wrong tokens by address": lambda ask, _: lambda n: ask(
        "GET", "/api/state", None, f"127.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255 or 1}", Authorization=f"Bearer {n}"
    ) and None,
    "sessions": lambda ask, port: partial(log_out, ask, port),
    "denied actions": lambda ask, _: lambda n: ask("DELETE", f"/api/runs/{n}", **VIEW) and None,
    "refused actions": lambda ask, _: lambda n: ask(
        "POST", "/api/mongo/restart", f'{{"uid":"{n}","mode":"crash"}}', **JSON, **BEARER
    ) and None,
    "documents": lambda ask, _: lambda n: ask("POST", "/api/documents", f'{{"key":{n}}}', **JSON, **BEARER) and None,
    "filters": lambda ask, _: lambda n: ask("GET", f"/api/documents?filter=%7B%22key%22:{n}%7D", **VIEW) and None,
    "pods": lambda ask, _: lambda n: ask("GET", f"/api/pods/{pod_uid(ask) if n % 2 else n}", **VIEW) and None,
    "runs": lambda ask, _: partial(run_and_abort, ask),
    "halves of requests": lambda _, port: partial(send_half, port),
}  # fmt: skip
SOCKETS: dict[str, Kind] = {
    "logs": lambda ask, port: partial(follow_and_leave, ask, port),
    "pages": lambda _, port: partial(join_and_leave, port),
    "events of Socket.IO": lambda _, port: partial(say, port, [frame(b'42["connect",{}]')]),
    "attachments": lambda _, port: partial(say, port, [frame(b'459999999999-["seen",{}]')]),
    "endless messages": lambda _, port: partial(say, port, [frame(b"x" * 60_000, CONTINUATION, last=False)]),
    "floods": lambda _, port: partial(say, port, [frame(b'42["snapshot"]')] * 500),
}
SERVICE: dict[str, Kind] = {
    "paths": lambda ask, _: lambda n: ask("GET", f"/{n}") and None,
    "methods": lambda ask, _: lambda n: ask(f"METHOD{n}", "/data") and None,
    "request ids": lambda ask, _: lambda n: ask("GET", "/", X_Request_Id=f"id-{n}") and None,
    "bad documents": lambda ask, _: lambda n: ask("PUT", f"/data/{n:024x}", f'{{"{n}":{10**40}}}', **JSON) and None,
    "halves of requests": lambda _, port: partial(send_half, port),
}
STORE: dict[str, Kind] = {
    "ids": lambda ask, _: lambda n: ask("DELETE", f"/data/{n:024x}") and None,
    "pages": lambda ask, _: lambda n: ask("GET", f"/data?limit={n % 1000 + 1}&before={n:024x}") and None,
    "filters": lambda ask, _: lambda n: ask("GET", f"/data?filter=%7B%22key%22:{n}%7D") and None,
    "documents": lambda ask, _: lambda n: ask("POST", "/data", f'{{"key":{n}}}', **JSON) and None,
    "large documents": lambda ask, _: lambda n: ask("POST", "/data", f'{{"{n}":"{"x" * 900_000}"}}', **JSON) and None,
}


@pytest.mark.parametrize("kind", DASHBOARD)
def test_dashboard_keeps_its_size(kind: str, dashboard: DashboardProcess, request: pytest.FixtureRequest) -> None:
    check(request, dashboard, DASHBOARD[kind], HOUR // 4, HOUR)


@pytest.mark.parametrize("kind", SOCKETS)
def test_dashboard_keeps_its_size_with_sockets(
    kind: str, dashboard: DashboardProcess, request: pytest.FixtureRequest
) -> None:
    check(request, dashboard, SOCKETS[kind], SELDOM, SELDOM)


@pytest.mark.parametrize("kind", SERVICE)
def test_service_keeps_its_size(kind: str, service: ServiceProcess, request: pytest.FixtureRequest) -> None:
    check(request, service, SERVICE[kind], HOUR // 4, HOUR)


@pytest.mark.parametrize("kind", STORE)
def test_service_keeps_its_size_without_mongodb(
    kind: str, service: ServiceProcess, request: pytest.FixtureRequest
) -> None:
    """Each request waits for half a second, as the driver's look for a server lasts."""
    check(request, service, STORE[kind], SELDOM // 4, SELDOM)
