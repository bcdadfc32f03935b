"""What changes the cluster: the database's pod is deleted or its mongod killed, the Lease taken, the history kept, and
each of it told as an Event. (No `operator.py`: beside a script that is run by its path, the standard library's would
not be found.)

RBAC: get on pods and persistentvolumeclaims, delete on the database's pod by name, get and update on one Lease and one
ConfigMap, create on events. Nothing is sent twice, and nothing is done to an object of another uid than was meant.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from dashboard.core.objects import Condition, Meta, Object
from dashboard.core.timestamps import rfc3339
from dashboard.kube.client import Api, Refused
from dashboard.kube.crash import Crash
from dashboard.kube.lease import Lease
from dashboard.kube.update import READ_SECONDS, Cell, telling
from dashboard.runs.ports import ClaimIdentity, History, Holder, Json, Missing, PodIdentity, Stale, Trouble
from dashboard.runs.record import HISTORY_BYTES, is_run, started

LEASE = CONFIG_MAP = "dashboard-runs"  # as the manifests name them
HISTORY = "runs.json"  # the ConfigMap's key
UNREADABLE = "unreadable-runs.txt"  # the key of what was found under it and is no history
UNREADABLE_BYTES = 256_000  # a ConfigMap holds 1 MiB, and the history may take half of it
COMPONENT = "dashboard"  # who Events say that they come from
LONGEST_MESSAGE = 1000  # characters of an Event
DATABASE = "mongod"  # the container
DATA_PATH = "/data/db"  # mongod's own default
API_VERSIONS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "HorizontalPodAutoscaler": "autoscaling/v2"}

T = TypeVar("T")


class Operator:
    """`pod` is the database's name, `holder` this dashboard's own; `crash` is None where crash mode is not installed.

    `api` makes a client that waits so many seconds for an answer: each call has one of its own.
    """

    def __init__(
        self,
        api: Callable[[float], Api],
        namespace: str,
        *,
        pod: str,
        holder: str,
        crash: Crash | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._pod = pod
        self._holder = holder
        self._crash = crash
        self._now = now
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases/{LEASE}"
        self._lease = Lease(Cell(api, lease, f"the Lease {LEASE}"), holder, now, monotonic)
        self._history = Cell(api, self._path("configmaps", CONFIG_MAP), f"the ConfigMap {CONFIG_MAP}")
        self._known: set[str] = set()  # ids of the runs in the history that this dashboard has read or written

    def pod(self, name: str) -> PodIdentity:
        pod = self._read("pods", name, f"the pod {name}", Pod)
        ready = any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or [])
        return PodIdentity(
            name=name,
            uid=pod.metadata.uid,
            container=_container_id(pod),
            node=pod.spec.node_name,
            ready=ready and not pod.metadata.deletion_timestamp,
            claim=_claim(pod),
        )

    def claim(self, name: str) -> ClaimIdentity:
        claim = self._read("persistentvolumeclaims", name, f"the claim {name}", Claim)
        return ClaimIdentity(claim.metadata.uid, claim.spec.volume_name or None, claim.status.phase)

    def delete_pod(self, name: str, uid: str) -> None:
        """The API server compares the uid itself, so that no replacement is ever deleted."""
        what = f"the pod {name}"
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        with self._asking(f"delete {what}", what) as api:
            try:
                api.delete(self._path("pods", name), options)
            except Refused as refused:
                if refused.status != 409:
                    raise
                raise Stale(f"The pod {name} has another uid now than {uid}.") from refused

    def crash(self, uid: str) -> None:
        if self._crash is None:
            raise Trouble("Crash mode is not installed here: the database's pod has no crash container.")
        pod = self._read("pods", self._pod, f"the pod {self._pod}", Pod)
        if pod.metadata.uid != uid:
            raise Stale(f"The pod {self._pod} has another uid now than {uid}.")
        if not pod.status.pod_ip:
            raise Trouble(f"The pod {self._pod} has no address: it does not run.")
        self._crash.kill(pod.status.pod_ip, uid)

    def acquire(self, run: str, ttl: float) -> None:
        self._lease.acquire(run, ttl)

    def renew(self) -> None:
        self._lease.renew()

    def release(self) -> None:
        self._lease.release()

    def holder(self) -> Holder | None:
        return self._lease.holder()

    def load_history(self) -> History:
        runs, unreadable = _history(self._history.read())
        self._known = {run["id"] for run in runs}
        return History(runs, len(unreadable))

    def save_history(self, runs: Sequence[Json]) -> None:
        """What another dashboard added since this one last looked stays, in its place by time. The oldest runs go where
        all together are too long. What can't be read is moved to a key of its own, for whoever wants to know."""
        ours = {run["id"] for run in runs}

        def put(config_map: Json) -> None:
            found, unreadable = _history(config_map)
            theirs = [run for run in found if run["id"] not in ours | self._known]
            merged = sorted([*runs, *theirs], key=started, reverse=True) if theirs else [*runs]
            data = (config_map.get("data") or {}) | {HISTORY: _fitting(merged)}
            if unreadable:
                data[UNREADABLE] = _latest([data.get(UNREADABLE, ""), *unreadable])
            config_map["data"] = data

        self._known = {run["id"] for run in _history(self._history.swap(put))[0]}

    def record(self, reason: str, message: str, about: Json, type_: str = "Normal") -> None:
        at = rfc3339(self._now())
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{about['name']}.", "namespace": self._namespace},
            "involvedObject": {
                "apiVersion": API_VERSIONS.get(about["kind"], "v1"),
                "kind": about["kind"],
                "name": about["name"],
                "namespace": self._namespace,
                "uid": about.get("uid") or "",
            },
            "reason": reason,
            "message": message[:LONGEST_MESSAGE],
            "type": type_,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "source": {"component": COMPONENT, "host": self._holder},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._holder,
        }
        with self._asking("create an Event", f"the namespace {self._namespace}") as api:
            api.post(self._path("events"), event)

    def _read(self, resource: str, name: str, what: str, type_: type[T]) -> T:
        with self._asking(f"read {what}", what) as api:
            return msgspec.json.decode(api.get(self._path(resource, name)), type=type_)

    @contextlib.contextmanager
    def _asking(self, deed: str, what: str) -> Iterator[Api]:
        with contextlib.closing(self._api(READ_SECONDS)) as api, telling(deed):
            try:
                yield api
            except Refused as refused:
                if refused.status != 404:
                    raise
                raise Missing(f"There is no {what.removeprefix('the ')} now.") from refused

    def _path(self, resource: str, name: str = "") -> str:
        path = f"/api/v1/namespaces/{quote(self._namespace, safe='')}/{resource}"
        return f"{path}/{quote(name, safe='')}" if name else path


