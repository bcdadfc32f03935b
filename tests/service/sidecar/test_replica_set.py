"""The sidecar as a process, on mongods with a key file."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from tests.service.exposition import figures
from tests.service.interceptor import Interceptor
from tests.tls import Certificates
from tools.local.mongod import Mongod, free_port

ROOT = Path(__file__).parents[3]
CERTIFICATE_ENDS = "mongodb_certificate_expiry_timestamp_seconds"
SECRET = {f"{name}-password": f"{name}-@:/%-0123456789" for name in ("admin", "service", "dashboard")}


class RunningSidecar:
    """A sidecar process, its log, and the directory of its Secret."""

    def __init__(self, mongod: Mongod, log: Path, secret: Path, **environment: str) -> None:
        self._log = log
        self._environment = {
            "PATH": os.environ["PATH"],
            "MONGOD_PORT": str(mongod.port),
            "MEMBERS": f"localhost:{mongod.port}",
            "POD_NAME": "mongodb-0",
            "HOSTNAME": "localhost",
            "KEY_FILE": str(mongod.directory / "key"),
            "USERS": str(secret),
            **environment,
        }

    def __enter__(self) -> RunningSidecar:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service.sidecar"], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self._log.read_text().splitlines()]

    def settle(self, times: int = 1) -> list[str]:
        """Wait until it has settled so often. Return its events, without what it waited for on a busy machine."""
        deadline = time.monotonic() + 120
        while self.events().count("settled") < times:
            assert time.monotonic() < deadline and self.process.poll() is None, self._log.read_text()
            time.sleep(0.05)
        return [event for event in self.events() if event != "waiting"]


@pytest.fixture
def guarded_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """A new pod's mongod: a key file, no replica set, no users."""
    mongod = Mongod(tmp_path / "guarded", auth=True)
    mongod.start()
    yield mongod
    mongod.kill()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    directory = tmp_path / "users"
    directory.mkdir()
    put(directory, **SECRET)
    return directory


def put(secret: Path, **values: str) -> None:
    for name, value in values.items():
        (secret / name).write_text(value)


@contextlib.contextmanager
def opened(port: int, user: str, password: str | None = None) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](
        "127.0.0.1",
        port,
        directConnection=True,
        username=user,
        password=password or SECRET[f"{user}-password"],
        serverSelectionTimeoutMS=3000,
    ) as client:
        yield client


def test_new_mongod_becomes_a_replica_set_with_its_three_users(
    guarded_mongod: Mongod, tmp_path: Path, secret: Path
) -> None:
    with RunningSidecar(guarded_mongod, tmp_path / "log", secret) as sidecar:
        events = sidecar.settle()
    assert events == ["initiated", *["created role"] * 2, *["created user"] * 3, "settled"]
    assert not [password for password in SECRET.values() if password in (tmp_path / "log").read_text()]
    with opened(guarded_mongod.port, "service") as service:
        service.flask_db.data.insert_one({})
        with pytest.raises(OperationFailure):
            service.other.data.insert_one({})
    with opened(guarded_mongod.port, "dashboard") as dashboard:
        assert dashboard.flask_db.data.count_documents({}) == 1
        assert dashboard.admin.command("serverStatus")["ok"] == 1
        with dashboard.flask_db.data.watch():
            pass
        with pytest.raises(OperationFailure):
            dashboard.flask_db.data.insert_one({})
    with opened(guarded_mongod.port, "admin") as admin:
        assert [each["host"] for each in _config(admin)["members"]] == [f"localhost:{guarded_mongod.port}"]
    with (
        MongoClient[dict[str, Any]]("127.0.0.1", guarded_mongod.port, directConnection=True) as anyone,
        pytest.raises(OperationFailure),
    ):
        anyone.flask_db.data.find_one()


@pytest.mark.mongod
def test_new_mongod_with_tls_becomes_a_replica_set_with_its_users(
    certificates: Certificates, tmp_path: Path, secret: Path
) -> None:
    authority, port = str(certificates.authority), free_port()
    variables = {"MONGODB_CA_FILE": authority, "PROBE_PORT": str(port)}
    with (
        Mongod(tmp_path / "guarded", auth=True, tls=certificates.pair) as mongod,
        RunningSidecar(mongod, tmp_path / "log", secret, **variables) as sidecar,
    ):
        events = sidecar.settle()
        assert scrape(port)[CERTIFICATE_ENDS] == pytest.approx(time.time() + 365 * 86400, abs=3600)
        assert events == ["initiated", *["created role"] * 2, *["created user"] * 3, "settled"]
        with MongoClient[dict[str, Any]](
            "localhost", mongod.port, replicaSet="rs0", username="service", password=SECRET["service-password"],
            tls=True, tlsCAFile=authority,
        ) as service:  # fmt: skip
            service.flask_db.data.insert_one({})


