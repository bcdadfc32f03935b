"""The CPU and memory that each container used in the last hour, as its pods' samples have it, in bounded memory."""

import math

from msgspec import Struct

from dashboard.core.objects import PodMetrics
from dashboard.core.quantity import millicores, whole_bytes
from dashboard.core.ring import Ring
from dashboard.core.timestamps import seconds

KEPT_SECONDS = 3_600.0
MOST_SAMPLES = 20_000  # of a container: an hour of 80 pods
MOST_CONTAINERS = 50
MOST_PODS = 2_000


class Usage(Struct, frozen=True):
    """The usage of the containers of one name: a value for each sample, ascending; the pods that they are of, and the
    seconds from the first sample to the last."""

    cpu: list[float]  # millicores
    memory: list[float]  # bytes
    pods: int
    seconds: float


class UsageHistory:
    """The samples by app and container."""

    def __init__(self) -> None:
        self._rings: dict[tuple[str, str], Ring] = {}
        self._pods: dict[tuple[str, str], float] = {}  # (app, pod) → its last sample's time

    def add(self, app: str, sample: PodMetrics) -> None:
        """Add a pod's sample. One that is not later than the pod's last is ignored, as is a container without both
        figures."""
        at, pod = seconds(sample.timestamp), (app, sample.metadata.name)
        if at <= self._pods.get(pod, 0.0):
            return
        self._pods.pop(pod, None)
        self._pods[pod] = at  # at the end, as the latest
        while len(self._pods) > MOST_PODS:
            del self._pods[next(iter(self._pods))]
        for container in sample.containers or ():
            usage, ring = container.usage or {}, self._ring(app, container.name)
            if ring is not None and "cpu" in usage and "memory" in usage:
                ring.add(at, (float(millicores(usage["cpu"])), float(whole_bytes(usage["memory"]))))

    def _ring(self, app: str, container: str) -> Ring | None:
        if (app, container) not in self._rings and len(self._rings) >= MOST_CONTAINERS:
            return None
        return self._rings.setdefault((app, container), Ring(("cpu", "memory"), MOST_SAMPLES))

    def usage(self, app: str, container: str, at: float) -> Usage:
        """Return what an app's container used in the hour before `at`."""
        since = at - KEPT_SECONDS
        ring = self._rings.get((app, container))
        columns = ring.since(-math.inf) if ring is not None else {"at": [], "cpu": [], "memory": []}
        found = [point for point in zip(*columns.values(), strict=True) if since < point[0]]
        times, cpu, memory = ([*column] for column in zip(*found, strict=True)) if found else ([], [], [])
        pods = sum(1 for (owner, _), last in self._pods.items() if owner == app and last > since)
        return Usage(sorted(cpu), sorted(memory), pods, max(times) - min(times) if times else 0.0)
