"""Views: Kubernetes objects as JSON for the state. Numbers are in the units of their names."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import Any

from dashboard.core.deployment import rollout
from dashboard.core.events import FiringAlert
from dashboard.core.hpa.metrics import MILLICORES, PERCENT
from dashboard.core.hpa.spec import seen_of, target_of
from dashboard.core.objects import (
    Autoscaler,
    EndpointSlice,
    Owner,
    PersistentVolumeClaim,
    Pod,
    PodMetrics,
    Workload,
)
from dashboard.core.quantity import MOST_BYTES, millicores, whole_bytes
from dashboard.core.state.traffic import TrafficRates
from dashboard.core.text import plain

Json = dict[str, Any]

LONGEST_REASON = 253  # of text for which the API has no limit
LONGEST_MESSAGE = 1_000
MOST_CONDITIONS = 20
MOST_CHARTED = 10_000  # percent: a target line above this would flatten the rest of the chart, so it is not drawn


def pod(pod: Pod, sample: PodMetrics | None, rates: TrafficRates | None = None, unready: str | None = None) -> Json:
    """Return a pod's view. A sample from before its creation is ignored: it is of a replaced pod of the same name.

    `unready` is why it is not Ready in its own words, for which Kubernetes has no reason.
    """
    meta = pod.metadata
    cpu, memory = _usage(sample) if sample and sample.timestamp >= (meta.creation_timestamp or "") else (None, None)
    ready = any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())
    return {
        "name": meta.name,
        "uid": meta.uid,
        "app": app(pod),
        "phase": "Terminating" if meta.deletion_timestamp else pod.status.phase,
        "ready": ready,
        "restarts": _restarts(pod),
        "created": meta.creation_timestamp or "",
        "node": pod.spec.node_name,
        "cpu_millicores": cpu,
        "memory_bytes": memory,
        **pod_traffic(rates, meta.name),
        "cpu_request_millicores": _request(pod, "cpu"),
        "cpu_limit_millicores": _limit(pod, "cpu"),
        "memory_request_bytes": _request(pod, "memory"),
        "memory_limit_bytes": _limit(pod, "memory"),
        "ip": pod.status.pod_ip,
        "reason": _reason(pod),
        "unready": None if ready or unready is None else plain(unready, LONGEST_REASON),
    }


def alerts(firing: Iterable[FiringAlert]) -> list[Json]:
    """Return the views of alerts."""
    return [
        {
            "id": alert.id,
            "name": plain(alert.name, LONGEST_REASON),
            "severity": plain(alert.severity, LONGEST_REASON),
            "summary": plain(alert.summary, LONGEST_MESSAGE),
            "since": alert.since,
        }
        for alert in firing
    ]


def pod_traffic(rates: TrafficRates | None, name: str) -> Json:
    """Return a pod's request and error rates, null while they are unknown."""
    return {
        "requests_per_second": rates.by_pod.get(name) if rates else None,
        "errors_per_second": rates.errors_by_pod.get(name) if rates else None,
    }


def workload(workload: Workload) -> Json:
    """Return the view of a Deployment or a StatefulSet.

    `updated` are the replicas of the newest template. `failure` is why a Deployment can't create pods, or null.
    """
    conditions = workload.status.conditions or ()
    failures = (one.message for one in conditions if one.type == "ReplicaFailure" and one.status == "True")
    return {
        "name": workload.metadata.name,
        "desired": workload.spec.replicas,
        "ready": workload.status.ready_replicas,
        "updated": workload.status.updated_replicas,
        "available": workload.status.available_replicas,
        "replicas": workload.status.replicas,
        "failure": next((plain(message, LONGEST_MESSAGE) for message in failures), None),
        "rollout": None,
        "progress_deadline": workload.spec.progress_deadline_seconds,
    }


def deployment(deployment: Workload) -> Json:
    """Return a Deployment's view: a workload's, with its roll-out."""
    return workload(deployment) | {"rollout": rollout.view(deployment)}


def autoscaler(autoscaler: Autoscaler) -> Json:
    """Return an autoscaler's view. Its CPU target is in percent of the pods' requests, or in millicores per pod."""
    target, unit = target_of(autoscaler)
    by_percent = unit == PERCENT
    scaled = autoscaler.spec.scale_target_ref
    return {
        "scales": plain(f"{scaled.kind} {scaled.name}", LONGEST_MESSAGE) if scaled.name else None,
        "min": autoscaler.spec.min_replicas,
        "max": autoscaler.spec.max_replicas,
        "current": autoscaler.status.current_replicas,
        "desired": autoscaler.status.desired_replicas,
        "cpu_percent": seen_of(autoscaler.status, PERCENT) if by_percent else None,
        "target_percent": target if by_percent else None,
        "cpu_millicores": seen_of(autoscaler.status, MILLICORES),
        "target_millicores": None if by_percent else target,
        "last_scaled": autoscaler.status.last_scale_time,
        "conditions": [
            {
                "id": condition.type,
                "type": condition.type,
                "status": condition.status,
                "since": condition.last_transition_time,
                "reason": plain(condition.reason, LONGEST_REASON),
                "message": plain(condition.message, LONGEST_MESSAGE),
            }
            for condition in (autoscaler.status.conditions or ())[:MOST_CONDITIONS]
        ],
    }


