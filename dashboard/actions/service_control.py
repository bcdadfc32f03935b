"""Control of the service for the demos: roll its Deployment forward and back, and delete one of its pods.

It makes the same patches as an operator's actions, under the same rights. A demo guards itself: it holds the lease, and
names the template that it made, or the pod's uid.
"""

from functools import partial
from typing import Protocol

from dashboard.actions import rollout
from dashboard.actions.patching import Plan, patched
from dashboard.core.deployment.deployed import Deployed, Json, deployed
from dashboard.core.errors import ExternalError
from dashboard.kube.objects import control as object_control
from dashboard.kube.objects.control import ChangeTarget


class ServiceObjects(Protocol):
    """The methods that the demos use of kube.objects.control.ObjectControl."""

    def read(self, target: ChangeTarget) -> Json: ...
    def patch(self, target: ChangeTarget, seen: Json, operations: list[Json], *, dry_run: bool) -> Json: ...
    def delete_pod(self, name: str, uid: str, *, dry_run: bool, grace: int | None = None) -> None: ...


class ServiceControl:
    """Implements `runs.ports.Service` for the Deployment `name`."""

    def __init__(self, control: ServiceObjects, name: str) -> None:
        self._control = control
        self._target = object_control.deployment(name)

    def read(self) -> Deployed:
        return deployed(self._control.read(self._target))

    def restart(self, at: str) -> tuple[Deployed, Deployed]:
        return self._patch(lambda found: rollout.restart(found, at))

    def undo(self, former: Deployed, ours: Deployed) -> tuple[Deployed, Deployed]:
        def operations(found: Json) -> list[Json]:
            if (found["metadata"]["uid"], found["spec"]["template"]) != (ours.uid, ours.template):
                changed = f"The template of the Deployment {ours.name} was changed meanwhile: nothing is undone."
                raise ExternalError(changed)
            return [{"op": "replace", "path": "/spec/template", "value": former.template}]

        return self._patch(operations)

    def delete(self, pod: str, uid: str, grace: int | None) -> None:
        self._control.delete_pod(pod, uid, dry_run=False, grace=grace)

    def _patch(self, operations: Plan) -> tuple[Deployed, Deployed]:
        """Read and patch, again if the object changed in between. Return the Deployment before and after."""
        failure = f"The Deployment {self._target.name} was not rolled: other clients keep changing it."
        patch = partial(self._control.patch, self._target, dry_run=False)
        before, after = patched(partial(self._control.read, self._target), operations, patch, failure)
        return deployed(before), deployed(after)
