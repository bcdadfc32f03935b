"""The object reader: an object of the deployment, its Events and its ReplicaSets, from the Kubernetes API.

RBAC: get on the objects, of Services by name; list on events, and on replicasets where roll-outs are allowed. The
errors are those of `kube.errors`.
"""

import contextlib
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

import msgspec

from dashboard.kube.client import KubeClient
from dashboard.kube.errors import ObjectNotFound, ObjectReadUnavailable
from dashboard.kube.pods.details import Json
from dashboard.kube.pods.reader import EVENTS, READ_SECONDS, translate_read_errors

APIS = {  # by kind: the API's path and the resource
    "Deployment": ("apis/apps/v1", "deployments"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Service": ("api/v1", "services"),
}


class ObjectReader(Protocol):
    """Reads one object, of a kind of `APIS`. All methods raise ObjectReadError."""

    def object(self, kind: str, name: str) -> Json: ...
    def events(self, uid: str) -> list[Json]: ...
    def replica_sets(self, uid: str) -> list[Json]: ...


class KubeObjectReader:
    """Reads through the API server. Thread-safe: each call has its own client.

    `api` makes a client with a read timeout in seconds.
    """

    def __init__(self, api: Callable[[float], KubeClient], namespace: str) -> None:
        self._api = api
        self._namespace = quote(namespace, safe="")

    def object(self, kind: str, name: str) -> Json:
        api, resource = APIS[kind]
        try:
            return self._get(f"/{api}/namespaces/{self._namespace}/{resource}/{quote(name, safe='')}", resource)
        except ObjectNotFound as error:
            raise ObjectNotFound(f"The {kind} {name} is gone.") from error

    def events(self, uid: str) -> list[Json]:
        """Return the object's Events, in no order."""
        path = f"/api/v1/namespaces/{self._namespace}/events"
        items: list[Json] = (
            self._get(path, "events", fieldSelector=f"involvedObject.uid={uid}", limit=EVENTS).get("items") or []
        )
        return items

    def replica_sets(self, uid: str) -> list[Json]:
        """Return the ReplicaSets of the Deployment with this uid."""
        items: list[Json] = (
            self._get(f"/apis/apps/v1/namespaces/{self._namespace}/replicasets", "replicasets").get("items") or []
        )
        return [one for one in items if uid in {owner.get("uid") for owner in _owners(one)}]

    def _get(self, path: str, resource: str, **query: str | int) -> Json:
        with contextlib.closing(self._api(READ_SECONDS)) as api, translate_read_errors(resource):
            found = msgspec.json.decode(api.get(path, **query))
            if not isinstance(found, dict):
                raise ObjectReadUnavailable("The API server's response is invalid.")
            return found


def _owners(replica_set: Json) -> list[Json]:
    return [owner for owner in replica_set["metadata"].get("ownerReferences") or [] if owner.get("controller")]
