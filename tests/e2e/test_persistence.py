"""Documents that were acknowledged are there, whatever happens to the database's pod."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.e2e.deployment import Deployment

pytestmark = pytest.mark.cluster

WRITERS = 4


def test_database_pod_is_deleted_under_writers_and_no_post_fails(deployment: Deployment) -> None:
    before = deployment.get("pod", "mongodb-0")["metadata"]["uid"]
    volume = deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"]
    stop = threading.Event()
    statuses: list[int] = []
    acknowledged: list[str] = []

    def write() -> None:
        http = urllib3.PoolManager(timeout=60, retries=False)
        while not stop.is_set():
            answer = http.request("POST", f"{deployment.service}/proofs", json={"payload": "x" * 100})
            statuses.append(answer.status)
            if answer.status == 201:
                acknowledged.append(answer.json()["id"])

    writers = [threading.Thread(target=write) for _ in range(WRITERS)]
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
    assert set(acknowledged) <= {document["_id"] for document in proofs_kept(deployment)}


def test_stop_of_everything_ends_the_database_in_order_and_keeps_its_documents(deployment: Deployment) -> None:
    kept = deployment.http.request("POST", f"{deployment.service}/data", json={"kept": True}).json()["id"]
    assert deployment.deploy("down").returncode == 0
    logs = sorted(
        deployment.directory.glob("state/pod-logs/*_mongodb-0_*/mongod/*.log"), key=lambda p: p.stat().st_mtime
    )
    last_words = logs[-1].read_text()
    done = deployment.deploy("up")
    assert done.returncode == 0, done.stdout
    assert '"msg":"Shutting down","attr":{"exitCode":0}' in last_words
    assert deployment.http.request("GET", f"{deployment.service}/data/{kept}").json()["kept"] is True


def proofs_kept(deployment: Deployment) -> Iterator[Any]:
    """All documents of /proofs, page by page."""
    path = "/proofs?limit=1000"
    while path:
        answer = deployment.http.request("GET", f"{deployment.service}{path}")
        yield from answer.json()
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
