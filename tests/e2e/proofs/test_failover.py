"""The failover demo on three members: PASS on a healthy set, and FAIL or INCONCLUSIVE on one that can't take over."""

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dashboard.check import main as check
from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.members import in_sidecar, pods, primary, roles, scale
from tests.e2e.proofs.controls import RunClient

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

WHOLE_SECONDS = 180.0  # for all members to be back
KILLS = 5  # of a run, in both modes by turns

SIGNAL = """
import os, signal
from service.sidecar.crash import Killer
for pid in Killer()._find():
    os.kill(pid, signal.{})
"""
# A locked member votes, and takes no copies of what the primary writes.
LOCK = """
from pathlib import Path
from pymongo import MongoClient
password = Path("/users/admin-password").read_text().strip()
with MongoClient("127.0.0.1", directConnection=True, username="admin", password=password) as client:
    client.admin.command({})
"""


@pytest.fixture
def client(ha: Deployment) -> RunClient:
    wait_until(lambda: roles(ha) == ["PRIMARY", "SECONDARY", "SECONDARY"], WHOLE_SECONDS)
    wait_until(lambda: not ha.state()["lease"], 60)
    return RunClient(ha)


@pytest.mark.parametrize("mode", ["graceful", "crash"])
def test_five_losses_of_the_primary_lose_and_fail_nothing(
    client: RunClient, ha: Deployment, mode: str, tmp_path: Path
) -> None:
    before = primary(ha)
    run = client.run("failover", mode=mode, kills=KILLS)
    print(run["line"])
    print(*run["evidence"]["failovers"], sep="\n")
    assert run["verdict"] == "pass", run["reason"]
    evidence = run["evidence"]
    assert (evidence["lost"], evidence["failed"], evidence["stale_later"], evidence["members"]) == (0, 0, 0, 3)
    assert evidence["failovers"][0]["former"] == before
    assert all(each["successor"] != each["former"] for each in evidence["failovers"])
    file = tmp_path / "run.gz"
    file.write_bytes(client.request("GET", f"/runs/{run['id']}/evidence").data)
    assert check([str(file)]) == 0


def test_lost_majority_fails(client: RunClient, ha: Deployment) -> None:
    others = [pod for pod in pods(ha) if pod != primary(ha)]
    run_id = client.start("failover", mode="crash")
    client.wait_for_step(run_id, "takeover")  # which takes three seconds
    with suspended(ha, others):
        run = client.wait_for_end(run_id)
    print(run["line"], run["reason"])
    assert run["verdict"] == "fail" and "No other member was primary within 15 s" in run["reason"]


def test_member_without_the_data_fails(client: RunClient, ha: Deployment) -> None:
    other = [pod for pod in pods(ha) if pod != primary(ha)][-1]
    with locked(ha, other):
        run = client.run("failover", mode="graceful")
    print(run["line"], run["reason"])
    causes = "No other member was primary|requests failed|a write was acknowledged"
    assert run["verdict"] == "fail" and re.search(causes, run["reason"])


def test_two_members_are_not_tried(client: RunClient, ha: Deployment) -> None:
    scale(ha, 2)
    try:
        run = client.run("failover")
    finally:
        scale(ha, 3)
    assert run["verdict"] == "inconclusive" and "2 members that hold data" in run["reason"]


@contextlib.contextmanager
def suspended(ha: Deployment, members: list[str]) -> Iterator[None]:
    """Suspend the mongod of each."""
    try:
        signal_all(ha, members, "SIGSTOP")
        yield
    finally:
        signal_all(ha, members, "SIGCONT")


def signal_all(ha: Deployment, members: list[str], name: str) -> None:
    """Signal the mongod of each, at the same time."""
    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(in_sidecar, ha, pod, SIGNAL.format(name)) for pod in members]:
            done.result()


@contextlib.contextmanager
def locked(ha: Deployment, pod: str) -> Iterator[None]:
    in_sidecar(ha, pod, LOCK.format('"fsync", lock=True'))
    try:
        yield
    finally:
        in_sidecar(ha, pod, LOCK.format('"fsyncUnlock"'))
