"""Other settings of the simulated autoscaler, for work on the page. It decides by CPU all the same."""

from typing import Any

Json = dict[str, Any]

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TARGET_OVER_LIMIT = 400  # percent: the limit of the service's pods


def altered(variant: str, manifest: Json) -> Json:
    """Return the object with a variant's settings, and with the status that its controller would write."""
    spec, status = manifest["spec"], manifest["status"]
    (cpu,), seen = spec["metrics"], status["currentMetrics"]
    match variant:
        case "several":
            metrics = [cpu, _memory(80), _queue(target={"type": "AverageValue", "averageValue": "30"})]
            seen = seen and [*seen, _memory_seen(47), _queue(current={"averageValue": "12500m"})]
        case "missing":
            metrics = [cpu, _queue(target={"type": "Value", "value": "100"})]
        case "average":
            metrics = [_cpu(target={"type": "AverageValue", "averageValue": "70m"})]
        case "container":
            metrics = [{"type": "ContainerResource", "containerResource": cpu["resource"] | {"container": "flask"}}]
            seen = [
                {"type": "ContainerResource", "containerResource": one["resource"] | {"container": "flask"}}
                for one in seen
            ]
        case "memory":
            metrics, seen = [_memory(40)], [_memory_seen(47)]
        case "broken":
            metrics = [_cpu(target={"type": "Utilization", "averageUtilization": TARGET_OVER_LIMIT})]
            up = spec["behavior"]["scaleUp"] | {"selectPolicy": "Disabled"}
            spec = spec | {"minReplicas": spec["maxReplicas"], "behavior": spec["behavior"] | {"scaleUp": up}}
        case _:
            return manifest
    return manifest | {"spec": spec | {"metrics": metrics}, "status": status | {"currentMetrics": seen}}


def annotations(variant: str) -> dict[str, str]:
    """Return the Deployment's annotations."""
    return {APPLIED: '{"spec":{"replicas":3}}'} if variant == "broken" else {}


def _cpu(**values: Json) -> Json:
    return {"type": "Resource", "resource": {"name": "cpu", **values}}


def _memory(target: int) -> Json:
    value = {"type": "Utilization", "averageUtilization": target}
    return {"type": "Resource", "resource": {"name": "memory", "target": value}}


def _memory_seen(percent: int) -> Json:
    value = {"averageUtilization": percent, "averageValue": "60Mi"}
    return {"type": "Resource", "resource": {"name": "memory", "current": value}}


def _queue(**values: Json) -> Json:
    return {"type": "External", "external": {"metric": {"name": "queue"}, **values}}
