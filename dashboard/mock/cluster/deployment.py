"""What is deployed, one object of each kind, and its controllers: they make and end pods as the autoscaler decides."""

from collections.abc import Callable

from dashboard.core import events
from dashboard.core.snapshot import Targets
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.autoscaler import SimulatedAutoscaler
from dashboard.mock.cluster.kubernetes_events import InvolvedObject, KubernetesEvents
from dashboard.mock.cluster.manifests import HASH, Json, claim, decoded, endpoint_slice, workload
from dashboard.mock.cluster.metrics_server import MetricsServer
from dashboard.mock.cluster.pods import COMPANION, DATABASE, SERVICE, MockPod, MockPods


class MockDeployment:
    """`since` is when everything was first made, `claim_uid` the identity of the database's volume claim."""

    def __init__(
        self,
        targets: Targets,
        clock: SimulationClock,
        pods: MockPods,
        meter: MetricsServer,
        scaler: SimulatedAutoscaler,
        kubernetes_events: KubernetesEvents,
        emit: Callable[[events.Event], None],
        claim_uid: str,
    ) -> None:
        self.since = ""
        self._targets = targets
        self._clock = clock
        self._pods = pods
        self._meter = meter
        self._scaler = scaler
        self._kubernetes_events = kubernetes_events
        self._emit = emit
        self._claim_uid = claim_uid
        self._emitted: dict[str, Json] = {}  # kind → as emitted last

    def listed(self, kind: str) -> events.ObjectsListed | None:
        """None for a kind of which nothing is kept here."""
        objects = self._objects()
        if kind not in objects:
            return None
        return events.ObjectsListed(at=self._clock.timestamp, kind=kind, objects=[decoded(kind, objects[kind])])

    def replace(self, gone: MockPod) -> None:
        """What a pod's owner does when it is gone: those that have a name of their own come back under it."""
        if gone.kind in (DATABASE, COMPANION):
            self._pods.create(gone.name, gone.app, gone.kind)

    def scale(self) -> None:
        """The autoscaler decides, and the Deployment follows: by new pods, or without its newest ones."""
        pods = self._pods.of(self._targets.deployment)
        before = self._scaler.desired
        if not self._scaler.step([self._meter.cpu(pod.uid) for pod in pods]):
            return
        self._note(before, self._scaler.desired)
        for _ in range(self._scaler.desired - len(pods)):
            self._pods.create(self._pods.new_name(self._targets.deployment), self._targets.deployment, SERVICE)
        for pod in pods[self._scaler.desired :]:
            self._pods.end(pod)

    def emit_changes(self) -> None:
        """Emit the objects that have changed since."""
        for kind, written in self._objects().items():
            if self._emitted.get(kind) != written:
                self._emitted[kind] = written
                self._emit(events.ObjectChanged(at=self._clock.timestamp, kind=kind, object=decoded(kind, written)))

    def _objects(self) -> dict[str, Json]:
        targets, since = self._targets, self.since
        members = [pod for pod in self._pods if pod.kind is SERVICE]
        addresses = [(pod.address, pod.ready) for pod in members if pod.started]
        ready = sum(pod.ready for pod in members)
        database = sum(pod.ready for pod in self._pods if pod.kind is DATABASE)
        return {
            "deployments": workload(targets.deployment, since, self._scaler.desired, ready),
            "statefulsets": workload(targets.statefulset, since, 1, database),
            "horizontalpodautoscalers": self._scaler.written(targets.autoscaler, targets.deployment, since),
            "endpointslices": endpoint_slice(targets.service, since, addresses),
            "persistentvolumeclaims": claim(f"data-{targets.statefulset}-0", self._claim_uid, since),
        }

    def _note(self, before: int, desired: int) -> None:
        name, autoscaler = self._targets.deployment, self._targets.autoscaler
        self._kubernetes_events.note(
            InvolvedObject("HorizontalPodAutoscaler", autoscaler, f"uid-{autoscaler}-autoscaler"),
            "SuccessfulRescale",
            f"New size: {desired}; reason: {self._scaler.reason}",
            "horizontal-pod-autoscaler",
        )
        self._kubernetes_events.note(
            InvolvedObject("Deployment", name, f"uid-{name}"),
            "ScalingReplicaSet",
            f"Scaled {'up' if desired > before else 'down'} replica set {name}-{HASH} from {before} to {desired}",
            "deployment-controller",
        )
