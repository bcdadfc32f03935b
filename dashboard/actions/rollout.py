"""Roll-outs of a Deployment: the changes that `kubectl rollout` makes, as JSON Patches. Pure."""

from collections.abc import Iterable
from typing import Any

from dashboard.core.deployment.differences import differences
from dashboard.core.deployment.revisions import RESTARTED, number_of
from dashboard.core.errors import ExternalError, InvalidOption

HASH_LABEL = "pod-template-hash"  # the controller's own: a ReplicaSet's template has it, the Deployment's has not
RESTART, PAUSE, RESUME, UNDO = ACTIONS = ("restart", "pause", "resume", "undo")

Json = dict[str, Any]


class NotPossible(ExternalError):
    """The Deployment's state does not allow the action. The message says why."""


def restart(deployment: Json, at: str) -> list[Json]:
    """Return the patch that replaces all pods: a changed annotation makes a new template."""
    if _is_paused(deployment):
        raise NotPossible("The roll-out is paused, so a restart would replace no pod: resume it first.")
    path = "/spec/template/metadata/annotations"
    start = [] if _template(deployment)["metadata"].get("annotations") else [_add(path, {})]
    return [*start, _add(f"{path}/{RESTARTED.replace('/', '~1')}", at)]


def pause(deployment: Json) -> list[Json]:
    if _is_paused(deployment):
        raise NotPossible("The roll-out is paused already.")
    return [_add("/spec/paused", True)]


def resume(deployment: Json) -> list[Json]:
    if not _is_paused(deployment):
        raise NotPossible("The roll-out is not paused.")
    return [_add("/spec/paused", False)]


def undo(deployment: Json, replica_sets: Iterable[Json], revision: int) -> list[Json]:
    """Return the patch that gives the Deployment an earlier revision's template. A paused roll-out is resumed by it."""
    found = next((each for each in replica_sets if number_of(each) == revision), None)
    if found is None:
        raise InvalidOption(f"There is no revision {revision} any more: the Deployment keeps the newest ones.")
    template = template_of(found)
    if template == _template(deployment):
        raise NotPossible(f"The Deployment has the template of revision {revision} already.")
    resumed = [_add("/spec/paused", False)] if _is_paused(deployment) else []
    return [_add("/spec/template", template), *resumed]


def former(deployment: Json, replica_sets: Iterable[Json]) -> int:
    """Return the revision before the current one. Raise `NotPossible` if none is kept."""
    current = number_of(deployment)
    earlier = [number for each in replica_sets if (number := number_of(each)) is not None and number != current]
    if not earlier:
        raise NotPossible("There is no former revision: the Deployment has had one template only.")
    return max(earlier)


def revisions(deployment: Json, replica_sets: Iterable[Json]) -> list[Json]:
    """Return the kept revisions, newest first, each with what differs from the Deployment's template."""
    current = number_of(deployment)
    found = [
        {
            "revision": number,
            "current": number == current,
            "replica_set": each["metadata"]["name"],
            "created": each["metadata"].get("creationTimestamp"),
            "changes": differences(_template(deployment), template_of(each)),
        }
        for each in replica_sets
        if (number := number_of(each)) is not None
    ]
    return sorted(found, key=lambda one: -one["revision"])


def commands(action: str, name: str, namespace: str, *, paused: bool, revision: int | None) -> str:
    """Return the same as a line for a shell."""
    rollout = f"kubectl -n {namespace} rollout"
    if action != UNDO:
        return f"{rollout} {action} deployment/{name}"
    resumed = f"{rollout} resume deployment/{name} && " if paused else ""
    return f"{resumed}{rollout} undo deployment/{name} --to-revision={revision}"


def template_of(replica_set: Json) -> Json:
    """Return a ReplicaSet's template as the Deployment had it."""
    template: Json = _template(replica_set)
    meta = template["metadata"]
    labels = {name: value for name, value in (meta.get("labels") or {}).items() if name != HASH_LABEL}
    return template | {"metadata": meta | {"labels": labels}}


def _template(workload: Json) -> Json:
    template: Json = workload["spec"]["template"]
    return template | {"metadata": template.get("metadata") or {}}


def _is_paused(deployment: Json) -> bool:
    return bool(deployment["spec"].get("paused"))


def _add(path: str, value: object) -> Json:
    return {"op": "add", "path": path, "value": value}  # replaces what is there
