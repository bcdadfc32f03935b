"""Liveness and readiness.

Liveness never asks MongoDB: restarting the service would not help MongoDB. Readiness waits for MongoDB once, at
start-up, and ignores later outages: a pod outside the Service could not retry requests through a restart of MongoDB.
Readiness ends while MongoDB refuses the service's user for longer than a restart takes, and when the drain begins, by
preStop's marker file or by SIGTERM.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import orjson
from flask import Blueprint, Response

from service import logs
from service.store.client import Store
from service.store.outcomes import Refused, Replaced, StoreError

RETRY_SECONDS = 0.5
CHECK_SECONDS = 5.0  # between two checks of the user
REPLACED_SECONDS = 15.0  # a primary that has lost its majority steps down sooner, after 10
REFUSED_SECONDS = 10.0  # after its start, MongoDB may not know its users yet

Answer = tuple[int, bytes]


class Health:
    """The state that the probes report."""

    def __init__(self, draining: Callable[[], bool]) -> None:
        self._draining = [draining]
        self._reached = threading.Event()
        self._refused_since: float | None = None
        self._replaced_since: float | None = None

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
        since = self._refused_since
        if since is not None and time.monotonic() - since >= REFUSED_SECONDS:
            return 503, _not_ready("MongoDB refuses the service's user: its password or its roles have changed.")
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

    def watch(self, store: Store) -> None:
        """Check the user and the replica set from now on. Blocks: run it on its own thread."""
        while True:
            time.sleep(CHECK_SECONDS)
            self.check(store)

    def check(self, store: Store) -> None:
        replaced_since, self._replaced_since = self._replaced_since, None
        try:
            store.reach()
        except Refused as error:
            if self._refused_since is None:
                self._refused_since = time.monotonic()
                logs.write("refused by mongodb", reason=str(error))
        except Replaced as error:
            self._replaced_since = replaced_since or time.monotonic()
            if time.monotonic() - self._replaced_since >= REPLACED_SECONDS:
                logs.write("another replica set", reason=str(error))
                store.reconnect()
        except StoreError:
            pass  # an outage says nothing about the user
        else:
            self._refused_since = None


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
