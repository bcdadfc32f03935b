"""Why a deployment does not become Ready, as its own objects and Events give the reasons. Pure."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

# What `kubectl get` must list for this. Of Deployments the ReplicaSets are read, which know the reason first.
KINDS = "deployments,replicasets,statefulsets,pods,persistentvolumeclaims,resourcequotas,events"
STARTING = {None, "Completed", "PodInitializing", "ContainerCreating"}  # reasons of an ordinary start
IN_STATUS = {"FailedScheduling", "BackOff", "Failed"}  # Events that say what the pod's status says better
# An ordinary start has these too. They are a reason only if they have lasted for LASTING.
PASSING = {"Unhealthy", "ExternalProvisioning", "WaitForFirstConsumer", "WaitForPodScheduled"}
LASTING = dt.timedelta(seconds=30)
MESSAGE_LINES = 3  # of a program's last words

Object = dict[str, Any]


@dataclass(frozen=True)
class Obstacle:
    """An obstacle: whose way it is in, why, and the arguments of kubectl that show more."""

    name: str
    reason: str
    look: str


def obstacles(objects: list[Object]) -> list[Obstacle]:
    """Return why pods are not made, not scheduled or not started, each once, causes before what follows from them."""
    found: list[Obstacle] = []
    for item in sorted(objects, key=lambda each: each["kind"] != "PersistentVolumeClaim"):
        match item["kind"]:
            case "ReplicaSet" | "Deployment":
                found += _of_replicas(item)
            case "PersistentVolumeClaim" if _status(item).get("phase") == "Pending":
                found += _of_events(item, objects)
            case "StatefulSet" if _status(item).get("replicas", 0) < item["spec"].get("replicas", 1):
                # It has no condition for a refused pod, only an Event, which outlives its cause.
                found += _of_events(item, objects)
            case "Pod" if _status(item).get("phase") not in ("Failed", "Succeeded"):
                # A failed pod is a Job's or an evicted one: nothing waits for it.
                found += [*_of_pod(item), *(() if _is_ready(item) else _of_events(item, objects))]
    quotas = [item["metadata"]["name"] for item in objects if item["kind"] == "ResourceQuota"]
    return list(dict.fromkeys(_with_quota(each, quotas) for each in found))


def _of_replicas(item: Object) -> Iterator[Obstacle]:
    """Yield the refusal of a Deployment's pods. The Deployment repeats what its ReplicaSet says, in the same words."""
    owners = item["metadata"].get("ownerReferences") or [item["metadata"]]
    if item["spec"].get("replicas") == 0:
        return  # a ReplicaSet of an earlier revision
    for condition in _status(item).get("conditions", []):
        if (condition["type"], condition["status"]) == ("ReplicaFailure", "True"):
            name = owners[0]["name"]
            yield Obstacle(name, _said(condition), f"describe replicasets --selector app.kubernetes.io/name={name}")


def _of_pod(pod: Object) -> Iterator[Obstacle]:
    name, status = pod["metadata"]["name"], _status(pod)
    for condition in status.get("conditions", []):
        if (condition["type"], condition["status"]) == ("PodScheduled", "False"):
            yield Obstacle(name, _said(condition), f"describe pod {name}")
    for container in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
        whose = f"{name}/{container['name']}"
        if ended := _end(container):
            yield Obstacle(whose, ended, f"logs {name} --container {container['name']}{_previous(container)}")
            continue
        waiting = container["state"].get("waiting") or {}
        if waiting.get("reason") not in STARTING:
            yield Obstacle(whose, f"{waiting['reason']} {waiting.get('message', '')}".rstrip(), f"describe pod {name}")


def _end(container: Object) -> str | None:
    """Return how a container that should run has ended, with its last words, or None.

    A crashed one is mostly waiting for its next start: what it died of is in its last state.
    """
    last = (container.get("lastState") or {}).get("terminated")
    ended = container["state"].get("terminated") or (None if container.get("ready") else last)
    if not ended or ended.get("reason") in STARTING:
        return None
    words = " / ".join((ended.get("message") or "").strip().splitlines()[-MESSAGE_LINES:])
    status = f" (exit status {ended['exitCode']})" if "exitCode" in ended else ""
    return f"{ended['reason']}{status}{': ' if words else ''}{words}"


def _previous(container: Object) -> str:
    return "" if "terminated" in container["state"] else " --previous"


def _of_events(item: Object, objects: list[Object]) -> Iterator[Obstacle]:
    """Yield what the Events about an object say is wrong with it, and not with a former one of its name."""
    kind, name, uid = item["kind"], item["metadata"]["name"], item["metadata"].get("uid")
    for event in (each for each in objects if each["kind"] == "Event"):
        about = event["involvedObject"]
        if about.get("name") != name or about.get("kind", kind) != kind or about.get("uid", uid) != uid:
            continue
        if _is_trouble(event):
            yield Obstacle(name, event.get("message") or event["reason"], f"describe {kind.lower()} {name}")


def _is_trouble(event: Object) -> bool:
    reason = event.get("reason")
    if reason in PASSING:
        times = [event.get(key) for key in ("firstTimestamp", "lastTimestamp")]
        first, last = (dt.datetime.fromisoformat(each) if each else None for each in times)
        return bool(first and last and last - first >= LASTING)
    # That no class serves a claim is an ordinary Event.
    return reason not in IN_STATUS and (event.get("type", "Warning") == "Warning" or reason == "FailedBinding")


def _with_quota(obstacle: Obstacle, quotas: list[str]) -> Obstacle:
    """Return the obstacle; if it is a refusal by a quota, with the command that shows the quota."""
    for name in quotas:
        if f"quota: {name}" in obstacle.reason:
            return replace(obstacle, look=f"describe resourcequota {name}")
    return obstacle


def _status(item: Object) -> Object:
    return item.get("status") or {}


def _is_ready(pod: Object) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in _status(pod).get("conditions", []))


def _said(condition: Object) -> str:
    text: str = condition.get("message") or condition.get("reason") or condition["type"]
    return text
