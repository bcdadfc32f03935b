"""The application factory. It starts no thread and opens no port: `server` does, and tests need neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask

from service import errors, health, metrics
from service.application import Application
from service.config import ServiceConfig
from service.health import Health
from service.metrics import Metrics
from service.routes import documents, openapi, welcome
from service.store.client import Store
from webserver.forwarded import Forwarded

PROOF_LIFETIME_SECONDS = 3600


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
        config.mongodb_uri, config.mongodb_database, config.request_deadline, instruments, threads=config.threads
    )
    checks = Health(draining or config.drain_file.exists)

    app = Application(__name__, instruments, config.allowed_hosts, store.limits.begin)
    app.extensions["service"] = Parts(store, checks, instruments)
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
