"""Ordinary requests beside 1000 silent clients, 200 that send byte by byte and 100 that read nothing."""

import asyncio
import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import urllib3

from tests.e2e.deployment import Deployment

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

MINUTES = 10
SILENT, SLOW, UNREADING = 1000, 200, 100  # clients, half of each for the service and half for the dashboard
BYTE_SECONDS = 3.0
RECONNECT_SECONDS = 1.0
UNREADING_SECONDS = 60.0  # until a client that reads nothing reconnects
PROMISED = 1.0  # seconds, p99 of each kind of request
MOST_GROWTH = 1.2  # of memory, from the second third of the time to the last
LARGE = {"text": "x" * 100_000}  # forty of them exceed the kernel's buffers


class GreedyClients:
    """The clients, on an event loop in a thread. A disconnected client reconnects."""

    def __init__(self, deployment: Deployment) -> None:
        ports = (deployment.service_port, deployment.dashboard_port)
        pages = {ports[0]: "/data?limit=40", ports[1]: "/api/state"}
        self._clients: list[Callable[[], Coroutine[Any, Any, None]]] = []
        for port in ports:
            host = f"Host: 127.0.0.1:{port}\r\n"
            post = f"POST /data HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"
            requests = ("GET /data?limit=1 HT", f"GET / HTTP/1.1\r\n{host}X-Long: {'y' * 80}", post + '{"x":1}')
            self._clients += [partial(stay_silent, port)] * (SILENT // 2)
            self._clients += [partial(send_slowly, port, requests[number % 3].encode()) for number in range(SLOW // 2)]
            request = f"GET {pages[port]} HTTP/1.1\r\n{host}\r\n" * 20
            self._clients += [partial(read_nothing, port, request.encode())] * (UNREADING // 2)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])

    def __enter__(self) -> None:
        self._stop = asyncio.Event()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        tasks = [asyncio.create_task(repeat(client)) for client in self._clients]
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def repeat(client: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        with contextlib.suppress(OSError):
            await client()
        await asyncio.sleep(RECONNECT_SECONDS)


@contextlib.asynccontextmanager
async def connected(port: int, **options: Any) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def stay_silent(port: int) -> None:
    async with connected(port) as (reader, _):
        await reader.read()


async def send_slowly(port: int, text: bytes) -> None:
    async with connected(port) as (reader, writer):
        end = asyncio.create_task(reader.read())
        for byte in text:
            writer.write(bytes([byte]))
            await asyncio.wait([end], timeout=BYTE_SECONDS)
            if end.done():
                return
        await end


async def read_nothing(port: int, text: bytes) -> None:
    async with connected(port, limit=1024) as (_, writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.transport.pause_reading()
        writer.write(text)
        await asyncio.sleep(UNREADING_SECONDS)


class OrdinaryRequests:
    """Requests of ordinary users, their durations, and their errors."""

    def __init__(self, deployment: Deployment) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.errors: list[str] = []
        token = {"token": deployment.operator_token}
        service, dashboard = deployment.service, deployment.dashboard
        self._requests: dict[str, tuple[str, str, dict[str, Any], int]] = {
            "GET /data": ("GET", f"{service}/data?limit=20", {}, 200),
            "POST /data": ("POST", f"{service}/data", {"json": {"key": "value"}}, 201),
            "login": ("POST", f"{dashboard}/login", {"json": token}, 204),
            "page": ("GET", f"{dashboard}/", {"headers": deployment.authorization}, 200),
        }

    def send(self) -> None:
        for name, (method, url, options, expected) in self._requests.items():
            http = urllib3.PoolManager(timeout=30, retries=False)  # a new connection, like a new user's
            began = time.monotonic()
            try:
                status = http.request(method, url, **options).status
                if status != expected:
                    self.errors.append(f"{moment()} {name}: {status}")
            except urllib3.exceptions.HTTPError as error:
                self.errors.append(f"{moment()} {name}: {error}")
            self.seconds.setdefault(name, []).append(time.monotonic() - began)

    def p99(self) -> dict[str, float]:
        return {name: sorted(each)[math.ceil(len(each) * 0.99) - 1] for name, each in self.seconds.items()}


def test_ordinary_requests_are_fast(deployment: Deployment) -> None:
    before = restarts(deployment)
    for _ in range(45):
        deployment.http.request("POST", f"{deployment.service}/data", json=LARGE)
    ordinary = OrdinaryRequests(deployment)
    memory: list[dict[str, int]] = []
    with GreedyClients(deployment):
        end = time.monotonic() + MINUTES * 60
        while time.monotonic() < end:
            began = time.monotonic()
            ordinary.send()
            memory.append(memory_by_app(deployment))
            time.sleep(max(0.0, began + 1 - time.monotonic()))
    third = len(memory) // 3
    first, last = (
        {app: sum(each.get(app, 0) for each in some) / len(some) for app in memory[0]}
        for some in (memory[third : 2 * third], memory[-third:])
    )
    for name, seconds in ordinary.p99().items():
        print(f"{name}: {len(ordinary.seconds[name])} times, p99 {seconds * 1000:.0f} ms")
    for app in first:
        print(f"{app}: {first[app] / 2**20:.0f} MiB in the second third, {last[app] / 2**20:.0f} MiB in the last")
    assert not ordinary.errors
    assert not restarted_pods(deployment, before)
    assert not [app for app in first if last[app] > first[app] * MOST_GROWTH]
    assert max(ordinary.p99().values()) < PROMISED


def moment() -> str:
    """Return the present time as the cluster's logs and events have it."""
    return datetime.now(UTC).strftime("%H:%M:%S")


def restarts(deployment: Deployment) -> dict[str, int]:
    return {
        pod["metadata"]["name"]: sum(one["restartCount"] for one in pod["status"]["containerStatuses"])
        for pod in deployment.get("pods")["items"]
    }


def restarted_pods(deployment: Deployment, before: dict[str, int]) -> list[str]:
    """Return the pods with a restart since then, and those that ended but for the service's: the autoscaler ends these,
    too."""
    now = restarts(deployment)
    ended = [pod for pod in before if pod not in now and not pod.startswith("flask-")]
    return [pod for pod, count in now.items() if count > before.get(pod, 0)] + ended


def memory_by_app(deployment: Deployment) -> dict[str, int]:
    """Return the largest memory of a pod of each app, in bytes."""
    found: dict[str, int] = {}
    for pod in deployment.state()["pods"]:
        found[pod["app"]] = max(found.get(pod["app"], 0), pod["memory_bytes"] or 0)
    return found
