"""Acknowledged documents survive a restart of the database, and of the whole deployment."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.e2e.deployment import Deployment

pytestmark = pytest.mark.cluster

WRITERS = 4


def test_deletion_of_the_database_pod_fails_no_post(deployment: Deployment) -> None:
    before = deployment.get("pod", "mongodb-0")["metadata"]["uid"]
    volume = deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"]
    stop = threading.Event()
    statuses: list[int] = []
    acknowledged: list[str] = []

    def post_documents() -> None:
        http = urllib3.PoolManager(timeout=60, retries=False)
        while not stop.is_set():
            response = http.request("POST", f"{deployment.service}/proofs", json={"payload": "x" * 100})
            statuses.append(response.status)
            if response.status == 201:
                acknowledged.append(response.json()["id"])

    writers = [threading.Thread(target=post_documents) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        while len(acknowledged) < 200:
            assert any(writer.is_alive() for writer in writers)
        deployment.kubectl("delete", "pod", "mongodb-0")
        deployment.kubectl("wait", "--for=create", "pod/mongodb-0", "--timeout=60s")
        deployment.kubectl("wait", "--for=condition=Ready", "pod/mongodb-0", "--timeout=120s")
        after_restart = len(acknowledged)
        while len(acknowledged) < after_restart + 200:
            assert any(writer.is_alive() for writer in writers)
    finally:
        stop.set()
        for writer in writers:
            writer.join()

    assert set(statuses) == {201}
    assert deployment.get("pod", "mongodb-0")["metadata"]["uid"] != before
    assert deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"] == volume
    assert set(acknowledged) <= {document["_id"] for document in stored_proofs(deployment)}


def test_down_shuts_mongod_down_cleanly_and_keeps_documents(deployment: Deployment) -> None:
    kept = deployment.http.request("POST", f"{deployment.service}/data", json={"kept": True}).json()["id"]
    assert deployment.deploy("down").returncode == 0
    logs = sorted(
        deployment.directory.glob("state/pod-logs/*_mongodb-0_*/mongod/*.log"), key=lambda p: p.stat().st_mtime
    )
    log = logs[-1].read_text()
    done = deployment.deploy("up")
    assert done.returncode == 0, done.stdout
    assert '"msg":"Shutting down","attr":{"exitCode":0}' in log
    assert deployment.http.request("GET", f"{deployment.service}/data/{kept}").json()["kept"] is True


def stored_proofs(deployment: Deployment) -> Iterator[Any]:
    """Yield all documents of /proofs."""
    path = "/proofs?limit=1000"
    while path:
        response = deployment.http.request("GET", f"{deployment.service}{path}")
        yield from response.json()
        path = response.headers.get("Link", "").partition(">")[0].removeprefix("<")
