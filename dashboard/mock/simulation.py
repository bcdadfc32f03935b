"""A seeded story of a deployment, for work on the page: the same events as the real sources tell.

A cycle of four minutes: quiet, then load; CPU rises, the autoscaler adds pods; the database's pod is killed and comes
back; the load stops, pods go; a source fails for a while. Then again, with other times.
The story has no clock: the moments come in with its steps, so that a seed tells the same one each time.
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

PAST_SECONDS = 3_600  # told on opening: whole cycles, that it may end in quiet
SHORT_PAST_SECONDS = 480  # with so many pods that an hour of them would take too long
CROWD = 50
ODD_STEPS = 6  # between two odd documents: the last ones of the past, so that each of them can be seen at first
POLL_SECONDS = 5  # of the plot, between two looks at the metrics
SECOND = timedelta(seconds=1)
BEFORE = datetime.min.replace(tzinfo=UTC)
LONGEST_LABEL = 63  # characters between two dots of a name


@dataclass(frozen=True)
class SimulationOptions:
    """How the story is told. A seed tells the same one each time."""

    seed: int = 7
    speed: int = 1  # times as fast
    pods: int = 2  # of the service, at rest
    churn: int = 0  # of them that change each second
    quiet: bool = False  # after the past nothing happens that is out of the ordinary


DEFAULT = SimulationOptions()


class Simulation:
    """`opening` first, then `step` after `step`, each every STEP_SECONDS of the plot; both give what is told."""

    def __init__(
        self, targets: Targets, options: SimulationOptions = DEFAULT, keep: Keep = lambda id_, document: None
    ) -> None:
        self._targets = targets
        self._options = options
        self._random = chance = random.Random(options.seed)  # noqa: S311 - a story, no secret
        self._told: list[events.Event] = []
        self._uids = 0
        self._figures_at = BEFORE
        self._moments = moments = SimulationClock(BEFORE)
        self._happenings = KubernetesEvents(moments, self._tell, self._uid)
        self._pods = MockPods(targets.namespace, moments, chance, self._happenings, self._tell, self._uid)
        self._load = SimulatedTraffic(moments, chance, options.pods)
        self._meter = MetricsServer(moments, chance, self._load)
        scaler = SimulatedAutoscaler(moments, options.pods, options.speed)
        self._deployment = MockDeployment(
            targets, moments, self._pods, self._meter, scaler, self._happenings, self._tell, self._uid()
        )
        self._contents = MockCollection(moments, chance, keep)
        self._database = MockDatabase(moments, chance, self._contents, self._load, self._tell)
        self._failure = Outage(moments, chance, self._tell, self._deployment.listed)
        self._plot = EventSchedule(targets, moments, chance, self._pods, self._load, self._failure)

    def opening(self, at: datetime) -> list[events.Event]:
        """What first lists tell at a moment, and the figures of the hour before it.

        The autoscaler comes last: what it would have made of the past needs pods that are no more.
        """
        past = self._past(at)
        self._plot.ended = self._options.quiet
        steps = [told for told in past if isinstance(told, events.ObjectChanged) and told.kind == "deployments"]
        figures = [told for told in past if isinstance(told, events.CountersScraped | events.MetricsSampled)]
        return [
            events.ClusterVersion(at=self._moments.told, kubernetes="v1.36.3-mock"),
            *steps,
            self._pods.listed(),
            *self._listed("persistentvolumeclaims", "deployments", "statefulsets", "endpointslices"),
            self._happenings.listed(),
            *figures,
            *self._listed("horizontalpodautoscalers"),
            self._contents.contents(),
            self._contents.volume(),
            self._database.operations(),
        ]

    def step(self, at: datetime) -> list[events.Event]:
        """What happens until `at`."""
        self._moments.step(at)
        self._told = []
        self._plot.step()
        self._live()
        return [told for told in self._told if not self._failure.swallows(told)]

    def insert(self, id_: str, document: dict[str, object]) -> None:
        """Takes in a reader's own document, which is told with the next step."""
        self._contents.insert(document, id_)

    def generate(self, rate: float) -> None:
        """A reader's own load, beside that of the plot: so many requests a second, none for 0."""
        self._load.generate(rate)

    def restart_database(self, mode: str) -> None:
        """As a reader asks for it: "graceful" or "crash"."""
        if mode == "graceful":
            self._plot.kill_database()
            return
        for pod in self._pods.of(self._targets.statefulset):
            if pod.ready:
                self._pods.kill(pod, "Error")

    def _past(self, at: datetime) -> list[events.Event]:
        """Plays what came before, from the first pods on, and gives what was told of it."""
        seconds = PAST_SECONDS if self._options.pods <= CROWD else SHORT_PAST_SECONDS
        self._found(at - timedelta(seconds=seconds))
        past: list[events.Event] = []
        for left in reversed(range(int(seconds / STEP_SECONDS))):
            past += self.step(at - timedelta(seconds=left * STEP_SECONDS))
            if left < ODD_STEPS * len(ODD) and left % ODD_STEPS == 0:
                self._contents.insert(ODD[left // ODD_STEPS])
        return past

    def _found(self, start: datetime) -> None:
        """The first pods, made a while before the start, so that they are ready by then."""
        self._moments.at = start - timedelta(seconds=30)
        self._deployment.since = self._moments.stamp
        for _ in range(self._options.pods):
            self._pods.create(self._pods.new_name(self._targets.deployment), self._targets.deployment, SERVICE)
        self._pods.create(f"{self._targets.statefulset}-0", self._targets.statefulset, DATABASE)
        self._pods.create(self._pods.new_name("dashboard"), "dashboard", DASHBOARD)
        self._pods.create(_longest_name(), "companion", COMPANION)
        while not all(pod.ready for pod in self._pods):
            self._moments.plot += STEP_SECONDS
            self._pods.step()
        self._moments.plot = 0.0
        self._moments.at = self._figures_at = start

    def _live(self) -> None:
        """Everything moves on by a step, each part on what those before it made."""
        for pod in self._pods.step():
            if pod.stage == "gone":
                self._load.forget(pod.uid)
                self._deployment.replace(pod)
        self._churn()
        self._database.step(self._pods)
        self._load.step([pod.uid for pod in self._pods if pod.ready and pod.kind is SERVICE], self._database.up)
        self._meter.step(self._pods)
        self._deployment.scale()
        self._deployment.tell()
        self._tell_figures()

    def _churn(self) -> None:
        if not self._options.churn:
            return
        pods = self._pods.of(self._targets.deployment)
        for _ in range(int(self._options.churn * self._moments.elapsed + self._random.random())):
            self._pods.flap(self._random.choice(pods))

    def _tell_figures(self) -> None:
        """The pods' counters and the database's each second of the day, the samples every few of the plot."""
        if self._moments.plot % POLL_SECONDS == 0:
            self._tell(self._meter.sampled(self._pods))
        if self._moments.at < self._figures_at:
            return
        self._figures_at = max(self._figures_at + SECOND, self._moments.at - SECOND)
        members = [pod for pod in self._pods if pod.kind is SERVICE and pod.started and pod.stage != "killed"]
        counters = {pod.name: self._load.counters(pod.uid) for pod in members[:COUNTED_PODS]}
        self._tell(events.CountersScraped(at=self._moments.told, pods=counters))
        if self._database.up:
            self._tell(self._database.operations())

    def _listed(self, *kinds: str) -> list[events.ObjectsListed]:
        return [listed for kind in kinds if (listed := self._deployment.listed(kind))]

    def _tell(self, told: events.Event) -> None:
        self._told.append(told)

    def _uid(self) -> str:
        """Shaped as Kubernetes', and told apart by a number."""
        self._uids += 1
        drawn = f"{self._random.getrandbits(80):020x}"
        return f"{self._uids:08x}-{drawn[:4]}-4{drawn[4:7]}-a{drawn[7:10]}-00{drawn[10:]}"


def _longest_name() -> str:
    """As long as the API allows, of labels as long as it allows."""
    label = "companion-with-the-longest-name-that-the-api-allows-for-a-pod-of-any-kind"[:LONGEST_LABEL]
    return ".".join([label] * 4)[:LONGEST_NAME]
