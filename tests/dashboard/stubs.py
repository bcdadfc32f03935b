"""An ear for a source's events, a Kubernetes API that replays streams, and the dashboard as its container runs it."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from dashboard.core import events
from tools.local.mongod import dies_with_parent, free_port

OPERATOR = "Op9-kq3Zr7Lw2Xv8Tn5B"
READY_SECONDS = 120.0  # on a machine that is very busy; two, on one that is not
STOP_SECONDS = 60.0  # likewise: the dashboard takes up to 12 s for its requests under way
VIEWER = "Vi4-hd6Ys1Mj0Qc7Gp2E"
SESSION_KEY = "Se8-ua5Fk2Wb9Rx3Nz6H"
ROOT = Path(__file__).parents[2]
STREAMS = ROOT / "tests" / "streams"

Measured = Callable[[str, float, float], None]  # what, seconds, promised: the fixture `measured`


class Emitted(list[events.Event]):
    """The events that a source emitted, in order, to be waited for."""

    def __init__(self) -> None:
        self._more = threading.Condition()

    def __call__(self, told: events.Event) -> None:
        with self._more:
            self.append(told)
            self._more.notify_all()

    def of(self, type_: type[Any], *kinds: str) -> list[Any]:
        return [told for told in self if isinstance(told, type_) and (not kinds or getattr(told, "kind", "") in kinds)]

    def wait(self, condition: Callable[["Emitted"], Any], seconds: float = 90) -> Any:
        end = time.monotonic() + seconds
        with self._more:
            while not (found := condition(self)):
                assert time.monotonic() < end, f"not emitted within {seconds} s: {self!r}"
                self._more.wait(0.1)  # it may wait for something that is not told as well
            return found


class StubApi(ThreadingHTTPServer):
    """Answers as an API server does: what is scripted for a path in order, elsewhere empty lists and quiet watches.

    While `refusal` is set, it answers everything with that; while it is `hung`, it takes requests and answers none.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), StubHandler)
        self.requests: list[tuple[float, str, dict[str, str]]] = []
        self.scripts: dict[str, list[dict[str, Any]]] = {}
        self.metrics: list[dict[str, Any]] = []
        self.metrics_status = 200
        self.refusal: tuple[int, dict[str, str]] | None = None  # status and headers
        self.refused_paths = ("/",)  # how the paths begin that the refusal is for
        self.token: str | None = None  # the only one that is let in
        self.answering = threading.Event()
        self.answering.set()
        self.open: dict[str, StubHandler] = {}  # path → the watch that is held open
        self.opened = threading.Condition()
        self.connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    def start(self) -> "StubApi":
        self._thread.start()
        return self

    def stop(self) -> None:
        """As a process that is killed: every connection ends with it."""
        self.answering.set()
        self.shutdown()
        self.socket.close()
        self.end_watches()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def end_watches(self) -> None:
        """As a server does whose time for them is up."""
        with self.opened:
            for handler in self.open.values():
                handler.ended.set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is what these tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def play(self, name: str) -> str:
        stream = json.loads((STREAMS / f"{name}.json").read_text())
        self.scripts[stream["path"]] = list(stream["exchanges"])
        return str(stream["path"])

    def asked(self, path: str) -> list[dict[str, str]]:
        return [query for _, asked, query in self.requests if asked == path]

    def times(self, path: str) -> list[float]:
        return [at for at, asked, _ in self.requests if asked == path]

    def wait_for_watch(self, path: str) -> "StubHandler":
        with self.opened:
            assert self.opened.wait_for(lambda: path in self.open, 30), f"no watch of {path}"
            return self.open[path]


