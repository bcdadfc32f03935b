"""A seeded simulation of a deployment, for work on the page. It emits the same events as the real sources.

A cycle of four minutes: quiet, then load; CPU rises, the autoscaler adds pods; the database's pod is killed and comes
back; the load stops, pods go; a source fails for a while. Then again, at other times.
The simulation reads no clock: each step gets its time, so that a seed always gives the same events.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboard.core import events
from dashboard.core.snapshot import Targets
from dashboard.mock.clock import STEP_SECONDS, SimulationClock
from dashboard.mock.cluster.autoscaler import SimulatedAutoscaler
from dashboard.mock.cluster.deployment import MockDeployment
from dashboard.mock.cluster.kubernetes_events import KubernetesEvents
from dashboard.mock.cluster.metrics_server import MetricsServer
from dashboard.mock.cluster.pods import COMPANION, DASHBOARD, DATABASE, LONGEST_NAME, SERVICE, MockPods
from dashboard.mock.data.collection import ODD, Keep, MockCollection
from dashboard.mock.data.database import MockDatabase
from dashboard.mock.outage import Outage
from dashboard.mock.schedule import EventSchedule
from dashboard.mock.traffic import COUNTED_PODS, SimulatedTraffic

PAST_SECONDS = 3_600  # simulated before the start, in whole cycles, so that it ends in a quiet phase
SHORT_PAST_SECONDS = 480  # with so many pods that an hour of them would take too long
CROWD = 50
ODD_STEPS = 6  # between two odd documents: the last ones of the past, so that each of them can be seen at first
POLL_SECONDS = 5  # of simulated time, between two looks at the metrics
SECOND = timedelta(seconds=1)
BEFORE = datetime.min.replace(tzinfo=UTC)
LONGEST_LABEL = 63  # characters between two dots of a name


@dataclass(frozen=True)
class SimulationOptions:
    """The same options give the same events."""

    seed: int = 7
    speed: int = 1  # times as fast
    pods: int = 2  # of the service, at rest
    churn: int = 0  # of them that change each second
    quiet: bool = False  # nothing extraordinary happens after the start


DEFAULT = SimulationOptions()


class Simulation:
    """Call `opening` first, then `step` for each STEP_SECONDS of simulated time. Both return the events."""

    def __init__(
        self, targets: Targets, options: SimulationOptions = DEFAULT, keep: Keep = lambda id_, document: None
    ) -> None:
        self._targets = targets
        self._options = options
        self._random = chance = random.Random(options.seed)  # noqa: S311 - a simulation, no secret
        self._emitted: list[events.Event] = []
        self._uids = 0
        self._figures_at = BEFORE
        self._clock = clock = SimulationClock(BEFORE)
        self._kubernetes_events = KubernetesEvents(clock, self._emit, self._uid)
        self._pods = MockPods(targets.namespace, clock, chance, self._kubernetes_events, self._emit, self._uid)
        self._load = SimulatedTraffic(clock, chance, options.pods)
        self._meter = MetricsServer(clock, chance, self._load)
        scaler = SimulatedAutoscaler(clock, options.pods, options.speed)
        self._deployment = MockDeployment(
            targets, clock, self._pods, self._meter, scaler, self._kubernetes_events, self._emit, self._uid()
        )
        self._contents = MockCollection(clock, chance, keep)
        self._database = MockDatabase(clock, chance, self._contents, self._load, self._emit)
        self._failure = Outage(clock, chance, self._emit, self._deployment.listed)
        self._schedule = EventSchedule(targets, clock, chance, self._pods, self._load, self._failure)

    def opening(self, at: datetime) -> list[events.Event]:
        """Return the first lists, and the figures of the hour before.

        The autoscaler comes last: evaluating it during the past would need pods that no longer exist.
        """
        past = self._past(at)
        self._schedule.ended = self._options.quiet
        steps = [event for event in past if isinstance(event, events.ObjectChanged) and event.kind == "deployments"]
        figures = [event for event in past if isinstance(event, events.CountersScraped | events.MetricsSampled)]
        return [
            events.ClusterVersion(at=self._clock.timestamp, kubernetes="v1.36.3-mock"),
            *steps,
            self._pods.listed(),
            *self._listed("persistentvolumeclaims", "deployments", "statefulsets", "endpointslices"),
            self._kubernetes_events.listed(),
            *figures,
            *self._listed("horizontalpodautoscalers"),
            self._contents.contents(),
            self._contents.volume(),
            self._database.operations(),
        ]

    def step(self, at: datetime) -> list[events.Event]:
        """Return the events until `at`."""
        self._clock.step(at)
        self._emitted = []
        self._schedule.step()
        self._live()
        return [event for event in self._emitted if not self._failure.swallows(event)]

    def insert(self, id_: str, document: dict[str, object]) -> None:
        """Insert a document of a reader. The next step emits it."""
        self._contents.insert(document, id_)

    def generate(self, rate: float) -> None:
        """Set a reader's own load in requests a second, in addition to the simulated one; 0 for none."""
        self._load.generate(rate)

    def restart_database(self, mode: str) -> None:
        """Restart it in the mode "graceful" or "crash"."""
        if mode == "graceful":
            self._schedule.kill_database()
            return
        for pod in self._pods.of(self._targets.statefulset):
            if pod.ready:
                self._pods.kill(pod, "Error")

    def _past(self, at: datetime) -> list[events.Event]:
        """Simulate the past, from the first pods on, and return its events."""
        seconds = PAST_SECONDS if self._options.pods <= CROWD else SHORT_PAST_SECONDS
        self._found(at - timedelta(seconds=seconds))
        past: list[events.Event] = []
        for left in reversed(range(int(seconds / STEP_SECONDS))):
            past += self.step(at - timedelta(seconds=left * STEP_SECONDS))
            if left < ODD_STEPS * len(ODD) and left % ODD_STEPS == 0:
                self._contents.insert(ODD[left // ODD_STEPS])
        return past

    def _found(self, start: datetime) -> None:
        """Create the first pods a while before the start, so that they are ready by then."""
        self._clock.at = start - timedelta(seconds=30)
        self._deployment.since = self._clock.stamp
        for _ in range(self._options.pods):
            self._pods.create(self._pods.new_name(self._targets.deployment), self._targets.deployment, SERVICE)
        self._pods.create(f"{self._targets.statefulset}-0", self._targets.statefulset, DATABASE)
        self._pods.create(self._pods.new_name("dashboard"), "dashboard", DASHBOARD)
        self._pods.create(_longest_name(), "companion", COMPANION)
        while not all(pod.ready for pod in self._pods):
            self._clock.seconds += STEP_SECONDS
            self._pods.step()
        self._clock.seconds = 0.0
        self._clock.at = self._figures_at = start

    def _live(self) -> None:
        """Advance every part by a step, each on the results of those before it."""
        for pod in self._pods.step():
            if pod.stage == "gone":
                self._load.forget(pod.uid)
                self._deployment.replace(pod)
        self._churn()
        self._database.step(self._pods)
        self._load.step([pod.uid for pod in self._pods if pod.ready and pod.kind is SERVICE], self._database.up)
        self._meter.step(self._pods)
        self._deployment.scale()
        self._deployment.emit_changes()
        self._emit_figures()

    def _churn(self) -> None:
        if not self._options.churn:
            return
        pods = self._pods.of(self._targets.deployment)
        for _ in range(int(self._options.churn * self._clock.elapsed + self._random.random())):
            self._pods.flap(self._random.choice(pods))

    def _emit_figures(self) -> None:
        """Emit the counters each second of real time, and the samples every POLL_SECONDS of simulated time."""
        if self._clock.seconds % POLL_SECONDS == 0:
            self._emit(self._meter.sampled(self._pods))
        if self._clock.at < self._figures_at:
            return
        self._figures_at = max(self._figures_at + SECOND, self._clock.at - SECOND)
        members = [pod for pod in self._pods if pod.kind is SERVICE and pod.started and pod.stage != "killed"]
        counters = {pod.name: self._load.counters(pod.uid) for pod in members[:COUNTED_PODS]}
        self._emit(events.CountersScraped(at=self._clock.timestamp, pods=counters))
        if self._database.up:
            self._emit(self._database.operations())

    def _listed(self, *kinds: str) -> list[events.ObjectsListed]:
        return [listed for kind in kinds if (listed := self._deployment.listed(kind))]

    def _emit(self, event: events.Event) -> None:
        self._emitted.append(event)

    def _uid(self) -> str:
        """Return a new uid in the form of Kubernetes'."""
        self._uids += 1
        drawn = f"{self._random.getrandbits(80):020x}"
        return f"{self._uids:08x}-{drawn[:4]}-4{drawn[4:7]}-a{drawn[7:10]}-00{drawn[10:]}"


def _longest_name() -> str:
    """Return the longest name that the API allows, of the longest labels."""
    label = "companion-with-the-longest-name-that-the-api-allows-for-a-pod-of-any-kind"[:LONGEST_LABEL]
    return ".".join([label] * 4)[:LONGEST_NAME]
