"""The deployed objects, one of each kind, and their controllers: they create and delete pods."""

from dashboard.core import events
from dashboard.core.deployment.revisions import REVISION
from dashboard.core.targets import Targets
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.autoscaler import SimulatedAutoscaler
from dashboard.mock.cluster.autoscaler_variants import annotations
from dashboard.mock.cluster.kubernetes_events import InvolvedObject, KubernetesEvents
from dashboard.mock.cluster.manifests import Json, decoded, endpoint_slice, volume_claim, workload
from dashboard.mock.cluster.metrics_server import MetricsServer
from dashboard.mock.cluster.pods import COMPANION, DATABASE, SERVICE, MockPod, MockPods
from dashboard.mock.cluster.rollout import SimulatedRollout


class MockDeployment:
    """`created` is the creation timestamp of all objects, `volume_claim_uid` the uid of the database's volume claim."""

    def __init__(
        self,
        targets: Targets,
        clock: SimulationClock,
        pods: MockPods,
        metrics: MetricsServer,
        autoscaler: SimulatedAutoscaler,
        kubernetes_events: KubernetesEvents,
        emit: events.Emit,
        volume_claim_uid: str,
    ) -> None:
        self.created = ""
        self._targets = targets
        self._clock = clock
        self._pods = pods
        self._metrics = metrics
        self._autoscaler = autoscaler
        self._kubernetes_events = kubernetes_events
        self._emit = emit
        self._volume_claim_uid = volume_claim_uid
        self.rollout = SimulatedRollout(clock, targets.deployment)
        self._emitted: dict[str, Json] = {}  # kind → manifest as last emitted
        self._versions: dict[str, int] = {}  # kind → number of changes: its resourceVersion

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
        """Let the autoscaler decide, then create and delete pods as the roll-out and the number of them need it."""
        pods = self._pods.of(self._targets.deployment)
        before = self._autoscaler.desired
        if self._autoscaler.step([self._metrics.cpu(pod.uid) for pod in pods]):
            self._record_scaling(before, self._autoscaler.desired)
        self._reconcile(pods)

    def change(self, kind: str, spec: Json) -> None:
        """Take a changed spec of the Deployment or of the autoscaler."""
        if kind == "deployments":
            self.rollout.change(spec)
        else:
            self._autoscaler.change(spec)
        self._versions[kind] = self._versions.get(kind, 0) + 1

    def manifest(self, kind: str) -> Json:
        """Return an object as the API server has it, with its resourceVersion."""
        found = self._manifests()[kind]
        return found | {"metadata": found["metadata"] | {"resourceVersion": f"{kind}-{self._versions.get(kind, 0)}"}}

    def emit_changes(self) -> None:
        """Emit the objects that have changed."""
        for kind, manifest in self._manifests().items():
            if self._emitted.get(kind) != manifest:
                self._emitted[kind] = manifest
                self._versions[kind] = self._versions.get(kind, 0) + 1
                self._emit(events.ObjectChanged(at=self._clock.timestamp, kind=kind, object=decoded(kind, manifest)))

    def _reconcile(self, pods: list[MockPod]) -> None:
        """Create and delete pods. During a roll-out there is one more than desired: maxSurge is 1, maxUnavailable 0."""
        name, template = self._targets.deployment, self.rollout.current.hash
        desired = self._autoscaler.desired
        old = [pod for pod in pods if not pod.name.startswith(f"{name}-{template}-")]
        most = desired + 1 if old else desired
        least = desired if self.rollout.paused else most
        for _ in range(least - len(pods)):
            self._pods.create(self._pods.new_name(name, template), name, SERVICE)
        for pod in pods[most:]:
            self._pods.delete(pod)
        if old and not self.rollout.paused and len(pods) == most and all(pod.ready for pod in pods):
            self._pods.delete(old[0])

    def _manifests(self) -> dict[str, Json]:
        targets, created = self._targets, self.created
        service = [pod for pod in self._pods if pod.kind is SERVICE]
        addresses = [(pod.address, pod.ready) for pod in service if pod.started]
        ready = sum(pod.ready for pod in service)
        database = sum(pod.ready for pod in self._pods if pod.kind is DATABASE)
        return {
            "deployments": self._deployment(ready),
            "statefulsets": workload(targets.statefulset, created, 1, database),
            "horizontalpodautoscalers": self._autoscaler.manifest(targets.autoscaler, targets.deployment, created),
            "endpointslices": endpoint_slice(targets.service, created, addresses),
            "persistentvolumeclaims": volume_claim(f"data-{targets.statefulset}-0", self._volume_claim_uid, created),
        }

    def _deployment(self, ready: int) -> Json:
        name, rollout = self._targets.deployment, self.rollout
        pods = self._pods.of(name)
        updated = sum(pod.name.startswith(f"{name}-{rollout.current.hash}-") for pod in pods)
        found = workload(name, self.created, self._autoscaler.desired, ready, updated, len(pods))
        found["metadata"] |= {
            "generation": rollout.generation,
            "annotations": annotations(self._autoscaler.variant) | {REVISION: str(rollout.current.number)},
        }
        found["spec"] |= {"paused": rollout.paused, "template": rollout.current.template}
        found["status"]["observedGeneration"] = rollout.generation
        return found

    def _record_scaling(self, before: int, desired: int) -> None:
        name, autoscaler = self._targets.deployment, self._targets.autoscaler
        direction, replica_set = "up" if desired > before else "down", f"{name}-{self.rollout.current.hash}"
        self._kubernetes_events.record(
            InvolvedObject("HorizontalPodAutoscaler", autoscaler, f"uid-{autoscaler}-autoscaler"),
            "SuccessfulRescale",
            f"New size: {desired}; reason: {self._autoscaler.reason}",
            "horizontal-pod-autoscaler",
        )
        self._kubernetes_events.record(
            InvolvedObject("Deployment", name, f"uid-{name}"),
            "ScalingReplicaSet",
            f"Scaled {direction} replica set {replica_set} from {before} to {desired}",
            "deployment-controller",
        )
