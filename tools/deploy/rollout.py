"""Apply of the manifests, and the wait until all workloads are Ready."""

import http.client
import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.cluster.errors import ClusterError
from tools.cluster.patience import patient
from tools.deploy.command import succeeds
from tools.deploy.obstacles import KINDS, Obstacle, obstacles
from tools.deploy.secrets import MANIFESTS

NAMESPACE = "flask-mongodb"  # of the manifests, and by default of the deployment
LIMIT = 240.0  # seconds; enough to pull the official images over a slow line
FIGURE_LIMIT = 300.0  # seconds; minikube's metrics-server may sample each 60 s, and its first sample comes late
POLL = 0.5  # seconds
WORKLOADS = ("Deployment", "StatefulSet")
HA = "components/ha"  # with it MongoDB has several members

Say = Callable[[str], None]
Patch = dict[str, Any]  # of kustomize


def namespace() -> str:
    """Return the namespace to deploy to: NAMESPACE, or that of the manifests. Raise ClusterError if it can't be one."""
    name = os.environ.get("NAMESPACE") or NAMESPACE
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise ClusterError(f"NAMESPACE={name} is no name of a namespace: give lower-case letters, digits and hyphens.")
    return name


def apply(
    kubectl: tuple[str, ...],
    overlay: str,
    components: list[str],
    images: dict[str, str],
    patches: list[Patch],
    directory: Path,
) -> None:
    """Apply an overlay with components, all below k8s/. `images` is {name in the manifests: reference}.

    `directory` gets the kustomization for it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    base, *parts = (os.path.relpath(MANIFESTS / each, directory.resolve()) for each in [overlay, *components])
    (directory / "kustomization.yaml").write_text(json.dumps({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [base],
        "components": parts, "namespace": namespace(),
        "images": [_image(name, reference) for name, reference in images.items()],
        "patches": patches,
    }))  # fmt: skip
    command = (*kubectl, "apply", "--kustomize", str(directory))
    # A refused object would leave the others applied, so the API server is asked first. The first time it can't be: it
    # would refuse objects of a namespace that is still to come.
    if deployed(kubectl):
        checked = subprocess.run((*command, "--dry-run=server"), capture_output=True, text=True)
        if checked.returncode != 0:
            raise ClusterError(f"Nothing was applied. {refusal(kubectl, checked.stderr)}")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"The manifests could not be applied:\n{done.stderr.strip()}")


def refusal(kubectl: tuple[str, ...], errors: str) -> str:
    """Return the API server's refusal of the manifests, and what to do if it is about a StatefulSet's volumes. Pure."""
    if "updates to statefulset spec" not in errors or '"mongodb"' not in errors:
        return f"The API server refuses the manifests:\n{errors.strip()}"
    return (
        "The manifest of a StatefulSet that exists can't change its volumes. To give MongoDB a larger one, where its "
        f"StorageClass allows that: `{_shown(kubectl, 'edit pvc data-mongodb-0')}`, then "
        f"`{_shown(kubectl, 'delete statefulset mongodb --cascade=orphan')}`, which keeps pod and data, then `make up`."
    )


def secrets_patch(workload: str, checksum: str) -> Patch:
    """Return a patch after which a workload is rolled out whenever the checksum of its secrets changes."""
    return template_patch(workload, {"metadata": {"annotations": {"checksum/secrets": checksum}}})


def address_patch(address: str) -> Patch:
    """Return a patch that tells the page where its readers reach the service."""
    container = {"name": "dashboard", "env": [{"name": "SERVICE_ADDRESS", "value": address}]}
    return template_patch("dashboard", {"spec": {"containers": [container]}})


def template_patch(workload: str, template: dict[str, Any]) -> Patch:
    """Return a patch of a workload's pods."""
    kind = "StatefulSet" if workload == "mongodb" else "Deployment"
    patch = {
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": workload, "namespace": NAMESPACE},
        "spec": {"template": template},
    }  # fmt: skip
    return {"patch": json.dumps(patch)}


def deployed(kubectl: tuple[str, ...]) -> bool:
    """Return whether the manifests were ever applied to this cluster."""
    return succeeds(*kubectl, "--namespace", namespace(), "get", "hpa", "flask")


