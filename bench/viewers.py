"""A hundred viewers on one dashboard: when each has a change, whether probes are answered meanwhile, and what one costs
that never reads.

Needs a running `make up`. The viewers are WebSocket connections as a browser's, acknowledging as the page does.
"""

import base64
import contextlib
import os
import re
import socket
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
import urllib3
import websocket
from kubernetes import client, config

from bench.churn import state
from bench.crowd import NAMESPACE, Say, crowd
from tools.cluster.instance import CHECKOUT
from tools.deploy import secrets, target

VIEWERS = 100
PODS = 5
PER_SECOND = 5.0
SECONDS = 60.0
PROBE_SECONDS = 0.5
ACKNOWLEDGE_SECONDS = 1.0
PONG_SECONDS = 5.0


@dataclass
class Result:
    viewers: int = 0
    delays: list[float] = field(default_factory=list)  # milliseconds, one a viewer and change
    before: list[float] = field(default_factory=list)  # the same, with one viewer alone
    missing: int = 0
    probes: dict[str, list[float]] = field(default_factory=lambda: {"/healthz": [], "/metrics": []})
    slow_clients: int = 0
    watches: dict[str, tuple[float, float]] = field(default_factory=dict)  # kind → before and with all viewers
    memory: int = 0


class Viewer(threading.Thread):
    """Notes when it hears of each pod's number of restarts."""

    def __init__(self, cookie: str) -> None:
        super().__init__(daemon=True)
        self.heard: dict[str, float] = {}  # "<pod> <restarts>" → milliseconds since the epoch
        self._names: dict[str, str] = {}  # uid → pod
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{target.dashboard_port()}/socket.io/?EIO=4&transport=websocket",
            origin=f"http://127.0.0.1:{target.dashboard_port()}",
            cookie=cookie,
            timeout=30,
        )
        self._seen = 0
        self._seen_at = 0.0

    def run(self) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            while text := self._socket.recv():
                self._take(text, time.time() * 1000)

    def close(self) -> None:
        self._socket.shutdown()

    def _take(self, text: str | bytes, at: float) -> None:
        """Engine.IO's open and ping, then Socket.IO's events."""
        text = text if isinstance(text, str) else text.decode()
        if text.startswith("0"):
            self._socket.send("40")
        elif text.startswith("2"):
            self._socket.send("3")
        elif text.startswith("42"):
            name, message = orjson.loads(text[2:])
            self._hear(name, message, at)

    def _hear(self, name: str, message: Any, at: float) -> None:
        self._seen = message["seq"]
        if name == "snapshot":
            for pod in message["state"]["pods"]:
                self._names[pod["uid"]] = pod["name"]
        elif name == "patch":
            for operation, path, *rest in message["changes"]:
                if path[:1] != ["pods"]:
                    continue
                if operation == "insert":
                    self._names[rest[1]["uid"]] = rest[1]["name"]
                elif path[2:] == ["restarts"] and path[1] in self._names:
                    self.heard.setdefault(f"{self._names[path[1]]} {rest[0]}", at)
        elif at - self._seen_at >= ACKNOWLEDGE_SECONDS * 1000:
            self._seen_at = at
            self._socket.send(f'42["seen",{{"seq":{self._seen}}}]')


def measure(say: Say) -> Result:
    config.load_kube_config(str(CHECKOUT / ".cluster" / "kubeconfig"))  # type: ignore[no-untyped-call]
    result = Result()
    cookie = _cookie()
    with crowd(PODS, say) as made:
        time.sleep(2)
        say("one viewer")
        result.before, _ = _watch_changes(made, [Viewer(cookie)], SECONDS / 3)
        watches = _metric("dashboard_api_watches")
        say(f"{VIEWERS} viewers, and one that never reads")
        slow_clients = sum(_metric("dashboard_slow_clients_total").values())
        viewers = [Viewer(cookie) for _ in range(VIEWERS)]
        over = threading.Event()
        deaf = _deaf(cookie)
        threading.Thread(target=_keep_alive, args=(deaf, over), daemon=True).start()
        prober = threading.Thread(target=_probe, args=(result.probes, over))
        prober.start()
        result.delays, result.missing = _watch_changes(made, viewers, SECONDS)
        result.viewers = len(viewers)
        over.set()
        prober.join()
        result.watches = {kind: (watches[kind], count) for kind, count in _metric("dashboard_api_watches").items()}
        result.slow_clients = int(sum(_metric("dashboard_slow_clients_total").values()) - slow_clients)
        result.memory = max(pod["memory_bytes"] or 0 for pod in state()["pods"] if pod["app"] == "dashboard")
        deaf.close()
    return result


