"""Applies the manifests and waits until everything that they ask for is Ready, saying what it waits for."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT

NAMESPACE = "flask-mongodb"
LIMIT = 240.0  # seconds; pulling the official images over a slow line is within it
POLL = 0.5  # seconds

Say = Callable[[str], None]


def apply(kubectl: tuple[str, ...], overlay: str, images: dict[str, str], directory: Path) -> None:
    """Applies an overlay with these references for its images."""
    directory.mkdir(parents=True, exist_ok=True)
    base = os.path.relpath(CHECKOUT / "k8s" / overlay, directory.resolve())
    (directory / "kustomization.yaml").write_text(json.dumps({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [base],
        "images": [_image(name, reference) for name, reference in images.items()],
    }))  # fmt: skip
    done = subprocess.run((*kubectl, "apply", "--kustomize", str(directory)), capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"The manifests could not be applied:\n{done.stderr.strip()}")


def deployed(kubectl: tuple[str, ...]) -> bool:
    """Was it ever applied to this cluster?"""
    return _succeeds(*kubectl, "--namespace", NAMESPACE, "get", "hpa", "flask")


def raise_to_minimum(kubectl: tuple[str, ...]) -> None:
    """Gives each autoscaled Deployment its least number of pods at once.

    The manifests name no number, since the autoscaler owns it; a new Deployment would wait for its next round with one.
    """
    for scaler in _get(kubectl, "hpa"):
        name, minimum = scaler["spec"]["scaleTargetRef"]["name"], scaler["spec"]["minReplicas"]
        current = next(item for item in _get(kubectl, "deployments") if item["metadata"]["name"] == name)
        if current["spec"]["replicas"] < minimum:
            _succeeds(*kubectl, "--namespace", NAMESPACE, "scale", f"deployment/{name}", f"--replicas={minimum}")


def wait_for_figure(kubectl: tuple[str, ...], say: Say, limit: float = 150.0) -> None:
    """Waits for the autoscaler's first CPU figure: two samples of the metrics, then its own next round."""
    say("waiting for the autoscaler's first CPU figure (half a minute)")
    deadline = time.monotonic() + limit
    while not all(has_figure(item) for item in _get(kubectl, "hpa")):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"The autoscaler has no CPU figure after {limit:.0f} s: see what it says with "
                f"{' '.join(kubectl)} --namespace {NAMESPACE} describe hpa"
            )
        time.sleep(POLL)


def wait(kubectl: tuple[str, ...], say: Say, limit: float = LIMIT) -> None:
    """Waits until every Deployment and StatefulSet of the namespace is as its latest spec says."""
    deadline = time.monotonic() + limit
    said = ""
    while True:
        _unblock(kubectl, say)
        waiting = [line for item in _get(kubectl, "deployments,statefulsets") if (line := unready(item))]
        if not waiting:
            return
        if (line := "waiting for " + ", ".join(waiting)) != said:
            say(said := line)
        if time.monotonic() > deadline:
            raise ClusterError(f"Not Ready after {limit:.0f} s: {', '.join(waiting)}.\n{_reasons(kubectl)}")
        time.sleep(POLL)


def has_figure(scaler: dict[str, Any]) -> bool:
    """Whether an autoscaler knows its pods' CPU, in percent or in millicores: kubectl shows <unknown> if not. Pure."""
    metrics = scaler.get("status", {}).get("currentMetrics") or []
    known = (metric.get("resource") or metric.get("containerResource") or {} for metric in metrics)
    return any(one.get("current") for one in known)  # without samples an entry says nothing


def unready(item: dict[str, Any]) -> str | None:
    """What a Deployment or StatefulSet still lacks, as "name 1/2", or None. Pure."""
    spec, status = item["spec"], item.get("status", {})
    desired = spec.get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
    updated = status.get("updatedReplicas", 0) if seen else 0
    if item["kind"] == "StatefulSet" and seen and status.get("currentRevision") == status.get("updateRevision"):
        updated = status.get("replicas", 0)
    ready = min(updated, status.get("readyReplicas", 0))
    # A Deployment's old pods count as replicas until the last of them is gone.
    done = ready >= desired and (item["kind"] == "StatefulSet" or status.get("replicas", 0) == updated)
    return None if done else f"{item['metadata']['name']} {ready}/{desired}"


def _unblock(kubectl: tuple[str, ...], say: Say) -> None:
    """Deletes pods of a StatefulSet that can hold up their own mending.

    A StatefulSet replaces a pod only once it is Ready: one that an earlier, broken template made would wait for ever.
    """
    for item in _get(kubectl, "statefulsets"):
        selector = ",".join(f"{key}={value}" for key, value in item["spec"]["selector"]["matchLabels"].items())
        for pod in _get(kubectl, "pods", "--selector", selector):
            old = pod["metadata"]["labels"].get("controller-revision-hash") != item["status"].get("updateRevision")
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
            if old and not ready and "deletionTimestamp" not in pod["metadata"]:
                name = pod["metadata"]["name"]
                say(f"replacing {name}, which is of an earlier manifest and not Ready")
                _succeeds(*kubectl, "--namespace", NAMESPACE, "delete", "pod", name)


def _reasons(kubectl: tuple[str, ...]) -> str:
    """Why pods are not Ready, in the cluster's own words."""
    lines = []
    for pod in _get(kubectl, "pods"):
        for container in pod["status"].get("initContainerStatuses", []) + pod["status"].get("containerStatuses", []):
            state = container["state"].get("waiting") or container["state"].get("terminated")
            if state and state.get("reason") not in (None, "Completed", "PodInitializing"):
                lines.append(
                    f"  {pod['metadata']['name']}/{container['name']}: {state['reason']} {state.get('message', '')}"
                )
    lines.append(f"Look closer with: {' '.join(kubectl)} --namespace {NAMESPACE} describe pods")
    return "\n".join(lines)


def _get(kubectl: tuple[str, ...], *what: str) -> list[dict[str, Any]]:
    command = (*kubectl, "--namespace", NAMESPACE, "get", *what, "--output", "json")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"The cluster does not answer: {done.stderr.strip()}")
    items: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    return items


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def _image(name: str, reference: str) -> dict[str, str]:
    new_name, _, tag = reference.rpartition(":")
    return {"name": name, "newName": new_name, "newTag": tag}
