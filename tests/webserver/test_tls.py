"""MONGODB_CA_FILE: each client of MongoDB verifies its certificate, and takes no answer from one with another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from dashboard import config
from dashboard.core import events
from dashboard.runs.workload.mongo_reader import MongoReader
from dashboard.sources.mongo import MongoSource
from service.backup.archive import BackupError, Writer
from service.backup.database import Database
from service.config import BackupConfig, ServiceConfig, SidecarConfig
from service.metrics import Metrics
from service.sidecar.replica_set import Sidecar
from service.store.client import Store
from service.store.outcomes import StoreError
from tests.dashboard.stubs import OPERATOR, SESSION_KEY, VIEWER, Emitted, wait_until
from tests.tls import Certificates, made, of_another_name
from tools.local.mongod import Mongod

SECRETS = {"OPERATOR_TOKEN": OPERATOR, "VIEWER_TOKEN": VIEWER, "SESSION_KEY": SESSION_KEY}
SOURCE_SECONDS = 10.0  # in which the source has read, or its driver has given up

Environment = dict[str, str]


def service(environment: Environment, _: Path) -> bool:
    """Return whether the service reaches MongoDB."""
    uri = ServiceConfig.from_environment(environment).mongodb_uri
    store = Store(uri, "db", 5.0, Metrics("0", multiprocess=False))
    try:
        store.reach()
    except StoreError:
        return False
    finally:
        store.close()
    return True


def backup(environment: Environment, directory: Path) -> bool:
    uri = BackupConfig.from_environment(environment).mongodb_uri
    try:
        with Database(f"{uri}&connectTimeoutMS=2000", "db") as database, Writer(directory, "one") as writer:
            database.backup(("data",), writer)
    except BackupError:
        return False
    return True


def reader(environment: Environment, _: Path) -> bool:
    made = MongoReader(config.read(SECRETS | environment).mongodb_uri, "db")
    found = made.primary()
    made.close()
    return found is not None


def source(environment: Environment, _: Path) -> bool:
    emitted = Emitted()
    made = MongoSource(config.read(SECRETS | environment).mongodb_uri, "db", "data", emitted)
    made.start()
    deadline = time.monotonic() + SOURCE_SECONDS
    while not (found := emitted.of(events.CollectionRead)) and time.monotonic() < deadline:
        time.sleep(0.05)
    made.stop()
    return bool(found)


def sidecar(environment: Environment, _: Path) -> bool:
    made = Sidecar(SidecarConfig.from_environment(environment))
    found = made.hello()
    made._anyone.close()
    return found is not None


PROGRAMS = (service, backup, reader, source, sidecar)

Program = Callable[[Environment, Path], bool]


@pytest.fixture(autouse=True)
def shorter_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.backup.database.REACH_MS", 3000)


@pytest.fixture(scope="module")
def misnamed_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mongod, Certificates]]:
    """A mongod whose certificate is of the same authority, and for another name."""
    certificates = of_another_name(tmp_path_factory.mktemp("misnamed"))
    mongod = Mongod(tmp_path_factory.mktemp("misnamed_mongod"), tls=certificates.pair)
    mongod.start()
    yield mongod, certificates
    mongod.kill()


def environment(mongod: Mongod, authority: Path | None) -> Environment:
    ca_file = {"MONGODB_CA_FILE": str(authority)} if authority else {}
    return {"MONGODB_URI": mongod.uri, "MONGOD_PORT": str(mongod.port), **ca_file}


@pytest.mark.parametrize("program", PROGRAMS)
def test_client_that_knows_the_authority_is_answered(
    program: Program, tls_mongod: Mongod, certificates: Certificates, tmp_path: Path
) -> None:
    known = environment(tls_mongod, certificates.authority)
    wait_until(lambda: program(known, tmp_path))  # some wait for a second only, which a busy machine may take


@pytest.mark.parametrize("program", PROGRAMS)
def test_client_without_tls_is_refused(program: Program, tls_mongod: Mongod, tmp_path: Path) -> None:
    assert not program(environment(tls_mongod, None), tmp_path)


@pytest.mark.parametrize("program", PROGRAMS)
def test_client_of_another_authority_refuses(program: Program, tls_mongod: Mongod, tmp_path: Path) -> None:
    assert not program(environment(tls_mongod, made(tmp_path / "another").authority), tmp_path)


@pytest.mark.mongod
@pytest.mark.parametrize("program", PROGRAMS)
def test_client_refuses_a_certificate_for_another_name(
    program: Program, misnamed_mongod: tuple[Mongod, Certificates], tmp_path: Path
) -> None:
    mongod, certificates = misnamed_mongod
    assert not program(environment(mongod, certificates.authority), tmp_path)


@pytest.mark.mongod
def test_certificate_for_another_name_is_the_only_fault_of_that_mongod(
    misnamed_mongod: tuple[Mongod, Certificates],
) -> None:
    mongod, certificates = misnamed_mongod
    with MongoClient[dict[str, Any]](
        "127.0.0.1", mongod.port, directConnection=True, tls=True, tlsCAFile=str(certificates.authority),
        tlsAllowInvalidHostnames=True,
    ) as client:  # fmt: skip
        assert client.admin.command("hello")["ok"] == 1