def members(kubectl: tuple[str, ...]) -> int:
    """Return how many pods MongoDB has or is to have, whichever is more: 0 where there is none. Raise ClusterError."""
    found = mongodb(kubectl)
    return max(found["spec"]["replicas"], found["status"].get("replicas", 0)) if found else 0


def mongodb(kubectl: tuple[str, ...]) -> dict[str, Any] | None:
    """Return MongoDB's StatefulSet, or None where there is none. Raise ClusterError."""
    return next((item for item in _get(kubectl, "statefulsets") if item["metadata"]["name"] == "mongodb"), None)


def require_members(kubectl: tuple[str, ...], components: list[str]) -> None:
    """Raise ClusterError if manifests with these components would scale MongoDB's members down to one."""
    if HA in components or (count := members(kubectl)) <= 1:
        return
    names = " ".join([*(each.removeprefix("components/") for each in components), "ha"])
    raise ClusterError(
        f"MongoDB has {count} members, and without the component ha one stays: give COMPONENTS='{names}', or first "
        f"run `{_shown(kubectl, 'scale statefulset mongodb --replicas=1')}` and wait until one pod is left."
    )


def raise_to_minimum(kubectl: tuple[str, ...]) -> None:
    """Scale each autoscaled Deployment to its minReplicas.

    The manifests set no replicas, since the autoscaler owns them: a new Deployment has one until the next sync.
    """
    for scaler in _get(kubectl, "hpa"):
        name, minimum = scaler["spec"]["scaleTargetRef"]["name"], scaler["spec"]["minReplicas"]
        current = next(item for item in _get(kubectl, "deployments") if item["metadata"]["name"] == name)
        if current["spec"]["replicas"] < minimum:
            succeeds(*kubectl, "--namespace", namespace(), "scale", f"deployment/{name}", f"--replicas={minimum}")


def wait_for_figure(kubectl: tuple[str, ...], say: Say, limit: float = FIGURE_LIMIT) -> None:
    """Wait for the autoscaler's first CPU figure, which needs two metrics samples and a sync. Raise ClusterError."""
    say("waiting for the autoscaler's first CPU figure (half a minute; two or three where metrics come each 60 s)")
    limit = patient(limit)
    deadline = time.monotonic() + limit
    while waiting := [item for item in _get(kubectl, "hpa") if not has_figure(item)]:
        if time.monotonic() > deadline:
            reasons = [f"  {reason}" for item in waiting for reason in unscaled(item)]
            see = f"  see: {_shown(kubectl, 'describe hpa')}"
            raise ClusterError("\n".join([f"The autoscaler has no CPU figure after {limit:.0f} s.", *reasons, see]))
        time.sleep(POLL)


def wait(kubectl: tuple[str, ...], say: Say, limit: float = LIMIT) -> None:
    """Wait until every Deployment and StatefulSet runs its latest spec. Raise ClusterError after `limit` seconds."""
    limit = patient(limit)
    deadline = time.monotonic() + limit
    said: list[str] = []
    while True:
        objects = _get(kubectl, KINDS)
        for name in blocking(objects):
            say(f"replacing {name}: it is of an earlier revision and holds up the later one")
            succeeds(*kubectl, "--namespace", namespace(), "delete", "pod", name)
        if not {item["kind"] for item in objects} >= set(WORKLOADS):
            raise ClusterError(f"The cluster does not show its workloads: {_shown(kubectl, 'get all')}")
        waiting = [line for item in objects if item["kind"] in WORKLOADS and (line := unready(item))]
        if not waiting:
            return
        reasons = [_line(kubectl, each) for each in obstacles(objects)]
        for line in ["waiting for " + ", ".join(waiting), *reasons]:
            if line not in said:
                say(line)
                said.append(line)
        if time.monotonic() > deadline:
            known = reasons or [f"  see: {_shown(kubectl, 'describe pods')}"]
            raise ClusterError("\n".join([f"Not Ready after {limit:.0f} s: {', '.join(waiting)}.", *known]))
        time.sleep(POLL)


def _line(kubectl: tuple[str, ...], obstacle: Obstacle) -> str:
    return f"  {obstacle.name}: {obstacle.reason}\n  see: {_shown(kubectl, obstacle.look)}"


