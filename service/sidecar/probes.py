"""The probes of a member that may come and go, and its metrics, on a port of the sidecar's.

    GET /readyz    200 if mongod is PRIMARY or SECONDARY of the set, else 503
    GET /leave     before the pod ends: answers once the set has removed the member, or at once if the member stays
    GET /metrics   mongod's figures (figures.py)

A thread for each request, a few at once, since /leave waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

import orjson
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from service import logs
from service.sidecar.bounded_server import BoundedServer
from service.sidecar.scale import Replicas, ScaleUnknown

CLIENT_SECONDS = 5.0  # for a request to arrive
AT_ONCE = 8  # requests
LEAVE_SECONDS = 90.0  # the pod's grace period must be longer by a shutdown of mongod
UNKNOWN_SECONDS = 10.0  # without knowing whether the member is to go
POLL_SECONDS = 0.5

JSON = "application/json"

Hello = Callable[[], dict[str, Any] | None]  # mongod's answer; None if there is none
Exposition = Callable[[], bytes]  # the metrics in Prometheus's text format


class SidecarProbes:
    """The answers, from mongod's `hello`, the scale and the member's ordinal."""

    def __init__(self, hello: Hello, scale: Callable[[], Replicas], ordinal: int) -> None:
        self._hello = hello
        self._scale = scale
        self._ordinal = ordinal

    def ready(self) -> tuple[HTTPStatus, str]:
        hello = self._hello()
        if hello is None:
            return HTTPStatus.SERVICE_UNAVAILABLE, "mongod does not answer"
        if "setName" in hello and (hello["isWritablePrimary"] or hello["secondary"]):
            return HTTPStatus.OK, "PRIMARY" if hello["isWritablePrimary"] else "SECONDARY"
        return HTTPStatus.SERVICE_UNAVAILABLE, "mongod is no member yet"

    def leave(self) -> tuple[HTTPStatus, str]:
        began = time.monotonic()
        while (waited := time.monotonic() - began) < LEAVE_SECONDS:
            try:
                if self._ordinal < self._scale().wanted:
                    return HTTPStatus.OK, "stays"
            except ScaleUnknown:
                if waited > UNKNOWN_SECONDS:
                    return HTTPStatus.SERVICE_UNAVAILABLE, "unknown"
            else:
                hello = self._hello()
                if hello is not None and "setName" not in hello:
                    return HTTPStatus.OK, "left"
            time.sleep(POLL_SECONDS)
        return HTTPStatus.SERVICE_UNAVAILABLE, "still a member"


class ProbeServer(BoundedServer):
    def __init__(self, port: int, probes: SidecarProbes, metrics: Exposition) -> None:
        self.routes = {"/readyz": probes.ready, "/leave": probes.leave}
        self.metrics = metrics
        self.scrape = threading.Lock()
        super().__init__(("", port), ProbeHandler, AT_ONCE)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="probes", daemon=True).start()


class ProbeHandler(BaseHTTPRequestHandler):
    timeout = CLIENT_SECONDS
    protocol_version = "HTTP/1.0"
    server: ProbeServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer_metrics()
            return
        route = self.server.routes.get(path)
        status, word = route() if route else (HTTPStatus.NOT_FOUND, "unknown path")
        if path == "/leave":
            logs.write("leave", outcome=word)
        self._answer(status, JSON, orjson.dumps({"status": word}))

    def _answer_metrics(self) -> None:
        """One at a time: mongod may be slow, and the probes must find a free thread."""
        if not self.server.scrape.acquire(blocking=False):
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, JSON, orjson.dumps({"status": "another scrape goes on"}))
            return
        try:
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, self.server.metrics())
        finally:
            self.server.scrape.release()

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds and say nothing new."""
