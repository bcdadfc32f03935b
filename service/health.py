"""Liveness and readiness.

Liveness never asks MongoDB: restarting the service heals nothing there. Readiness waits for MongoDB once, at the start,
and does not follow it afterwards: pods that left the Service during a restart of MongoDB would refuse the very requests
that ride through it. It ends when the drain begins, by the marker that preStop leaves or by SIGTERM.
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
    """What the probes are told."""

    def __init__(self, draining: Callable[[], bool]) -> None:
        self._draining = [draining]
        self._reached = threading.Event()

    def stop_when(self, draining: Callable[[], bool]) -> None:
        """Adds another sign that the drain has begun."""
        self._draining.append(draining)

    def live(self) -> Answer:
        return 200, b'{"status":"alive"}'

    def ready(self) -> Answer:
        if any(sign() for sign in self._draining):
            return 503, _not_ready("The service is draining.")
        if not self._reached.is_set():
            return 503, _not_ready("MongoDB was not reached yet.")
        return 200, b'{"status":"ready"}'

    def reach(self, store: Store) -> None:
        """Tries until MongoDB answers for the first time; for a thread of its own, so that nothing waits for it."""
        said = ""
        while not self._reached.is_set():
            try:
                store.reach()
            except StoreError as error:
                if str(error) != said:
                    said = str(error)
                    logs.write("waiting for mongodb", reason=said)
                self._reached.wait(RETRY_SECONDS)
            else:
                self._reached.set()
                logs.write("ready")


def _not_ready(detail: str) -> bytes:
    return orjson.dumps({"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": detail})


def content_type(status: int) -> str:
    return "application/json" if status == 200 else "application/problem+json"


def blueprint(health: Health) -> Blueprint:
    """GET /healthz and /readyz, for people: the kubelet asks on the probe port."""
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
