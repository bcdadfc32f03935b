"""The demo on examples/stateless, a service without a database and a contract."""

import json
from pathlib import Path

import pytest

from dashboard.check import main as check
from tests.e2e.examples import STATELESS, Application, InstalledDashboard

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

EXAMPLE = STATELESS


def test_autoscale_is_all_that_is_offered_and_passes(dashboard: InstalledDashboard, tmp_path: Path) -> None:
    done = dashboard.prove("all", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = tmp_path.glob("*.json")
    assert json.loads(report.read_text())["demo"] == "autoscale"
    (file,) = tmp_path.glob("*.evidence.jsonl.gz")
    assert check([str(file)]) == 0


def test_dashboard_may_delete_no_pod(application: Application, dashboard: InstalledDashboard) -> None:
    (pod, *_) = application.get("pods", "--selector", "app=primes")["items"]
    assert not application.dashboard_may("delete", f"pods/{pod['metadata']['name']}")