def _shown(kubectl: tuple[str, ...], arguments: str) -> str:
    """Return a command for the reader to copy."""
    return f"{shlex.join(kubectl)} --namespace {namespace()} {arguments}"


def wait_for_answer(url: str, limit: float = 30.0) -> None:
    """Wait until HTTP is answered at an address, with any status. Raise ClusterError.

    A pod is Ready a moment before the rules that lead to it are in place on its node.
    """
    address = urlsplit(url)
    limit = patient(limit)
    deadline = time.monotonic() + limit
    while True:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)  # past any proxy
        try:
            connection.request("GET", "/")
            connection.getresponse()
            return
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                message = f"{url} does not answer after {limit:.0f} s ({error}): run `make up` again."
                raise ClusterError(message) from None
        finally:
            connection.close()
        time.sleep(POLL)


def has_figure(scaler: dict[str, Any]) -> bool:
    """Return whether an autoscaler has a CPU figure; kubectl shows <unknown> without one. Pure."""
    metrics = scaler.get("status", {}).get("currentMetrics") or []
    known = (metric.get("resource") or metric.get("containerResource") or {} for metric in metrics)
    return any(one.get("current") for one in known)  # without samples, `current` is missing or empty


def unscaled(scaler: dict[str, Any]) -> list[str]:
    """Return why an autoscaler does not act, in its own words. Pure."""
    conditions = scaler.get("status", {}).get("conditions") or []
    return [each.get("message") or each["reason"] for each in conditions if each["status"] == "False"
            and each["type"] in ("AbleToScale", "ScalingActive")]  # fmt: skip


def unready(item: dict[str, Any]) -> str | None:
    """Return "name ready/desired" of a workload that has not rolled out, or None. Pure."""
    spec, status = item["spec"], item.get("status", {})
    desired = spec.get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
    updated = status.get("updatedReplicas", 0) if seen else 0
    if item["kind"] == "StatefulSet" and seen and status.get("currentRevision") == status.get("updateRevision"):
        updated = status.get("replicas", 0)
    ready = min(updated, status.get("readyReplicas", 0))
    # A Deployment's old pods count as replicas until they are gone.
    done = ready >= desired and (item["kind"] == "StatefulSet" or status.get("replicas", 0) == updated)
    return None if done else f"{item['metadata']['name']} {ready}/{desired}"


def blocking(objects: list[dict[str, Any]]) -> list[str]:
    """Return a StatefulSet's pods that are of an old revision and hold up the later one. Pure.

    The controller waits for a pod to become Ready before it replaces it, and a pod of a broken template never is. It
    also waits for new members before it replaces the first one, which must take them in and knows of one member only.
    """
    names = []
    pods = [item for item in objects if item["kind"] == "Pod" and "deletionTimestamp" not in item["metadata"]]
    for item in (item for item in objects if item["kind"] == "StatefulSet"):
        for pod in pods:
            labels = pod["metadata"].get("labels") or {}
            old = labels.get("controller-revision-hash") != item.get("status", {}).get("updateRevision")
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
            alone = _reads_scale(item["spec"].get("template", {})) and not _reads_scale(pod)
            if item["spec"]["selector"]["matchLabels"].items() <= labels.items() and old and (alone or not ready):
                names.append(pod["metadata"]["name"])
    return names


def _reads_scale(pod: dict[str, Any]) -> bool:
    """Return whether a pod or a template has a sidecar that adds and removes members."""
    containers = pod.get("spec", {}).get("containers", [])
    return any(variable["name"] == "SCALE_URL" for each in containers for variable in each.get("env", []))


def _get(kubectl: tuple[str, ...], *what: str) -> list[dict[str, Any]]:
    command = (*kubectl, "--namespace", namespace(), "get", *what, "--output", "json")
    done = subprocess.run(command, capture_output=True, text=True)
    # Where only some kinds may be listed, kubectl prints those, and fails.
    refused = all("(Forbidden)" in line for line in done.stderr.strip().splitlines())
    if done.returncode != 0 and not (done.stdout and refused):
        raise ClusterError(f"The cluster does not answer: {done.stderr.strip()}")
    items: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    return items


def _image(name: str, reference: str) -> dict[str, str]:
    new_name, _, tag = reference.rpartition(":")
    return {"name": name, "newName": new_name, "newTag": tag}
