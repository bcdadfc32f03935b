"""The simulated pods of the namespace, with the objects and Kubernetes Events of each stage of their lives."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dashboard.core import events
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.kubernetes_events import InvolvedObject, KubernetesEvents
from dashboard.mock.cluster.manifests import HASH, NODE, Json, decoded, metadata

LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # of the random suffixes of names
GRACE_SECONDS = 30
LONGEST_NAME = 253  # characters of an object's name


@dataclass(frozen=True)
class PodKind:
    """The owner's kind and the containers, name → resources; how long a pod starts and terminates, in simulated
    seconds."""

    owner: str
    containers: dict[str, Json]
    init: dict[str, Json] = field(default_factory=dict)
    starting: float = 2.0  # from the containers' start until the pod is ready
    ending: float = 2.0


def _resources(cpu: str, memory: str, cpu_limit: str, memory_limit: str) -> Json:
    return {
        "requests": {"cpu": cpu, "memory": memory, "ephemeral-storage": "64Mi"},
        "limits": {"cpu": cpu_limit, "memory": memory_limit, "ephemeral-storage": "256Mi"},
    }


_SMALL = _resources("10m", "64Mi", "500m", "128Mi")
SERVICE = PodKind(
    "ReplicaSet",
    {"flask": _resources("100m", "128Mi", "400m", "384Mi")},
    ending=7.0,  # the preStop hook takes 5 s
)
DATABASE = PodKind(
    "StatefulSet",
    {
        "mongod": _resources("100m", "256Mi", "1", "1Gi"),
        "sidecar": _SMALL,
        "crash": _resources("10m", "32Mi", "500m", "64Mi"),  # as in k8s/overlays/embedded
    },
    init={"prepare": _SMALL},
)
DASHBOARD = PodKind("ReplicaSet", {"dashboard": _resources("100m", "96Mi", "500m", "256Mi")})
COMPANION = PodKind("Job", {"companion": {}})  # a pod without requests and limits, for the page


@dataclass
class MockPod:
    """`stage` is pending, creating, running, ready, unready, killed, ending or gone. Times are as in objects."""

    name: str
    uid: str
    app: str
    kind: PodKind
    created: str
    address: str
    stage: str = "pending"
    restarts: int = 0
    killed_reason: str = ""  # of the last termination
    started: str = ""  # the last start of the containers
    ready_since: str = ""  # the last change of readiness
    deletion: str | None = None  # deletionTimestamp
    upcoming: list[tuple[float, str]] = field(default_factory=list)  # (simulated seconds, stage)

    @property
    def main(self) -> str:
        """The first container's name."""
        return next(iter(self.kind.containers))

    @property
    def ready(self) -> bool:
        return self.stage == "ready"

    @property
    def owner(self) -> InvolvedObject:
        name = self.name.rpartition("-")[0]
        return InvolvedObject(self.kind.owner, name, f"uid-{name}")

    def reference(self, container: str | None = None) -> InvolvedObject:
        """Return the pod, or one of its containers, as an Event's involvedObject."""
        return InvolvedObject("Pod", self.name, self.uid, container)