def target_of_requests(autoscaler: Json, pods: Iterable[Json]) -> float | None:
    """Return the CPU target in percent of the requests of `pods`, for the CPU chart; None if it can't be drawn.

    `autoscaler` and `pods` are views.
    """
    target: float | None = autoscaler["target_percent"]
    if autoscaler["target_millicores"] is not None:
        requests = [pod["cpu_request_millicores"] for pod in pods if pod["cpu_request_millicores"]]
        target = round(100 * autoscaler["target_millicores"] * len(requests) / sum(requests), 1) if requests else None
    return None if target is None or target > MOST_CHARTED else target


def traffic(rates: TrafficRates | None) -> Json | None:
    """Return the traffic of all service pods together."""
    if rates is None:
        return None
    return {
        "requests_per_second": rates.requests_per_second,
        "errors_per_second": rates.errors_per_second,
        "p50_ms": rates.p50_ms,
        "p99_ms": rates.p99_ms,
    }


def claim(claim: PersistentVolumeClaim, statefulset: str) -> Json:
    """Return the view of a PersistentVolumeClaim with its volume. `statefulset` is MongoDB's."""
    storage = (claim.status.capacity or {}).get("storage")
    return {
        "name": claim.metadata.name,
        "uid": claim.metadata.uid,
        "of_database": f"-{statefulset}-" in claim.metadata.name,
        "phase": claim.status.phase,
        "capacity_bytes": whole_bytes(storage) if storage else None,
        "volume": claim.spec.volume_name or None,
    }


def ready_endpoints(slices: Iterable[EndpointSlice], service: str) -> int:
    """Count the service's ready addresses, of one family: a dual-stack pod has one of each. While slices are
    rebalanced, an address may be in two of them."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for one in slices:
        if (one.metadata.labels or {}).get("kubernetes.io/service-name") == service:
            ready = (each for each in one.endpoints or () if each.conditions.ready is not False)
            found[one.address_type].update(chain.from_iterable(each.addresses or () for each in ready))
    return max(map(len, found.values()), default=0)


def app(pod: Pod) -> str:
    """Return the name of the Deployment or StatefulSet that made the pod; of other pods, the name in their labels."""
    labels = pod.metadata.labels or {}
    owner = _controller(pod)
    if owner and owner.kind == "StatefulSet":
        return owner.name
    template = labels.get("pod-template-hash")
    if owner and owner.kind == "ReplicaSet" and template and owner.name.endswith(f"-{template}"):
        return owner.name.removesuffix(f"-{template}")  # as the Deployment controller names it
    return labels.get("app.kubernetes.io/name") or labels.get("app") or ""


def _usage(sample: PodMetrics) -> tuple[int, int]:
    usages = [container.usage or {} for container in sample.containers or ()]
    return (
        _sum("cpu", (usage.get("cpu") for usage in usages)),
        _sum("memory", (usage.get("memory") for usage in usages)),
    )


def is_made_by(pod: Pod, kind: str, name: str) -> bool:
    """Return whether a Deployment's ReplicaSet, or a StatefulSet, made the pod: anybody may label one of their own."""
    owner = _controller(pod)
    if kind == "Deployment":
        template = (pod.metadata.labels or {}).get("pod-template-hash")
        kind, name = "ReplicaSet", f"{name}-{template}"  # as the Deployment controller names it
    return owner is not None and (owner.kind, owner.name) == (kind, name)


def _controller(pod: Pod) -> Owner | None:
    return next((one for one in pod.metadata.owner_references or () if one.controller), None)


def _request(pod: Pod, resource: str) -> int | None:
    """Return the pod-level request, or else the sum of the containers' requests; None if no container has one."""
    whole = (pod.spec.resources.requests or {}).get(resource) if pod.spec.resources else None
    if whole:
        return _sum(resource, [whole])
    requests = [(one.resources.requests or {}).get(resource) for one in pod.long_running]
    return _sum(resource, requests) if any(requests) else None


def _limit(pod: Pod, resource: str) -> int | None:
    """Return the pod-level limit, or else the sum of the containers' limits; None if a container has none."""
    whole = (pod.spec.resources.limits or {}).get(resource) if pod.spec.resources else None
    if whole:
        return _sum(resource, [whole])
    limits = [(one.resources.limits or {}).get(resource) for one in pod.long_running]
    return _sum(resource, limits) if limits and all(limits) else None


def _sum(resource: str, amounts: Iterable[str | None]) -> int:
    amount = millicores if resource == "cpu" else whole_bytes
    return min(sum(amount(text) for text in amounts if text), MOST_BYTES)


def _statuses(pod: Pod) -> Iterable[Any]:
    return chain(pod.status.container_statuses or (), pod.status.init_container_statuses or ())


def _restarts(pod: Pod) -> int:
    """Return the restarts as kubectl counts them: without those of init containers that have done their work."""
    initialized = any(c.type == "Initialized" and c.status == "True" for c in pod.status.conditions or ())
    lasting = {one.name for one in pod.long_running}
    return sum(one.restart_count for one in _statuses(pod) if not initialized or one.name in lasting)


def _reason(pod: Pod) -> str | None:
    """Return Kubernetes' reason for a problem of the pod: Evicted, CrashLoopBackOff, OOMKilled, Unschedulable …"""
    if pod.status.reason:
        return plain(pod.status.reason, LONGEST_REASON)
    states = [status.state for status in _statuses(pod)]
    waiting = [state.waiting.reason for state in states if state.waiting and state.waiting.reason]
    # "Completed" is the normal end of an init container.
    ended = [s.terminated.reason for s in states if s.terminated and s.terminated.reason not in ("", "Completed")]
    pending = [c.reason for c in pod.status.conditions or () if c.type == "PodScheduled" and c.status == "False"]
    return next((plain(reason, LONGEST_REASON) for reason in [*ended, *waiting, *pending] if reason), None)
