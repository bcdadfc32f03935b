"""The deployed objects, one of each kind, and their controllers: they create and delete pods."""

from dashboard.core import events
from dashboard.core.snapshot import Targets
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.autoscaler import SimulatedAutoscaler
from dashboard.mock.cluster.autoscaler_variants import annotations
from dashboard.mock.cluster.kubernetes_events import InvolvedObject, KubernetesEvents
from dashboard.mock.cluster.manifests import HASH, Json, claim, decoded, endpoint_slice, workload
from dashboard.mock.cluster.metrics_server import MetricsServer
from dashboard.mock.cluster.pods import COMPANION, DATABASE, SERVICE, MockPod, MockPods


class MockDeployment:
    """`created` is the creation timestamp of all objects, `claim_uid` the uid of the database's claim."""

    def __init__(
        self,
        targets: Targets,
        clock: SimulationClock,
        pods: MockPods,
        metrics: MetricsServer,
        autoscaler: SimulatedAutoscaler,
        kubernetes_events: KubernetesEvents,
        emit: events.Emit,
        claim_uid: str,
    ) -> None:
        self.created = ""
        self._targets = targets
        self._clock = clock
        self._pods = pods
        self._metrics = metrics
        self._autoscaler = autoscaler
        self._kubernetes_events = kubernetes_events
        self._emit = emit
        self._claim_uid = claim_uid
        self._emitted: dict[str, Json] = {}  # kind → manifest as last emitted

    def listed(self, kind: str) -> events.ObjectsListed | None:
        """Return the list of a kind's objects, or None for a kind that is not here."""
        manifests = self._manifests()
        if kind not in manifests:
            return None
        return events.ObjectsListed(at=self._clock.timestamp, kind=kind, objects=[decoded(kind, manifests[kind])])

    def replace(self, gone: MockPod) -> None:
        """Create a pod of the same name after one of the database or the companion is gone."""
        if gone.kind in (DATABASE, COMPANION):
            self._pods.create(gone.name, gone.app, gone.kind)

    def scale(self) -> None:
        """Create pods, or delete the newest ones, as the autoscaler decides."""
        pods = self._pods.of(self._targets.deployment)
        before = self._autoscaler.desired
        if not self._autoscaler.step([self._metrics.cpu(pod.uid) for pod in pods]):
            return
        self._record_scaling(before, self._autoscaler.desired)
        for _ in range(self._autoscaler.desired - len(pods)):
            self._pods.create(self._pods.new_name(self._targets.deployment), self._targets.deployment, SERVICE)
        for pod in pods[self._autoscaler.desired :]:
            self._pods.delete(pod)

    def emit_changes(self) -> None:
        """Emit the objects that have changed."""
        for kind, manifest in self._manifests().items():
            if self._emitted.get(kind) != manifest:
                self._emitted[kind] = manifest
                self._emit(events.ObjectChanged(at=self._clock.timestamp, kind=kind, object=decoded(kind, manifest)))

    def _manifests(self) -> dict[str, Json]:
        targets, created = self._targets, self.created
        service = [pod for pod in self._pods if pod.kind is SERVICE]
        addresses = [(pod.address, pod.ready) for pod in service if pod.started]
        ready = sum(pod.ready for pod in service)
        database = sum(pod.ready for pod in self._pods if pod.kind is DATABASE)
        deployment = workload(targets.deployment, created, self._autoscaler.desired, ready)
        deployment["metadata"]["annotations"] = annotations(self._autoscaler.variant)
        return {
            "deployments": deployment,
            "statefulsets": workload(targets.statefulset, created, 1, database),
            "horizontalpodautoscalers": self._autoscaler.manifest(targets.autoscaler, targets.deployment, created),
            "endpointslices": endpoint_slice(targets.service, created, addresses),
            "persistentvolumeclaims": claim(f"data-{targets.statefulset}-0", self._claim_uid, created),
        }

    def _record_scaling(self, before: int, desired: int) -> None:
        name, autoscaler = self._targets.deployment, self._targets.autoscaler
        self._kubernetes_events.record(
            InvolvedObject("HorizontalPodAutoscaler", autoscaler, f"uid-{autoscaler}-autoscaler"),
            "SuccessfulRescale",
            f"New size: {desired}; reason: {self._autoscaler.reason}",
            "horizontal-pod-autoscaler",
        )
        self._kubernetes_events.record(
            InvolvedObject("Deployment", name, f"uid-{name}"),
            "ScalingReplicaSet",
            f"Scaled {'up' if desired > before else 'down'} replica set {name}-{HASH} from {before} to {desired}",
            "deployment-controller",
        )
