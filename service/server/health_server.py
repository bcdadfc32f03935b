"""The health server: /healthz, /readyz and /metrics on the probe port, from threads of its own.

All of gunicorn's threads may be waiting for MongoDB. A probe that queued behind them would time out, and the kubelet
would restart a healthy pod.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from service import health, metrics
from service.health import Answer

CLIENT_SECONDS = 5.0  # a client that sends nothing for this long is disconnected

Answers = Mapping[str, Callable[[], tuple[int, str, bytes]]]


def answers(checks: health.Health, exposition: Callable[[], bytes]) -> Answers:
    """Return a function per path, which returns status, content type and body."""

    def respond(check: Callable[[], Answer]) -> tuple[int, str, bytes]:
        status, body = check()
        return status, health.content_type(status), body

    return {
        "/healthz": lambda: respond(checks.live),
        "/readyz": lambda: respond(checks.ready),
        "/metrics": lambda: (200, metrics.CONTENT_TYPE, exposition()),
    }


def start(host: str, port: int, paths: Answers) -> HealthServer:
    """Start the server on a daemon thread and return it. Port 0 lets the kernel choose one."""
    server = HealthServer((host, port), paths)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server


class HealthServer(ThreadingHTTPServer):
    """An HTTP server whose port several worker processes share: the kernel gives each connection to one of them."""

    daemon_threads = True
    paths: Answers

    def __init__(self, address: tuple[str, int], paths: Answers) -> None:
        self.paths = paths
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect early."""


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_SECONDS
    protocol_version = "HTTP/1.0"
    server: HealthServer

    def do_GET(self) -> None:
        answer = self.server.paths.get(self.path.partition("?")[0])
        status, kind, body = answer() if answer else (404, "application/problem+json", _NOT_FOUND)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: probes arrive every few seconds."""


_NOT_FOUND = b'{"type":"about:blank","title":"%b","status":404}' % HTTPStatus.NOT_FOUND.phrase.encode()
