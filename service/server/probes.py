"""The paths of the service's health server."""

from __future__ import annotations

from collections.abc import Callable

from service import health, metrics
from webserver.health_server import Answer, Answers


def answers(checks: health.Health, exposition: Callable[[], bytes]) -> Answers:
    """Return the answers by path."""

    def respond(check: Callable[[], health.Answer]) -> Answer:
        status, body = check()
        return status, health.content_type(status), body

    return {
        "/healthz": lambda: respond(checks.live),
        "/readyz": lambda: respond(checks.ready),
        "/metrics": lambda: (200, metrics.CONTENT_TYPE, exposition()),
    }
