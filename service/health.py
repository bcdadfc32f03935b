"""Liveness and readiness.

Liveness never asks MongoDB: restarting the service would not help MongoDB. Readiness waits for MongoDB once, at
start-up, and ignores later outages: a pod outside the Service could not retry requests through a restart of MongoDB.
Readiness ends when the drain begins, by preStop's marker file or by SIGTERM.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import orjson
from flask import Blueprint, Response

from service import logs
from service.store import Store, StoreError

RETRY_SECONDS = 0.5

Answer = tuple[int, bytes]


class Health:
    """The state that the probes report."""

    def __init__(self, draining: Callable[[], bool]) -> None:
        self._draining = [draining]
        self._reached = threading.Event()

    def stop_when(self, draining: Callable[[], bool]) -> None:
        """Add another condition under which the service drains."""
        self._draining.append(draining)

    def live(self) -> Answer:
        return 200, b'{"status":"alive"}'

    def ready(self) -> Answer:
        if any(draining() for draining in self._draining):
            return 503, _not_ready("The service is draining.")
        if not self._reached.is_set():
            return 503, _not_ready("MongoDB has not been reached yet.")
        return 200, b'{"status":"ready"}'

    def reach(self, store: Store) -> None:
        """Retry until MongoDB answers for the first time. Blocks: run it on its own thread."""
        logged = ""
        while not self._reached.is_set():
            try:
                store.reach()
            except StoreError as error:
                if str(error) != logged:
                    logged = str(error)
                    logs.write("waiting for mongodb", reason=logged)
                self._reached.wait(RETRY_SECONDS)
            else:
                self._reached.set()
                logs.write("ready")


def _not_ready(detail: str) -> bytes:
    return orjson.dumps({"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": detail})


def content_type(status: int) -> str:
    return "application/json" if status == 200 else "application/problem+json"


def blueprint(health: Health) -> Blueprint:
    """Return GET /healthz and /readyz on the API's port, for people. The kubelet uses the probe port."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return _response(health.live())

    @routes.get("/readyz")
    def readyz() -> Response:
        return _response(health.ready())

    return routes


def _response(answer: Answer) -> Response:
    status, body = answer
    return Response(body, status, content_type=content_type(status))
