"""A Kubernetes API that replays streams, a mongod that may be killed, and the app as gunicorn serves it."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from dashboard.kube.client import Configuration, KubeClient
from tests.dashboard.kube.manifests import CLAIM, LEASE, POD, RUNS, claim, manifest, pod
from tests.dashboard.kube.stubs import Clock
from tests.dashboard.objects import ObjectApi
from tests.dashboard.stubs import OPERATOR, SESSION_KEY, VIEWER, Emitted, Served, StubApi
from tools.local.mongod import Mongod


@pytest.fixture
def config() -> DashboardConfig:
    return DashboardConfig(OPERATOR, VIEWER, SESSION_KEY, source="mock", viewers=5)


@pytest.fixture
def app(config: DashboardConfig) -> Flask:
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
def emitted() -> Emitted:
    return Emitted()


@pytest.fixture
def api() -> Iterator[StubApi]:
    server = StubApi().start()
    yield server
    server.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def object_api() -> Iterator[ObjectApi]:
    server = ObjectApi()
    for path, object_ in ((POD, pod()), (CLAIM, claim()), (RUNS, manifest("dashboard-runs-configmap"))):
        server.put(path, object_)
    server.put(LEASE, manifest("dashboard-lease"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def clients(object_api: ObjectApi) -> Callable[[float], KubeClient]:
    return partial(KubeClient, Configuration(host=object_api.url))
