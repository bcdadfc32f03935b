"""Liveness and readiness, without a MongoDB."""

from __future__ import annotations

import json

import pytest

from service import health as health_module
from service.health import Health
from service.store.outcomes import Refused, Unavailable


class ReachableStore:
    """A store that reaches MongoDB at the nth try."""

    def __init__(self, tries: int) -> None:
        self.tries = tries

    def reach(self) -> None:
        self.tries -= 1
        if self.tries:
            raise Unavailable("away")


def test_service_is_live_and_not_ready_before_mongodb_was_reached() -> None:
    health = Health(lambda: False)
    assert health.live()[0] == 200
    status, body = health.ready()
    assert (status, json.loads(body)["status"]) == (503, 503)


def test_service_is_ready_from_the_first_contact_with_mongodb_until_the_drain() -> None:
    draining: list[bool] = []
    health = Health(lambda: False)
    health.stop_when(lambda: bool(draining))
    health.reach(ReachableStore(2))  # type: ignore[arg-type]
    assert health.ready()[0] == 200
    draining.append(True)
    assert health.ready()[0] == 503
    assert health.live()[0] == 200


class FailingStore:
    """A store whose `reach` raises `error`, unless it is None."""

    error: Exception | None = None

    def reach(self) -> None:
        if self.error:
            raise self.error


def test_service_is_not_ready_while_mongodb_refuses_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(health_module.time, "monotonic", lambda: now)
    store, checks = FailingStore(), Health(lambda: False)
    checks.reach(store)  # type: ignore[arg-type]
    for error, passed, status in (
        (Unavailable("away"), 60, 200),
        (Refused("Authentication failed."), 0, 200),
        (Refused("Authentication failed."), 11, 503),
        (Unavailable("away"), 0, 503),
        (None, 0, 200),
        (Refused("Authentication failed."), 0, 200),
    ):
        now += passed
        store.error = error
        checks.check(store)  # type: ignore[arg-type]
        assert checks.ready()[0] == status
