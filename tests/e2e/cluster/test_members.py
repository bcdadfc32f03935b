"""Three members on a deployment of their own, while documents are written: scaling, and a killed primary."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.cluster.test_rolling import FixedRateWriters
from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.proofs.test_persistence import stored_proofs

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

RATE = 100.0  # documents a second
ROLE = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9090/readyz').read().decode())"
KILL = "from service.sidecar.crash import Killer; print(Killer().kill())"
LONGEST_SECONDS = 15.0  # a write, on a busy machine, while another primary is elected


@pytest.fixture(scope="module")
def ha() -> Iterator[Deployment]:
    """A deployment with the components ha and backup."""
    made = Deployment("ha")
    made.remove()
    try:
        done = made.deploy("up", COMPONENTS="ha backup")
        assert done.returncode == 0, done.stdout
        yield made
    finally:
        made.remove()


def test_scaling_to_three_and_back_to_one_loses_and_fails_nothing(ha: Deployment) -> None:
    scale(ha, 1)
    with FixedRateWriters(f"{ha.service}/proofs", RATE) as writers:
        writers.wait_for(500)
        scale(ha, 3)
        writers.wait_for(500)
        scale(ha, 1)
        writers.wait_for(500)
    judge(ha, writers)


@pytest.mark.parametrize("mode", ["crash", "graceful"])
def test_killed_primary_loses_and_fails_nothing(mode: str, ha: Deployment) -> None:
    scale(ha, 3)
    with FixedRateWriters(f"{ha.service}/proofs", RATE) as writers:
        writers.wait_for(500)
        former = primary(ha)
        if mode == "crash":
            ha.kubectl("exec", former, "--container", "sidecar", "--", "python", "-c", KILL)
        else:
            ha.kubectl("delete", "pod", former)
        writers.wait_for(1000)
        wait_until(lambda: roles(ha) == ["PRIMARY", "SECONDARY", "SECONDARY"], 120)
    judge(ha, writers)
    assert writers.longest < LONGEST_SECONDS


def test_backup_of_three_members_is_restored(ha: Deployment) -> None:
    scale(ha, 3)
    identity = ha.http.request("POST", f"{ha.service}/data", json={"kept": True}).json()["id"]
    job(ha, "backup")
    assert ha.http.request("DELETE", f"{ha.service}/data/{identity}").status == 204
    documents = ha.http.request("GET", f"{ha.service}/data").json()
    for each in documents:
        ha.http.request("DELETE", f"{ha.service}/data/{each['_id']}")
    job(ha, "restore")
    assert ha.http.request("GET", f"{ha.service}/data/{identity}").json()["kept"] is True


def scale(ha: Deployment, count: int) -> None:
    """Scale MongoDB, and wait until all members are Ready and the other pods are gone."""
    began = time.monotonic()
    ha.kubectl("scale", "statefulset", "mongodb", f"--replicas={count}")
    expected = ["PRIMARY", *["SECONDARY"] * (count - 1)]
    wait_until(lambda: ready_members(ha) == count and roles(ha) == expected, 300)
    print(f"to {count} in {time.monotonic() - began:.0f} s")


def ready_members(ha: Deployment) -> int:
    """Return how many pods there are, if all are Ready; else 0."""
    status = ha.get("statefulset", "mongodb")["status"]
    return status["replicas"] if status.get("readyReplicas", 0) == status["replicas"] else 0


def roles(ha: Deployment) -> list[str]:
    return sorted(role(ha, pod) for pod in pods(ha))


def primary(ha: Deployment) -> str:
    (found,) = (pod for pod in pods(ha) if role(ha, pod) == "PRIMARY")
    return found


def pods(ha: Deployment) -> list[str]:
    found = ha.get("pods", "--selector", "app.kubernetes.io/name=mongodb")["items"]
    return [pod["metadata"]["name"] for pod in found]


def role(ha: Deployment, pod: str) -> str:
    answer = ha.kubectl("exec", pod, "--container", "sidecar", "--", "python", "-c", ROLE, check=False)
    return next((word for word in ("PRIMARY", "SECONDARY") if word in answer), answer)


def job(ha: Deployment, name: str) -> None:
    """Run a CronJob's program once, and wait for its good end."""
    ha.kubectl("create", "job", f"--from=cronjob/{name}", f"{name}-now")
    ha.kubectl("wait", "--for=condition=Complete", f"job/{name}-now", "--timeout=180s")


def judge(ha: Deployment, writers: FixedRateWriters) -> None:
    print(f"{len(writers.responses):,} writes, {writers.rate:.0f} a second, the longest {writers.longest:.1f} s")
    assert not writers.failures
    assert Counter(status for status, _ in writers.responses) == {201: len(writers.responses)}
    stored = {document["rolling"] for document in stored_proofs(ha) if "rolling" in document}
    assert {payload for _, payload in writers.responses} <= stored
