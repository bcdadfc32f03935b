"""The few fields that are read of each Kubernetes object.

Objects are decoded from the API's bytes straight into these: a field that nobody shows is never parsed. Go writes an
empty list or map as null in places, so every one of them may be None.
"""

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Object(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """What is read here of any Kubernetes type: fields in the API's own spelling, unknown ones skipped."""


class Meta(Object, frozen=True):
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
    restart_policy: str | None = None  # "Always" makes a sidecar of an init container


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


# Deployments and StatefulSets: the same numbers


class ReplicasSpec(Object, frozen=True):
    replicas: int = 1


class ReplicasStatus(Object, frozen=True):
    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    conditions: list[Condition] | None = None


class Workload(Object, frozen=True):
    metadata: Meta
    spec: ReplicasSpec = ReplicasSpec()
    status: ReplicasStatus = ReplicasStatus()


# HorizontalPodAutoscalers (autoscaling/v2)


class ScaleTarget(Object, frozen=True):
    kind: str = ""
    name: str = ""


class MetricValue(Object, frozen=True):
    average_utilization: int | None = None  # percent of what the pods request
    average_value: str | None = None  # a quantity a pod. The status has it beside the percentage too


class ResourceMetric(Object, frozen=True):
    name: str = ""
    container: str = ""  # of a ContainerResource: the one that is measured
    target: MetricValue = MetricValue()
    current: MetricValue = MetricValue()


class Metric(Object, frozen=True):
    """A metric in the spec (with a target) or in the status (with a current value)."""

    type: str = ""
    resource: ResourceMetric | None = None
    container_resource: ResourceMetric | None = None


class ScalingPolicy(Object, frozen=True):
    """How many pods, or how many percent of them, may come or go in a period."""

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


class Claim(Object, frozen=True):
    metadata: Meta
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


# EndpointSlices


class EndpointConditions(Object, frozen=True):
    ready: bool | None = None  # None is to be taken as ready, says the API


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
    field_path: str = ""  # of a container, "spec.containers{name}"


class Series(Object, frozen=True):
    """How often an event of the newer way happened, and when last."""

    count: int = 1
    last_observed_time: str | None = None


class KubernetesEvent(Object, frozen=True):
    """A core/v1 Event. `count` and `last_timestamp` are of the older way to write them, `event_time` of the newer."""

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
    """A sample: `timestamp` is when it was taken, `window` the span that the CPU was averaged over."""

    metadata: Meta
    timestamp: str
    window: str = ""
    containers: list[ContainerMetrics] | None = None


# The API's envelopes


class ListMeta(Object, frozen=True):
    resource_version: str = ""
    continue_: str | None = msgspec.field(default=None, name="continue")


class Page(Object, Generic[T], frozen=True):
    """A list's answer, or one page of it."""

    items: list[T] | None = None
    metadata: ListMeta = ListMeta()


class Status(Object, frozen=True):
    """An error, as a response's body or as the object of a watch's ERROR line."""

    code: int = 0
    reason: str = ""
    message: str = ""


class Line(Object, frozen=True):
    """One line of a watch; the object stays bytes until its type is known."""

    type: str
    object: msgspec.Raw


class Bookmarked(Object, frozen=True):
    metadata: Meta


class Build(Object, frozen=True):
    """The answer of /version."""

    git_version: str

KINDS: dict[str, Any] = {
    "pods": Pod,
    "deployments": Workload,
    "statefulsets": Workload,
    "horizontalpodautoscalers": Autoscaler,
    "persistentvolumeclaims": Claim,
    "endpointslices": EndpointSlice,
    "events": KubernetesEvent,
}


def page_of(kind: str) -> Any:
    """The type of a list's answer for a kind."""
    page: Any = Page
    return page[KINDS[kind]]