def test_only_differing_users_are_updated(guarded_mongod: Mongod, tmp_path: Path, secret: Path) -> None:
    with RunningSidecar(guarded_mongod, tmp_path / "first", secret) as sidecar:
        sidecar.settle()
    with RunningSidecar(guarded_mongod, tmp_path / "second", secret) as sidecar:
        assert sidecar.settle() == ["settled"]
        put(secret, **{"service-password": "another-hush-0123456789"})
        assert sidecar.settle(2) == ["settled", "updated user", "settled"]
    with opened(guarded_mongod.port, "service", "another-hush-0123456789") as service:
        service.flask_db.data.insert_one({})


def test_all_passwords_can_change_at_once(guarded_mongod: Mongod, tmp_path: Path, secret: Path) -> None:
    with RunningSidecar(guarded_mongod, tmp_path / "first", secret) as sidecar:
        sidecar.settle()
    put(secret, **{name: f"new-{value}" for name, value in SECRET.items()})
    with RunningSidecar(guarded_mongod, tmp_path / "second", secret) as sidecar:
        assert sidecar.settle() == [*["updated user"] * 3, "settled"]
    with opened(guarded_mongod.port, "admin", f"new-{SECRET['admin-password']}") as admin:
        admin.admin.command("ping")


def test_previous_user_connects_until_it_leaves_the_secret(
    guarded_mongod: Mongod, tmp_path: Path, secret: Path
) -> None:
    with RunningSidecar(guarded_mongod, tmp_path / "log", secret) as sidecar:
        sidecar.settle()
        put(secret, **{"service-user": "service-b", "service-password": "b" * 24, "previous-service-user": "service"})
        sidecar.settle(2)
        for user, password in (("service", None), ("service-b", "b" * 24)):
            with opened(guarded_mongod.port, user, password) as service:
                service.flask_db.data.insert_one({})
        (secret / "previous-service-user").unlink()
        assert sidecar.settle(3)[-2:] == ["dropped user", "settled"]
        with opened(guarded_mongod.port, "service-b", "b" * 24) as service:
            service.flask_db.data.insert_one({})
        with opened(guarded_mongod.port, "service") as service, pytest.raises(OperationFailure):
            service.flask_db.data.insert_one({})


def test_foreign_users_are_kept(guarded_mongod: Mongod, tmp_path: Path, secret: Path) -> None:
    with RunningSidecar(guarded_mongod, tmp_path / "first", secret) as sidecar:
        sidecar.settle()
    with opened(guarded_mongod.port, "admin") as admin:
        admin.admin.command("createUser", "backup", pwd="x" * 24, roles=["backup"])
    with RunningSidecar(guarded_mongod, tmp_path / "second", secret) as sidecar:
        assert sidecar.settle() == ["settled"]
    with opened(guarded_mongod.port, "backup", "x" * 24) as backup:
        backup.admin.command("ping")


def test_sidecar_waits_for_mongod_and_settles_again_after_a_restart(
    guarded_mongod: Mongod, tmp_path: Path, secret: Path
) -> None:
    guarded_mongod.kill()
    with RunningSidecar(guarded_mongod, tmp_path / "log", secret) as sidecar:
        _wait(lambda: sidecar.events() == ["waiting"])
        guarded_mongod.start()
        sidecar.settle()
        guarded_mongod.kill()
        guarded_mongod.start()
        sidecar.settle(2)


def test_mongod_missing_from_its_own_configuration_is_restored(
    guarded_mongod: Mongod, tmp_path: Path, secret: Path
) -> None:
    with RunningSidecar(guarded_mongod, tmp_path / "first", secret) as sidecar:
        sidecar.settle()
    with opened(guarded_mongod.port, "service") as service:
        service.flask_db.data.with_options(write_concern=WriteConcern("majority")).insert_one({"kept": True})
    guarded_mongod.kill()
    with (
        Mongod(guarded_mongod.directory, free_port(), auth=True) as moved,
        RunningSidecar(moved, tmp_path / "second", secret) as sidecar,
    ):
        assert "restored" in sidecar.settle()
        with opened(moved.port, "service") as service:
            assert service.flask_db.data.count_documents({"kept": True}) == 1


