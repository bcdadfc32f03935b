"""Kubernetes objects made from the manifests."""

import copy
import functools
from typing import Any

import yaml

from tests.dashboard.kube.stubs import NAMESPACE, Json
from tests.dashboard.stubs import ROOT

SPACE = f"/api/v1/namespaces/{NAMESPACE}"
POD = f"{SPACE}/pods/mongodb-0"
CLAIM = f"{SPACE}/persistentvolumeclaims/data-mongodb-0"
RUNS = f"{SPACE}/configmaps/dashboard-runs"
HISTORY = f"{SPACE}/configmaps/dashboard-history"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/dashboard-runs"


def manifest(name: str) -> Json:
    """Return a new copy of the manifest's object."""
    return copy.deepcopy(_parsed(name))


@functools.cache
def _parsed(name: str) -> Json:
    parsed: Json = yaml.safe_load((ROOT / "k8s" / "base" / f"{name}.yaml").read_text())
    return parsed


def evidence_config_maps() -> list[Json]:
    return list(yaml.safe_load_all((ROOT / "k8s" / "base" / "dashboard-evidence-configmaps.yaml").read_text()))


def pod(**spec: Any) -> Json:
    """Return the database's pod with its manifest's spec. `spec` replaces fields of it."""
    template: Json = manifest("mongodb-statefulset")["spec"]["template"]["spec"]
    source = {"persistentVolumeClaim": {"claimName": "data-mongodb-0"}}
    volumes = [*template["volumes"], {"name": "data", **source}]
    return {
        "metadata": {"name": "mongodb-0", "uid": "uid-1"},
        "spec": template | {"nodeName": "node", "volumes": volumes} | spec,
        "status": {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": "sidecar", "containerID": "containerd://5555"},
                {"name": "mongod", "containerID": "containerd://a1b2"},
            ],
        },
    }


def claim() -> Json:
    return {
        "metadata": {"name": "data-mongodb-0", "uid": "claim-1"},
        "spec": {"volumeName": "pv-1"},
        "status": {"phase": "Bound"},
    }
