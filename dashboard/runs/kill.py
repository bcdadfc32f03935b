"""The one way in which the database is killed: by a demo, or by the restart button."""

from collections.abc import Callable

from dashboard.core.errors import ExternalError, NotFound, UidMismatch
from dashboard.kube.pod_control import PodIdentity
from dashboard.runs.ports import Pods


def kill(pods: Pods, pod: PodIdentity, mode: str, note: Callable[..., None]) -> None:
    """Kills the pod ("graceful") or its mongod ("crash") and notes how that went; errors as `Pods.kill`."""
    action = f"restart {pod.name} ({mode})"
    about = {"kind": "Pod", "name": pod.name, "uid": pod.uid}
    try:
        pods.kill(pod.name, pod.uid, mode)
    except ExternalError as error:
        outcome = "refused" if isinstance(error, UidMismatch | NotFound) else "failed"
        note(action, f"{outcome}: {error}", about)
        raise
    note(action, "done", about, mark="kill")
