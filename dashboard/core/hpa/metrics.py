"""The parts of pods and samples that an autoscaler uses, parsed into numbers and cached."""

import math
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from dashboard.core.objects import Container, Pod, PodMetrics
from dashboard.core.quantity import MOST_BYTES, MOST_MILLICORES, millicores, whole_bytes
from dashboard.core.timestamps import duration, seconds

Source = TypeVar("Source")
Parsed = TypeVar("Parsed")

PERCENT, MILLICORES = "%", "m"  # the units of a target: percent of the requests, or thousandths per pod
WHOLE = 100  # the request assumed for a target in thousandths per pod, so that 1 % of it is one of them
CPU, MEMORY = "cpu", "memory"


class PodFacts(Struct, frozen=True):
    """The facts about a pod that matter to an autoscaler. Times are in seconds since 1970.

    `request` is in millicores (of memory: thousandths of a byte, as in the controller), None if a container has none;
    for a target per pod it is WHOLE. `leaving` is when the pod's deletion was requested, or None.
    """

    name: str
    phase: str
    created: float
    leaving: float | None
    request: int | None
    started: float | None
    ready: str | None
    ready_since: float


class UsageSample(Struct, frozen=True):
    """A pod's usage in the request's unit at the time `at`; of CPU the mean over the `window` seconds up to it."""

    used: int
    at: float
    window: float


class MetricsView(Struct, frozen=True):
    """The pods, and their samples by pod name, at time `at`."""

    pods: list[PodFacts]
    samples: dict[str, UsageSample]
    at: float

    def before(self, time: float) -> "MetricsView":
        """Return the view without the creations and deletions since `time`."""
        return MetricsView([_before(pod, time) for pod in self.pods if pod.created < time], self.samples, self.at)


class ParseCache(Generic[Source, Parsed]):
    """A cache of parsed objects. It keeps an entry while the object is the same: few change between two calls."""

    def __init__(self, parse: Callable[[Source], Parsed]) -> None:
        self._parse = parse
        self._entries: dict[str, tuple[Source, Parsed]] = {}

    def parse(self, objects: Iterable[tuple[str, Source]]) -> dict[str, Parsed]:
        before, self._entries = self._entries, {}
        for key, source in objects:
            entry = before.get(key)
            self._entries[key] = entry if entry and entry[0] is source else (source, self._parse(source))
        return {key: parsed for key, (_, parsed) in self._entries.items()}


class MetricsReader:
    """Parses pods and samples for a metric of whole pods, or of one container."""

    def __init__(self, container: str = "", unit: str = PERCENT, resource: str = CPU) -> None:
        self._pods = ParseCache[Pod, PodFacts](lambda pod: pod_facts(pod, container, unit, resource))
        self._samples = ParseCache[PodMetrics, UsageSample | None](
            lambda sample: usage_sample(sample, container, resource)
        )

    def view(self, pods: Iterable[Pod], samples: dict[str, PodMetrics], at: float) -> MetricsView:
        facts = list(self._pods.parse((pod.metadata.uid, pod) for pod in pods).values())
        parsed = self._samples.parse((pod.name, samples[pod.name]) for pod in facts if pod.name in samples)
        return MetricsView(facts, {name: sample for name, sample in parsed.items() if sample}, at)


def pod_facts(pod: Pod, container: str = "", unit: str = PERCENT, resource: str = CPU) -> PodFacts:
    """Parse a pod for a metric of the whole pod, or of one container."""
    ready = next((one for one in pod.status.conditions or () if one.type == "Ready"), None)
    meta, started = pod.metadata, pod.status.start_time
    grace = meta.deletion_grace_period_seconds or 0  # deletionTimestamp is the end of the grace period
    return PodFacts(
        meta.name,
        pod.status.phase,
        seconds(meta.creation_timestamp) if meta.creation_timestamp else -math.inf,
        seconds(meta.deletion_timestamp) - grace if meta.deletion_timestamp else None,
        _request(pod, container, resource) if unit == PERCENT else WHOLE,
        seconds(started) if started else None,
        ready.status if ready else None,
        seconds(ready.last_transition_time) if ready and ready.last_transition_time else -math.inf,
    )


def usage_sample(sample: PodMetrics, container: str = "", resource: str = CPU) -> UsageSample | None:
    """Parse a sample; return None if a container's usage is missing."""
    usages = [(one.usage or {}).get(resource) for one in sample.containers or () if container in ("", one.name)]
    if not usages or None in usages:
        return None
    used = _amount(resource, (usage for usage in usages if usage))
    return UsageSample(used, seconds(sample.timestamp), duration(sample.window))


def _before(pod: PodFacts, time: float) -> PodFacts:
    if pod.leaving is None or pod.leaving < time:
        return pod
    if pod.ready == "False" and pod.ready_since >= time:  # unready because of its deletion
        return replace(pod, leaving=None, ready="True", ready_since=-math.inf)
    return replace(pod, leaving=None)


def _request(pod: Pod, container: str, resource: str) -> int | None:
    """Return the pod-level request, or else the sum of the requests of its long-running containers."""
    whole = (pod.spec.resources.requests or {}).get(resource) if pod.spec.resources else None
    if whole and not container:
        return _amount(resource, [whole])
    requests = [(one.resources.requests or {}).get(resource) for one in _running(pod, container)]
    if None in requests or (container and not requests):
        return None
    return _amount(resource, (request for request in requests if request))


def limit_of(pod: Pod, container: str, resource: str) -> int | None:
    """Return the pod-level limit, or else the sum of its long-running containers' limits; None if one has none."""
    whole = (pod.spec.resources.limits or {}).get(resource) if pod.spec.resources else None
    if whole and not container:
        return _amount(resource, [whole])
    limits = [(one.resources.limits or {}).get(resource) for one in _running(pod, container)]
    return _amount(resource, (limit for limit in limits if limit)) if limits and None not in limits else None


def _running(pod: Pod, container: str) -> list[Container]:
    """Return the containers that run as long as the pod, or the one of that name."""
    return [one for one in pod.long_running if container in ("", one.name)]


def _amount(resource: str, quantities: Iterable[str]) -> int:
    """Return the sum in thousandths of a core, or of a byte."""
    if resource == CPU:
        return min(sum(map(millicores, quantities)), MOST_MILLICORES)
    return 1000 * min(sum(map(whole_bytes, quantities)), MOST_BYTES)
