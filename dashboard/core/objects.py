"""Types for the Kubernetes objects, with the fields that the dashboard reads.

msgspec decodes the API's bytes into these types and skips all other fields. Go encodes some empty lists and maps as
null, so each of them may be None.
"""

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Object(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The base of all types: field names in the API's spelling, unknown fields skipped."""


class Meta(Object, frozen=True):
    """An ObjectMeta."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None


class Condition(Object, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


# Pods


class Resources(Object, frozen=True):
    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class Container(Object, frozen=True):
    name: str
    resources: Resources = Resources()
    restart_policy: str | None = None  # "Always" makes an init container a sidecar


class PodSpec(Object, frozen=True):
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    node_name: str | None = None
    resources: Resources | None = None  # of the pod as a whole


class StateReason(Object, frozen=True):
    reason: str = ""


class ContainerState(Object, frozen=True):
    waiting: StateReason | None = None
    terminated: StateReason | None = None


class ContainerStatus(Object, frozen=True):
    name: str
    restart_count: int = 0
    state: ContainerState = ContainerState()


class PodStatus(Object, frozen=True):
    phase: str = "Pending"
    reason: str | None = None
    pod_ip: str | None = msgspec.field(default=None, name="podIP")
    start_time: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(Object, frozen=True):
    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


# Deployments and StatefulSets


class ReplicasSpec(Object, frozen=True):
    replicas: int = 1


class ReplicasStatus(Object, frozen=True):
    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    conditions: list[Condition] | None = None


class Workload(Object, frozen=True):
    """A Deployment or a StatefulSet."""

    metadata: Meta
    spec: ReplicasSpec = ReplicasSpec()
    status: ReplicasStatus = ReplicasStatus()


# HorizontalPodAutoscalers (autoscaling/v2)


class ScaleTarget(Object, frozen=True):
    kind: str = ""
    name: str = ""


class MetricValue(Object, frozen=True):
    average_utilization: int | None = None  # percent of the pods' requests
    average_value: str | None = None  # quantity per pod; the status has it beside the percentage, too


class ResourceMetric(Object, frozen=True):
    name: str = ""
    container: str = ""  # the measured container, of a ContainerResource
    target: MetricValue = MetricValue()
    current: MetricValue = MetricValue()


class Metric(Object, frozen=True):
    """A metric of the spec (with a target) or of the status (with a current value)."""

    type: str = ""
    resource: ResourceMetric | None = None
    container_resource: ResourceMetric | None = None


class ScalingPolicy(Object, frozen=True):
    """The maximum of pods, or of percent of them, that may be added or removed in a period."""

    type: str
    value: int
    period_seconds: int


class ScalingRules(Object, frozen=True):
    stabilization_window_seconds: int | None = None
    select_policy: str | None = None
    policies: list[ScalingPolicy] | None = None
    tolerance: str | None = None


class Behavior(Object, frozen=True):
    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None


class AutoscalerSpec(Object, frozen=True):
    scale_target_ref: ScaleTarget = ScaleTarget()
    min_replicas: int = 1
    max_replicas: int = 1
    metrics: list[Metric] | None = None
    behavior: Behavior | None = None


class AutoscalerStatus(Object, frozen=True):
    current_replicas: int = 0
    desired_replicas: int = 0
    current_metrics: list[Metric] | None = None
    conditions: list[Condition] | None = None
    last_scale_time: str | None = None


class Autoscaler(Object, frozen=True):
    metadata: Meta
    spec: AutoscalerSpec = AutoscalerSpec()
    status: AutoscalerStatus = AutoscalerStatus()


# PersistentVolumeClaims


class ClaimSpec(Object, frozen=True):
    volume_name: str = ""


class ClaimStatus(Object, frozen=True):
    phase: str = "Pending"
    capacity: dict[str, str] | None = None


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
    endpoints: list[Endpoint] | None = None


# Events


class Regarding(Object, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    field_path: str = ""  # "spec.containers{name}" for a container


class Series(Object, frozen=True):
    """The count and last time of an Event in the newer format."""

    count: int = 1
    last_observed_time: str | None = None


class KubernetesEvent(Object, frozen=True):
    """A core/v1 Event. `count` and `last_timestamp` are of the older format, `event_time` and `series` of the newer."""

    metadata: Meta
    involved_object: Regarding = Regarding()
    type: str = "Normal"
    reason: str = ""
    message: str = ""
    count: int | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: Series | None = None


# metrics.k8s.io


class ContainerMetrics(Object, frozen=True):
    name: str
    usage: dict[str, str] | None = None


class PodMetrics(Object, frozen=True):
    """A sample. `timestamp` is the time of measurement, `window` the time over which CPU was averaged."""

    metadata: Meta
    timestamp: str
    window: str = ""
    containers: list[ContainerMetrics] | None = None


# Lists, watches and errors


class ListMeta(Object, frozen=True):
    resource_version: str = ""
    continue_: str | None = msgspec.field(default=None, name="continue")


class ListPage(Object, Generic[T], frozen=True):
    """A list response, or one page of it."""

    items: list[T] | None = None
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


class Bookmarked(Object, frozen=True):
    """The object of a BOOKMARK line."""

    metadata: Meta


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


def page_of(kind: str) -> Any:
    """Return the type of a kind's list response."""
    page: Any = ListPage
    return page[KINDS[kind]]
