"""Fixtures: the app and its process, stubs of the Kubernetes API, and a mongod that tests may kill."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from dashboard.kube.client import Configuration, KubeClient
from tests.dashboard.kube.manifests import CLAIM, HISTORY, LEASE, POD, RUNS, claim, manifest, pod
from tests.dashboard.kube.stubs import ManualClock, ObjectApi, StubApi
from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import OPERATOR, SESSION_KEY, VIEWER, Emitted
from tools.local.mongod import Mongod


@pytest.fixture
def config() -> DashboardConfig:
    return DashboardConfig(OPERATOR, VIEWER, SESSION_KEY, source="mock", viewers=5)


@pytest.fixture
def app(config: DashboardConfig) -> Flask:
    """The app with all its parts. None of its threads runs."""
    return create_app(config)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def dashboard() -> Iterator[DashboardProcess]:
    with DashboardProcess(viewers=8) as process:
        yield process


@pytest.fixture(scope="module")
def own_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A mongod that the module's tests may stop and kill, if they start it again."""
    with Mongod(tmp_path_factory.mktemp("own-mongod")) as started:
        yield started


@pytest.fixture
def emitted() -> Emitted:
    return Emitted()


@pytest.fixture
def api() -> Iterator[StubApi]:
    with StubApi() as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def object_api() -> Iterator[ObjectApi]:
    server = ObjectApi()
    for path, object_ in ((POD, pod()), (CLAIM, claim()), (RUNS, manifest("dashboard-runs-configmap"))):
        server.put(path, object_)
    server.put(LEASE, manifest("dashboard-lease"))
    server.put(HISTORY, manifest("dashboard-history-configmap"))
    with server:
        yield server


@pytest.fixture
def clients(object_api: ObjectApi) -> Callable[[float], KubeClient]:
    """A factory of clients of `object_api`, by their timeout in seconds."""
    return partial(KubeClient, Configuration(host=object_api.url))
