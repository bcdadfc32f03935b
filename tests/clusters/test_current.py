"""`make up CLUSTER=current` on somebody else's cluster: the whole way, and what differs elsewhere."""

import json
import socket
import subprocess
from pathlib import Path

import pytest

from tests.clusters.foreign import NAMESPACE, REGISTRY, ForeignCluster
from tools.cluster.instance import CHECKOUT
from tools.deploy import images, secrets

pytestmark = pytest.mark.clusters

REASON_SECONDS = 30.0  # from the apply until the reason is said; the controllers need some of them


def curl(*arguments: str) -> str:
    return subprocess.run(("curl", "-sS", "--noproxy", "*", *arguments), capture_output=True, text=True).stdout


def test_deployment_serves_proves_and_goes(cluster: ForeignCluster) -> None:
    done = cluster.deploy("up")
    assert done.returncode == 0, done.stdout
    *_, service, dashboard = done.stdout.splitlines()
    assert service == f"service http://127.0.0.1:{cluster.service_port}"
    assert cluster.deploy("login", DASHBOARD_PORT="").stdout.strip() == dashboard  # the port is remembered
    url = f"http://127.0.0.1:{cluster.service_port}/data"
    assert '"id"' in curl("-X", "POST", "-H", "Content-Type: application/json", "-d", '{"key":"value"}', url)
    assert '"key":"value"' in curl(url)
    pulled = {c["image"] for pod in cluster.get("pods")["items"] for c in pod["spec"]["containers"]}
    assert pulled == {*(f"{REGISTRY}/{each.reference}" for each in images.own()), "docker.io/library/mongo:7.0"}
    proved = subprocess.run(
        ("tools/deploy/prove",), cwd=CHECKOUT, env=cluster.environment, capture_output=True, text=True
    )
    verdicts = [line.split()[:2] for line in proved.stdout.splitlines()]
    # On a busy machine the load generator lags, which makes an autoscale run INCONCLUSIVE.
    assert verdicts[0] == ["persistence", "PASS"] and verdicts[1][1] in ("PASS", "INCONCLUSIVE"), proved
    assert cluster.deploy("down").returncode == 0
    for port in (cluster.service_port, cluster.dashboard_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert "No dashboard answers" in cluster.deploy("login").stdout
    cluster.kubectl("delete", "--kustomize", str(CHECKOUT / ".cluster-current" / "manifests"))
    assert "NotFound" in cluster.kubectl("get", "namespace", NAMESPACE, check=False)


def test_second_up_changes_nothing_and_a_changed_secret_is_taken_up(cluster: ForeignCluster) -> None:
    def uids(name: str) -> list[str]:
        return [
            each["metadata"]["uid"] for each in cluster.get("pods", "-l", f"app.kubernetes.io/name={name}")["items"]
        ]

    assert cluster.deploy("up").returncode == 0
    before = {name: uids(name) for name in ("flask", "dashboard", "mongodb")}
    assert cluster.deploy("up").returncode == 0
    assert {name: uids(name) for name in before} == before
    users = secrets.MANIFESTS / secrets.USERS
    kept = users.read_text()
    try:
        values = dict(line.split("=", 1) for line in kept.splitlines()) | {"service-password": "n@w:/pass%20word"}
        users.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        done = cluster.deploy("up")
        assert done.returncode == 0, done.stdout
        assert not set(uids("flask")) & set(before["flask"]) and uids("mongodb") == before["mongodb"]
        assert curl(f"http://127.0.0.1:{cluster.service_port}/data").startswith("[")
    finally:
        users.write_text(kept)


def test_deployment_goes_into_another_namespace(cluster: ForeignCluster) -> None:
    try:
        done = cluster.deploy("up", NAMESPACE="another")
        assert done.returncode == 0, done.stdout
        assert curl(f"http://127.0.0.1:{cluster.service_port}/data").startswith("[")
        state = json.loads(curl("-H", f"Authorization: Bearer {secrets.operator_token()}", cluster.state_url))
        assert {each["app"] for each in state["pods"]} == {"flask", "dashboard", "mongodb"}
        assert "NotFound" in cluster.kubectl("get", "namespace", NAMESPACE, check=False)
    finally:
        cluster.deploy("down", NAMESPACE="another")
        cluster.kubectl("delete", "namespace", "another", "--ignore-not-found", "--timeout=120s")


def test_cluster_without_metrics_is_refused_before_anything_is_applied(cluster: ForeignCluster) -> None:
    with cluster.without("apiservice", "v1beta1.metrics.k8s.io"):
        done = cluster.deploy("up")
    assert done.returncode == 1 and "metrics-server" in done.stdout
    assert "NotFound" in cluster.kubectl("get", "namespace", NAMESPACE, check=False)


@pytest.mark.parametrize(
    ("hard", "said"),
    [
        ({"limits.cpu": "8"}, "must specify limits.cpu for: dashboard"),
        ({"requests.memory": "200Mi"}, "exceeded quota: ours"),
        ({"persistentvolumeclaims": "0"}, "exceeded quota: ours"),
    ],
)
def test_quota_is_named_within_seconds_with_the_command_that_shows_it(
    hard: dict[str, str], said: str, cluster: ForeignCluster
) -> None:
    cluster.kubectl("create", "namespace", NAMESPACE)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "ours"}, "spec": {"hard": hard}}
    cluster.kubectl("apply", "--filename", "-", input=json.dumps(quota))
    seconds, lines = cluster.until_said("up", said, limit=120)
    assert seconds < REASON_SECONDS, lines
    assert any(line.endswith("describe resourcequota ours") for line in lines), lines


def test_cluster_without_a_default_class_names_the_claim(cluster: ForeignCluster) -> None:
    with cluster.without("storageclass", "standard"):
        seconds, lines = cluster.until_said("up", "data-mongodb-0: ", limit=120)
    assert seconds < REASON_SECONDS, lines
    assert any(line.endswith("describe persistentvolumeclaim data-mongodb-0") for line in lines), lines


def test_image_that_no_registry_has_is_named(cluster: ForeignCluster) -> None:
    cluster.environment["REGISTRY"] = "nowhere.invalid/you"
    try:
        seconds, lines = cluster.until_said("up", "nowhere.invalid", limit=150)
        seconds, lines = cluster.until_said("up", "ErrImagePull", limit=150)
    finally:
        cluster.environment["REGISTRY"] = REGISTRY
    assert seconds < REASON_SECONDS, lines


def test_larger_volume_is_refused_in_a_sentence_and_nothing_is_applied(cluster: ForeignCluster, tmp_path: Path) -> None:
    assert cluster.deploy("up").returncode == 0
    manifest = CHECKOUT / "k8s/base/mongodb-statefulset.yaml"
    deployment = CHECKOUT / "k8s/base/flask-deployment.yaml"
    kept = {each: each.read_text() for each in (manifest, deployment)}
    generation = cluster.get("deployment", "flask")["metadata"]["generation"]
    try:
        manifest.write_text(kept[manifest].replace("storage: 2Gi", "storage: 4Gi"))
        deployment.write_text(kept[deployment].replace("revisionHistoryLimit: 3", "revisionHistoryLimit: 4"))
        done = cluster.deploy("up")
    finally:
        for file, text in kept.items():
            file.write_text(text)
    assert done.returncode == 1 and "Nothing was applied." in done.stdout and "--cascade=orphan" in done.stdout
    assert cluster.get("deployment", "flask")["metadata"]["generation"] == generation
