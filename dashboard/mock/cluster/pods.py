"""The namespace's pods, from creation to deletion. Each stage is emitted as the API server would send it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dashboard.core import events
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.kubernetes_events import InvolvedObject, KubernetesEvents
from dashboard.mock.cluster.manifests import HASH, NODE, Json, decoded, metadata

LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # of Kubernetes' random names
GRACE_SECONDS = 30
LONGEST_NAME = 253  # characters of an object's name


@dataclass(frozen=True)
class PodKind:
    """A kind of pod: its containers, and how many simulated seconds its stages take."""

    owner: str  # the kind of the controller that replaces it
    containers: dict[str, Json]
    init: dict[str, Json] = field(default_factory=dict)
    starting: float = 2.0  # from its containers' start until it is ready
    ending: float = 2.0


def _resources(cpu: str, memory: str, cpu_limit: str, memory_limit: str) -> Json:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu_limit, "memory": memory_limit}}


_SMALL = _resources("10m", "64Mi", "500m", "128Mi")
SERVICE = PodKind(
    "ReplicaSet", {"flask": _resources("100m", "128Mi", "400m", "256Mi")}, ending=7.0
)  # preStop takes 5 of them
DATABASE = PodKind(
    "StatefulSet",
    {
        "mongod": _resources("100m", "256Mi", "1", "512Mi"),
        "sidecar": _SMALL,
        "crash": _resources("10m", "32Mi", "500m", "64Mi"),  # as in k8s/overlays/embedded
    },
    init={"prepare": _SMALL},
)
DASHBOARD = PodKind("ReplicaSet", {"dashboard": _resources("100m", "96Mi", "500m", "256Mi")})
COMPANION = PodKind("Job", {"companion": {}})  # requests nothing, and has no limits


@dataclass
class MockPod:
    """`stage` is one of pending, creating, running, ready, unready, killed, ending, gone."""

    name: str
    uid: str
    app: str
    kind: PodKind
    created: str
    address: str
    stage: str = "pending"
    restarts: int = 0
    killed_for: str = ""  # the last time, in Kubernetes' word
    started: str = ""  # its containers, the last time
    turned: str = ""  # when it became ready or unready
    deleted: str | None = None  # when it is to be gone, whatever it does
    ahead: list[tuple[float, str]] = field(default_factory=list)  # (simulated time, next stage)

    @property
    def main(self) -> str:
        """Its first container's name."""
        return next(iter(self.kind.containers))

    @property
    def ready(self) -> bool:
        return self.stage == "ready"

    def regarding(self, container: str | None = None) -> InvolvedObject:
        return InvolvedObject("Pod", self.name, self.uid, container)

    @property
    def owner(self) -> InvolvedObject:
        name = self.name.rpartition("-")[0]
        return InvolvedObject(self.kind.owner, name, f"uid-{name}")


