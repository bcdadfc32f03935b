"""What every test may ask for: a real mongod, shared by the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from local.mongod import Mongod

# A first draw builds Unicode tables for a second, and a shared machine stalls at will: neither is a finding.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

FIXTURES_WITH_MONGOD = {"mongod", "own_mongod", "guarded_mongod"}


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A running one-member replica set. Tests that stop or kill it take `own_mongod` instead."""
    yield from _running(Mongod(tmp_path_factory.mktemp("mongod")))


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """A running one-member replica set that the test may stop and kill."""
    yield from _running(Mongod(tmp_path / "mongod"))


def _running(mongod: Mongod) -> Iterator[Mongod]:
    """Killed at the end: its data is thrown away, and an orderly end takes a second."""
    mongod.start()
    yield mongod
    mongod.kill()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as `mongod` whatever uses one, so that `make check` can leave it out."""
    for item in items:
        if FIXTURES_WITH_MONGOD & set(getattr(item, "fixturenames", ())):
            item.add_marker("mongod")