class StubHandler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # or each answer in two writes waits 40 ms for an ACK
    protocol_version = "HTTP/1.1"
    server: StubApi

    def setup(self) -> None:
        super().setup()
        self.ended = threading.Event()  # the watch that it holds

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self.server.requests.append((time.monotonic(), url.path, query))
        self.server.answering.wait(120)
        if self.server.token and self.headers["Authorization"] != f"Bearer {self.server.token}":
            self._refuse(401, {})
        elif self.server.refusal and url.path.startswith(self.server.refused_paths):
            self._refuse(*self.server.refusal)
        elif exchange := self._next(url.path, query):
            self._exchange(url.path, exchange)
        elif url.path == "/version":
            self._answer(200, {"major": "1", "minor": "36", "gitVersion": "v1.36.3", "platform": "linux/amd64"})
        elif url.path.startswith("/apis/metrics.k8s.io/"):
            items = {"kind": "PodMetricsList", "metadata": {}, "items": self.server.metrics}
            self._answer(self.server.metrics_status, items)
        elif query.get("watch"):
            self._exchange(url.path, {"lines": [], "then": "hold"})
        else:
            self._answer(200, {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": None})

    def _next(self, path: str, query: dict[str, str]) -> dict[str, Any] | None:
        script = self.server.scripts.get(path)
        if not script:
            return None
        for exchange in list(script):
            fits = all(query.get(name) == value for name, value in exchange["query"].items())
            if fits and ("continue" in query) == ("continue" in exchange["query"]):
                if not exchange.get("repeat"):
                    script.remove(exchange)
                return exchange
        return None

    def _exchange(self, path: str, exchange: dict[str, Any]) -> None:
        if "body" in exchange:
            return self._answer(exchange["status"], exchange["body"])
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in exchange["lines"]:
            self.line(line if isinstance(line, str) else json.dumps(line))
        self.close_connection = True
        if exchange["then"] == "drop":
            self.wfile.write(b'40\r\n{"type":"MODIFIED","obj')
        elif exchange["then"] == "end":
            self.wfile.write(b"0\r\n\r\n")
        else:
            with self.server.opened:
                self.server.open[path] = self
                self.server.opened.notify_all()
            self._hold(path)

    def _hold(self, path: str) -> None:
        """Until the server ends, or its watches, or the client goes."""
        self.ended.wait(120)
        with self.server.opened:
            if self.server.open.get(path) is self:
                del self.server.open[path]
        with contextlib.suppress(OSError):
            self.wfile.write(b"0\r\n\r\n")

    def line(self, text: str) -> None:
        data = text.encode(errors="surrogateescape") + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _refuse(self, status: int, headers: dict[str, str]) -> None:
        words = {"kind": "Status", "status": "Failure", "message": HTTPStatus(status).phrase, "code": status}
        self._answer(status, words, headers)

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """The requests are recorded instead."""


class Served:
    """The dashboard as its container runs it, on the mock source, and where to find it. `options` are its MOCK_…."""

    def __init__(self, viewers: int, **options: str) -> None:
        self.port, self.probe_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            "PATH": os.environ["PATH"],
            "DASHBOARD_SOURCE": "mock",
            "OPERATOR_TOKEN": OPERATOR,
            "VIEWER_TOKEN": VIEWER,
            "SESSION_KEY": SESSION_KEY,
            "PORT": str(self.port),
            "PROBE_PORT": str(self.probe_port),
            "MAX_VIEWERS": str(viewers),
            **options,
        }
        self.start()

    def __enter__(self) -> Self:
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *dies_with_parent(), sys.executable, "-m", "gunicorn",
                "--config", "dashboard/gunicorn.conf.py", "dashboard.app:create_app()",
            ],
            cwd=ROOT,
            env=self._environment,
        )

    def wait_until_ready(self) -> None:
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            try:
                with urlopen(f"http://127.0.0.1:{self.probe_port}/readyz") as answer:
                    assert answer.status == 200
                    return
            except URLError:
                time.sleep(0.05)
        self.process.kill()
        self.process.wait()
        raise AssertionError(f"the dashboard is not ready within {READY_SECONDS:g} s")

    def stop(self) -> None:
        """As a pod ends. One that does not end in time is killed, and fails the test."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