def report(result: Result) -> str:
    rows = [
        ("one viewer", result.before),
        (f"{result.viewers} viewers, and one that never reads ({result.missing} changes not delivered)", result.delays),
        ("`/healthz` meanwhile, through the API server's proxy", result.probes["/healthz"]),
        ("`/metrics` meanwhile, through the API server's proxy", result.probes["/metrics"]),
    ]
    lines = [
        "| a pod's change, from its request to the API server to a viewer's socket | samples | p50 | p95 | worst |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, samples in rows:
        ordered = sorted(samples)
        p95 = ordered[int(len(ordered) * 0.95)]
        p50 = statistics.median(ordered)
        lines.append(f"| {name} | {len(ordered):,} | {p50:.0f} ms | {p95:.0f} ms | {ordered[-1]:.0f} ms |")
    same = all(before == after for before, after in result.watches.values())
    lines += [
        "",
        f"Watches towards the API server: {', '.join(f'{kind} {int(n)}' for kind, (_, n) in result.watches.items())}"
        f" ({'the same' if same else 'NOT the same'} with one viewer). Viewers held as slow clients: "
        f"{result.slow_clients}. Working set with {result.viewers} viewers: {result.memory / 2**20:.0f} MiB.",
    ]
    return "\n".join(lines)


def _watch_changes(made: Any, viewers: list[Viewer], seconds: float) -> tuple[list[float], int]:
    for viewer in viewers:
        viewer.start()
    time.sleep(3)
    made.changes.clear()
    made.churn(PER_SECOND, seconds)
    time.sleep(3)
    for viewer in viewers:
        viewer.close()
    changes = {key: at for key, at in made.changes.items() if not key.endswith(" 0")}  # a new pod comes whole
    delays = [viewer.heard[key] - at for key, at in changes.items() for viewer in viewers if key in viewer.heard]
    return delays, len(changes) * len(viewers) - len(delays)


def _probe(times: dict[str, list[float]], over: threading.Event) -> None:
    """By the API server's proxy, the only way to a pod's port from here: its own time is part of the figure."""
    api: Any = client.CoreV1Api()
    (pod,) = api.list_namespaced_pod(NAMESPACE, label_selector="app.kubernetes.io/name=dashboard").items
    while not over.wait(PROBE_SECONDS):
        for path, samples in times.items():
            began = time.monotonic()
            api.connect_get_namespaced_pod_proxy_with_path(f"{pod.metadata.name}:9090", NAMESPACE, path[1:])
            samples.append((time.monotonic() - began) * 1000)


def _metric(name: str) -> dict[str, float]:
    """A metric of the dashboard's, by its first label."""
    api: Any = client.CoreV1Api()
    (pod,) = api.list_namespaced_pod(NAMESPACE, label_selector="app.kubernetes.io/name=dashboard").items
    text = api.connect_get_namespaced_pod_proxy_with_path(f"{pod.metadata.name}:9090", NAMESPACE, "metrics")
    found = re.findall(rf'^{name}(?:{{\w+="([^"]*)"[^}}]*}})? (\S+)$', text, re.MULTILINE)
    return {label: float(value) for label, value in found}


def _cookie() -> str:
    answer = urllib3.request(
        "POST",
        f"http://127.0.0.1:{target.dashboard_port()}/login",
        json={"token": secrets.operator_token()},
    )
    return answer.headers["Set-Cookie"].partition(";")[0]


def _deaf(cookie: str) -> socket.socket:
    """A viewer that says hello and then reads nothing, with as small a buffer as the kernel gives."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    connection.connect(("127.0.0.1", target.dashboard_port()))
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        (
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{target.dashboard_port()}\r\nOrigin: http://127.0.0.1:{target.dashboard_port()}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nCookie: {cookie}\r\n\r\n"
        ).encode()
    )
    while b"pingInterval" not in connection.recv(4096):  # what is sent before the server is open would be lost
        pass
    connection.sendall(_frame(b"40"))
    return connection


def _keep_alive(connection: socket.socket, over: threading.Event) -> None:
    """Answers pings that it has not read: without that, the server would cut it off for its silence alone."""
    while not over.wait(PONG_SECONDS):
        with contextlib.suppress(OSError):
            connection.sendall(_frame(b"3"))


def _frame(text: bytes) -> bytes:
    """A client's WebSocket message, masked as it must be."""
    mask = os.urandom(4)
    return bytes([0x81, 0x80 | len(text), *mask, *(byte ^ mask[index] for index, byte in enumerate(text))])
