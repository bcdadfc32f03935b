"""Types for the Kubernetes objects, with the fields that the dashboard reads.

msgspec decodes the API's bytes into these types and skips all other fields. Go encodes some empty lists and maps as
null, so each of them may be None.

The types are as narrow as the API's own: what has been decoded can be computed with. Text without a limit in the API,
such as a message, has none here either, and is shortened where it is shown.
"""

from typing import Annotated, Any

import msgspec

from dashboard.core.quantity import QUANTITY, SIGNED_QUANTITY
from dashboard.core.timestamps import DURATION, RFC3339

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Name = Annotated[str, msgspec.Meta(max_length=253)]  # also of what has a shorter limit: labels, uids, enumerations
Timestamp = Annotated[str, msgspec.Meta(pattern=RFC3339)]
Duration = Annotated[str, msgspec.Meta(pattern=DURATION)]
Quantity = Annotated[str, msgspec.Meta(pattern=QUANTITY)]
SignedQuantity = Annotated[str, msgspec.Meta(pattern=SIGNED_QUANTITY)]
Quantities = dict[str, Quantity]

ENDED_PHASES = ("Failed", "Succeeded")  # of pods that don't count: an evicted one stays in the list
MOST_POLICIES = 20  # the API has no limit, and each one is evaluated for each future sync


