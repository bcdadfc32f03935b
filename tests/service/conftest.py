"""The service in two forms: the application in this process, and gunicorn as a pod runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import requests
from bson.objectid import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient
from pymongo.collection import Collection

from local.mongod import Mongod, free_port
from service.app import create_app
from service.config import Config

ROOT = Path(__file__).parents[2]
DATABASE = "in_process"


@pytest.fixture(scope="session")
def outside(mongod: Mongod) -> Iterator[MongoClient[dict[str, Any]]]:
    """The session's MongoDB, as another program sees it."""
    with MongoClient[dict[str, Any]](mongod.uri, w="majority", tz_aware=True) as client:
        yield client


@pytest.fixture(scope="session")
def app(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application on the session's MongoDB, in a database of its own."""
    drain_file = tmp_path_factory.mktemp("app") / "draining"
    made = create_app(Config(mongod.uri, DATABASE, request_deadline=5.0, drain_file=drain_file, version="1.2.3"))
    yield made
    made.extensions["service"].store.close()


@pytest.fixture
def client(app: Flask, outside: MongoClient[dict[str, Any]]) -> FlaskClient:
    """Asks the application, which has no documents yet."""
    for name in ("data", "proofs"):
        outside[DATABASE][name].delete_many({})
    return app.test_client()


@pytest.fixture
def collection(outside: MongoClient[dict[str, Any]]) -> Collection[dict[str, Any]]:
    """Where /data keeps its documents, as another program sees it."""
    return outside[DATABASE]["data"]


class Served:
    """gunicorn with the service's own configuration, on ports of its own."""

    def __init__(self, directory: Path, uri: str, **environment: str) -> None:
        self.port, self.probe_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.probes = f"http://127.0.0.1:{self.probe_port}"
        self.drain_file = directory / "draining"
        self.log = directory / f"gunicorn-{self.port}.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(directory),
            "MONGODB_URI": uri,
            "PORT": str(self.port),
            "PROBE_PORT": str(self.probe_port),
            "DRAIN_FILE": str(self.drain_file),
            "REQUEST_DEADLINE_SECONDS": "15",
            **environment,
        }

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "gunicorn", "--config", "python:service.server"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(25)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def wait_ready(self) -> Self:
        wait_until(lambda: self._probe("/readyz") == 200, 15, lambda: self.log.read_text())
        return self

    def wait_alive(self) -> Self:
        wait_until(lambda: self._probe("/healthz") == 200, 15, lambda: self.log.read_text())
        return self

    def _probe(self, path: str) -> int | None:
        try:
            return requests.get(self.probes + path, timeout=2).status_code
        except requests.ConnectionError:
            return None


@pytest.fixture
def served(mongod: Mongod, tmp_path: Path) -> Iterator[Served]:
    """gunicorn, ready, on the session's MongoDB."""
    with Served(tmp_path, mongod.uri, MONGODB_DATABASE=f"served_{ObjectId()}") as started:
        yield started.wait_ready()


def wait_until(condition: Callable[[], bool], seconds: float, explain: Callable[[], str] = lambda: "") -> None:
    """Polls until the condition holds; fails with the explanation if it doesn't in time."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"not within {seconds} s. {explain()}"
        time.sleep(0.02)
