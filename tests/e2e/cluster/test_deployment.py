"""The deployment after `make up`: readiness, the usual commands, repeated runs and permissions."""

import json
import subprocess
import time
from typing import Any

import pytest

from tests.e2e.deployment import Deployment, wait_until
from tools.deploy.rollout import has_figure

pytestmark = pytest.mark.cluster

FIRST_METRICS = 150.0  # seconds: two scrapes of metrics-server, then a sync of the autoscaler


def test_workloads_are_ready_and_the_autoscaler_has_a_figure(deployment: Deployment) -> None:
    deadline = time.monotonic() + FIRST_METRICS
    while not has_figure(deployment.get("hpa", "flask")):
        assert time.monotonic() < deadline, deployment.kubectl("describe", "hpa", "flask")
        time.sleep(1)
    wait_until(lambda: deployment.get("deployment", "flask")["status"].get("readyReplicas") == 2, 120)
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


def test_second_up_changes_nothing(deployment: Deployment) -> None:
    """The autoscaler may add or remove pods of the service meanwhile: the load of the test before still counts."""

    def restarts(selector: str = "") -> dict[tuple[str, str], int]:
        return {
            (pod["metadata"]["uid"], container["name"]): container["restartCount"]
            for pod in deployment.get("pods", "--selector", selector)["items"]
            for container in pod["status"].get("containerStatuses", [])
        }

    def template() -> Any:
        return deployment.get("deployment", "flask")["spec"]["template"]

    others = "app.kubernetes.io/name!=flask"
    before, before_others, before_template = restarts(), restarts(others), template()
    done = deployment.deploy("up")
    assert done.returncode == 0, done.stdout
    after = restarts()
    assert all(after[one] == before[one] for one in before.keys() & after.keys())
    assert (restarts(others), template()) == (before_others, before_template)
    addresses = done.stdout.splitlines()[-2:]
    assert addresses == [f"service {deployment.service}", f"dashboard {deployment.login_link}"]


def test_api_server_accepts_every_overlay(deployment: Deployment) -> None:
    for overlay in (deployment.manifests / "overlays").iterdir():
        output = deployment.kubectl("apply", "--dry-run=server", "--kustomize", str(overlay))
        assert "statefulset.apps/mongodb" in output
        assert "Warning" not in output


def test_only_the_embedded_overlay_has_the_crash_container(deployment: Deployment) -> None:
    manifests = deployment.manifests
    for kustomization in (manifests / "base", *(manifests / "overlays").iterdir()):
        made = deployment.kubectl("kustomize", str(kustomization))
        embedded = kustomization.name == "embedded"
        crash = ("shareProcessNamespace", "service.sidecar.crash", "CRASH_TOKEN")
        assert [each in made for each in crash] == [embedded] * 3


def test_apply_keeps_the_histories_and_the_lease(deployment: Deployment) -> None:
    held = {"spec": {"holderIdentity": "dashboard-x/run-1"}}
    kept = {"data": {"kept": "[]"}}
    config_maps = ("dashboard-runs", "dashboard-history")
    deployment.kubectl("patch", "lease", "dashboard-runs", "--type=merge", "--patch", json.dumps(held))
    for name in config_maps:
        deployment.kubectl("patch", "configmap", name, "--type=merge", "--patch", json.dumps(kept))
    try:
        deployment.kubectl("apply", "--kustomize", str(deployment.directory / "manifests"))
        assert deployment.get("lease", "dashboard-runs")["spec"]["holderIdentity"] == "dashboard-x/run-1"
        assert [deployment.get("configmap", name)["data"]["kept"] for name in config_maps] == ["[]"] * 2
    finally:
        released = {"spec": {"holderIdentity": None}}
        deployment.kubectl("patch", "lease", "dashboard-runs", "--type=merge", "--patch", json.dumps(released))
        for name in config_maps:
            patch = json.dumps({"data": {"kept": None}})
            deployment.kubectl("patch", "configmap", name, "--type=merge", "--patch", patch)


def test_service_exports_metrics(deployment: Deployment) -> None:
    text = deployment.http.request("GET", f"{deployment.service}/metrics").data.decode()
    assert "mongodb_up 1.0" in text
    assert 'http_requests_total{method="GET"' in text


def test_api_server_refuses_anonymous_requests(deployment: Deployment) -> None:
    status = subprocess.run(
        ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", f"https://127.0.0.1:{deployment.api_port}/api"],
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert status == "401"


def test_pods_are_restricted_and_only_the_dashboard_has_a_token(deployment: Deployment) -> None:
    labels = deployment.get("namespace", "flask-mongodb")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in deployment.get("pods")["items"]:
        mounts = [volume for volume in pod["spec"]["volumes"] if volume["name"].startswith("kube-api-access")]
        assert bool(mounts) == (pod["metadata"]["labels"]["app.kubernetes.io/name"] == "dashboard")
