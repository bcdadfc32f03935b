"""Prometheus metrics.

With several worker processes, each exposes the sum of all, through prometheus_client's multiprocess mode. `server` sets
that up before this module is imported.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import cache

from flask import Blueprint, Response
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
UNMATCHED = "unmatched"  # the route label of every unknown path: a scanner must not create new series
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
COMMAND_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class Metrics:
    """The service's metrics and their exposition."""

    def __init__(self, version: str, multiprocess: bool) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a third of all lines, and unused
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests_total", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self._durations = Histogram(
            "http_request_duration_seconds",
            "Time from a request's arrival in the application to its answer.",
            ["method", "route"],
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "http_requests_in_flight", "Requests being answered.", registry=registry, multiprocess_mode="livesum"
        )
        self._commands = Histogram(
            "mongodb_command_duration_seconds",
            "Time of a command sent to MongoDB, one observation per attempt.",
            ["command", "outcome"],
            buckets=COMMAND_BUCKETS,
            registry=registry,
        )
        self._up = Gauge(
            "mongodb_up", "Whether a primary is reachable.", registry=registry, multiprocess_mode="livemax"
        )
        build = Gauge(
            "service_build_info", "Constant 1.", ["version", "python"], registry=registry, multiprocess_mode="livemax"
        )
        # `labels` takes a lock and builds a tuple of strings at every call; there are few label sets, so cache them.
        self._requests_of = cache(self._requests.labels)
        self._durations_of = cache(self._durations.labels)
        self._commands_of = cache(self._commands.labels)
        build.labels(version, platform.python_version()).set(1)
        self._expose = self._of_all_processes if multiprocess else self._of_this_process
        if not multiprocess:  # in multiprocess mode these would cover one process only
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
            GCCollector(registry=registry)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        return self._expose()

    def command(self, name: str, outcome: str, seconds: float) -> None:
        self._commands_of(name, outcome).observe(seconds)

    def mongodb(self, up: bool) -> None:
        self._up.set(up)

    def begin(self) -> None:
        self._in_flight.inc()

    def end(self) -> None:
        self._in_flight.dec()

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count and time a request, labelled by route and never by path; `route` is None if none matched."""
        method = method if method in METHODS else "other"
        route = route or UNMATCHED
        self._requests_of(method, route, status).inc()
        self._durations_of(method, route).observe(seconds)

    def _of_this_process(self) -> bytes:
        return generate_latest(self._registry)

    def _of_all_processes(self) -> bytes:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def blueprint(exposition: Callable[[], bytes]) -> Blueprint:
    """Return GET /metrics."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(exposition(), content_type=CONTENT_TYPE)

    return routes