class MockPods:
    """All pods of the namespace, oldest first. `uid` returns a new uid."""

    def __init__(
        self,
        namespace: str,
        clock: SimulationClock,
        random: random.Random,
        kubernetes_events: KubernetesEvents,
        emit: events.Emit,
        uid: Callable[[], str],
    ) -> None:
        self._namespace = namespace
        self._clock = clock
        self._random = random
        self._kubernetes_events = kubernetes_events
        self._emit = emit
        self._uid = uid
        self._pods: dict[str, MockPod] = {}  # by uid
        self._addresses = 0

    def __iter__(self) -> Iterator[MockPod]:
        return iter(self._pods.values())

    def of(self, app: str) -> list[MockPod]:
        """Return an app's pods that are not terminating."""
        return [pod for pod in self if pod.app == app and pod.stage != "ending"]

    def listed(self) -> events.ObjectsListed:
        objects = [decoded("pods", manifest(pod)) for pod in self]
        return events.ObjectsListed(at=self._clock.timestamp, kind="pods", objects=objects)

    def new_name(self, deployment: str, template: str = HASH) -> str:
        """Return a new pod's name. `template` is the hash of its template."""
        return f"{deployment}-{template}-{''.join(self._random.choices(LETTERS, k=5))}"

    def create(self, name: str, app: str, kind: PodKind) -> None:
        self._addresses += 1
        third, fourth = divmod(self._addresses % 64_000, 250)
        pod = MockPod(name, self._uid(), app, kind, self._clock.stamp(), f"10.244.{third}.{fourth + 2}")
        self._pods[pod.uid] = pod
        now = self._clock.simulated
        running = now + self._random.uniform(1.0, 2.0)
        starting = kind.starting * self._random.uniform(0.8, 1.4)
        pod.upcoming = [(now + 0.5, "creating"), (running, "running"), (running + starting, "ready")]
        message = (
            f"Created pod: {name}"
            if kind.owner == "ReplicaSet"
            else f"Create Pod {name} in {kind.owner} {app} successful"
        )
        self._kubernetes_events.record(pod.owner, "SuccessfulCreate", message, f"{kind.owner.lower()}-controller")
        self._emit_change(pod)

    def delete(self, pod: MockPod, *, by_owner: bool = True) -> None:
        """Delete a pod, with its grace period. Do nothing if it is terminating."""
        if pod.stage == "ending":
            return
        now = self._clock.simulated
        pod.upcoming = [(now, "ending"), (now + pod.kind.ending * self._random.uniform(0.8, 1.2), "gone")]
        if by_owner and pod.kind.owner == "ReplicaSet":
            message = f"Deleted pod: {pod.name}"
            self._kubernetes_events.record(pod.owner, "SuccessfulDelete", message, "replicaset-controller")
        self._step(pod)

    def kill(self, pod: MockPod, reason: str) -> None:
        """Kill a pod's main container, which is then restarted. `reason` is that of its terminated state."""
        pod.killed_reason = reason
        now = self._clock.simulated
        pod.upcoming = [(now, "killed"), (now + 1.5, "running"), (now + 4.0, "ready")]
        self._step(pod)

    def flap(self, pod: MockPod) -> None:
        """Change a pod's readiness."""
        if pod.stage in ("ready", "unready"):
            self._set_stage(pod, "unready" if pod.ready else "ready")
            self._emit_change(pod)

    def step(self) -> list[MockPod]:
        """Advance all pods. Return those that reached another stage."""
        return [pod for pod in list(self) if self._step(pod)]

    def _step(self, pod: MockPod) -> bool:
        """Advance a pod. Return whether it reached another stage."""
        moved = False
        while pod.upcoming and pod.upcoming[0][0] <= self._clock.simulated:
            _, stage = pod.upcoming.pop(0)
            moved = True
            self._enter(pod, stage)
        return moved

    def _enter(self, pod: MockPod, stage: str) -> None:
        if pod.stage == "killed":
            pod.restarts += 1
        self._set_stage(pod, stage)
        if stage == "gone":
            del self._pods[pod.uid]
            self._emit(events.ObjectDeleted(at=self._clock.timestamp, kind="pods", uid=pod.uid))
            return
        if stage == "running":
            pod.started = self._clock.stamp()
        if stage == "ending":
            pod.deletion = self._clock.stamp(GRACE_SECONDS)
        self._record(pod, stage)
        self._emit_change(pod)

    def _set_stage(self, pod: MockPod, stage: str) -> None:
        was_ready, pod.stage = pod.ready, stage
        if pod.ready != was_ready or stage == "running":
            pod.ready_since = self._clock.stamp()

    def _record(self, pod: MockPod, stage: str) -> None:
        """Record the Kubernetes Events of a stage."""
        record, main = self._kubernetes_events.record, pod.reference(pod.main)
        if stage == "creating":
            assigned = f"Successfully assigned {self._namespace}/{pod.name} to {NODE}"
            record(pod.reference(), "Scheduled", assigned, "default-scheduler")
        elif stage == "running":
            record(main, "Pulled", "Container image already present on machine and can be accessed by the pod")
            record(main, "Created", "Container created")
            record(main, "Started", "Container started")
            if pod.kind is SERVICE:
                refused = f'Startup probe failed: Get "http://{pod.address}:9090/healthz": dial tcp: connection refused'
                record(main, "Unhealthy", refused, warning=True)
        elif stage == "ending":
            for container in pod.kind.containers:
                record(pod.reference(container), "Killing", f"Stopping container {container}")

    def _emit_change(self, pod: MockPod) -> None:
        self._emit(events.ObjectChanged(at=self._clock.timestamp, kind="pods", object=decoded("pods", manifest(pod))))


def manifest(pod: MockPod) -> Json:
    """Return the pod as the API server has it in its stage."""
    meta = metadata(pod.name, pod.uid, pod.created, **{"app.kubernetes.io/name": pod.app})
    meta["ownerReferences"] = [{"kind": pod.kind.owner, "name": pod.owner.name, "controller": True}]
    if pod.kind.owner == "ReplicaSet":
        meta["labels"]["pod-template-hash"] = pod.owner.name.rpartition("-")[2]
    if pod.deletion:
        meta |= {"deletionTimestamp": pod.deletion, "deletionGracePeriodSeconds": GRACE_SECONDS}
    started = pod.stage not in ("pending", "creating")
    ready = {"status": str(pod.ready), "lastTransitionTime": pod.ready_since or pod.created}
    created = {"lastTransitionTime": pod.created}
    scheduled = pod.stage != "pending"
    return {
        "metadata": meta,
        "spec": {
            "containers": _containers(pod.kind.containers),
            "initContainers": _containers(pod.kind.init) or None,
            "nodeName": NODE if scheduled else None,
        },
        "status": {
            "phase": "Running" if started else "Pending",
            "podIP": pod.address if started else None,
            "startTime": pod.created if scheduled else None,
            "conditions": [
                {"type": "Initialized", "status": str(started)} | created,
                {"type": "Ready"} | ready,
                {"type": "ContainersReady"} | ready,
                {"type": "PodScheduled", "status": str(scheduled)} | created,
            ],
            "containerStatuses": [_status(pod, name) for name in pod.kind.containers] if scheduled else None,
            "initContainerStatuses": [_init_status(pod, name) for name in pod.kind.init] if scheduled else None,
        },
    }


def _containers(containers: dict[str, Json]) -> list[Json]:
    return [{"name": name, "resources": resources} for name, resources in containers.items()]


def _status(pod: MockPod, name: str) -> Json:
    main = name == pod.main
    return {
        "name": name,
        "ready": pod.ready,
        "restartCount": pod.restarts if main else 0,
        "state": _state(pod, main),
    }


def _state(pod: MockPod, main: bool) -> Json:
    if pod.stage == "creating":
        return {"waiting": {"reason": "PodInitializing" if pod.kind.init else "ContainerCreating"}}
    if pod.stage == "killed" and main:
        return {"terminated": {"exitCode": 137, "reason": pod.killed_reason}}
    return {"running": {"startedAt": pod.started}}


def _init_status(pod: MockPod, name: str) -> Json:
    done = pod.stage != "creating"
    state: Json = (
        {"terminated": {"exitCode": 0, "reason": "Completed"}} if done else {"running": {"startedAt": pod.created}}
    )
    return {"name": name, "ready": done, "restartCount": 0, "state": state}
