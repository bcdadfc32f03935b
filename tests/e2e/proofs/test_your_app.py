"""The demos on an application that knows nothing of the dashboard: examples/notes, from an empty namespace, by the
commands of docs/your-app.md; and on the same with a fault."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.check import main as check
from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.notes import EXAMPLE, NAMESPACE, load_images
from tools.cluster.instance import CHECKOUT
from tools.local.mongod import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

READY_SECONDS = 180.0
PASSWORD = "0a1b2c3d4e5f60718293"
TARGET = EXAMPLE / "target.yaml"


@pytest.fixture(scope="module")
def notes(deployment: Deployment) -> Iterator[Deployment]:
    """The example in its own namespace, Ready."""
    load_images(deployment)
    deployment.kubectl("create", "namespace", NAMESPACE)
    kubectl(deployment, "create", "secret", "generic", "notes-db", f"--from-literal=password={PASSWORD}")
    kubectl(deployment, "apply", "--filename", str(EXAMPLE / "notes.yaml"))
    wait_until(
        lambda: ready(deployment, "statefulset/notes-db") and ready(deployment, "deployment/notes"), READY_SECONDS
    )
    yield deployment
    deployment.kubectl("delete", "namespace", NAMESPACE)


def kubectl(deployment: Deployment, *arguments: str, **options: Any) -> str:
    return deployment.kubectl("--namespace", NAMESPACE, *arguments, **options)


def ready(deployment: Deployment, name: str) -> bool:
    status = json.loads(kubectl(deployment, "get", name, "--output", "json"))["status"]
    return bool(status.get("readyReplicas")) and status["readyReplicas"] == status["replicas"]


def port_forward(deployment: Deployment, name: str, local: int, port: int) -> tuple[str, ...]:
    """Return the command that forwards a port of this machine to a Service's pod, while that pod lasts."""
    return (
        str(deployment.directory / "bin" / "kubectl"), "--kubeconfig", str(deployment.directory / "kubeconfig"),
        "--namespace", NAMESPACE, "port-forward", f"service/{name}", f"{local}:{port}",
    )  # fmt: skip