class MockPods:
    """All pods of the namespace by their uids, oldest first."""

    def __init__(
        self,
        namespace: str,
        clock: SimulationClock,
        random: random.Random,
        kubernetes_events: KubernetesEvents,
        emit: Callable[[events.Event], None],
        uid: Callable[[], str],
    ) -> None:
        self._namespace = namespace
        self._clock = clock
        self._random = random
        self._kubernetes_events = kubernetes_events
        self._emit = emit
        self._uid = uid
        self._pods: dict[str, MockPod] = {}
        self._addresses = 0

    def __iter__(self) -> Iterator[MockPod]:
        return iter(self._pods.values())

    def of(self, app: str) -> list[MockPod]:
        """Those that are there to stay."""
        return [pod for pod in self if pod.app == app and pod.stage != "ending"]

    def named(self, name: str) -> MockPod | None:
        return next((pod for pod in self if pod.name == name), None)

    def listed(self) -> events.ObjectsListed:
        objects = [decoded("pods", written(pod)) for pod in self]
        return events.ObjectsListed(at=self._clock.timestamp, kind="pods", objects=objects)

    def new_name(self, deployment: str) -> str:
        return f"{deployment}-{HASH}-{''.join(self._random.choices(LETTERS, k=5))}"

    def create(self, name: str, app: str, kind: PodKind) -> MockPod:
        self._addresses += 1
        third, fourth = divmod(self._addresses % 64_000, 250)
        pod = MockPod(name, self._uid(), app, kind, self._clock.stamp, f"10.244.{third}.{fourth + 2}")
        self._pods[pod.uid] = pod
        now = self._clock.seconds
        running = now + self._random.uniform(1.0, 2.0)
        starting = kind.starting * self._random.uniform(0.8, 1.4)
        pod.ahead = [(now + 0.5, "creating"), (running, "running"), (running + starting, "ready")]
        note = (
            f"Created pod: {name}"
            if kind.owner == "ReplicaSet"
            else f"Create Pod {name} in {kind.owner} {app} successful"
        )
        self._kubernetes_events.note(pod.owner, "SuccessfulCreate", note, f"{kind.owner.lower()}-controller")
        self._changed(pod)
        return pod

    def end(self, pod: MockPod, *, by_owner: bool = True) -> None:
        """Delete the pod, as its controller does or somebody else."""
        if pod.stage == "ending":
            return
        now = self._clock.seconds
        pod.ahead = [(now, "ending"), (now + pod.kind.ending * self._random.uniform(0.8, 1.2), "gone")]
        if by_owner and pod.kind.owner == "ReplicaSet":
            note = f"Deleted pod: {pod.name}"
            self._kubernetes_events.note(pod.owner, "SuccessfulDelete", note, "replicaset-controller")
        self.step_of(pod)

    def run_out_of_memory(self, pod: MockPod) -> None:
        self.kill(pod, "OOMKilled")

    def kill(self, pod: MockPod, reason: str) -> None:
        """Its container is killed, and started again."""
        pod.killed_for = reason
        now = self._clock.seconds
        pod.ahead = [(now, "killed"), (now + 1.5, "running"), (now + 4.0, "ready")]
        self.step_of(pod)

    def flap(self, pod: MockPod) -> None:
        """Its readiness is lost, or comes back."""
        if pod.stage in ("ready", "unready"):
            self._turn(pod, "unready" if pod.ready else "ready")
            self._changed(pod)

    def step(self) -> list[MockPod]:
        """Moves every pod on; those that reached another stage, the gone ones among them."""
        return [pod for pod in list(self) if pod.ahead and self.step_of(pod)]

    def step_of(self, pod: MockPod) -> bool:
        moved = False
        while pod.ahead and pod.ahead[0][0] <= self._clock.seconds:
            _, stage = pod.ahead.pop(0)
            moved = True
            self._enter(pod, stage)
        return moved

    def _enter(self, pod: MockPod, stage: str) -> None:
        if pod.stage == "killed":
            pod.restarts += 1
        self._turn(pod, stage)
        if stage == "gone":
            del self._pods[pod.uid]
            self._emit(events.ObjectDeleted(at=self._clock.timestamp, kind="pods", uid=pod.uid))
            return
        if stage == "running":
            pod.started = self._clock.stamp
        if stage == "ending":
            pod.deleted = self._clock.stamp_in(GRACE_SECONDS)
        self._note(pod, stage)
        self._changed(pod)

    def _turn(self, pod: MockPod, stage: str) -> None:
        was_ready, pod.stage = pod.ready, stage
        if pod.ready != was_ready or stage == "running":
            pod.turned = self._clock.stamp

    def _note(self, pod: MockPod, stage: str) -> None:
        """Kubernetes' own words about it."""
        note, about = self._kubernetes_events.note, pod.regarding(pod.main)
        if stage == "creating":
            assigned = f"Successfully assigned {self._namespace}/{pod.name} to {NODE}"
            note(pod.regarding(), "Scheduled", assigned, "default-scheduler")
        elif stage == "running":
            note(about, "Pulled", "Container image already present on machine and can be accessed by the pod")
            note(about, "Created", "Container created")
            note(about, "Started", "Container started")
            if pod.kind is SERVICE:
                refused = f'Startup probe failed: Get "http://{pod.address}:9090/healthz": dial tcp: connection refused'
                note(about, "Unhealthy", refused, warning=True)
        elif stage == "ending":
            for container in pod.kind.containers:
                note(pod.regarding(container), "Killing", f"Stopping container {container}")

    def _changed(self, pod: MockPod) -> None:
        self._emit(events.ObjectChanged(at=self._clock.timestamp, kind="pods", object=decoded("pods", written(pod))))


def written(pod: MockPod) -> Json:
    """The pod as the API server has it at its stage."""
    meta = metadata(pod.name, pod.uid, pod.created, **{"app.kubernetes.io/name": pod.app})
    if pod.deleted:
        meta |= {"deletionTimestamp": pod.deleted, "deletionGracePeriodSeconds": GRACE_SECONDS}
    started = pod.stage not in ("pending", "creating")
    ready = {"status": str(pod.ready), "lastTransitionTime": pod.turned or pod.created}
    first = {"lastTransitionTime": pod.created}
    unscheduled = pod.stage == "pending"
    return {
        "metadata": meta,
        "spec": {
            "containers": _containers(pod.kind.containers),
            "initContainers": _containers(pod.kind.init) or None,
            "nodeName": None if unscheduled else NODE,
        },
        "status": {
            "phase": "Running" if started else "Pending",
            "podIP": pod.address if started else None,
            "startTime": None if unscheduled else pod.created,
            "conditions": [
                {"type": "Initialized", "status": str(started)} | first,
                {"type": "Ready"} | ready,
                {"type": "ContainersReady"} | ready,
                {"type": "PodScheduled", "status": str(not unscheduled)} | first,
            ],
            "containerStatuses": None if unscheduled else [_status(pod, name) for name in pod.kind.containers],
            "initContainerStatuses": None if unscheduled else [_initial(pod, name) for name in pod.kind.init],
        },
    }  # fmt: skip


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
        return {"terminated": {"exitCode": 137, "reason": pod.killed_for}}
    return {"running": {"startedAt": pod.started}}


def _initial(pod: MockPod, name: str) -> Json:
    done = pod.stage != "creating"
    state: Json = (
        {"terminated": {"exitCode": 0, "reason": "Completed"}} if done else {"running": {"startedAt": pod.created}}
    )
    return {"name": name, "ready": done, "restartCount": 0, "state": state}
