"""Fake pods: API objects on a node without a kubelet, whose status the benchmark writes instead.

They run no process, so a thousand of them load the API server only. They have the service's label, so the page shows
them, and no address, so no request is sent to them.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from kubernetes import client

NAMESPACE = "flask-mongodb"
NODE = "bench"
LEASES = "kube-node-lease"
PREFIX = "flask-bench"
LABELS = {"app.kubernetes.io/name": "flask", "app.kubernetes.io/part-of": "bench"}
LEASE_SECONDS = 10.0
REPLACE_EVERY = 20  # each 20th change replaces a pod; the others raise its restart count
WRITERS = 8

Say = Callable[[str], None]


class FakePods:
    """Fake pods and their changes: `changes` is {"<pod> <restarts>": epoch milliseconds before its request was sent}.

    So a measured delay includes the API server's time.
    """

    def __init__(self, count: int) -> None:
        self._core: Any = client.CoreV1Api()
        self._leases: Any = client.CoordinationV1Api()
        self.names = [f"{PREFIX}-{number:04d}" for number in range(count)]
        self._next = count
        self.changes: dict[str, float] = {}
        self.errors = 0
        self._stopped = threading.Event()
        self._restarts = 0

    def create(self, say: Say) -> None:
        """Create the node and the pods, after those of an interrupted run are removed."""
        self.remove()
        self._core.create_node(_node())
        self._leases.create_namespaced_lease(LEASES, _lease())
        threading.Thread(target=self._renew_lease, daemon=True).start()
        began = time.monotonic()
        with ThreadPoolExecutor(WRITERS) as pool:
            for created, _ in enumerate(pool.map(self._create, self.names), 1):
                if created % 250 == 0:
                    say(f"{created} pods created ({time.monotonic() - began:.0f} s)")

    def remove(self) -> None:
        """Remove the pods, the node and its lease, of this run or an earlier one."""
        self._stopped.set()
        self._core.delete_collection_namespaced_pod(
            NAMESPACE, label_selector="app.kubernetes.io/part-of=bench", grace_period_seconds=0
        )
        for delete, arguments in (
            (self._core.delete_node, (NODE,)),
            (self._leases.delete_namespaced_lease, (NODE, LEASES)),
        ):
            try:
                delete(*arguments)
            except client.ApiException as error:
                if error.status != 404:
                    raise
        self._stopped.clear()

    def churn(self, per_second: float, seconds: float) -> None:
        """Change one pod after the other at a constant rate."""
        end, due = time.monotonic() + seconds, time.monotonic()
        with ThreadPoolExecutor(WRITERS) as pool:
            number = 0
            while due < end:
                time.sleep(max(0.0, due - time.monotonic()))
                index = number % len(self.names)
                pool.submit(self._replace if number % REPLACE_EVERY == REPLACE_EVERY - 1 else self._restart, index)
                number += 1
                due += 1 / per_second

    def _restart(self, index: int) -> None:
        self._restarts += 1
        self._write(self.names[index], self._restarts)

    def _replace(self, index: int) -> None:
        try:
            self._core.delete_namespaced_pod(self.names[index], NAMESPACE, grace_period_seconds=0)
            self.names[index] = f"{PREFIX}-{self._next:04d}"
            self._next += 1
            self._create(self.names[index])
        except client.ApiException:
            self.errors += 1

    def _create(self, name: str) -> None:
        self._core.create_namespaced_pod(NAMESPACE, _pod(name))
        self._write(name, 0)

    def _write(self, name: str, restarts: int) -> None:
        self.changes[f"{name} {restarts}"] = time.time() * 1000
        try:
            self._core.patch_namespaced_pod_status(name, NAMESPACE, _status(restarts))
        except client.ApiException:
            self.errors += 1
            del self.changes[f"{name} {restarts}"]

    def _renew_lease(self) -> None:
        """Renew the node's lease, without which its pods would become not Ready."""
        while not self._stopped.wait(LEASE_SECONDS):
            self._leases.patch_namespaced_lease(NODE, LEASES, {"spec": {"renewTime": _now()}})


@contextmanager
def fake_pods(count: int, say: Say) -> Iterator[FakePods]:
    pods = FakePods(count)
    try:
        pods.create(say)
        yield pods
    finally:
        pods.remove()


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _node() -> Any:
    ready = {
        "type": "Ready", "status": "True", "reason": "KubeletReady",
        "lastHeartbeatTime": _now(), "lastTransitionTime": _now(),
    }  # fmt: skip
    return {
        "metadata": {"name": NODE, "labels": {"kubernetes.io/os": "linux"}},
        "spec": {"unschedulable": True},
        "status": {"conditions": [ready]},
    }


def _lease() -> Any:
    return {
        "metadata": {"name": NODE, "namespace": LEASES},
        "spec": {"holderIdentity": NODE, "leaseDurationSeconds": 40, "renewTime": _now()},
    }


def _pod(name: str) -> Any:
    """Return a pod that the Pod Security Standard admits, with about the size of a real one."""
    return {
        "metadata": {"name": name, "labels": LABELS},
        "spec": {
            "nodeName": NODE,
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "flask",
                    "image": "bench",
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "128Mi"},
                        "limits": {"cpu": "400m", "memory": "256Mi"},
                    },
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def _status(restarts: int) -> Any:
    ready = "False" if restarts % 3 == 2 else "True"
    return {
        "status": {
            "phase": "Running",
            "conditions": [{"type": kind, "status": ready} for kind in ("Ready", "ContainersReady")],
            "containerStatuses": [
                {
                    "name": "flask", "image": "bench", "imageID": "", "ready": ready == "True",
                    "restartCount": restarts, "state": {"running": {"startedAt": _now()[:19] + "Z"}},
                }
            ],
        }
    }  # fmt: skip
