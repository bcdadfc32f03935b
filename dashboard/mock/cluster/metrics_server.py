"""The simulated metrics server: a sample of each pod every 15 s, each pod at its own times."""

import random
from dataclasses import dataclass

from dashboard.core import events, objects
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.manifests import sample
from dashboard.mock.cluster.pods import DATABASE, SERVICE, MockPod, MockPods
from dashboard.mock.traffic import SimulatedTraffic

WINDOW_SECONDS = 15.0
FIRST_SECONDS = 18.0  # from a container's start to its first sample: a pod must have been ready for a whole window
MEBI = 2**20


@dataclass
class PodUsage:
    """A pod's usage. Times are in simulated seconds."""

    due: float  # the next sample
    work: float  # SimulatedTraffic.work at the last sample
    at: float  # the last sample
    memory: float  # bytes
    cpu: float | None = None  # millicores
    sample: objects.PodMetrics | None = None


class MetricsServer:
    def __init__(self, clock: SimulationClock, random: random.Random, traffic: SimulatedTraffic) -> None:
        self._clock = clock
        self._random = random
        self._traffic = traffic
        self._usages: dict[str, PodUsage] = {}  # by uid

    def step(self, pods: MockPods) -> None:
        """Take the samples that are due. A new or restarted pod has none at first."""
        running = {pod.uid: pod for pod in pods if pod.stage in ("running", "ready", "unready", "ending")}
        for uid in self._usages.keys() - running.keys():
            del self._usages[uid]
        now = self._clock.simulated
        for uid, pod in running.items():
            if not (usage := self._usages.get(uid)):
                due = now + FIRST_SECONDS + self._random.uniform(0, 6)
                memory = self._random.uniform(50, 70) * MEBI
                self._usages[uid] = PodUsage(due, self._traffic.work, now, memory)
            elif now >= usage.due:
                self._take_sample(pod, usage)

    def sampled(self, pods: MockPods) -> events.MetricsSampled:
        """Return the response of the metrics API."""
        usages = [self._usages.get(pod.uid) for pod in pods]
        samples = [usage.sample for usage in usages if usage and usage.sample]
        return events.MetricsSampled(at=self._clock.timestamp, samples=samples)

    def cpu(self, uid: str) -> float | None:
        """Return the last sample's millicores, or None without a sample."""
        usage = self._usages.get(uid)
        return usage.cpu if usage else None

    def _take_sample(self, pod: MockPod, usage: PodUsage) -> None:
        usage.cpu = self._cpu(pod, usage)
        usage.memory += self._random.uniform(-0.4, 0.8) * MEBI
        if pod.kind is SERVICE:
            usage.memory = min(usage.memory, 180 * MEBI)
        usage.due += WINDOW_SECONDS
        usage.work, usage.at = self._traffic.work, self._clock.simulated
        usage.sample = sample(pod.name, pod.main, self._clock.stamp(), usage.cpu, usage.memory)

    def _cpu(self, pod: MockPod, usage: PodUsage) -> float:
        """Return the mean millicores since the last sample."""
        if pod.kind is SERVICE:
            mean = (self._traffic.work - usage.work) / (self._clock.simulated - usage.at)
            return mean * self._random.uniform(0.95, 1.05)
        if pod.kind is DATABASE:
            return (14 + self._traffic.rate * 0.3) * self._random.uniform(0.9, 1.1)
        return self._random.uniform(3, 9)
