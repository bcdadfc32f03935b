"""Control of the simulated objects: has the interface of `kube.objects.control.ObjectControl`."""

import copy
import threading
from typing import Any

import msgspec

from dashboard.core import objects
from dashboard.core.errors import ExternalError, InvalidOption, UidMismatch
from dashboard.kube.objects.control import ChangeTarget, VersionConflict
from dashboard.mock.cluster.deployment import MockDeployment
from dashboard.mock.cluster.manifests import Json
from dashboard.mock.cluster.pods import MockPods


class MockObjectControl:
    """`lock` guards the simulation: a request changes it only between two steps."""

    def __init__(self, deployment: MockDeployment, pods: MockPods, lock: threading.Lock) -> None:
        self._deployment = deployment
        self._pods = pods
        self._lock = lock

    def read(self, target: ChangeTarget) -> Json:
        with self._lock:
            return copy.deepcopy(self._deployment.manifest(target.resource))

    def patch(self, target: ChangeTarget, seen: Json, operations: list[Json], *, dry_run: bool) -> Json:
        with self._lock:
            now = copy.deepcopy(self._deployment.manifest(target.resource))
            if now["metadata"]["resourceVersion"] != seen["metadata"]["resourceVersion"]:
                raise VersionConflict
            for each in operations:
                _add(now, each["path"], each["value"])
            _check(target, now)
            if dry_run:
                return now
            self._deployment.change(target.resource, now["spec"])
            return copy.deepcopy(self._deployment.manifest(target.resource))

    def replica_sets(self, owner: str) -> list[Json]:
        with self._lock:
            return copy.deepcopy(self._deployment.rollout.replica_sets(owner))

    def delete_pod(self, name: str, uid: str, *, dry_run: bool) -> None:
        with self._lock:
            pod = next((one for one in self._pods if one.name == name), None)
            if pod is None or pod.uid != uid:
                raise UidMismatch(f"The pod {name} has another uid now than {uid}.")
            if not dry_run:
                self._pods.delete(pod, by_owner=False)


def _add(object_: Json, path: str, value: Any) -> None:
    """Add a value at a JSON Pointer, as a JSON Patch's "add" does: it replaces what is there."""
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    holder: Any = object_
    try:
        for part in parents:
            holder = holder[int(part) if isinstance(holder, list) else part]
    except (KeyError, IndexError, ValueError) as error:
        raise ExternalError(f"The patch does not fit: there is no {path}.") from error
    holder[last] = copy.deepcopy(value)


def _check(target: ChangeTarget, object_: Json) -> None:
    """Check the object like the API server. Raise `InvalidOption`."""
    try:
        msgspec.convert(object_, objects.KINDS[target.resource])
    except msgspec.ValidationError as error:
        raise InvalidOption(f"The API server refuses it: {error}") from error
    known = {"scaleUp", "scaleDown"}
    if unknown := object_["spec"].get("behavior", {}).keys() - known:
        raise InvalidOption(f'The API server refuses it: unknown field "spec.behavior.{min(unknown)}"')
