"""The network policies: connections from each pod of the deployment, and from foreign pods."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.deployment import Deployment, wait_until

pytestmark = pytest.mark.cluster

CONNECT = """
import socket, sys
for target in sys.argv[1:]:
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        print(target)
    except OSError:
        pass
"""
# {source: reachable targets}
REACHABLE: dict[str, set[str]] = {
    "flask": {"mongodb"},
    "dashboard": {"flask", "flask pod", "flask metrics", "mongodb", "crash", "API server"},
    "mongodb": {"mongodb"},
    "other pod": set(),  # in the same namespace, with another label
    "other namespace": {"flask", "flask pod", "dashboard"},
    "monitoring": {"flask", "flask pod", "flask metrics", "dashboard", "dashboard metrics"},
}
# Targets that are not tested: a pod's own Service may route to the pod itself, and no policy of ours restricts the
# egress of other namespaces.
UNTESTED = {
    "flask": {"flask"},
    "dashboard": {"dashboard", "dashboard metrics"},
    "mongodb": {"crash"},  # in the same pod
    "other namespace": {"API server"},
    "monitoring": {"API server"},
}


@pytest.fixture(scope="module")
def foreign_pods(deployment: Deployment) -> Iterator[dict[str, tuple[str, str]]]:
    """Pods beside the deployment, as {name: (namespace, pod)}."""
    places = {"other pod": "flask-mongodb", "other namespace": "foreign", "monitoring": "monitoring"}
    image = deployment.get("deployment", "flask")["spec"]["template"]["spec"]["containers"][0]["image"]
    for namespace in ("foreign", "monitoring"):
        deployment.kubectl("create", "namespace", namespace)
    try:
        for namespace in places.values():
            deployment.kubectl("--namespace", namespace, "create", "--filename", "-", input=json.dumps(pod(image)))
            ready = ("wait", "--for=condition=Ready", "pod/foreign", "--timeout=60s")
            deployment.kubectl("--namespace", namespace, *ready)
        yield {name: (namespace, "foreign") for name, namespace in places.items()}
    finally:
        deployment.kubectl("--namespace", "flask-mongodb", "delete", "pod", "foreign", "--now", check=False)
        deployment.kubectl("delete", "namespace", "foreign", "monitoring", check=False)


@pytest.fixture(scope="module")
def targets(deployment: Deployment) -> dict[str, str]:
    """The targets' addresses, as {name: host:port}. The pods are the first of their kind, the sources the last."""
    flask, dashboard, mongodb = (
        pods(deployment, name)[0]["status"]["podIP"] for name in ("flask", "dashboard", "mongodb")
    )
    return {
        "flask": "flask.flask-mongodb:5000",
        "flask pod": f"{flask}:5000",
        "flask metrics": f"{flask}:9090",
        "dashboard": "dashboard.flask-mongodb:8080",
        "dashboard metrics": f"{dashboard}:9090",
        "mongodb": "mongodb.flask-mongodb:27017",
        "crash": f"{mongodb}:9091",
        "API server": "kubernetes.default:443",
    }


def pod(image: str) -> dict[str, Any]:
    security = {
        "allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 10009, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    container = {"name": "foreign", "image": image, "command": ["sleep", "600"], "securityContext": security}
    metadata = {"name": "foreign", "labels": {"app.kubernetes.io/name": "foreign"}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}  # `sleep` as process 1 ignores SIGTERM
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def pods(deployment: Deployment, name: str) -> list[Any]:
    return list(deployment.get("pods", "--selector", f"app.kubernetes.io/name={name}")["items"])


@pytest.mark.parametrize("source", REACHABLE)
def test_pod_reaches_only_its_allowed_targets(
    source: str, deployment: Deployment, foreign_pods: dict[str, tuple[str, str]], targets: dict[str, str]
) -> None:
    namespace, name = foreign_pods.get(source) or ("flask-mongodb", pods(deployment, source)[-1]["metadata"]["name"])
    container = ["--container", "sidecar"] if source == "mongodb" else []
    tested = {key: target for key, target in targets.items() if key not in UNTESTED.get(source, ())}
    command = ["--namespace", namespace, "exec", name, *container, "--", "python", "-c", CONNECT, *tested.values()]

    def reached() -> set[str]:
        opened = deployment.kubectl(*command).split()
        return {key for key, target in tested.items() if target in opened}

    with contextlib.suppress(AssertionError):
        wait_until(lambda: reached() == REACHABLE[source], 15)  # policies take effect a moment after a pod's start
    assert reached() == REACHABLE[source]
