"""The session's foreign cluster, empty before each test."""

from collections.abc import Iterator

import pytest

from tests.clusters.foreign import ForeignCluster


@pytest.fixture(scope="session")
def running() -> Iterator[ForeignCluster]:
    made = ForeignCluster()
    made.stop()  # an interrupted session may have left one
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def cluster(running: ForeignCluster) -> Iterator[ForeignCluster]:
    running.clear()
    yield running
    running.clear()
