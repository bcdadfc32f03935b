"""The demos on a real deployment: PASS on a healthy one, FAIL or INCONCLUSIVE on a faulty one."""

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from dashboard.check import main as check
from tests.browser import collect_errors, until_live
from tests.e2e.deployment import DASHBOARD, Deployment, wait_until
from tests.e2e.proofs import controls
from tests.e2e.proofs.controls import RunClient, database_without_volume, no_service, service_program
from tools.cluster.instance import CHECKOUT

pytestmark = pytest.mark.cluster

ALL = 780.0  # seconds for all demos together
UP, DOWN = 60.0, 150.0  # seconds from the load's start to more desired pods, and from its end to the minimum
OUTAGE = 10.0  # seconds without a database, the 95th percentile
LEASE = 20.0  # seconds until a dead dashboard's lease expires


RecordDuration = Callable[[str, float, float], None]


@pytest.fixture
def client(deployment: Deployment) -> RunClient:
    wait_until(lambda: not deployment.state()["lease"], 60)  # a run gives it back some time after its verdict
    return RunClient(deployment)


def figures(line: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", line))


def is_replaced(deployment: Deployment, uid: str) -> bool:
    """Return whether the dashboard's only pod is another one than `uid`, and Ready."""
    pods = deployment.get("pods", "--selector", DASHBOARD)["items"]
    ready = [c["status"] for pod in pods for c in pod["status"].get("conditions", []) if c["type"] == "Ready"]
    return [pod["metadata"]["uid"] == uid for pod in pods] == [False] and ready == ["True"]


def test_prove_runs_all_demos_to_pass(deployment: Deployment, tmp_path: Path, record_duration: RecordDuration) -> None:
    settings = {"DASHBOARD_PORT": str(deployment.dashboard_port), "MANIFESTS": str(deployment.manifests)}
    began = time.monotonic()
    done = subprocess.run(
        ["tools/deploy/prove", "--reports", tmp_path, "--junit", tmp_path / "junit.xml"],
        cwd=CHECKOUT, capture_output=True, text=True, env=os.environ | settings,
    )  # fmt: skip
    record_duration("all demos", time.monotonic() - began, ALL)
    persistence, autoscale, *disrupted = done.stdout.splitlines()
    assert autoscale.startswith("autoscale PASS "), done.stderr
    assert persistence.startswith("persistence PASS "), done.stderr
    assert [line.split()[:2] for line in disrupted] == [["rollout", "PASS"], ["self-healing", "PASS"]], done.stderr
    assert done.returncode == 0
    moments = {name: float(text.rstrip("s")) for name, text in figures(autoscale).items() if re.fullmatch(r"t\d", name)}
    record_duration("load → more pods desired", moments["t2"], UP)
    record_duration("no load → back at the minimum", moments["t8"] - moments["t6"], DOWN)
    assert {figures(persistence)[name] for name in ("lost", "failed", "unknown", "corrupt")} == {"0"}
    files = list(tmp_path.glob("*.evidence.jsonl.gz"))
    assert len(files) == 4 and check([str(file) for file in files]) == 0


@pytest.mark.parametrize(("mode", "replaced"), [("graceful", "pod"), ("crash", "container")])
def test_persistence_run_passes_and_loses_nothing(
    client: RunClient, deployment: Deployment, tmp_path: Path, record_duration: RecordDuration, mode: str, replaced: str
) -> None:
    volume = deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"]
    done = client.prove(tmp_path, "persistence", "--mode", mode)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    evidence = figures(line)
    assert line.startswith(f"persistence PASS mode={mode} ")
    zeros = ("lost", "corrupt", "stale", "regressed", "resurrected", "failed", "unknown")
    assert {evidence[name] for name in zeros} == {"0"} and int(evidence["reads"]) > 0
    before, after = evidence[replaced].split("→")
    assert before != after and evidence["volume"] == "same"
    assert deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"] == volume
    record_duration(f"{mode}: outage of MongoDB", float(evidence["down"].rstrip("s")), OUTAGE)
    (file,), (page,) = tmp_path.glob("*.json"), tmp_path.glob("*.html")
    report = json.loads(file.read_text())
    assert report["line"] == line and report["history"]["traffic"]["at"]
    assert line in page.read_text() and "<svg" in page.read_text()
    (kept,) = tmp_path.glob("*.evidence.jsonl.gz")
    assert report["evidence_file"]["kept"] and check([str(kept)]) == 0


def test_database_without_a_volume_fails(client: RunClient, deployment: Deployment) -> None:
    with database_without_volume(deployment):
        run = client.run("persistence", mode="graceful")
    assert run["verdict"] == "fail", run
    assert run["evidence"]["lost"] > 0 and run["evidence"]["volume"] == "none" and run["evidence"]["lost_ids"]


@pytest.mark.soak
def test_service_without_acknowledgements_fails(client: RunClient, deployment: Deployment) -> None:
    """Documents in flight to a killed mongod are lost: about a dozen in each try so far. Reads may miss some, too."""
    with service_program(deployment, controls.UNACKNOWLEDGED):
        runs = [client.run("persistence", mode="crash")]
        if not runs[0]["evidence"]["lost"]:  # there may have been none in flight
            runs.append(client.run("persistence", mode="crash"))
    assert runs[-1]["verdict"] == "fail" and runs[-1]["evidence"]["lost"] > 0, [run["line"] for run in runs]


@pytest.mark.soak
@pytest.mark.parametrize(
    ("program", "finding"),
    [
        (controls.REVERTS_REPLACEMENTS, "regressed"),
        (controls.STALE_PAGES, "stale"),
        (controls.REVIVES_DOCUMENTS, "resurrected"),
    ],
)
def test_service_that_reads_deletes_or_replaces_wrongly_fails(
    client: RunClient, deployment: Deployment, program: str, finding: str
) -> None:
    with service_program(deployment, program):
        run = client.run("persistence")
    assert run["verdict"] == "fail" and run["evidence"][finding] > 0, run["line"]
    assert run["evidence"][f"{finding}_ids"] and run["evidence"]["lost"] == 0


@pytest.mark.soak
def test_run_with_three_kills_passes(client: RunClient) -> None:
    run = client.run("persistence", mode="crash", kills=3)
    assert run["verdict"] == "pass", run
    evidence = run["evidence"]
    assert [each["mode"] for each in evidence["outages"]] == ["crash", "graceful", "crash"]
    assert evidence["rto"] == max(each["down"] for each in evidence["outages"]) and evidence["rpo"] == 0


@pytest.mark.soak
def test_run_without_traffic_is_inconclusive(client: RunClient, deployment: Deployment) -> None:
    pod = deployment.get("pod", "mongodb-0")["metadata"]["uid"]
    with no_service(deployment):
        run = client.run("persistence")
    assert run["verdict"] == "inconclusive", run
    assert deployment.get("pod", "mongodb-0")["metadata"]["uid"] == pod


def test_aborted_run_is_inconclusive(client: RunClient, deployment: Deployment) -> None:
    run_id = client.start("persistence")
    client.wait_for_step(run_id, "warmup")
    assert client.request("DELETE", f"/runs/{run_id}").status == 202
    run = client.wait_for_end(run_id, 60)
    assert run["verdict"] == "inconclusive" and "bort" in run["reason"], run
    assert client.request("DELETE", f"/runs/{run_id}").status == 202  # aborting a finished run is no error


@pytest.mark.soak
def test_load_above_the_generators_capacity_is_inconclusive(client: RunClient) -> None:
    run = client.run("autoscale", rate=2000)
    assert run["verdict"] == "inconclusive", run


def test_second_of_two_simultaneous_starts_is_refused_and_reported(
    deployment: Deployment, browser: Browser, client: RunClient
) -> None:
    def runs() -> dict[str, Any]:
        return {run["id"]: run for run in client.request("GET", "/runs").json()}

    before = runs().keys()
    pages = [browser.new_context(viewport={"width": 1440, "height": 900}).new_page() for _ in range(2)]
    errors = [collect_errors(page) for page in pages]
    held: list[Route] = []
    for page, logged in zip(pages, errors, strict=True):
        with until_live(page, logged):
            page.goto(deployment.login_link)
        page.route("**/api/runs", lambda route: held.append(route), times=1)
        with page.expect_request("**/api/runs"):
            page.locator('[data-demo="persistence"] button[data-kind="primary"]').click()
    for page in pages:
        page.wait_for_timeout(100)  # lets the route's handler run
    for route in held:  # at the same time, so that neither page shows the other's run
        route.continue_()
    wait_until(lambda: runs().keys() - before, 30)
    (run,) = [run for id_, run in runs().items() if id_ not in before]
    for page in pages:
        expect(page.locator('[data-demo="persistence"][data-verdict="running"]')).to_be_visible()
        expect(page.locator('[data-demo="autoscale"]')).to_contain_text("One run at a time")
    alerts = [page.locator('[data-demo="persistence"] [role="alert"]') for page in pages]
    wait_until(lambda: any(alert.inner_text().strip() for alert in alerts), 30)
    problems = [alert.inner_text().strip() for alert in alerts]
    assert sorted(map(bool, problems)) == [False, True], problems
    refused = [line for line in client.request("GET", "/audit").json() if line["outcome"].startswith("refused: 409")]
    assert "session" in refused[0]["by"]
    assert client.wait_for_end(run["id"])["verdict"] == "pass"
    for page in pages:
        page.context.close()
    # The browser itself logs the 409 as a failed request.
    assert all("409" in words for each in errors for words in each)


def test_double_click_on_restart_replaces_one_pod(deployment: Deployment, client: RunClient) -> None:
    uid = deployment.get("pod", "mongodb-0")["metadata"]["uid"]
    uids = {uid}
    statuses: list[int] = []

    def restart() -> None:
        statuses.append(client.request("POST", "/mongo/restart", {"uid": uid, "mode": "graceful"}).status)

    threads = [threading.Thread(target=restart) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert 202 in statuses and set(statuses) <= {202, 409}

    def is_replaced() -> bool:
        pod = next(iter(deployment.get("pods", "--selector", "app.kubernetes.io/name=mongodb")["items"]), None)
        if pod is None:
            return False
        uids.add(pod["metadata"]["uid"])
        conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
        return pod["metadata"]["uid"] != uid and conditions.get("Ready") == "True"

    wait_until(is_replaced, 120)
    restart()  # a third request, with the old uid
    assert statuses[-1] == 409
    time.sleep(5)
    assert is_replaced() and len(uids) == 2
    (audited,) = [
        line for line in client.request("GET", "/audit").json()
        if (line["object"] or {}).get("uid") == uid and not line["outcome"].startswith(("refused", "failed"))
    ][:1]  # fmt: skip
    assert "restart" in audited["action"]
    events = deployment.get("events", "--field-selector", f"involvedObject.uid={uid},source=dashboard")["items"]
    assert any("restart" in each["message"] for each in events)


@pytest.mark.soak
def test_killed_dashboard_ends_its_load_and_its_run_is_inconclusive(deployment: Deployment, client: RunClient) -> None:
    run_id = client.start("autoscale", rate=100)
    client.wait_for_step(run_id, "load")
    wait_until(lambda: (deployment.state()["load"] or {}).get("achieved", 0) > 50, 60)
    (pod,) = deployment.get("pods", "--selector", DASHBOARD)["items"]
    deployment.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    # Not `rollout status`: it may still see the deleted pod as available.
    wait_until(lambda: is_replaced(deployment, pod["metadata"]["uid"]), 120)
    run = client.wait_for_end(run_id, 60 + LEASE)
    assert run["verdict"] == "inconclusive" and run["reason"], run
    wait_until(
        lambda: (traffic := deployment.state()["traffic"]) is not None and traffic["requests_per_second"] < 20, 60
    )
    assert client.run("persistence")["verdict"] == "pass"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/runs", {"demo": "durability"}, 422, "persistence"),
        ("POST", "/runs", {"demo": "autoscale", "options": {"rate": -1}}, 422, "from 1 to 2000"),
        ("POST", "/runs", {"demo": "autoscale", "options": {"rate": 10**9}}, 422, "from 1 to 2000"),
        ("POST", "/runs", {"demo": "persistence", "options": {"mode": "gentle"}}, 422, "graceful or crash"),
        ("PUT", "/load", {"rate": 10**9, "duration": 10}, 422, "from 1 to 2000"),
        ("PUT", "/load", {"rate": 10, "duration": 10**6}, 422, "from 1 to 1800"),
        ("POST", "/mongo/restart", {"uid": "11111111-2222-3333-4444-555555555555", "mode": "graceful"}, 409, "uid"),
        ("DELETE", "/runs/nobody", None, 404, "no such run"),
    ],
)
def test_invalid_run_is_refused_audited_and_starts_nothing(
    client: RunClient, method: str, path: str, body: Any, status: int, words: str
) -> None:
    runs = client.request("GET", "/runs").json()
    response = client.request(method, path, body)
    assert (response.status, response.headers["Content-Type"]) == (status, "application/problem+json")
    assert words in response.json()["detail"]
    assert client.request("GET", "/runs").json() == runs
    assert client.request("GET", "/audit").json()[0]["outcome"].startswith(f"refused: {status}")


