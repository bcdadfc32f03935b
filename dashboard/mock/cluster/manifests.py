"""Kubernetes objects as JSON of the API, decoded with the dashboard's own types (core.objects).

Fields that those types do not read, or that have their default value, are left out.
"""

from typing import Any

import msgspec

from dashboard.core import objects

Json = dict[str, Any]

NODE = "node"
HASH = "5d9c7b6f4"  # pod-template-hash of each Deployment
BEHAVIOR = {  # as in k8s/base
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15},
            {"type": "Pods", "value": 4, "periodSeconds": 15},
        ],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 60,
        "selectPolicy": "Max",
        "policies": [{"type": "Percent", "value": 50, "periodSeconds": 15}],
    },
}


def decoded(kind: str, manifest: Json) -> Any:
    """Return the object as the kind's source emits it."""
    return msgspec.convert(manifest, objects.KINDS[kind])


def sample(name: str, container: str, timestamp: str, cpu: float, memory: float) -> objects.PodMetrics:
    """Return a PodMetrics of metrics.k8s.io with `cpu` millicores and `memory` bytes."""
    usage = {"cpu": f"{int(cpu * 1_000_000)}n", "memory": f"{int(memory / 1024)}Ki"}
    manifest = {
        "metadata": {"name": name, "creationTimestamp": timestamp},
        "timestamp": timestamp,
        "window": "15.012s",
        "containers": [{"name": container, "usage": usage}],
    }
    return msgspec.convert(manifest, objects.PodMetrics)


def metadata(name: str, uid: str, created: str, **labels: str) -> Json:
    return {"name": name, "uid": uid, "creationTimestamp": created, "labels": labels}


def workload(name: str, created: str, desired: int, ready: int, updated: int | None = None, total: int = 0) -> Json:
    """Return a Deployment or a StatefulSet. Of its pods, `updated` are of the newest template: by default all."""
    return {
        "metadata": metadata(name, f"uid-{name}", created),
        "spec": {"replicas": desired},
        "status": {
            "replicas": total or desired,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": desired if updated is None else updated,
        },
    }


def volume_claim(name: str, uid: str, created: str) -> Json:
    return {
        "metadata": metadata(name, uid, created),
        "spec": {"volumeName": f"pvc-{uid}"},
        "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}},
    }


def endpoint_slice(service: str, created: str, addresses: list[tuple[str, bool]]) -> Json:
    """Return a Service's EndpointSlice. `addresses` are (IP address, ready)."""
    return {
        "metadata": metadata(
            f"{service}-x7k2p", f"uid-{service}-slice", created, **{"kubernetes.io/service-name": service}
        ),
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": ready, "serving": ready, "terminating": False}}
            for address, ready in addresses
        ],
    }
