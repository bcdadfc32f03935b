"""The two proofs on a real deployment: that they pass, and above all that they do not where they must not."""

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
from playwright.sync_api import Browser, expect

from tests.browser import complaints
from tests.e2e.controls import Proofs, database_without_volume, no_service, service_that_waits_for_nobody, until
from tests.e2e.deployment import Deployment
from tools.cluster.instance import CHECKOUT

pytestmark = pytest.mark.cluster

BOTH = 480.0  # seconds, for both proofs together
UP, DOWN = 60.0, 150.0  # seconds from the load to more pods desired, and from its end to the minimum
OUTAGE = 10.0  # seconds without a database, the 95th percentile
LEASE = 20.0  # seconds until a dead dashboard's lease is nobody's

PRESS_AT = """at => setTimeout(
    () => document.querySelector('[data-demo="persistence"] button[data-kind="primary"]').click(), at - Date.now())"""

Measured = Callable[[str, float, float], None]


@pytest.fixture
def proofs(deployment: Deployment) -> Proofs:
    return Proofs(deployment)


def figures(line: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", line))


def test_both_claims_are_proved_by_one_command(deployment: Deployment, measured: Measured) -> None:
    began = time.monotonic()
    done = subprocess.run(
        ["tools/deploy/prove"], cwd=CHECKOUT, capture_output=True, text=True,
        env=os.environ | {"DASHBOARD_PORT": str(deployment.dashboard_port)},
    )  # fmt: skip
    measured("both proofs", time.monotonic() - began, BOTH)
    autoscale, persistence = done.stdout.splitlines()
    assert autoscale.startswith("autoscale PASS "), done.stderr
    assert persistence.startswith("persistence PASS "), done.stderr
    assert done.returncode == 0
    moments = {name: float(text.rstrip("s")) for name, text in figures(autoscale).items() if re.fullmatch(r"t\d", name)}
    measured("load → more pods desired", moments["t2"], UP)
    measured("no load → back at the minimum", moments["t8"] - moments["t6"], DOWN)
    assert {figures(persistence)[name] for name in ("lost", "failed", "unknown", "corrupt")} == {"0"}


@pytest.mark.parametrize(("mode", "replaced"), [("graceful", "pod"), ("crash", "container")])
def test_nothing_that_was_acknowledged_is_lost(
    proofs: Proofs, deployment: Deployment, tmp_path: Path, measured: Measured, mode: str, replaced: str
) -> None:
    volume = deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"]
    done = proofs.prove(tmp_path, "persistence", "--mode", mode)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    told = figures(line)
    assert line.startswith(f"persistence PASS mode={mode} ")
    assert (told["lost"], told["corrupt"], told["failed"], told["unknown"]) == ("0", "0", "0", "0")
    before, after = told[replaced].split("→")
    assert before != after and told["volume"] == "same"
    assert deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"] == volume
    measured(f"{mode}: without a database", float(told["down"].rstrip("s")), OUTAGE)
    (file,), (page,) = tmp_path.glob("*.json"), tmp_path.glob("*.html")
    report = json.loads(file.read_text())
    assert report["line"] == line and report["history"]["traffic"]["at"]
    assert line in page.read_text() and "<svg" in page.read_text()


def test_database_on_an_empty_directory_fails(proofs: Proofs, deployment: Deployment) -> None:
    with database_without_volume(deployment):
        run = proofs.play("persistence", mode="graceful")
    assert run["verdict"] == "fail", run
    assert run["evidence"]["lost"] > 0 and run["evidence"]["volume"] == "none" and run["evidence"]["lost_ids"]


def test_service_that_waits_for_no_acknowledgement_fails(proofs: Proofs, deployment: Deployment) -> None:
    """What was on its way to a mongod that is killed is gone: a dozen documents each time that it was tried."""
    with service_that_waits_for_nobody(deployment):
        runs = [proofs.play("persistence", mode="crash")]
        if runs[0]["verdict"] != "fail":  # chance decides what is on its way
            runs.append(proofs.play("persistence", mode="crash"))
    assert runs[-1]["verdict"] == "fail" and runs[-1]["evidence"]["lost"] > 0, [run["line"] for run in runs]


def test_traffic_that_is_too_thin_proves_nothing(proofs: Proofs, deployment: Deployment) -> None:
    pod = deployment.get("pod", "mongodb-0")["metadata"]["uid"]
    with no_service(deployment):
        run = proofs.play("persistence")
    assert run["verdict"] == "inconclusive", run
    assert deployment.get("pod", "mongodb-0")["metadata"]["uid"] == pod


def test_aborted_run_proves_nothing(proofs: Proofs, deployment: Deployment) -> None:
    run_id = proofs.start("persistence")
    proofs.reach(run_id, "warmup")
    assert proofs.ask("DELETE", f"/runs/{run_id}").status == 202
    run = proofs.end(run_id, 60)
    assert run["verdict"] == "inconclusive" and "bort" in run["reason"], run
    assert proofs.ask("DELETE", f"/runs/{run_id}").status == 202  # aborting what is over is no error


@pytest.mark.soak
def test_load_beyond_the_generator_proves_nothing(proofs: Proofs) -> None:
    run = proofs.play("autoscale", rate=2000)
    assert run["verdict"] == "inconclusive", run


def test_of_two_operators_at_the_same_moment_one_runs_and_the_other_is_told(
    deployment: Deployment, browser: Browser, proofs: Proofs
) -> None:
    before = {run["id"] for run in proofs.ask("GET", "/runs").json()}
    pages = [browser.new_context(viewport={"width": 1440, "height": 900}).new_page() for _ in range(2)]
    heard = [complaints(page) for page in pages]
    for page in pages:
        page.goto(deployment.login_link)
        page.wait_for_selector('[data-connection="live"]')
        page.wait_for_selector('[data-demo="persistence"] button[data-kind="primary"]')
    at = 1000 * (time.time() + 2)
    for page in pages:  # at one moment, so that neither page can know of the other's
        page.evaluate(PRESS_AT, at)
    until(lambda: proofs.ask("GET", "/runs").json()[0]["id"] not in before, 30)
    (run,) = [run for run in proofs.ask("GET", "/runs").json() if run["id"] not in before]
    for page in pages:
        expect(page.locator('[data-demo="persistence"][data-verdict="running"]')).to_be_visible()
        expect(page.locator('[data-demo="autoscale"]')).to_contain_text("One run at a time")
    alerts = [page.locator('[data-demo="persistence"] [role="alert"]') for page in pages]
    until(lambda: any(alert.inner_text().strip() for alert in alerts), 30)
    problems = [alert.inner_text().strip() for alert in alerts]
    assert sorted(map(bool, problems)) == [False, True], problems
    refused = [line for line in proofs.ask("GET", "/audit").json() if line["outcome"].startswith("refused: 409")]
    assert "session" in refused[0]["by"]
    assert proofs.end(run["id"])["verdict"] == "pass"
    for page in pages:
        page.context.close()
    # The browser itself logs the 409 as a failed request.
    assert all("409" in words for each in heard for words in each)


def test_double_click_on_restart_replaces_one_pod(deployment: Deployment, proofs: Proofs) -> None:
    uid = deployment.get("pod", "mongodb-0")["metadata"]["uid"]
    seen = {uid}
    statuses: list[int] = []

    def press() -> None:
        statuses.append(proofs.ask("POST", "/mongo/restart", {"uid": uid, "mode": "graceful"}).status)

    presses = [threading.Thread(target=press) for _ in range(2)]
    for each in presses:
        each.start()
    for each in presses:
        each.join()
    assert 202 in statuses and set(statuses) <= {202, 409}

    def ready() -> bool:
        pod = next(iter(deployment.get("pods", "--selector", "app.kubernetes.io/name=mongodb")["items"]), None)
        if pod is None:
            return False
        seen.add(pod["metadata"]["uid"])
        conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
        return pod["metadata"]["uid"] != uid and conditions.get("Ready") == "True"

    until(ready, 120)
    press()  # a third, by somebody who has not looked
    assert statuses[-1] == 409
    time.sleep(5)
    assert ready() and len(seen) == 2
    (killing,) = [
        line for line in proofs.ask("GET", "/audit").json()
        if (line["object"] or {}).get("uid") == uid and not line["outcome"].startswith(("refused", "failed"))
    ][:1]  # fmt: skip
    assert "restart" in killing["action"]
    events = deployment.get("events", "--field-selector", f"involvedObject.uid={uid},source=dashboard")["items"]
    assert any("restart" in each["message"] for each in events)


def test_load_dies_with_its_dashboard_and_the_run_is_no_verdict(deployment: Deployment, proofs: Proofs) -> None:
    run_id = proofs.start("autoscale", rate=100)
    proofs.reach(run_id, "load")
    until(lambda: (deployment.state()["load"] or {}).get("achieved", 0) > 50, 60)
    (pod,) = deployment.get("pods", "--selector", "app.kubernetes.io/name=dashboard")["items"]
    deployment.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    deployment.kubectl("rollout", "status", "deployment/dashboard", "--timeout=120s")
    run = proofs.end(run_id, 60 + LEASE)
    assert run["verdict"] == "inconclusive" and run["reason"], run
    until(lambda: (traffic := deployment.state()["traffic"]) is not None and traffic["requests_per_second"] < 20, 60)
    assert proofs.play("persistence")["verdict"] == "pass"


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
    proofs: Proofs, method: str, path: str, body: Any, status: int, words: str
) -> None:
    runs = proofs.ask("GET", "/runs").json()
    answer = proofs.ask(method, path, body)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert words in answer.json()["detail"]
    assert proofs.ask("GET", "/runs").json() == runs
    assert proofs.ask("GET", "/audit").json()[0]["outcome"].startswith(f"refused: {status}")


