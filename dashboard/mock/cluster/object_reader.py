"""Objects of the simulated cluster as its API would have them: a `kube.objects.reader.ObjectReader`."""

from collections.abc import Callable

from dashboard.core.targets import Targets
from dashboard.kube.objects import control as object_control
from dashboard.kube.pods.details import Json
from dashboard.mock.cluster.manifests import NODE
from dashboard.mock.cluster.object_control import MockObjectControl


class MockObjectReader:
    """`view` returns the state."""

    def __init__(self, targets: Targets, control: MockObjectControl, view: Callable[[], Json]) -> None:
        self._targets = targets
        self._control = control
        self._view = view

    def object(self, kind: str, name: str) -> Json:
        if kind == "Deployment":
            found = self._control.read(object_control.deployment(name))
            return self._typed("apps/v1", kind, found) | {
                "status": found["status"] | {"conditions": _rolled_out(self._created())}
            }
        if kind == "HorizontalPodAutoscaler":
            return self._typed("autoscaling/v2", kind, self._control.read(object_control.autoscaler(name)))
        if kind == "StatefulSet":
            return self._stateful_set(name)
        return self._claim(name) if kind == "PersistentVolumeClaim" else self._service(name)

    def events(self, uid: str) -> list[Json]:
        return [
            {
                "metadata": {"uid": f"{uid}-event", "name": f"{uid}.1", "creationTimestamp": self._created()},
                "type": "Normal",
                "reason": "Simulated",
                "message": "The simulated cluster made this object",
                "source": {"component": "mock"},
            }
        ]

    def replica_sets(self, uid: str) -> list[Json]:
        return self._control.replica_sets(uid)

    def _stateful_set(self, name: str) -> Json:
        seen = self._view()["statefulset"]
        status = {"replicas": seen["replicas"], "readyReplicas": seen["ready"], "updatedReplicas": seen["updated"]}
        labels = {"app.kubernetes.io/name": name}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "mongod", "image": "mongod:mock"}]},
        }
        spec = {"replicas": seen["desired"], "serviceName": name, "template": template}
        return self._typed("apps/v1", "StatefulSet", {"metadata": self._meta(name), "spec": spec, "status": status})

    def _claim(self, name: str) -> Json:
        seen = next(one for one in self._view()["claims"] if one["name"] == name)
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "2Gi"}},
            "storageClassName": NODE,
            "volumeName": seen["volume"],
        }
        status = {"phase": seen["phase"], "capacity": {"storage": "2Gi"}}
        meta = self._meta(name) | {"uid": seen["uid"]}
        return self._typed("v1", "PersistentVolumeClaim", {"metadata": meta, "spec": spec, "status": status})

    def _service(self, name: str) -> Json:
        selector = {"app.kubernetes.io/name": self._targets.deployment}
        port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
        spec = {"type": "ClusterIP", "clusterIP": "10.96.0.20", "selector": selector, "ports": [port]}
        return self._typed(
            "v1", "Service", {"metadata": self._meta(name), "spec": spec, "status": {"loadBalancer": {}}}
        )

    def _typed(self, api: str, kind: str, found: Json) -> Json:
        meta = {"namespace": self._targets.namespace, "managedFields": [{"manager": "mock", "operation": "Update"}]}
        return found | {"apiVersion": api, "kind": kind, "metadata": found["metadata"] | meta}

    def _meta(self, name: str) -> Json:
        return {"name": name, "uid": f"uid-{name}", "creationTimestamp": self._created()}

    def _created(self) -> str:
        """Return when the Deployment was made: all objects were made with it."""
        created: str = self._control.read(object_control.deployment(self._targets.deployment))["metadata"][
            "creationTimestamp"
        ]
        return created


def _rolled_out(created: str) -> list[Json]:
    return [
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "lastTransitionTime": created},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "lastTransitionTime": created},
    ]