def test_mongod_whose_name_leads_to_it_only_after_its_start_is_restored(
    guarded_mongod: Mongod, tmp_path: Path, secret: Path
) -> None:
    service = free_port()
    name = f"127.0.0.1:{service}"
    guarded_mongod.kill()
    with RunningSidecar(guarded_mongod, tmp_path / "log", secret, MEMBERS=name) as sidecar:
        with Interceptor(guarded_mongod.port, port=service):
            guarded_mongod.start()
            sidecar.settle()
        guarded_mongod.kill()
        guarded_mongod.start()
        _wait(lambda: "restored" in sidecar.events())
        with Interceptor(guarded_mongod.port, port=service):
            assert "renamed member" in sidecar.settle(2)
            with opened(guarded_mongod.port, "admin") as admin:
                assert [each["host"] for each in _config(admin)["members"]] == [name]


def test_member_with_an_earlier_name_is_renamed(guarded_mongod: Mongod, tmp_path: Path, secret: Path) -> None:
    with RunningSidecar(guarded_mongod, tmp_path / "first", secret) as sidecar:
        sidecar.settle()
    renamed = f"127.0.0.1:{guarded_mongod.port}"
    with RunningSidecar(guarded_mongod, tmp_path / "second", secret, MEMBERS=renamed) as sidecar:
        assert "renamed member" in sidecar.settle()
    with opened(guarded_mongod.port, "admin") as admin:
        assert [each["host"] for each in _config(admin)["members"]] == [renamed]


def test_new_replica_is_added_as_a_member(guarded_mongod: Mongod, tmp_path: Path, secret: Path) -> None:
    with RunningSidecar(guarded_mongod, tmp_path / "alone", secret) as sidecar:
        sidecar.settle()
    (tmp_path / "second").mkdir()
    key = tmp_path / "second" / "key"
    key.write_text((guarded_mongod.directory / "key").read_text())
    key.chmod(0o400)
    with Mongod(tmp_path / "second", auth=True) as second:
        members = f"localhost:{guarded_mongod.port},localhost:{second.port}"
        with (
            RunningSidecar(second, tmp_path / "log-1", secret, MEMBERS=members, POD_NAME="mongodb-1") as added,
            RunningSidecar(guarded_mongod, tmp_path / "log-0", secret, MEMBERS=members) as first,
        ):
            assert "added member" in first.settle()
            added.settle()
            with opened(guarded_mongod.port, "admin") as admin:
                _wait(lambda: sorted(_states(admin)) == ["PRIMARY", "SECONDARY"])
        second.kill()  # on SIGTERM it would wait 15 s for a successor


def test_sigterm_exits_with_0(guarded_mongod: Mongod, tmp_path: Path, secret: Path) -> None:
    with RunningSidecar(guarded_mongod, tmp_path / "log", secret) as sidecar:
        sidecar.settle()
        sidecar.process.send_signal(signal.SIGTERM)
        assert sidecar.process.wait(60) == 0


@pytest.mark.parametrize("missing", SECRET)
def test_missing_password_exits_with_one_line(missing: str, secret: Path) -> None:
    (secret / missing).write_text("")
    ended = subprocess.run(
        [sys.executable, "-m", "service.sidecar"], cwd=ROOT, env={"USERS": str(secret)}, capture_output=True, text=True,
        timeout=20,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.startswith("sidecar: ") and missing in ended.stderr and ended.stderr.count("\n") == 1


def _config(client: MongoClient[dict[str, Any]]) -> dict[str, Any]:
    config: dict[str, Any] = client.admin.command("replSetGetConfig")["config"]
    return config


def _states(client: MongoClient[dict[str, Any]]) -> list[str]:
    return [member["stateStr"] for member in client.admin.command("replSetGetStatus")["members"]]


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while True:
        with contextlib.suppress(PyMongoError):
            if condition():
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_sidecar_serves_its_mongods_figures(tmp_path: Path, guarded_mongod: Mongod, secret: Path) -> None:
    port = free_port()
    with RunningSidecar(guarded_mongod, tmp_path / "log", secret, PROBE_PORT=str(port)) as sidecar:
        sidecar.settle()
        found = scrape(port)
        assert found["mongodb_member_up"] == found["mongodb_member_state"] == found["mongodb_set_members"] == 1
        assert found["mongodb_member_lag_seconds"] == 0
        assert found["mongodb_volume_size_bytes"] > found["mongodb_volume_used_bytes"] > 0
        assert CERTIFICATE_ENDS not in found
        assert found["mongodb_connections current"] > 0 < found["mongodb_resident_bytes"]
        assert scrape(port)["mongodb_operations_total command"] > found["mongodb_operations_total command"]
        guarded_mongod.kill()
        assert scrape(port) == {"mongodb_member_up": 0}


def scrape(port: int) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.status == 200
    return figures(answer.read())
