"""The demos on examples/guestbook, a service in Go with Redis, and on the same with two faults."""

from pathlib import Path

import pytest

from dashboard.check import main as check
from tests.e2e.example_images import REFERENCES
from tests.e2e.examples import GUESTBOOK, Application, InstalledDashboard, evidence, program

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

EXAMPLE = GUESTBOOK


def test_contract_holds(application: Application) -> None:
    with application.forwarded("guestbook", 8000) as url:
        done = program("dashboard.prove", "contract", str(EXAMPLE.target), "--url", url)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("demo", ["persistence", "autoscale"])
def test_demo_passes_and_its_evidence_is_recomputed(dashboard: InstalledDashboard, demo: str, tmp_path: Path) -> None:
    done = dashboard.prove(demo, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("*.evidence.jsonl.gz")
    assert check([str(file)]) == 0


def test_redis_without_its_append_only_file_fails_with_the_lost_ids(
    application: Application, dashboard: InstalledDashboard, tmp_path: Path
) -> None:
    """A negative control: the volume is there, and nothing is written to it."""
    with application.changed("statefulset/guestbook-redis", "set", "env", "APPENDONLY=no"):
        done = dashboard.prove("persistence", tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    found = evidence(tmp_path)
    assert found["lost"] > 0 and found["lost_ids"] and found["volume"] == "same"


def test_service_that_answers_before_it_writes_fails_with_the_lost_ids(
    application: Application, dashboard: InstalledDashboard, tmp_path: Path
) -> None:
    """A negative control: Redis keeps all that it was given."""
    image = f"guestbook={REFERENCES['guestbook-early']}"
    with application.changed("deployment/guestbook", "set", "image", image):
        done = dashboard.prove("persistence", tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    found = evidence(tmp_path)
    assert found["lost"] > 0 and found["lost_ids"] and found["volume"] == "same"