@pytest.mark.soak
def test_ten_times_in_a_row_nothing_is_lost_and_no_request_fails(proofs: Proofs, measured: Measured) -> None:
    runs = [proofs.play("persistence", mode=mode) for _ in range(5) for mode in ("graceful", "crash")]
    lines = "\n".join(str(run["line"]) for run in runs)
    assert [run["verdict"] for run in runs] == ["pass"] * 10, lines
    counts = [{name: run["evidence"][name] for name in ("lost", "failed", "unknown")} for run in runs]
    assert all(count == {"lost": 0, "failed": 0, "unknown": 0} for count in counts), lines
    downs = [run["evidence"]["down"] for run in runs]
    measured(
        "ten restarts: without a database, 95th percentile", quantiles(downs, n=20, method="inclusive")[-1], OUTAGE
    )


@pytest.mark.soak
def test_briefs_own_load_makes_it_scale_too(deployment: Deployment) -> None:
    until(lambda: deployment.get("hpa", "flask")["status"]["desiredReplicas"] == 2, 300)
    ab = subprocess.Popen(
        ["ab", "-t", "90", "-n", "1000000", "-c", "100", f"{deployment.service}/"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: deployment.get("hpa", "flask")["status"]["desiredReplicas"] > 2, 90)
    finally:
        ab.wait(120)
    until(lambda: deployment.get("hpa", "flask")["status"]["desiredReplicas"] == 2, 300)
