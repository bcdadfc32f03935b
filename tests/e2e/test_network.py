"""The network policies, tried from every pod that has a part, and from strangers."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.controls import until
from tests.e2e.deployment import Deployment

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
# Who reaches what, by the names of `targets`.
REACHABLE: dict[str, set[str]] = {
    "flask": {"mongodb"},
    "dashboard": {"flask", "flask metrics", "mongodb", "crash", "API server"},
    "mongodb": {"mongodb"},
    "other pod": set(),  # in the same namespace, with a label of its own
    "other namespace": {"flask", "dashboard"},
    "monitoring": {"flask", "flask metrics", "dashboard", "dashboard metrics"},
}
WORKLOADS = {"flask": "deployment/flask", "dashboard": "deployment/dashboard", "mongodb": "mongodb-0"}
# Whether these are reached says nothing: a program's own Service may choose the pod itself, and no policy of ours
# restricts what pods of other namespaces send.
UNDECIDED = {
    "flask": {"flask", "flask metrics"},
    "dashboard": {"dashboard", "dashboard metrics"},
    "mongodb": {"crash"},  # in the same pod
    "other namespace": {"API server"},
    "monitoring": {"API server"},
}


@pytest.fixture(scope="module")
def strangers(deployment: Deployment) -> Iterator[dict[str, tuple[str, str]]]:
    """Pods of others, as {name: (namespace, pod)}."""
    places = {"other pod": "flask-mongodb", "other namespace": "stranger", "monitoring": "monitoring"}
    image = deployment.get("deployment", "flask")["spec"]["template"]["spec"]["containers"][0]["image"]
    for namespace in ("stranger", "monitoring"):
        deployment.kubectl("create", "namespace", namespace)
    try:
        for namespace in places.values():
            deployment.kubectl("--namespace", namespace, "create", "--filename", "-", input=json.dumps(pod(image)))
            ready = ("wait", "--for=condition=Ready", "pod/stranger", "--timeout=60s")
            deployment.kubectl("--namespace", namespace, *ready)
        yield {name: (namespace, "stranger") for name, namespace in places.items()}
    finally:
        deployment.kubectl("--namespace", "flask-mongodb", "delete", "pod", "stranger", "--now", check=False)
        for namespace in ("stranger", "monitoring"):
            deployment.kubectl("delete", "namespace", namespace, check=False)


@pytest.fixture(scope="module")
def targets(deployment: Deployment) -> dict[str, str]:
    """The addresses, as {name: host:port}."""
    flask, dashboard, mongodb = (address(deployment, name) for name in ("flask", "dashboard", "mongodb"))
    return {
        "flask": "flask.flask-mongodb:5000",
        "flask metrics": f"{flask}:9090",
        "dashboard": "dashboard.flask-mongodb:8080",
        "dashboard metrics": f"{dashboard}:9090",
        "mongodb": "mongodb.flask-mongodb:27017",
        "crash": f"{mongodb}:9091",
        "API server": "kubernetes.default:443",
    }


def pod(image: str) -> dict[str, Any]:
    confined = {
        "allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 10009, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    container = {"name": "stranger", "image": image, "command": ["sleep", "600"], "securityContext": confined}
    metadata = {"name": "stranger", "labels": {"app.kubernetes.io/name": "stranger"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def address(deployment: Deployment, name: str) -> str:
    found = deployment.get("pods", "--selector", f"app.kubernetes.io/name={name}")["items"][0]
    return str(found["status"]["podIP"])


@pytest.mark.parametrize("source", REACHABLE)
def test_pod_reaches_what_it_needs_and_nothing_else(
    source: str, deployment: Deployment, strangers: dict[str, tuple[str, str]], targets: dict[str, str]
) -> None:
    namespace, name = strangers.get(source) or ("flask-mongodb", WORKLOADS[source])
    container = ["--container", "sidecar"] if source == "mongodb" else []
    tried = {key: target for key, target in targets.items() if key not in UNDECIDED.get(source, ())}
    command = ["--namespace", namespace, "exec", name, *container, "--", "python", "-c", CONNECT, *tried.values()]

    def reached() -> set[str]:
        opened = deployment.kubectl(*command).split()
        return {key for key, target in tried.items() if target in opened}

    with contextlib.suppress(AssertionError):
        until(lambda: reached() == REACHABLE[source], 15)  # the policies reach a new pod a moment after its start
    assert reached() == REACHABLE[source]
