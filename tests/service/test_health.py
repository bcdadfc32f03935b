"""Liveness and readiness, without a MongoDB."""

from __future__ import annotations

import json

from service.health import Health
from service.store import Unavailable


class Reachable:
    """Answers at the nth try."""

    def __init__(self, tries: int) -> None:
        self.tries = tries

    def reach(self) -> None:
        self.tries -= 1
        if self.tries:
            raise Unavailable("away")


def test_it_is_alive_and_not_ready_before_mongodb_was_reached() -> None:
    health = Health(lambda: False)
    assert health.live()[0] == 200
    status, body = health.ready()
    assert (status, json.loads(body)["status"]) == (503, 503)


def test_it_is_ready_once_mongodb_was_reached_and_until_the_drain(monkeypatch: object) -> None:
    draining: list[bool] = []
    health = Health(lambda: False)
    health.stop_when(lambda: bool(draining))
    health.reach(Reachable(2))  # type: ignore[arg-type]
    assert health.ready()[0] == 200
    draining.append(True)
    assert health.ready()[0] == 503
    assert health.live()[0] == 200
