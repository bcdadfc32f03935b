"""The probes of mongod, run as the kubelet runs them, against a real mongod and against what only looks like one.

Those of the component `tls` are the same question by TLS.
"""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo import MongoClient

from tests.tls import Certificates, made
from tools.cluster.instance import CHECKOUT
from tools.local.mongod import Mongod, free_ports

BASE, TLS = "k8s/base/mongodb-statefulset.yaml", "k8s/components/tls/mongodb-statefulset.yaml"


def probe(port: int, kind: str = "livenessProbe", limit: float = 5.0, authority: Path | None = None) -> bool:
    """Return whether the command of the manifest's probe succeeds within the limit, with another port.

    With `authority` it is the probe by TLS.
    """
    manifest = yaml.safe_load((CHECKOUT / (TLS if authority else BASE)).read_text())
    mongod = next(each for each in manifest["spec"]["template"]["spec"]["containers"] if each["name"] == "mongod")
    assert mongod["startupProbe"]["exec"] == mongod["livenessProbe"]["exec"]
    probe = mongod[kind]["exec"]["command"]
    command = [word.replace("/27017", f"/{port}").replace(":27017", f":{port}") for word in probe]
    assert command != probe
    command = [word.replace("/ca/ca.crt", str(authority)) for word in command]
    try:
        return subprocess.run(command, capture_output=True, timeout=limit).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@pytest.fixture
def guarded_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """A new pod's mongod: a key file, no replica set, no users."""
    with Mongod(tmp_path / "guarded", auth=True) as mongod:
        yield mongod


def test_primary_is_well_and_ready(mongod: Mongod) -> None:
    assert probe(mongod.port)
    assert probe(mongod.port, "readinessProbe")


def test_mongod_without_a_replica_set_is_well_and_not_ready(guarded_mongod: Mongod) -> None:
    assert probe(guarded_mongod.port)
    assert not probe(guarded_mongod.port, "readinessProbe")


def test_secondary_is_ready(own_mongod: Mongod) -> None:
    with MongoClient[dict[str, Any]]("127.0.0.1", own_mongod.port, directConnection=True) as client:
        client.admin.command("replSetStepDown", 60, force=True)
        assert client.admin.command("hello")["secondary"]
        assert probe(own_mongod.port, "readinessProbe")


def test_stopped_mongod_is_not_well_though_its_port_is_open(own_mongod: Mongod) -> None:
    assert own_mongod.pid is not None
    os.kill(own_mongod.pid, signal.SIGSTOP)
    try:
        socket.create_connection(("127.0.0.1", own_mongod.port), timeout=5).close()
        assert not probe(own_mongod.port, limit=1.0)
        assert not probe(own_mongod.port, "readinessProbe", limit=1.0)
    finally:
        os.kill(own_mongod.pid, signal.SIGCONT)
    assert probe(own_mongod.port)


def test_closed_port_is_not_well() -> None:
    (port,) = free_ports(1)
    assert not probe(port)
    assert not probe(port, "readinessProbe")


def test_another_program_on_the_port_is_not_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nok")

        thread = threading.Thread(target=answer)
        thread.start()
        assert not probe(listener.getsockname()[1])
        thread.join()


def test_primary_with_tls_is_well_and_ready(tls_mongod: Mongod, certificates: Certificates) -> None:
    assert probe(tls_mongod.port, authority=certificates.authority)
    assert probe(tls_mongod.port, "readinessProbe", authority=certificates.authority)
    assert not probe(tls_mongod.port)


def test_certificate_of_another_authority_is_not_well(tls_mongod: Mongod, tmp_path: Path) -> None:
    assert not probe(tls_mongod.port, authority=made(tmp_path).authority)


@pytest.mark.mongod
def test_mongod_with_tls_and_without_a_replica_set_is_well_and_not_ready(
    certificates: Certificates, tmp_path: Path
) -> None:
    with Mongod(tmp_path / "new", auth=True, tls=certificates.pair) as new:
        assert probe(new.port, authority=certificates.authority)
        assert not probe(new.port, "readinessProbe", authority=certificates.authority)


def test_stopped_mongod_with_tls_is_not_well_and_its_probe_leaves_no_process(
    tls_mongod: Mongod, certificates: Certificates
) -> None:
    assert tls_mongod.pid is not None
    os.kill(tls_mongod.pid, signal.SIGSTOP)
    try:
        assert not probe(tls_mongod.port, limit=20.0, authority=certificates.authority)
    finally:
        os.kill(tls_mongod.pid, signal.SIGCONT)
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [each for each in commands if f"127.0.0.1:{tls_mongod.port}".encode() in each.split(b"\0")]
    assert probe(tls_mongod.port, authority=certificates.authority)


def test_closed_port_is_not_well_by_tls(certificates: Certificates) -> None:
    (port,) = free_ports(1)
    assert not probe(port, authority=certificates.authority)
