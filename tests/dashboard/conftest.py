"""A Kubernetes API that replays streams, a mongod that may be killed, and the app as gunicorn serves it."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.app import create_app
from dashboard.config import Config
from local.mongod import Mongod
from tests.dashboard.stubs import OPERATOR, SESSION_KEY, VIEWER, Heard, Served, StubApi


@pytest.fixture
def config() -> Config:
    return Config(OPERATOR, VIEWER, SESSION_KEY, source="fake", viewers=5)


@pytest.fixture
def app(config: Config) -> Flask:
    """Everything joined, nothing started."""
    return create_app(config)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served(viewers=4) as dashboard:
        yield dashboard


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
    server = StubApi().start()
    yield server
    server.stop()
