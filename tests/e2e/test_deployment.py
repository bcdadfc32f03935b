"""What someone who stood the deployment up looks at first."""

import json
import subprocess
import time

import pytest

from tests.e2e.deployment import Deployment
from tools.cluster.instance import CHECKOUT
from tools.deploy.rollout import has_figure

pytestmark = pytest.mark.cluster

FIRST_METRICS = 150.0  # seconds: two scrapes of metrics-server, then the autoscaler's own round


def test_everything_is_ready_and_the_autoscaler_knows_a_figure(deployment: Deployment) -> None:
    deadline = time.monotonic() + FIRST_METRICS
    while not has_figure(deployment.get("hpa", "flask")):
        assert time.monotonic() < deadline, deployment.kubectl("describe", "hpa", "flask")
        time.sleep(1)
    assert deployment.get("deployment", "flask")["status"]["readyReplicas"] == 2
    assert deployment.get("statefulset", "mongodb")["status"]["readyReplicas"] == 1
    assert deployment.get("pvc", "data-mongodb-0")["status"]["phase"] == "Bound"


def test_usual_commands_work(deployment: Deployment) -> None:
    post = ["curl", "-sS", "-X", "POST", "-H", "Content-Type: application/json", "-d", '{"key":"value"}']
    posted = subprocess.check_output([*post, f"{deployment.service}/data"], text=True)
    listed = subprocess.check_output(["curl", "-sS", f"{deployment.service}/data"], text=True)
    assert posted.startswith('{"id":"')
    assert '"key":"value"' in listed
    ab = subprocess.run(["ab", "-n", "1000", "-c", "100", f"{deployment.service}/"], capture_output=True, text=True)
    assert "Complete requests:      1000" in ab.stdout, ab.stderr
    assert "Failed requests:        0" in ab.stdout


def test_second_run_changes_nothing(deployment: Deployment) -> None:
    def pods() -> dict[str, list[int]]:
        return {
            pod["metadata"]["uid"]: [container["restartCount"] for container in pod["status"]["containerStatuses"]]
            for pod in deployment.get("pods")["items"]
        }

    before = pods()
    done = deployment.deploy("up")
    assert done.returncode == 0, done.stdout
    assert pods() == before
    last = done.stdout.splitlines()[-2:]
    assert last == [f"service {deployment.service}", f"dashboard {deployment.login_link}"]


def test_other_overlays_pass_the_servers_own_checks(deployment: Deployment) -> None:
    for overlay in (CHECKOUT / "k8s" / "overlays").iterdir():
        said = deployment.kubectl("apply", "--dry-run=server", "--kustomize", str(overlay))
        assert "statefulset.apps/mongodb" in said
        assert "Warning" not in said


def test_only_the_embedded_overlay_lets_mongod_be_killed(deployment: Deployment) -> None:
    manifests = CHECKOUT / "k8s"
    for kustomization in (manifests / "base", *(manifests / "overlays").iterdir()):
        made = deployment.kubectl("kustomize", str(kustomization))
        embedded = kustomization.name == "embedded"
        crash = ("shareProcessNamespace", "service.sidecar.crash", "CRASH_TOKEN")
        assert [each in made for each in crash] == [embedded] * 3


def test_applying_again_leaves_the_history_and_the_lease_as_they_are(deployment: Deployment) -> None:
    taken = {"spec": {"holderIdentity": "dashboard-x/run-1"}}
    kept = {"data": {"kept": "[]"}}
    deployment.kubectl("patch", "lease", "dashboard-runs", "--type=merge", "--patch", json.dumps(taken))
    deployment.kubectl("patch", "configmap", "dashboard-runs", "--type=merge", "--patch", json.dumps(kept))
    try:
        deployment.kubectl("apply", "--kustomize", str(deployment.directory / "manifests"))
        assert deployment.get("lease", "dashboard-runs")["spec"]["holderIdentity"] == "dashboard-x/run-1"
        assert deployment.get("configmap", "dashboard-runs")["data"]["kept"] == "[]"
    finally:
        gone = [("lease", {"spec": {"holderIdentity": None}}), ("configmap", {"data": {"kept": None}})]
        for kind, patch in gone:
            deployment.kubectl("patch", kind, "dashboard-runs", "--type=merge", "--patch", json.dumps(patch))


def test_prometheus_finds_the_services_figures(deployment: Deployment) -> None:
    text = deployment.http.request("GET", f"{deployment.service}/metrics").data.decode()
    assert "mongodb_up 1.0" in text
    assert 'http_requests_total{method="GET"' in text


def test_api_server_refuses_anonymous_requests(deployment: Deployment) -> None:
    said = subprocess.run(
        ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", f"https://127.0.0.1:{deployment.api_port}/api"],
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert said == "401"


@pytest.mark.parametrize(
    ("verb", "resource", "answer"),
    [
        ("watch", "pods", "yes"),
        ("list", "pods.metrics.k8s.io", "yes"),
        ("get", "secrets", "no"),
        ("create", "pods/exec", "no"),
        ("patch", "deployments", "no"),
        ("delete", "pods/mongodb-0", "yes"),
        ("delete", "pods", "no"),
        ("delete", "pods/mongodb-1", "no"),
        ("update", "leases.coordination.k8s.io/dashboard-runs", "yes"),
        ("create", "leases.coordination.k8s.io", "no"),
        ("update", "configmaps/dashboard-runs", "yes"),
        ("get", "configmaps", "no"),
        ("create", "events", "yes"),
        ("list", "nodes", "no"),
    ],
)
def test_dashboard_has_exactly_the_permissions_it_needs(
    deployment: Deployment, verb: str, resource: str, answer: str
) -> None:
    account = "system:serviceaccount:flask-mongodb:dashboard"
    said = deployment.kubectl("auth", "can-i", verb, resource, "--as", account, check=False)
    assert said.splitlines()[0].split()[0] == answer


def test_every_pod_meets_the_restricted_standard_and_carries_no_token_it_does_not_use(deployment: Deployment) -> None:
    labels = deployment.get("namespace", "flask-mongodb")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in deployment.get("pods")["items"]:
        mounts = [volume for volume in pod["spec"]["volumes"] if volume["name"].startswith("kube-api-access")]
        assert bool(mounts) == (pod["metadata"]["labels"]["app.kubernetes.io/name"] == "dashboard")
