"""A hundred viewers on one dashboard: each one's delay, the probes' response times, and the effect of a stalled viewer.

Needs a running `make up`. A viewer is a WebSocket client that sends acks as the page does.
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

import urllib3
from kubernetes import client, config

from bench.churn import dashboard_state
from bench.fake_pods import NAMESPACE, FakePods, Say, fake_pods
from tests.viewer import Viewer
from tools.cluster.instance import CHECKOUT
from tools.deploy import secrets, target

VIEWERS = 100
PODS = 5
PER_SECOND = 5.0
SECONDS = 60.0
PROBE_SECONDS = 0.5
PONG_SECONDS = 5.0


@dataclass
class ViewersResult:
    viewers: int = 0
    delays: list[float] = field(default_factory=list)  # milliseconds, one for each viewer and change
    delays_alone: list[float] = field(default_factory=list)  # the same, with one viewer
    missing: int = 0  # changes that a viewer did not receive
    probes: dict[str, list[float]] = field(default_factory=lambda: {"/healthz": [], "/metrics": []})
    slow_clients: int = 0
    watches: dict[str, tuple[float, float]] = field(default_factory=dict)  # {kind: (with one viewer, with all)}
    memory: int = 0


class RecordingViewer(Viewer):
    """A viewer that records when it receives each restart count of a pod."""

    def __init__(self, dashboard: str, cookie: str) -> None:
        super().__init__(dashboard, cookie)
        self.received: dict[str, float] = {}  # {"<pod> <restarts>": epoch milliseconds}
        self._names: dict[str, str] = {}  # {uid: pod}

    def apply(self, name: str, message: Any) -> None:
        at = time.time() * 1000
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
                    self.received.setdefault(f"{self._names[path[1]]} {rest[0]}", at)


def measure(say: Say) -> ViewersResult:
    config.load_kube_config(str(CHECKOUT / ".cluster" / "kubeconfig"))  # type: ignore[no-untyped-call]
    result = ViewersResult()
    dashboard, cookie = f"http://127.0.0.1:{target.dashboard_port()}", _cookie()
    with fake_pods(PODS, say) as pods:
        time.sleep(2)
        say("one viewer")
        result.delays_alone, _ = _receive_changes(pods, RecordingViewer.several(1, dashboard, cookie), SECONDS / 3)
        watches = _metric("dashboard_api_watches")
        say(f"{VIEWERS} viewers and a stalled one")
        slow_clients = sum(_metric("dashboard_slow_clients_total").values())
        viewers = RecordingViewer.several(VIEWERS, dashboard, cookie, _cookie())
        finished = threading.Event()
        stalled = _connect_stalled(cookie)
        threading.Thread(target=_send_pongs, args=(stalled, finished), daemon=True).start()
        prober = threading.Thread(target=_probe, args=(result.probes, finished))
        prober.start()
        result.delays, result.missing = _receive_changes(pods, viewers, SECONDS)
        result.viewers = len(viewers)
        finished.set()
        prober.join()
        result.watches = {kind: (watches[kind], count) for kind, count in _metric("dashboard_api_watches").items()}
        result.slow_clients = int(sum(_metric("dashboard_slow_clients_total").values()) - slow_clients)
        result.memory = max(pod["memory_bytes"] or 0 for pod in dashboard_state()["pods"] if pod["app"] == "dashboard")
        stalled.close()
    return result


def report(result: ViewersResult) -> str:
    rows = [
        ("one viewer", result.delays_alone),
        (f"{result.viewers} viewers and a stalled one ({result.missing} changes not delivered)", result.delays),
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
        f" ({'the same' if same else 'NOT the same'} with one viewer). Viewers marked as slow clients: "
        f"{result.slow_clients}. Working set with {result.viewers} viewers: {result.memory / 2**20:.0f} MiB.",
    ]
    return "\n".join(lines)


def _receive_changes(pods: FakePods, viewers: list[RecordingViewer], seconds: float) -> tuple[list[float], int]:
    """Return the delays in milliseconds, and the number of changes not received."""
    time.sleep(3)
    pods.changes.clear()
    pods.churn(PER_SECOND, seconds)
    time.sleep(3)
    for viewer in viewers:
        viewer.close()
    changes = {key: at for key, at in pods.changes.items() if not key.endswith(" 0")}  # a new pod comes as an insert
    delays = [viewer.received[key] - at for key, at in changes.items() for viewer in viewers if key in viewer.received]
    return delays, len(changes) * len(viewers) - len(delays)


def _probe(times: dict[str, list[float]], finished: threading.Event) -> None:
    """Add response times in milliseconds. They include the API server's proxy, the only way to the pod's port."""
    api: Any = client.CoreV1Api()
    (pod,) = api.list_namespaced_pod(NAMESPACE, label_selector="app.kubernetes.io/name=dashboard").items
    while not finished.wait(PROBE_SECONDS):
        for path, samples in times.items():
            began = time.monotonic()
            api.connect_get_namespaced_pod_proxy_with_path(f"{pod.metadata.name}:9090", NAMESPACE, path[1:])
            samples.append((time.monotonic() - began) * 1000)


def _metric(name: str) -> dict[str, float]:
    """Return a metric of the dashboard as {value of its first label: figure}."""
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


def _connect_stalled(cookie: str) -> socket.socket:
    """Connect a viewer that reads nothing after the handshake, with the smallest receive buffer."""
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
    while b"pingInterval" not in connection.recv(4096):  # the server ignores messages sent before its open packet
        pass
    connection.sendall(_frame(b"40"))
    return connection


def _send_pongs(connection: socket.socket, finished: threading.Event) -> None:
    """Answer pings without reading them: the server disconnects a client that sends no pong."""
    while not finished.wait(PONG_SECONDS):
        with contextlib.suppress(OSError):
            connection.sendall(_frame(b"3"))


def _frame(text: bytes) -> bytes:
    """Return a masked WebSocket text frame, as clients must send."""
    mask = os.urandom(4)
    return bytes([0x81, 0x80 | len(text), *mask, *(byte ^ mask[index] for index, byte in enumerate(text))])
