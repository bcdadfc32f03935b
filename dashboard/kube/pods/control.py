"""Control of the database's pod: read it, delete it, kill its mongod.

RBAC: get on pods and persistentvolumeclaims, delete on the database's pod by name. No request is sent twice, and a pod
with another uid than the given one is never touched.
"""

import contextlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import msgspec
from msgspec import Struct

from dashboard.core.errors import ExternalError, NotFound, UidMismatch
from dashboard.core.objects import Condition, Meta, Object, Timestamp
from dashboard.kube.client import KubeClient, KubeStatusError, object_path
from dashboard.kube.pods.crash import CrashClient
from dashboard.kube.update import READ_SECONDS, translate_update_errors

DATABASE = "mongod"  # the container's name in this project's own StatefulSet
DATA_PATH = "/data/db"  # mongod's default
GRACEFUL, CRASH = MODES = ("graceful", "crash")

T = TypeVar("T")


class PodIdentity(Struct, frozen=True):
    """The identity of a pod and of what runs in it.

    `container` is the id of the database's container without the runtime's prefix, None until it has one.
    `volume_claim` is the name of the volume claim for the database's data, None if its volume has none (an emptyDir).
    `started` is when the container started, `ended` when the one before it in the pod had ended, by the kubelet's
    clock; None without that.
    """

    name: str
    uid: str
    container: str | None
    node: str | None
    ready: bool
    volume_claim: str | None = None
    started: str | None = None
    ended: str | None = None


class VolumeClaimIdentity(Struct, frozen=True):
    """The identity of a PersistentVolumeClaim and of its volume; None while it is not bound."""

    uid: str
    volume: str | None
    phase: str = "Bound"


class PodControl:
    """Reads and kills the database's pod. `crash` is None if crash mode is not installed.

    `api` makes a client with a read timeout in seconds; each call uses its own.
    """

    def __init__(
        self,
        api: Callable[[float], KubeClient],
        namespace: str,
        crash: CrashClient | None = None,
        *,
        container: str = DATABASE,
        data: str = DATA_PATH,
    ) -> None:
        """`container` is the database's container, `data` the directory of its data."""
        self._api = api
        self._namespace = namespace
        self._crash = crash
        self._container = container
        self._data = data

    def pod(self, name: str) -> PodIdentity:
        """Return the pod as the API server has it now, not from the watch. Raise NotFound if there is none."""
        pod = self._read("pods", name, f"the pod {name}", DatabasePod)
        ready = any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or [])
        database = _status(pod, self._container)
        running, former = database.state.running, database.last_state.terminated
        return PodIdentity(
            name=name,
            uid=pod.metadata.uid,
            container=database.container_id.rpartition("://")[2] or None,
            node=pod.spec.node_name,
            ready=ready and not pod.metadata.deletion_timestamp,
            volume_claim=_volume_claim(pod, self._container, self._data),
            started=running.started_at if running else None,
            ended=former.finished_at if former else None,
        )

    def volume_claim(self, name: str) -> VolumeClaimIdentity:
        """Return the volume claim. Raise NotFound if there is none."""
        claim = self._read("persistentvolumeclaims", name, f"the volume claim {name}", DataVolumeClaim)
        return VolumeClaimIdentity(claim.metadata.uid, claim.spec.volume_name or None, claim.status.phase)

    def kill(self, name: str, uid: str, mode: str) -> None:
        """Delete the pod with its own grace period ("graceful"), or send SIGKILL to its mongod ("crash").

        Raise UidMismatch if the pod has another uid, NotFound if there is none, or another ExternalError if the
        request failed or its outcome is unknown.
        """
        if mode == CRASH:
            self._kill_mongod(name, uid)
        else:
            self._delete(name, uid)

    def _delete(self, name: str, uid: str) -> None:
        """Delete the pod with a uid precondition, so that the API server never deletes its replacement."""
        what = f"the pod {name}"
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        with self._client(f"delete {what}", what) as api:
            try:
                api.delete(object_path(self._namespace, "pods", name), options)
            except KubeStatusError as error:
                if error.status != 409:
                    raise
                raise UidMismatch(f"The pod {name} has another uid now than {uid}.") from error

    def _kill_mongod(self, name: str, uid: str) -> None:
        if self._crash is None:
            raise ExternalError("Crash mode is not installed here: the database's pod has no crash container.")
        pod = self._read("pods", name, f"the pod {name}", DatabasePod)
        if pod.metadata.uid != uid:
            raise UidMismatch(f"The pod {name} has another uid now than {uid}.")
        if not pod.status.pod_ip:
            raise ExternalError(f"The pod {name} has no IP address: it is not running.")
        self._crash.kill(pod.status.pod_ip, uid)

    def _read(self, resource: str, name: str, what: str, type_: type[T]) -> T:
        with self._client(f"read {what}", what) as api:
            return msgspec.json.decode(api.get(object_path(self._namespace, resource, name)), type=type_)

    @contextlib.contextmanager
    def _client(self, action: str, what: str) -> Iterator[KubeClient]:
        """Return a client for one request. Its errors become ExternalErrors."""
        with contextlib.closing(self._api(READ_SECONDS)) as api, translate_update_errors(action):
            try:
                yield api
            except KubeStatusError as error:
                if error.status != 404:
                    raise
                raise NotFound(
                    f"There is no {what.removeprefix('the ')} now in the namespace {self._namespace}."
                ) from error