@contextlib.contextmanager
def forwarded_again(deployment: Deployment, name: str, port: int) -> Iterator[str]:
    """Forward a port to a Service's pod, and to the next one when that is gone. Yield host and port."""
    local, ended = free_port(), threading.Event()

    def forward() -> None:
        while not ended.wait(0.2):
            process = subprocess.Popen(
                port_forward(deployment, name, local, port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while process.poll() is None and not ended.wait(0.1):
                pass
            process.terminate()
            process.wait()

    thread = threading.Thread(target=forward)
    thread.start()
    try:
        yield f"127.0.0.1:{local}"
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def forwarded(deployment: Deployment, name: str, port: int) -> Iterator[str]:
    """Forward a port of this machine to a Service's pod. Yield the address."""
    local = free_port()
    process = subprocess.Popen(port_forward(deployment, name, local, port), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout and "Forwarding" in process.stdout.readline()
        yield f"http://127.0.0.1:{local}"
    finally:
        process.terminate()
        process.wait()


def program(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", module, *arguments), cwd=CHECKOUT, env=os.environ | environment, text=True,
        capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def dashboard(notes: Deployment) -> Iterator[tuple[str, str]]:
    """The address and the token of a dashboard in the application's namespace, by docs/your-app.md's commands."""
    image = notes.get("deployment", "dashboard")["spec"]["template"]["spec"]["containers"][0]["image"]
    secret = program("dashboard.manifests", "--secret", "--namespace", NAMESPACE).stdout
    kubectl(notes, "create", "--filename", "-", input=secret)
    kubectl(notes, "create", "secret", "generic", "dashboard-target", f"--from-literal=database={PASSWORD}")
    made = program("dashboard.manifests", "--for", str(TARGET), "--namespace", NAMESPACE, "--image", image).stdout
    kubectl(notes, "apply", "--filename", "-", input=made)
    wait_until(lambda: ready(notes, "deployment/dashboard"), READY_SECONDS)
    token = json.loads(kubectl(notes, "get", "secret", "dashboard-auth", "--output", "json"))["data"]["operator-token"]
    with forwarded(notes, "dashboard", 8080) as url:
        yield url, base64.b64decode(token).decode()


def test_contract_holds(notes: Deployment) -> None:
    with forwarded(notes, "notes", 8000) as url:
        done = program("dashboard.prove", "contract", str(TARGET), "--url", url)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("demo", ["persistence", "autoscale"])
def test_demo_passes_and_its_evidence_is_recomputed(dashboard: tuple[str, str], demo: str, tmp_path: Path) -> None:
    url, token = dashboard
    began = time.monotonic()
    done = program("dashboard.prove", demo, "--url", url, "--reports", str(tmp_path), PROVE_TOKEN=token)
    print(f"{time.monotonic() - began:.0f} s", done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    (evidence,) = tmp_path.glob("*.evidence.jsonl.gz")
    assert check([str(evidence)]) == 0
    if demo == "persistence":
        assert "From the database: 0 lost, 0 corrupt" in texts(tmp_path)


def texts(reports: Path) -> str:
    """Return the timeline of the only run."""
    (report,) = reports.glob("*.json")
    return "\n".join(entry["text"] for entry in json.loads(report.read_text())["timeline"])


@pytest.mark.parametrize("reads", [False, True])
def test_demo_passes_without_an_installed_dashboard(notes: Deployment, reads: bool, tmp_path: Path) -> None:
    kubeconfig = str(notes.directory / "kubeconfig")
    (tmp_path / "database").write_text(PASSWORD)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(forwarded(notes, "notes", 8000))
        target = ["--target", str(TARGET), "--namespace", NAMESPACE, "--service", url, "--kubeconfig", kubeconfig]
        if reads:
            target += ["--database", stack.enter_context(forwarded_again(notes, "notes-db", 5432))]
            target += ["--secrets", str(tmp_path)]
        done = program("dashboard.prove", "persistence", *target, "--reports", str(tmp_path / "reports"))
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    found = texts(tmp_path / "reports")
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
    notes: Deployment, dashboard: tuple[str, str], verb: str, what: str, allowed: bool
) -> None:
    who = f"system:serviceaccount:{NAMESPACE}:dashboard"
    answer = kubectl(notes, "auth", "can-i", verb, what, "--as", who, check=False)
    assert answer.strip().endswith("yes" if allowed else "no"), answer


def test_database_without_a_volume_fails_with_the_lost_ids(
    notes: Deployment, dashboard: tuple[str, str], tmp_path: Path
) -> None:
    """The negative control: the same application, whose database keeps its data in the pod."""
    url, token = dashboard
    whole = json.loads(kubectl(notes, "get", "statefulset", "notes-db", "--output", "json"))
    del whole["spec"]["volumeClaimTemplates"], whole["status"]
    whole["metadata"] = {"name": "notes-db"}
    whole["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    kubectl(notes, "delete", "statefulset", "notes-db", "--wait=true")
    kubectl(notes, "create", "--filename", "-", input=json.dumps(whole))
    wait_until(lambda: ready(notes, "statefulset/notes-db"), READY_SECONDS)
    kubectl(notes, "rollout", "restart", "deployment/notes")  # which makes its table
    kubectl(notes, "rollout", "status", "deployment/notes", "--timeout=120s")
    done = program("dashboard.prove", "persistence", "--url", url, "--reports", str(tmp_path), PROVE_TOKEN=token)
    print(done.stdout)
    assert done.returncode == 1, done.stdout + done.stderr
    (report,) = tmp_path.glob("*.json")
    evidence = json.loads(report.read_text())["evidence"]
    assert evidence["lost"] > 0 and evidence["lost_ids"] and evidence["volume"] == "none"