class Object(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The base of all types: field names in the API's spelling, unknown fields skipped."""


class Owner(Object, frozen=True):
    """An OwnerReference. At most one of an object's is its controller, which made it or has adopted it."""

    kind: Name = ""
    name: Name = ""
    controller: bool | None = None


class Meta(Object, frozen=True):
    """An ObjectMeta."""

    name: Name = ""
    uid: Name = ""
    resource_version: Name = ""
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    deletion_grace_period_seconds: Int64 | None = None
    labels: dict[str, Name] | None = None
    owner_references: list[Owner] | None = None


class Condition(Object, frozen=True):
    type: Name
    status: Name
    reason: str = ""
    message: str = ""
    last_transition_time: Timestamp | None = None


# Pods


class Resources(Object, frozen=True):
    requests: Quantities | None = None
    limits: Quantities | None = None


class Container(Object, frozen=True):
    name: str
    resources: Resources = Resources()
    restart_policy: str | None = None  # "Always" makes an init container a sidecar


class PodSpec(Object, frozen=True):
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    node_name: Name | None = None
    resources: Resources | None = None  # of the pod as a whole


class StateReason(Object, frozen=True):
    reason: str = ""


class ContainerState(Object, frozen=True):
    waiting: StateReason | None = None
    terminated: StateReason | None = None


class ContainerStatus(Object, frozen=True):
    name: str
    restart_count: Count = 0
    state: ContainerState = ContainerState()


class PodStatus(Object, frozen=True):
    phase: Name = "Pending"
    reason: str | None = None
    pod_ip: Name | None = msgspec.field(default=None, name="podIP")
    start_time: Timestamp | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(Object, frozen=True):
    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def long_running(self) -> list[Container]:
        """The containers that run as long as the pod: the main ones and the sidecars, not the init containers."""
        sidecars = [one for one in self.spec.init_containers or () if one.restart_policy == "Always"]
        return [*(self.spec.containers or ()), *sidecars]


# Deployments and StatefulSets


class WorkloadAnnotations(Object, frozen=True):
    """`applied` is the manifest that `kubectl apply` was last given, as JSON; `revision` the Deployment controller's: a
    number, in text."""

    applied: str | None = msgspec.field(default=None, name="kubectl.kubernetes.io/last-applied-configuration")
    revision: str | None = msgspec.field(default=None, name="deployment.kubernetes.io/revision")


class WorkloadMeta(Meta, frozen=True):
    generation: Int64 = 0
    annotations: WorkloadAnnotations | None = None


class ReplicasSpec(Object, frozen=True):
    replicas: Count = 1
    paused: bool = False
    progress_deadline_seconds: Count | None = None


class ReplicasStatus(Object, frozen=True):
    replicas: Count = 0
    ready_replicas: Count = 0
    updated_replicas: Count = 0
    available_replicas: Count = 0
    observed_generation: Int64 = 0
    conditions: list[Condition] | None = None


class Workload(Object, frozen=True):
    """A Deployment or a StatefulSet."""

    metadata: WorkloadMeta
    spec: ReplicasSpec = ReplicasSpec()
    status: ReplicasStatus = ReplicasStatus()


# HorizontalPodAutoscalers (autoscaling/v2)


class ScaleTarget(Object, frozen=True):
    kind: str = ""
    name: str = ""


class MetricValue(Object, frozen=True):
    average_utilization: Int32 | None = None  # percent of the pods' requests
    average_value: SignedQuantity | None = None  # quantity per pod; the status has it beside the percentage, too
    value: SignedQuantity | None = None  # quantity in all, of an object or from outside


class ResourceMetric(Object, frozen=True):
    name: str = ""
    container: str = ""  # the measured container, of a ContainerResource
    target: MetricValue = MetricValue()
    current: MetricValue = MetricValue()


class MetricName(Object, frozen=True):
    name: Name = ""


class CustomMetric(Object, frozen=True):
    """A metric of the pods, of another object or from outside the cluster."""

    metric: MetricName = MetricName()
    described_object: ScaleTarget = ScaleTarget()
    target: MetricValue = MetricValue()
    current: MetricValue = MetricValue()


class Metric(Object, frozen=True):
    """A metric of the spec (with a target) or of the status (with a current value)."""

    type: str = ""
    resource: ResourceMetric | None = None
    container_resource: ResourceMetric | None = None
    pods: CustomMetric | None = None
    object: CustomMetric | None = None
    external: CustomMetric | None = None


class ScalingPolicy(Object, frozen=True):
    """The maximum of pods, or of percent of them, that may be added or removed in a period."""

    type: str
    value: Count
    period_seconds: Count


class ScalingRules(Object, frozen=True):
    stabilization_window_seconds: Count | None = None
    select_policy: str | None = None
    policies: Annotated[list[ScalingPolicy], msgspec.Meta(max_length=MOST_POLICIES)] | None = None
    tolerance: Quantity | None = None


class Behavior(Object, frozen=True):
    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None


class AutoscalerSpec(Object, frozen=True):
    scale_target_ref: ScaleTarget = ScaleTarget()
    min_replicas: Count = 1
    max_replicas: Count = 1
    metrics: list[Metric] | None = None
    behavior: Behavior | None = None


class AutoscalerStatus(Object, frozen=True):
    current_replicas: Count = 0
    desired_replicas: Count = 0
    current_metrics: list[Metric] | None = None
    conditions: list[Condition] | None = None
    last_scale_time: Timestamp | None = None


class Autoscaler(Object, frozen=True):
    metadata: Meta
    spec: AutoscalerSpec = AutoscalerSpec()
    status: AutoscalerStatus = AutoscalerStatus()


# PersistentVolumeClaims


class ClaimSpec(Object, frozen=True):
    volume_name: Name = ""


class ClaimStatus(Object, frozen=True):
    phase: Name = "Pending"
    capacity: Quantities | None = None


class PersistentVolumeClaim(Object, frozen=True):
    metadata: Meta
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


# EndpointSlices


class EndpointConditions(Object, frozen=True):
    ready: bool | None = None  # the API defines None as ready


class Endpoint(Object, frozen=True):
    addresses: list[str] | None = None
    conditions: EndpointConditions = EndpointConditions()


class EndpointSlice(Object, frozen=True):
    metadata: Meta
    address_type: str = "IPv4"
    endpoints: list[Endpoint] | None = None


# Events


class Regarding(Object, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    field_path: str = ""  # "spec.containers{name}" for a container


class Series(Object, frozen=True):
    """The count and last time of an Event in the newer format."""

    count: Int32 = 1
    last_observed_time: str | None = None


class KubernetesEvent(Object, frozen=True):
    """A core/v1 Event. `count` and `last_timestamp` are of the older format, `event_time` and `series` of the newer.

    Any client may write Events, with any times: an Event whose time can't be read has the time of its receipt.
    """

    metadata: Meta
    involved_object: Regarding = Regarding()
    type: str = "Normal"
    reason: str = ""
    message: str = ""
    count: Int32 | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: Series | None = None


# metrics.k8s.io


class ContainerMetrics(Object, frozen=True):
    name: str
    usage: Quantities | None = None


class PodMetrics(Object, frozen=True):
    """A sample. `timestamp` is the time of measurement, `window` the time over which CPU was averaged."""

    metadata: Meta
    timestamp: Timestamp
    window: Duration = ""
    containers: list[ContainerMetrics] | None = None


# Lists, watches and errors


class ListMeta(Object, frozen=True):
    resource_version: Name = ""
    continue_: str | None = msgspec.field(default=None, name="continue")


class ListPage(Object, frozen=True):
    """A list response, or one page of it. The objects are decoded one by one: one that can't be read hides no other."""

    items: list[msgspec.Raw] | None = None
    metadata: ListMeta = ListMeta()


class Status(Object, frozen=True):
    """An error: a response body, or the object of a watch's ERROR line."""

    code: int = 0
    reason: str = ""
    message: str = ""


class WatchLine(Object, frozen=True):
    """One line of a watch. The object is decoded later, when its type is known."""

    type: str
    object: msgspec.Raw


class Identity(Object, frozen=True):
    """The fields of an ObjectMeta that are read if the rest does not matter or can't be read."""

    name: str = ""
    uid: str = ""
    resource_version: Name = ""


class Identified(Object, frozen=True):
    """The object of a BOOKMARK or DELETED line, or one that can't be read."""

    metadata: Identity


class Build(Object, frozen=True):
    """The response of /version."""

    git_version: str


KINDS: dict[str, Any] = {
    "pods": Pod,
    "deployments": Workload,
    "statefulsets": Workload,
    "horizontalpodautoscalers": Autoscaler,
    "persistentvolumeclaims": PersistentVolumeClaim,
    "endpointslices": EndpointSlice,
    "events": KubernetesEvent,
}
