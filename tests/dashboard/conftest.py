"""A Kubernetes API that replays streams, a mongod that may be killed, and the app as gunicorn serves it."""

import threading
from collections.abc import Iterator

import pytest

from dashboard.config import Config
from local.mongod import Mongod
from tests.dashboard.stubs import Heard, StubApi

OPERATOR = "Op9-kq3Zr7Lw2Xv8Tn5B"
VIEWER = "Vi4-hd6Ys1Mj0Qc7Gp2E"


@pytest.fixture
def config() -> Config:
    return Config(
        operator_token=OPERATOR, viewer_token=VIEWER, session_key="Se8-ua5Fk2Wb9Rx3Nz6H", source="fake", viewers=5
    )


@pytest.fixture(scope="module")
def own_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """One that the module's tests may stop and kill, if they start it again."""
    with Mongod(tmp_path_factory.mktemp("own-mongod")) as started:
        yield started


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def api() -> Iterator[StubApi]:
    server = StubApi()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()