@pytest.mark.soak
def test_ten_persistence_runs_pass_in_a_row(client: RunClient, record_duration: RecordDuration) -> None:
    runs = [client.run("persistence", mode=mode) for _ in range(5) for mode in ("graceful", "crash")]
    lines = "\n".join(str(run["line"]) for run in runs)
    assert [run["verdict"] for run in runs] == ["pass"] * 10, lines
    counts = [{name: run["evidence"][name] for name in ("lost", "failed", "unknown")} for run in runs]
    assert all(count == {"lost": 0, "failed": 0, "unknown": 0} for count in counts), lines
    downs = [run["evidence"]["down"] for run in runs]
    record_duration(
        "ten restarts: without a database, 95th percentile", quantiles(downs, n=20, method="inclusive")[-1], OUTAGE
    )


@pytest.mark.soak
def test_load_of_ab_scales_up_and_down(deployment: Deployment) -> None:
    wait_until(lambda: deployment.get("hpa", "flask")["status"]["desiredReplicas"] == 2, 300)
    ab = subprocess.Popen(
        ["ab", "-t", "90", "-n", "1000000", "-c", "100", f"{deployment.service}/"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: deployment.get("hpa", "flask")["status"]["desiredReplicas"] > 2, 90)
    finally:
        ab.wait(120)
    wait_until(lambda: deployment.get("hpa", "flask")["status"]["desiredReplicas"] == 2, 300)
