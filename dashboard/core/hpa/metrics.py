"""What counts of a pod and of its sample for an autoscaler, read once and in plain numbers."""

import math
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from dashboard.core.objects import Pod, PodMetrics
from dashboard.core.quantity import millicores
from dashboard.core.timestamps import duration, seconds

Read = TypeVar("Read")
Made = TypeVar("Made")

PERCENT, MILLICORES = "%", "m"  # the units of a target: of what the pods request, and a pod
WHOLE = 100  # millicores that count as requested where the target is in millicores: a percent of them is one



class Member(Struct, frozen=True):
    """What is read of a pod. Moments in seconds since 1970, `request` in millicores, None where a container has none.

    A target in millicores asks for no request: it is WHOLE then.

    `leaving` is when it was asked to go, and None of one that was not.
    """

    name: str
    phase: str
    created: float
    leaving: float | None
    request: int | None
    started: float | None
    ready: str | None
    ready_since: float


class CpuReading(Struct, frozen=True):
    """What is read of a sample: millicores used, the moment, and the seconds up to it that they are the mean of."""

    used: int
    at: float
    window: float


class MetricsView(Struct, frozen=True):
    """The pods and their samples at a moment."""

    members: list[Member]
    readings: dict[str, CpuReading]
    at: float

    def before(self, moment: float) -> "MetricsView":
        """As if what came from the moment on had not come yet, and what went had not gone."""
        return MetricsView(
            [_before(one, moment) for one in self.members if one.created < moment], self.readings, self.at
        )


class KeptReadings(Generic[Read, Made]):
    """What was made of each object, as long as the object stays: most calls find nearly all as they were."""

    def __init__(self, make: Callable[[Read], Made]) -> None:
        self._make = make
        self._kept: dict[str, tuple[Read, Made]] = {}

    def of(self, objects: Iterable[tuple[str, Read]]) -> dict[str, Made]:
        before, self._kept = self._kept, {}
        for key, one in objects:
            found = before.get(key)
            self._kept[key] = found if found and found[0] is one else (one, self._make(one))
        return {key: made for key, (_, made) in self._kept.items()}


class MetricsHistory:
    """Reads pods and samples as far as they changed, for a metric of whole pods, or of one container."""

    def __init__(self, container: str = "", unit: str = PERCENT) -> None:
        self._members = KeptReadings[Pod, Member](lambda pod: member(pod, container, unit))
        self._readings = KeptReadings[PodMetrics, CpuReading | None](lambda sample: reading(sample, container))

    def view(self, pods: Iterable[Pod], samples: dict[str, PodMetrics], at: float) -> MetricsView:
        members = list(self._members.of((pod.metadata.uid, pod) for pod in pods).values())
        found = self._readings.of((one.name, samples[one.name]) for one in members if one.name in samples)
        return MetricsView(members, {name: read for name, read in found.items() if read}, at)


def member(pod: Pod, container: str = "", unit: str = PERCENT) -> Member:
    """For a metric of the whole pod, or of one container."""
    ready = next((one for one in pod.status.conditions or () if one.type == "Ready"), None)
    meta, started = pod.metadata, pod.status.start_time
    grace = meta.deletion_grace_period_seconds or 0  # the API's moment is the one at which the pod is to be gone
    return Member(
        meta.name,
        pod.status.phase,
        seconds(meta.creation_timestamp) if meta.creation_timestamp else -math.inf,
        seconds(meta.deletion_timestamp) - grace if meta.deletion_timestamp else None,
        _request(pod, container) if unit == PERCENT else WHOLE,
        seconds(started) if started else None,
        ready.status if ready else None,
        seconds(ready.last_transition_time) if ready and ready.last_transition_time else -math.inf,
    )


def reading(sample: PodMetrics, container: str = "") -> CpuReading | None:
    """None for a sample that lacks a container's CPU."""
    usages = [(one.usage or {}).get("cpu") for one in sample.containers or () if container in ("", one.name)]
    if not usages or None in usages:
        return None
    used = sum(millicores(usage) for usage in usages if usage)
    return CpuReading(used, seconds(sample.timestamp), duration(sample.window))


def _before(one: Member, moment: float) -> Member:
    if one.leaving is None or one.leaving < moment:
        return one
    if one.ready == "False" and one.ready_since >= moment:  # because it leaves
        return replace(one, leaving=None, ready="True", ready_since=-math.inf)
    return replace(one, leaving=None)


def _request(pod: Pod, container: str) -> int | None:
    """What percentages are of: the pod's own request, else the sum of those of its long-running containers."""
    whole = (pod.spec.resources.requests or {}).get("cpu") if pod.spec.resources else None
    if whole and not container:
        return millicores(whole)
    sidecars = [one for one in pod.spec.init_containers or () if one.restart_policy == "Always"]
    running = [one for one in (*(pod.spec.containers or ()), *sidecars) if container in ("", one.name)]
    requests = [(one.resources.requests or {}).get("cpu") for one in running]
    if None in requests or (container and not requests):
        return None
    return sum(millicores(request) for request in requests if request)
