"""Control of the objects that an operator acts on: the Deployment, its autoscaler and its pods.

RBAC: get on all of them, list on replicasets, patch on the Deployment and the autoscaler by name, delete on pods. What
of these the dashboard has is asked with `allowed`. No request is sent twice. A patch names the resourceVersion that it
was made from, a deletion the pod's uid. With `dry_run` the API server checks everything, its admission too, and changes
nothing.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from dashboard.core.errors import Denied, ExternalError, InvalidOption, NotFound, UidMismatch
from dashboard.kube.client import Forbidden, KubeClient, KubeStatusError, object_path
from dashboard.kube.update import READ_SECONDS, translate_update_errors

MANAGER = "dashboard"  # the field manager: who changed a field, in managedFields
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

Json = dict[str, Any]


class ChangeTarget(Struct, frozen=True):
    """An object that may be changed."""

    kind: str
    api: str
    resource: str
    name: str


def deployment(name: str) -> ChangeTarget:
    return ChangeTarget("Deployment", "apps/v1", "deployments", name)


def autoscaler(name: str) -> ChangeTarget:
    return ChangeTarget("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers", name)


class VersionConflict(Exception):
    """The object has another resourceVersion than the patch was made from."""


class ObjectControl:
    """`api` makes a client with a read timeout in seconds; each call uses its own."""

    def __init__(self, api: Callable[[float], KubeClient], namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def read(self, target: ChangeTarget) -> Json:
        """Return the object as the API server has it. Raise `NotFound`, or another `ExternalError`."""
        with self._client(f"read the {target.kind} {target.name}", f"{target.kind} {target.name}") as api:
            return _decoded(api.get(self._path(target)))

    def patch(self, target: ChangeTarget, seen: Json, operations: list[Json], *, dry_run: bool) -> Json:
        """Change the object by a JSON Patch if it still is as `seen`. Return the new object.

        Raise `VersionConflict` if it is not, `InvalidOption` if the API server refuses the new object, `Denied` if it
        does not let the dashboard do this, or another `ExternalError`.
        """
        guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": seen["metadata"]["resourceVersion"]}
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        with self._client(f"change the {target.kind} {target.name}", f"{target.kind} {target.name}") as api:
            try:
                return _decoded(api.patch(self._path(target), [guard, *operations], **query))
            except KubeStatusError as error:
                if error.status == 409:
                    raise VersionConflict from error
                raise

    def replica_sets(self, owner: str) -> list[Json]:
        """Return the ReplicaSets of the Deployment with this uid."""
        with self._client("list the ReplicaSets", "ReplicaSets") as api:
            path = f"/apis/apps/v1/namespaces/{quote(self._namespace, safe='')}/replicasets"
            items: list[Json] = _decoded(api.get(path)).get("items") or []
        return [each for each in items if _is_owned(each, owner)]

    def delete_pod(self, name: str, uid: str, *, dry_run: bool, grace: int | None = None) -> None:
        """Delete the pod with a grace period in seconds, its own if None. Raise `UidMismatch`, `NotFound`, `Denied` or
        `ExternalError`."""
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        options |= ({"dryRun": ["All"]} if dry_run else {}) | ({} if grace is None else {"gracePeriodSeconds": grace})
        with self._client(f"delete the pod {name}", f"pod {name}") as api:
            try:
                api.delete(object_path(self._namespace, "pods", name), options)
            except KubeStatusError as error:
                if error.status != 409:
                    raise
                raise UidMismatch(f"The pod {name} has another uid now than {uid}.") from error

    def allowed(self, verb: str, api: str, resource: str, name: str = "") -> bool:
        """Return whether the API server lets the dashboard do this, by a SelfSubjectAccessReview."""
        attributes = {
            "namespace": self._namespace, "verb": verb, "group": api.rpartition("/")[0], "resource": resource,
            "name": name,
        }  # fmt: skip
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        with self._client("ask for its rights", "review") as client:
            return bool(_decoded(client.post(REVIEWS, review)).get("status", {}).get("allowed"))

    def _path(self, target: ChangeTarget) -> str:
        namespace, name = quote(self._namespace, safe=""), quote(target.name, safe="")
        return f"/apis/{target.api}/namespaces/{namespace}/{target.resource}/{name}"

    @contextlib.contextmanager
    def _client(self, action: str, what: str) -> Iterator[KubeClient]:
        """Return a client for one request. Its errors become this module's."""
        with contextlib.closing(self._api(READ_SECONDS)) as api, translate_update_errors(action):
            try:
                yield api
            except Forbidden as error:
                raise Denied(f"The cluster does not let the dashboard {action}: {error.message}") from error
            except KubeStatusError as error:
                if error.status == 404:
                    raise NotFound(f"There is no {what} now.") from error
                if error.status in (400, 422):
                    raise InvalidOption(f"The API server refuses it: {error.message}") from error
                raise


def _decoded(answer: bytes) -> Json:
    found: Any = msgspec.json.decode(answer)
    if not isinstance(found, dict):
        raise ExternalError("The API server's response is invalid.")
    return found


def _is_owned(object_: Json, uid: str) -> bool:
    owners = object_.get("metadata", {}).get("ownerReferences") or []
    return any(owner.get("uid") == uid and owner.get("controller") for owner in owners)
