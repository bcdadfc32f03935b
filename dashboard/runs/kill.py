"""Kills the database's pod and audits it, for demos and for a restart by hand."""

from collections.abc import Callable

from dashboard.core.errors import ExternalError, NotFound, UidMismatch
from dashboard.kube.pods.control import PodIdentity
from dashboard.runs.ports import Pods


def kill(pods: Pods, pod: PodIdentity, mode: str, note: Callable[..., None]) -> None:
    """Delete the pod ("graceful") or kill its mongod ("crash"), and audit the outcome with `note`. Raise the errors of
    `Pods.kill`."""
    action = f"restart {pod.name} ({mode})"
    about = {"kind": "Pod", "name": pod.name, "uid": pod.uid}
    try:
        pods.kill(pod.name, pod.uid, mode)
    except ExternalError as error:
        outcome = "refused" if isinstance(error, UidMismatch | NotFound) else "failed"
        note(action, f"{outcome}: {error}", about)
        raise
    note(action, "done", about, mark="kill")
