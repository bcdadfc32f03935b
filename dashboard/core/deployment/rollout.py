"""How far a Deployment's roll-out is, by the rules of `kubectl rollout status`."""

from typing import Any

from dashboard.core.objects import Workload
from dashboard.core.text import plain

LONGEST_REVISION = 253  # characters that are shown: anybody may annotate a Deployment

Json = dict[str, Any]


def view(deployment: Workload) -> Json:
    """Return the roll-out's view: its state, how far it is in words, and the newest template's revision."""
    annotations = deployment.metadata.annotations
    revision = annotations.revision if annotations else None
    state, text = _progress(deployment)
    return {"state": state, "text": text, "revision": revision and plain(revision, LONGEST_REVISION)}


def _progress(deployment: Workload) -> tuple[str, str]:
    spec, status = deployment.spec, deployment.status
    seen = deployment.metadata.generation <= status.observed_generation
    left = _left(deployment) if seen else "its controller has not seen the new spec yet"
    if spec.paused:
        return "paused", f"paused: {left}" if left else "paused; all pods are of the newest template"
    if seen and _is_stuck(deployment):
        return "failed", f"no progress within its deadline: {left}" if left else "no progress within its deadline"
    return ("progressing", left) if left else ("complete", "all pods are of the newest template, and available")


def _left(deployment: Workload) -> str:
    """Return what is missing, in words; "" if nothing is."""
    spec, status = deployment.spec, deployment.status
    if status.updated_replicas < spec.replicas:
        return f"{status.updated_replicas} of {spec.replicas} pods are of the newest template"
    if status.replicas > status.updated_replicas:
        old = status.replicas - status.updated_replicas
        return f"{old} old {'pod is' if old == 1 else 'pods are'} ending"
    if status.available_replicas < status.updated_replicas:
        return f"{status.available_replicas} of {status.updated_replicas} new pods are available"
    return ""


def _is_stuck(deployment: Workload) -> bool:
    conditions = deployment.status.conditions or ()
    return any(one.type == "Progressing" and one.reason == "ProgressDeadlineExceeded" for one in conditions)