# What is read of a pod and of a claim, beyond what the page shows of them.


class Mount(Object, frozen=True):
    name: str
    mount_path: str


class Container(Object, frozen=True):
    name: str
    command: list[str] | None = None
    args: list[str] | None = None
    volume_mounts: list[Mount] | None = None


class ClaimSource(Object, frozen=True):
    claim_name: str


class Volume(Object, frozen=True):
    name: str
    persistent_volume_claim: ClaimSource | None = None


class PodSpec(Object, frozen=True):
    containers: list[Container] | None = None
    volumes: list[Volume] | None = None
    node_name: str | None = None


class ContainerStatus(Object, frozen=True):
    name: str
    container_id: str = msgspec.field(default="", name="containerID")


class PodStatus(Object, frozen=True):
    pod_ip: str | None = msgspec.field(default=None, name="podIP")
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None


class Pod(Object, frozen=True):
    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ClaimSpec(Object, frozen=True):
    volume_name: str = ""


class ClaimStatus(Object, frozen=True):
    phase: str = "Pending"


class Claim(Object, frozen=True):
    metadata: Meta
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


def _container_id(pod: Pod) -> str | None:
    """containerd://… without the runtime's name."""
    ids = (each.container_id for each in pod.status.container_statuses or [] if each.name == DATABASE)
    return next(ids, "").rpartition("://")[2] or None


def _claim(pod: Pod) -> str | None:
    """The claim that mongod's data directory is on, by the volume that is mounted closest above it."""
    mongod = next((each for each in pod.spec.containers or [] if each.name == DATABASE), None)
    if mongod is None:
        return None
    path = f"{_data_path(mongod)}/"
    above = [each for each in mongod.volume_mounts or [] if path.startswith(f"{each.mount_path.rstrip('/')}/")]
    closest = max(above, key=lambda mount: len(mount.mount_path.rstrip("/")), default=None)
    volumes = {each.name: each.persistent_volume_claim for each in pod.spec.volumes or []}
    source = volumes.get(closest.name) if closest else None
    return source.claim_name if source else None


def _data_path(mongod: Container) -> str:
    words = [*(mongod.command or []), *(mongod.args or [])]
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--dbpath" or word.startswith("--dbpath="):
            return (word.partition("=")[2] or following).rstrip("/")
    return DATA_PATH


def _history(config_map: Json) -> tuple[list[Json], list[str]]:
    """The runs that a ConfigMap keeps, and the texts of what stands there and is no run."""
    text = (config_map.get("data") or {}).get(HISTORY) or "[]"
    try:
        entries = msgspec.json.decode(text, type=list[Any])
    except (msgspec.DecodeError, RecursionError):
        return [], [text]
    runs = [entry for entry in entries if is_run(entry)]
    return runs, [msgspec.json.encode(entry).decode() for entry in entries if not is_run(entry)]


def _latest(texts: list[str]) -> str:
    """One a line, the last so many bytes of them."""
    return "\n".join(filter(None, texts)).encode()[-UNREADABLE_BYTES:].decode(errors="ignore")


def _fitting(runs: list[Json]) -> str:
    while len(data := msgspec.json.encode(runs)) > HISTORY_BYTES:
        runs = runs[:-1]
    return data.decode()
