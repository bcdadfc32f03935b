"""Pods on a node that no kubelet runs: the API server's own objects, whose status the benchmark writes in its place.

A thousand of them need no memory and no CPU but the API server's. They carry the service's label, so that the page
draws a tile for each; they have no address, so that no request is ever sent to them.
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
REPLACED = 20  # one in so many changes is a pod that goes and one that comes
WRITERS = 8

Say = Callable[[str], None]


class Crowd:
    """So many pods, and what was done to them: `changes` has "<pod> <restarts>" → milliseconds since the epoch.

    A moment is taken before its request is sent: the API server's own time is part of what is measured.
    """

    def __init__(self, pods: int) -> None:
        self._core: Any = client.CoreV1Api()
        self._leases: Any = client.CoordinationV1Api()
        self.names = [f"{PREFIX}-{number:04d}" for number in range(pods)]
        self._next = pods
        self.changes: dict[str, float] = {}
        self.errors = 0
        self._stopped = threading.Event()
        self._restarts = 0

    def make(self, say: Say) -> None:
        self.remove()
        self._core.create_node(_node())
        self._leases.create_namespaced_lease(LEASES, _lease())
        threading.Thread(target=self._keep_alive, daemon=True).start()
        began = time.monotonic()
        with ThreadPoolExecutor(WRITERS) as pool:
            for made, _ in enumerate(pool.map(self._create, self.names), 1):
                if made % 250 == 0:
                    say(f"{made} pods made ({time.monotonic() - began:.0f} s)")

    def remove(self) -> None:
        """Everything that this or an interrupted run left."""
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
        """Changes pods one after the other at a steady rate."""
        end, turn = time.monotonic() + seconds, time.monotonic()
        with ThreadPoolExecutor(WRITERS) as pool:
            number = 0
            while turn < end:
                time.sleep(max(0.0, turn - time.monotonic()))
                index = number % len(self.names)
                pool.submit(self._replace if number % REPLACED == REPLACED - 1 else self._restart, index)
                number += 1
                turn += 1 / per_second

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

    def _keep_alive(self) -> None:
        """A node that is not heard from would have its pods marked as lost, all at once."""
        while not self._stopped.wait(LEASE_SECONDS):
            self._leases.patch_namespaced_lease(NODE, LEASES, {"spec": {"renewTime": _now()}})


@contextmanager
def crowd(pods: int, say: Say) -> Iterator[Crowd]:
    made = Crowd(pods)
    try:
        made.make(say)
        yield made
    finally:
        made.remove()


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
    """What the namespace's Pod Security Standard wants, and as long as a real one."""
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
