"""MongoDB's members on a deployment with the component ha."""

import time

from tests.e2e.deployment import Deployment, wait_until

ROLE = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9090/readyz').read().decode())"


def in_sidecar(ha: Deployment, pod: str, program: str, check: bool = True) -> str:
    """Run a program in the container beside a member's mongod. Return its output."""
    return ha.kubectl("exec", pod, "--container", "sidecar", "--", "python", "-c", program, check=check)


def scale(ha: Deployment, count: int) -> None:
    """Scale MongoDB, and wait until all members are Ready and the other pods are gone."""
    began = time.monotonic()
    ha.kubectl("scale", "statefulset", "mongodb", f"--replicas={count}")
    expected = ["PRIMARY", *["SECONDARY"] * (count - 1)]
    wait_until(lambda: ready_members(ha) == count and roles(ha) == expected, 300)
    print(f"to {count} in {time.monotonic() - began:.0f} s")


def ready_members(ha: Deployment) -> int:
    """Return how many pods there are, if all are Ready; else 0."""
    status = ha.get("statefulset", "mongodb")["status"]
    return status["replicas"] if status.get("readyReplicas", 0) == status["replicas"] else 0


def roles(ha: Deployment) -> list[str]:
    return sorted(role(ha, pod) for pod in pods(ha))


def primary(ha: Deployment) -> str:
    (found,) = (pod for pod in pods(ha) if role(ha, pod) == "PRIMARY")
    return found


def pods(ha: Deployment) -> list[str]:
    found = ha.get("pods", "--selector", "app.kubernetes.io/name=mongodb")["items"]
    return [pod["metadata"]["name"] for pod in found]


def role(ha: Deployment, pod: str) -> str:
    answer = in_sidecar(ha, pod, ROLE, check=False)
    return next((word for word in ("PRIMARY", "SECONDARY") if word in answer), answer)
