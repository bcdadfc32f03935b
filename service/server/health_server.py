"""The probe port: /healthz, /readyz and /metrics from threads of their own.

gunicorn's threads may all be waiting for MongoDB; a probe that queued behind them would have the kubelet kill a pod
that is about to answer.
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

CLIENT_SECONDS = 5.0  # a client that says nothing is dropped

Answers = Mapping[str, Callable[[], tuple[int, str, bytes]]]


def answers(checks: health.Health, exposition: Callable[[], bytes]) -> Answers:
    """What each path of the probe port answers: status, content type, body."""

    def of(check: Callable[[], Answer]) -> tuple[int, str, bytes]:
        status, body = check()
        return status, health.content_type(status), body

    return {
        "/healthz": lambda: of(checks.live),
        "/readyz": lambda: of(checks.ready),
        "/metrics": lambda: (200, metrics.CONTENT_TYPE, exposition()),
    }


def start(host: str, port: int, paths: Answers) -> Probes:
    """Listens and answers until the process ends; returns the server, whose port is known even if 0 was asked for."""
    server = Probes((host, port), paths)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server


class Probes(ThreadingHTTPServer):
    """Several worker processes share the port: the kernel gives each connection to one of them."""

    daemon_threads = True
    paths: Answers

    def __init__(self, address: tuple[str, int], paths: Answers) -> None:
        self.paths = paths
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A prober that hangs up is nobody's error."""


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_SECONDS
    protocol_version = "HTTP/1.0"
    server: Probes

    def do_GET(self) -> None:
        answer = self.server.paths.get(self.path.partition("?")[0])
        status, kind, body = answer() if answer else (404, "application/problem+json", _NOT_FOUND)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds and say nothing new."""


_NOT_FOUND = b'{"type":"about:blank","title":"%b","status":404}' % HTTPStatus.NOT_FOUND.phrase.encode()
