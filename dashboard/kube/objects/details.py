"""The facts and related objects of an object's details. Pure."""

from collections.abc import Iterator
from typing import Any

from dashboard.core.deployment.revisions import REVISION
from dashboard.core.wire import RelatedObject
from dashboard.kube.pods.details import Json

KINDS = {
    kind.lower(): kind
    for kind in ("Deployment", "StatefulSet", "HorizontalPodAutoscaler", "PersistentVolumeClaim", "Service", "Node")
}


def names(state: Json, autoscaler: str) -> dict[str, set[str]]:
    """Return the names in the state, by kind."""
    single = {
        kind: {state[kind]["name"]} if state[kind] else set() for kind in ("deployment", "statefulset", "service")
    }
    return single | {
        "horizontalpodautoscaler": {autoscaler} if state["autoscaler"] else set(),
        "persistentvolumeclaim": {one["name"] for one in state["claims"]},
        "node": {pod["node"] for pod in state["pods"] if pod["node"]},
    }


def facts(kind: str, found: Json) -> Iterator[tuple[str, Any]]:
    """Yield an object's facts: label and value, None for what it does not have."""
    spec, status = found.get("spec") or {}, found.get("status") or {}
    meta = found.get("metadata") or {}
    if kind in ("Deployment", "StatefulSet"):
        yield "Replicas", f"{status.get('readyReplicas') or 0} ready of {spec.get('replicas', 1)}"
        yield "Revision", (meta.get("annotations") or {}).get(REVISION)
        yield "Headless Service", spec.get("serviceName")
        yield "Strategy", (spec.get("strategy") or spec.get("updateStrategy") or {}).get("type")
    if kind == "HorizontalPodAutoscaler":
        yield "Replicas", f"{status.get('currentReplicas') or 0}, wanted {status.get('desiredReplicas') or 0}"
        yield "Bounds", f"{spec.get('minReplicas', 1)} to {spec.get('maxReplicas')}"
    if kind == "PersistentVolumeClaim":
        yield "Phase", status.get("phase")
        yield "Capacity", (status.get("capacity") or {}).get("storage")
        yield "Volume", spec.get("volumeName")
        yield "Storage class", spec.get("storageClassName")
        yield "Access", ", ".join(spec.get("accessModes") or []) or None
    if kind == "Service":
        yield "Type", spec.get("type")
        yield "Address", spec.get("clusterIP")
        yield "Ports", ", ".join(f"{one.get('port')} to {one.get('targetPort')}" for one in spec.get("ports") or [])


def related_to(state: Json, kind: str, name: str, autoscaler: str) -> Iterator[RelatedObject]:
    """Yield the objects that have to do with this one, as far as the state has them."""
    pods, hpa, owner = state["pods"], state["autoscaler"], state["deployment"]
    service = state["service"]
    if kind == "deployment":
        if hpa and hpa["scales"] == f"Deployment {name}":
            yield RelatedObject("HorizontalPodAutoscaler", autoscaler, None, "scales it")
        if service:
            yield RelatedObject("Service", service["name"], None, "routes requests to its pods")
        yield from (_pod(one, "its pod") for one in pods if one["app"] == name)
    elif kind == "statefulset":
        yield from (_pod(one, "its pod") for one in pods if one["app"] == name)
        for claim in state["claims"]:
            if f"-{name}-" in claim["name"]:
                yield RelatedObject("PersistentVolumeClaim", claim["name"], None, "its volume")
    elif kind == "horizontalpodautoscaler":
        if owner and hpa["scales"] == f"Deployment {owner['name']}":
            yield RelatedObject("Deployment", owner["name"], None, "is scaled by it")
    elif kind == "persistentvolumeclaim":
        yield from (_pod(one, "has it mounted") for one in pods if name.endswith(f"-{one['name']}"))
    elif kind == "service" and owner:
        yield RelatedObject("Deployment", owner["name"], None, "makes its endpoints")
        yield from (_pod(one, "ready endpoint") for one in pods if one["app"] == owner["name"] and one["ready"])
    elif kind == "node":
        yield from (_pod(one, "runs on it") for one in pods if one["node"] == name)


def _pod(view: Json, role: str) -> RelatedObject:
    return RelatedObject("Pod", view["name"], view["uid"], role)
