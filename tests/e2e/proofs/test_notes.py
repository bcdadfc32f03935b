"""The demos on an application that knows nothing of the dashboard: examples/notes, from an empty namespace, by the
commands of docs/your-app.md; and on the same with a fault."""

import contextlib
import json
import time
from pathlib import Path

import pytest

from dashboard.check import main as check
from dashboard.runs.records.history import HISTORY
from tests.e2e.examples import NOTES, PASSWORD, Application, InstalledDashboard, evidence, program, timeline

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

EXAMPLE = NOTES


def test_contract_holds(application: Application) -> None:
    with application.forwarded("notes", 8000) as url:
        done = program("dashboard.prove", "contract", str(EXAMPLE.target), "--url", url)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("demo", ["persistence", "autoscale"])
def test_demo_passes_and_its_evidence_is_recomputed(dashboard: InstalledDashboard, demo: str, tmp_path: Path) -> None:
    began = time.monotonic()
    done = dashboard.prove(demo, tmp_path)
    print(f"{time.monotonic() - began:.0f} s")
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("*.evidence.jsonl.gz")
    assert check([str(file)]) == 0
    if demo == "persistence":
        assert "From the database: 0 lost, 0 corrupt" in timeline(tmp_path)


@pytest.mark.parametrize("reads", [False, True])
def test_demo_passes_without_an_installed_dashboard(application: Application, reads: bool, tmp_path: Path) -> None:
    kubeconfig = ("--kubeconfig", str(application.deployment.directory / "kubeconfig"))
    (tmp_path / "notes-db").mkdir()
    (tmp_path / "notes-db" / "password").write_text(PASSWORD)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(application.forwarded("notes", 8000))
        target = ["--target", str(EXAMPLE.target), "--namespace", EXAMPLE.name, "--service", url, *kubeconfig]
        if reads:
            target += ["--database", stack.enter_context(application.forwarded_again("notes-db", 5432))]
            target += ["--secrets", str(tmp_path)]
        done = program("dashboard.prove", "persistence", *target, "--reports", str(tmp_path / "reports"))
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    found = timeline(tmp_path / "reports")
    assert ("From the database: 0 lost" in found, "The database itself is not read" in found) == (reads, not reads)


@pytest.mark.parametrize(
    ("verb", "what", "allowed"),
    [
        ("delete", "pods/notes-db-0", True),
        ("delete", "pods/notes-other", False),
        ("delete", "pods", False),
        ("patch", "deployments/notes", False),
        ("patch", "horizontalpodautoscalers/notes", False),
        ("update", "statefulsets/notes-db", False),
        ("get", "secrets/notes-db", False),
        ("create", "pods/exec", False),
        ("update", "leases/dashboard-runs", True),
        ("update", "configmaps/dashboard-target", False),
        ("list", "pods", True),
    ],
)
def test_role_is_for_exactly_the_targets_names(
    application: Application, dashboard: InstalledDashboard, verb: str, what: str, allowed: bool
) -> None:
    assert application.dashboard_may(verb, what) is allowed


def test_second_dashboard_of_another_name_has_its_own_rights_runs_and_tokens(
    application: Application, dashboard: InstalledDashboard, tmp_path: Path
) -> None:
    with application.dashboard("another") as second:
        done = second.prove("persistence", tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert second.token != dashboard.token
    (run,) = json.loads(application.get("configmap", "another-runs")["data"][HISTORY])
    assert run["demo"] == "persistence"
    assert application.dashboard_may("update", "leases/another-runs", "another")
    assert not application.dashboard_may("update", "leases/dashboard-runs", "another")


def test_database_without_a_volume_fails_with_the_lost_ids(
    application: Application, dashboard: InstalledDashboard, tmp_path: Path
) -> None:
    """The negative control: the same application, whose database keeps its data in the pod."""
    whole = application.get("statefulset", "notes-db")
    del whole["spec"]["volumeClaimTemplates"], whole["status"]
    whole["metadata"] = {"name": "notes-db"}
    whole["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    application.kubectl("delete", "statefulset", "notes-db", "--wait=true")
    application.kubectl("create", "--filename", "-", input=json.dumps(whole))
    application.wait_ready("statefulset/notes-db")
    application.kubectl("rollout", "restart", "deployment/notes")  # which makes its table
    application.wait_rolled_out("deployment/notes")
    done = dashboard.prove("persistence", tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    found = evidence(tmp_path)
    assert found["lost"] > 0 and found["lost_ids"] and found["volume"] == "none"
