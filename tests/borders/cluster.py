"""A small cluster: one object of each kind as the API server writes it, and the events that list them all."""

import json
from typing import Any

import msgspec

from dashboard.core import events
from dashboard.core.objects import KINDS, PodMetrics
from tests.borders.page import AT, Json

SECOND = "2026-11-24T11:59:30Z"
LABELS = {"app.kubernetes.io/name": "flask"}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
USED = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 133, "averageValue": "133m"}}}
RULES = {
    "stabilizationWindowSeconds": 60,
    "selectPolicy": "Max",
    "tolerance": "100m",
    "policies": [
        {"type": "Percent", "value": 100, "periodSeconds": 15},
        {"type": "Pods", "value": 4, "periodSeconds": 15},
    ],
}


def metadata(name: str, version: int = 100) -> Json:
    return {
        "name": name, "uid": f"uid-{name}", "resourceVersion": str(version), "labels": LABELS,
        "creationTimestamp": "2026-11-24T11:00:00Z", "annotations": {"note": "x"},
        "managedFields": [{"manager": "kubelet"}],
    }  # fmt: skip


def condition(kind: str, status: str = "True") -> Json:
    return {"type": kind, "status": status, "lastTransitionTime": SECOND, "reason": "Because", "message": "It is so."}


def pod(name: str, restarts: int = 0, version: int = 100) -> Json:
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}
    return {
        "metadata": metadata(name, version),
        "spec": {
            "nodeName": "node",
            "resources": {"requests": {"cpu": "100m"}},
            "containers": [{"name": "flask", "image": "flask:1", "resources": resources}],
            "initContainers": [{"name": "sidecar", "restartPolicy": "Always", "resources": resources}],
        },
        "status": {
            "phase": "Running",
            "reason": "",
            "podIP": "10.244.0.7",
            "startTime": "2026-11-24T11:00:00Z",
            "conditions": [condition("Ready"), condition("PodScheduled", "False")],
            "containerStatuses": [
                {"name": "flask", "restartCount": restarts, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
                {"name": "other", "restartCount": 1, "state": {"terminated": {"reason": "OOMKilled"}}},
            ],
        },
    }


OBJECTS: dict[str, Json] = {
    "pods": pod("flask-1"),
    "deployments": {
        "metadata": metadata("flask"),
        "spec": {"replicas": 2},
        "status": {
            "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "conditions": [condition("ReplicaFailure")],
        },
    },
    "statefulsets": {
        "metadata": metadata("mongodb"), "spec": {"replicas": 1}, "status": {"replicas": 1, "readyReplicas": 1},
    },
    "horizontalpodautoscalers": {
        "metadata": metadata("flask"),
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "flask"},
            "minReplicas": 2,
            "maxReplicas": 5,
            "metrics": [CPU],
            "behavior": {"scaleUp": RULES, "scaleDown": RULES},
        },
        "status": {
            "currentReplicas": 2, "desiredReplicas": 3, "lastScaleTime": SECOND, "currentMetrics": [USED],
            "conditions": [condition("ScalingActive", "False"), condition("AbleToScale")],
        },
    },
    "persistentvolumeclaims": {
        "metadata": metadata("data"), "spec": {"volumeName": "pv"},
        "status": {"phase": "Bound", "capacity": {"storage": "8Gi"}},
    },
    "endpointslices": {
        "metadata": metadata("flask") | {"labels": {"kubernetes.io/service-name": "flask"}},
        "endpoints": [{"addresses": ["10.244.0.7"], "conditions": {"ready": True}}],
    },
    "events": {
        "metadata": metadata("flask.17"),
        "involvedObject": {"kind": "Pod", "name": "flask-1", "uid": "u", "fieldPath": "spec.containers{flask}"},
        "type": "Warning", "reason": "BackOff", "message": "It fails.", "count": 3, "lastTimestamp": SECOND,
        "eventTime": None, "series": {"count": 2, "lastObservedTime": SECOND},
    },
}  # fmt: skip

SAMPLE: Json = {
    "metadata": metadata("flask-1"),
    "timestamp": SECOND,
    "window": "15.012s",
    "containers": [{"name": "flask", "usage": {"cpu": "133m", "memory": "64Mi"}}],
}


def decoded(type_: Any, written: Json) -> Any:
    return msgspec.json.decode(json.dumps(written), type=type_)


def opening() -> list[events.Event]:
    """Return the events after which a page shows the whole cluster, with two pods and a sample of each."""
    listed = [
        events.ObjectsListed(at=AT, kind=kind, objects=[decoded(KINDS[kind], written)])
        for kind, written in OBJECTS.items()
    ]
    listed.append(events.ObjectChanged(at=AT, kind="pods", object=decoded(KINDS["pods"], pod("flask-2"))))
    samples = [decoded(PodMetrics, SAMPLE | {"metadata": metadata(name)}) for name in ("flask-1", "flask-2")]
    return [*listed, events.MetricsSampled(at=AT, samples=samples)]
