"""Three members on a deployment of their own, while documents are written: scaling, and a killed primary."""

from collections import Counter

import pytest

from tests.e2e.cluster.test_rolling import FixedRateWriters
from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.members import in_sidecar, primary, roles, scale
from tests.e2e.proofs.test_persistence import stored_proofs

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

RATE = 100.0  # documents a second
KILL = "from service.sidecar.crash import Killer; print(Killer().kill())"
LONGEST_SECONDS = 15.0  # a write, on a busy machine, while another primary is elected


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
            in_sidecar(ha, former, KILL)
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