# Fields of a pod and of a volume claim that core.objects does not have.


class DataMount(Object, frozen=True):
    name: str
    mount_path: str


class DatabaseContainer(Object, frozen=True):
    name: str
    command: list[str] | None = None
    args: list[str] | None = None
    volume_mounts: list[DataMount] | None = None


class DataVolumeClaimSource(Object, frozen=True):
    claim_name: str


class DataVolume(Object, frozen=True):
    name: str
    persistent_volume_claim: DataVolumeClaimSource | None = None


class DatabasePodSpec(Object, frozen=True):
    containers: list[DatabaseContainer] | None = None
    volumes: list[DataVolume] | None = None
    node_name: str | None = None


class DatabaseRunning(Object, frozen=True):
    started_at: Timestamp | None = None


class DatabaseTerminated(Object, frozen=True):
    finished_at: Timestamp | None = None


class DatabaseState(Object, frozen=True):
    running: DatabaseRunning | None = None
    terminated: DatabaseTerminated | None = None


class DatabaseContainerStatus(Object, frozen=True):
    name: str
    container_id: str = msgspec.field(default="", name="containerID")  # with the runtime's prefix ("containerd://")
    state: DatabaseState = DatabaseState()
    last_state: DatabaseState = DatabaseState()


class DatabasePodStatus(Object, frozen=True):
    pod_ip: str | None = msgspec.field(default=None, name="podIP")
    conditions: list[Condition] | None = None
    container_statuses: list[DatabaseContainerStatus] | None = None


class DatabasePod(Object, frozen=True):
    metadata: Meta
    spec: DatabasePodSpec = DatabasePodSpec()
    status: DatabasePodStatus = DatabasePodStatus()


class DataVolumeClaimSpec(Object, frozen=True):
    volume_name: str = ""


class DataVolumeClaimStatus(Object, frozen=True):
    phase: str = "Pending"


class DataVolumeClaim(Object, frozen=True):
    metadata: Meta
    spec: DataVolumeClaimSpec = DataVolumeClaimSpec()
    status: DataVolumeClaimStatus = DataVolumeClaimStatus()


def _status(pod: DatabasePod, container: str) -> DatabaseContainerStatus:
    """Return the container's status, an empty one if there is none yet."""
    found = (each for each in pod.status.container_statuses or [] if each.name == container)
    return next(found, DatabaseContainerStatus(container))


def _volume_claim(pod: DatabasePod, container: str, data: str) -> str | None:
    """Return the volume claim of the volume that holds the data directory: the one mounted closest above it."""
    database = next((each for each in pod.spec.containers or [] if each.name == container), None)
    if database is None:
        return None
    path = f"{_data_path(database, data)}/"
    mounts = [each for each in database.volume_mounts or [] if path.startswith(f"{each.mount_path.rstrip('/')}/")]
    closest = max(mounts, key=lambda mount: len(mount.mount_path.rstrip("/")), default=None)
    volumes = {each.name: each.persistent_volume_claim for each in pod.spec.volumes or []}
    source = volumes.get(closest.name) if closest else None
    return source.claim_name if source else None


def _data_path(database: DatabaseContainer, data: str) -> str:
    """Return the data directory: mongod's own option says it, where there is one."""
    words = [*(database.command or []), *(database.args or [])]
    for word, following in pairwise([*words, ""]):
        if word == "--dbpath" or word.startswith("--dbpath="):
            return (word.partition("=")[2] or following).rstrip("/")
    return data.rstrip("/")
