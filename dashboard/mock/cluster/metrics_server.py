"""The simulated metrics server: it samples each pod every 15 s, each at its own time."""

import random
from dataclasses import dataclass

from dashboard.core import events, objects
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.manifests import sample
from dashboard.mock.cluster.pods import DATABASE, SERVICE, MockPod, MockPods
from dashboard.mock.traffic import SimulatedTraffic

WINDOW_SECONDS = 15.0
FIRST_SECONDS = 18.0  # from a container's start to its first sample: a whole window as a ready pod
MEBI = 2**20


@dataclass
class PodUsage:
    due: float  # the next one, in simulated time
    work: float  # of the service's pods, at the last one
    at: float  # of the last one, in simulated time
    memory: float
    cpu: float | None = None  # millicores
    emitted: objects.PodMetrics | None = None


class MetricsServer:
    def __init__(self, clock: SimulationClock, random: random.Random, load: SimulatedTraffic) -> None:
        self._clock = clock
        self._random = random
        self._load = load
        self._readings: dict[str, PodUsage] = {}  # by uid

    def step(self, pods: MockPods) -> None:
        """Takes the samples that are due. A pod that is new, or was restarted, has none for a while."""
        running = {pod.uid: pod for pod in pods if pod.stage in ("running", "ready", "unready", "ending")}
        for uid in self._readings.keys() - running.keys():
            del self._readings[uid]
        now = self._clock.seconds
        for uid, pod in running.items():
            if not (reading := self._readings.get(uid)):
                due = now + FIRST_SECONDS + self._random.uniform(0, 6)
                memory = self._random.uniform(50, 70) * MEBI
                self._readings[uid] = PodUsage(due, self._load.work, now, memory)
            elif now >= reading.due:
                self._read(pod, reading)

    def sampled(self, pods: MockPods) -> events.MetricsSampled:
        """What the API answers now."""
        known = [self._readings.get(pod.uid) for pod in pods]
        samples = [one.emitted for one in known if one and one.emitted]
        return events.MetricsSampled(at=self._clock.timestamp, samples=samples)

    def cpu(self, uid: str) -> float | None:
        """The last sample's millicores."""
        reading = self._readings.get(uid)
        return reading.cpu if reading else None

    def _read(self, pod: MockPod, reading: PodUsage) -> None:
        reading.cpu = self._used(pod, reading)
        reading.memory += self._random.uniform(-0.4, 0.8) * MEBI
        if pod.kind is SERVICE:
            reading.memory = min(reading.memory, 180 * MEBI)
        reading.due += WINDOW_SECONDS
        reading.work, reading.at = self._load.work, self._clock.seconds
        reading.emitted = sample(pod.name, pod.main, self._clock.stamp, reading.cpu, reading.memory)

    def _used(self, pod: MockPod, reading: PodUsage) -> float:
        if pod.kind is SERVICE:
            mean = (self._load.work - reading.work) / (self._clock.seconds - reading.at)
            return mean * self._random.uniform(0.95, 1.05)
        if pod.kind is DATABASE:
            return (14 + self._load.rate * 0.3) * self._random.uniform(0.9, 1.1)
        return self._random.uniform(3, 9)
