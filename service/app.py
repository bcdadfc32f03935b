"""The application factory. It starts no thread and opens no port: `server` does, and tests need neither."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import MisdirectedRequest

from service import errors, health, logs, metrics
from service.config import ServiceConfig
from service.health import Health
from service.metrics import Metrics
from service.routes import documents, openapi, welcome
from service.store import Store
from webserver import hosts
from webserver.forwarded import Forwarded

PROOF_LIFETIME_SECONDS = 3600

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"(?P<more>-[\x21-\x7e]*)?"
)


class Application(Flask):
    """Flask without the check, before every call, whether a view is a coroutine: none is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


@dataclass(frozen=True, slots=True)
class Parts:
    """The objects that `server` needs besides the routes."""

    store: Store
    health: Health
    metrics: Metrics


def create_app(config: ServiceConfig | None = None, draining: Callable[[], bool] | None = None) -> Flask:
    """Return the application, with its Parts in `app.extensions["service"]`."""
    config = config or ServiceConfig.from_environment()
    instruments = Metrics(config.version, multiprocess=config.workers > 1)
    store = Store(
        config.mongodb_uri, config.mongodb_database, config.request_deadline, instruments, pool=config.threads + 4
    )
    checks = Health(draining or config.drain_file.exists)

    app = Application(__name__, static_folder=None)
    app.extensions["service"] = Parts(store, checks, instruments)
    instruments.observe(app)
    app.before_request(_identify)
    app.before_request(partial(_check_host, config.allowed_hosts))
    app.after_request(_log)
    app.after_request(_label)
    app.register_blueprint(welcome.blueprint(config.version))
    app.register_blueprint(documents.blueprint("data", store.collection("data")))
    app.register_blueprint(documents.blueprint("proofs", store.collection("proofs", PROOF_LIFETIME_SECONDS)))
    app.register_blueprint(health.blueprint(checks))
    app.register_blueprint(openapi.blueprint(config.version))
    app.register_blueprint(metrics.blueprint(instruments.exposition))
    errors.register(app)
    if config.trusted_proxies:
        app.wsgi_app = Forwarded(app.wsgi_app, config.trusted_proxies)  # type: ignore[method-assign]
    return app


def _identify() -> None:
    """Set the request's id (the client's if it is valid, else a new one) and trace. Logs, errors and the response
    carry both."""
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else _new_id()
    g.trace = _trace(request.headers.get("traceparent", ""))


def _new_id() -> str:
    """Return an id that is no secret: the system's random numbers would cost a system call, which releases the GIL."""
    return f"{random.getrandbits(64):016x}"


def _check_host(allowed: frozenset[str]) -> None:
    if not hosts.is_own(request.headers.get("Host", ""), allowed):
        raise MisdirectedRequest("The service is not asked by this name: list it in ALLOWED_HOSTS.")


def _trace(traceparent: str) -> dict[str, str]:
    """Return the log fields for a W3C traceparent; empty if it is missing or invalid."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if not match or (match["version"] == "00" and match["more"]):  # only a later version may have more fields
        return {}
    return {"trace_id": match["trace"]}


def _label(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    if g.trace:
        response.headers["traceparent"] = request.headers["traceparent"]
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _log(response: Response) -> Response:
    logs.write(
        "request",
        method=request.method,
        path=request.path,
        status=response.status_code,
        address=request.remote_addr,
        seconds=round(time.perf_counter() - g.began, 6),
        request_id=g.request_id,
        **g.trace,
    )
    return response
