"""The service in two forms: the application in this process, and gunicorn as a pod runs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson.objectid import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient
from pymongo.collection import Collection

from service.app import create_app
from service.config import ServiceConfig
from tests.service.process import ServiceProcess
from tools.local.mongod import Mongod

DATABASE = "in_process"


@pytest.fixture(scope="session")
def outside(mongod: Mongod) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client of the session's MongoDB, beside the service's own."""
    with MongoClient[dict[str, Any]](mongod.uri, w="majority", tz_aware=True) as client:
        yield client


@pytest.fixture(scope="session")
def app(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application on the session's MongoDB, in a database of its own."""
    drain_file = tmp_path_factory.mktemp("app") / "draining"
    made = create_app(ServiceConfig(mongod.uri, DATABASE, request_deadline=5.0, drain_file=drain_file, version="1.2.3"))
    yield made
    made.extensions["service"].store.close()


@pytest.fixture
def client(app: Flask, outside: MongoClient[dict[str, Any]]) -> FlaskClient:
    """A client of the application, which has no documents yet."""
    for name in ("data", "proofs"):
        outside[DATABASE][name].delete_many({})
    return app.test_client()


@pytest.fixture
def collection(outside: MongoClient[dict[str, Any]]) -> Collection[dict[str, Any]]:
    """The collection behind /data, through a client beside the service's own."""
    return outside[DATABASE]["data"]


@pytest.fixture(scope="session")
def served(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """The service as a ready process, on the session's MongoDB. Tests that use it must restore what they change."""
    directory = tmp_path_factory.mktemp("served")
    with ServiceProcess(directory, mongod.uri, MONGODB_DATABASE=f"served_{ObjectId()}") as started:
        yield started.wait_ready()
