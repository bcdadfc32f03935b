"""A seeded simulation of a deployment. It emits the same events as the real sources.

A cycle lasts four minutes and draws its own times: idle traffic; load, so that CPU rises and the autoscaler adds pods;
the database's pod is deleted and replaced; the load stops and pods are removed; a source fails for a while.
The simulation reads no clock: `opening` and `step` take the time, so equal seeds and times give equal events.
"""

import random
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.core import events
from dashboard.core.targets import Targets
from dashboard.kube.pods.control import GRACEFUL
from dashboard.mock.clock import STEP_SECONDS, SimulationClock
from dashboard.mock.cluster.autoscaler import SimulatedAutoscaler
from dashboard.mock.cluster.deployment import MockDeployment
from dashboard.mock.cluster.kubernetes_events import KubernetesEvents
from dashboard.mock.cluster.metrics_server import MetricsServer
from dashboard.mock.cluster.object_control import MockObjectControl
from dashboard.mock.cluster.pods import COMPANION, DASHBOARD, DATABASE, LONGEST_NAME, SERVICE, MockPods
from dashboard.mock.database.collection import ODD, MockCollection, StoreDocument
from dashboard.mock.database.mongod import MockDatabase
from dashboard.mock.outage import Outage
from dashboard.mock.schedule import EventSchedule
from dashboard.mock.traffic import SCRAPED_PODS, SimulatedTraffic

PAST_SECONDS = 3_600  # simulated before the opening; whole cycles, so that it ends with idle traffic
SHORT_PAST_SECONDS = 480  # with more than MANY_PODS, for which an hour takes too long
MANY_PODS = 50
ODD_STEPS = 6  # steps between two odd documents at the end of the past: the newest documents include all of them
POLL_SECONDS = 5  # simulated seconds between two requests to the metrics API
SECOND = timedelta(seconds=1)
BEFORE = datetime.min.replace(tzinfo=UTC)
UNREADY = "MongoDB has not been reached yet."  # what a pod says that is not ready
LONGEST_LABEL = 63  # characters between two dots of a name


@dataclass(frozen=True)
class SimulationOptions:
    seed: int = 7
    speed: int = 1  # time factor
    pods: int = 2  # of the service, at rest
    churn: int = 0  # of these pods, how many change each second
    quiet: bool = False  # true: the schedule ends with the past
    autoscaler: str = ""  # of autoscaler_variants
    actions: tuple[str, ...] = ("rollout", "autoscaler", "pods")  # that the account may take
    alerts: bool = False  # true: there is a Prometheus


DEFAULT = SimulationOptions()


class Simulation:
    """Call `opening` once, then `step` every STEP_SECONDS of simulated time. Both return events.

    `store` receives each document.
    """

    def __init__(
        self, targets: Targets, options: SimulationOptions = DEFAULT, store: StoreDocument = lambda id_, document: None
    ) -> None:
        self._targets = targets
        self._options = options
        self._random = random_ = random.Random(options.seed)  # noqa: S311 - no secret
        self._events: list[events.Event] = []
        self._uids = 0
        self._scrape_at = BEFORE
        self._down_since: str | None = None
        self._clock = clock = SimulationClock(BEFORE)
        self._kubernetes_events = KubernetesEvents(clock, self._emit, self._uid)
        self._pods = MockPods(targets.namespace, clock, random_, self._kubernetes_events, self._emit, self._uid)
        self._traffic = SimulatedTraffic(clock, random_, options.pods)
        self._metrics = MetricsServer(clock, random_, self._traffic)
        autoscaler = SimulatedAutoscaler(clock, options.pods, options.speed, options.autoscaler)
        self._deployment = MockDeployment(
            targets, clock, self._pods, self._metrics, autoscaler, self._kubernetes_events, self._emit, self._uid()
        )
        self._collection = MockCollection(clock, random_, store)
        self._database = MockDatabase(clock, random_, self._collection, self._traffic, self._emit)
        self._outage = Outage(clock, random_, self._emit, self._deployment.listed)
        self._schedule = EventSchedule(targets, clock, random_, self._pods, self._traffic, self._outage)

    def opening(self, now: datetime) -> list[events.Event]:
        """Return what the first lists give at `now`, and the metrics of the hour before it.

        The autoscaler is last: the dashboard can't evaluate it in the past, whose pods are gone.
        """
        past = self._past(now)
        self._schedule.ended = self._options.quiet
        rollouts = [event for event in past if isinstance(event, events.ObjectChanged) and event.kind == "deployments"]
        metrics = [event for event in past if isinstance(event, events.CountersScraped | events.MetricsSampled)]
        return [
            events.ClusterVersion(at=self._clock.timestamp, kubernetes="v1.36.3-mock"),
            events.ActionsAllowed(at=self._clock.timestamp, actions=[*self._options.actions]),
            *rollouts,
            self._pods.listed(),
            *self._listed("persistentvolumeclaims", "deployments", "statefulsets", "endpointslices"),
            self._kubernetes_events.listed(),
            *metrics,
            *self._listed("horizontalpodautoscalers"),
            self._collection.contents(),
            self._collection.volume(),
            self._database.operations(),
            *self._alerts(),
        ]

    def step(self, now: datetime) -> list[events.Event]:
        """Simulate the time until `now`."""
        self._clock.step(now)
        self._schedule.step()
        self._advance()
        made, self._events = self._events, []  # with those of requests since the last step
        return [event for event in made if not self._outage.drops(event)]

    def change_document(self, id_: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        """Insert, replace or delete a user's document. The next step's events have it."""
        if before is None:
            self._collection.insert(after, id_)
        else:
            self._collection.replace(id_, before, after)

    def generate(self, rate: float) -> None:
        """Add `rate` requests per second to the scheduled traffic; 0 ends that."""
        self._traffic.generate(rate)

    def object_control(self, lock: threading.Lock) -> MockObjectControl:
        """Return what changes the objects like an operator. `lock` is held between two steps."""
        return MockObjectControl(self._deployment, self._pods, lock)

    def restart_database(self, mode: str) -> None:
        """Kill the database, "graceful" or "crash"."""
        if mode == GRACEFUL:
            self._schedule.delete_database()
            return
        for pod in self._pods.of(self._targets.statefulset):
            if pod.ready:
                self._pods.kill(pod, "Error")

    def _past(self, now: datetime) -> list[events.Event]:
        """Simulate the time before `now`, from the first pods on. Return its events."""
        seconds = PAST_SECONDS if self._options.pods <= MANY_PODS else SHORT_PAST_SECONDS
        self._deploy(now - timedelta(seconds=seconds))
        past: list[events.Event] = []
        for left in reversed(range(int(seconds / STEP_SECONDS))):
            past += self.step(now - timedelta(seconds=left * STEP_SECONDS))
            if left < ODD_STEPS * len(ODD) and left % ODD_STEPS == 0:
                self._collection.insert(ODD[left // ODD_STEPS])
        return past

    def _deploy(self, start: datetime) -> None:
        """Create the first pods before `start` and wait until they are ready."""
        self._clock.now = start - timedelta(seconds=30)
        self._deployment.created = self._clock.stamp()
        for _ in range(self._options.pods):
            self._pods.create(self._pods.new_name(self._targets.deployment), self._targets.deployment, SERVICE)
        self._pods.create(f"{self._targets.statefulset}-0", self._targets.statefulset, DATABASE)
        self._pods.create(self._pods.new_name("dashboard"), "dashboard", DASHBOARD)
        self._pods.create(_longest_name(), "companion", COMPANION)
        while not all(pod.ready for pod in self._pods):
            self._clock.simulated += STEP_SECONDS
            self._pods.step()
        self._clock.simulated = 0.0
        self._clock.now = self._scrape_at = start
        self._events = []

    def _advance(self) -> None:
        """Advance each part by a step. The order matters: each part depends on those before it."""
        for pod in self._pods.step():
            if pod.stage == "gone":
                self._traffic.forget(pod.uid)
                self._deployment.replace(pod)
        self._churn()
        self._database.step(self._pods)
        self._traffic.step([pod.uid for pod in self._pods if pod.ready and pod.kind is SERVICE], self._database.up)
        self._metrics.step(self._pods)
        self._deployment.scale()
        self._deployment.emit_changes()
        self._emit_metrics()

    def _churn(self) -> None:
        if not self._options.churn:
            return
        pods = self._pods.of(self._targets.deployment)
        for _ in range(int(self._options.churn * self._clock.elapsed + self._random.random())):
            self._pods.flap(self._random.choice(pods))

    def _emit_metrics(self) -> None:
        """Emit samples every POLL_SECONDS of simulated time, counters and operations each real second."""
        if self._clock.simulated % POLL_SECONDS == 0:
            self._emit(self._metrics.sampled(self._pods))
            for event in self._alerts():
                self._emit(event)
        if self._clock.now < self._scrape_at:
            return
        self._scrape_at = max(self._scrape_at + SECOND, self._clock.now - SECOND)
        pods = [pod for pod in self._pods if pod.kind is SERVICE and pod.started and pod.stage != "killed"]
        counters = {pod.name: self._traffic.counters(pod.uid) for pod in pods[:SCRAPED_PODS]}
        unready = {pod.name: UNREADY for pod in pods if not pod.ready and pod.stage != "ending"}
        self._emit(events.CountersScraped(at=self._clock.timestamp, pods=counters, unready=unready))
        if self._database.up:
            self._emit(self._database.operations())

    def _alerts(self) -> list[events.Event]:
        """Return what Prometheus says: MongoDown while the database is down, at once. Without one, nothing."""
        if not self._options.alerts:
            return []
        self._down_since = None if self._database.up else self._down_since or self._clock.timestamp
        firing = [
            events.FiringAlert("1", "MongoDown", "critical", "mongod of mongodb-0 does not answer.", since)
            for since in (self._down_since,)
            if since
        ]
        return [events.AlertsRead(at=self._clock.timestamp, alerts=firing)]

    def _listed(self, *kinds: str) -> list[events.ObjectsListed]:
        return [listed for kind in kinds if (listed := self._deployment.listed(kind))]

    def _emit(self, event: events.Event) -> None:
        self._events.append(event)

    def _uid(self) -> str:
        """Return a new uid in Kubernetes' format. Its first group is a number, so that it is unique."""
        self._uids += 1
        drawn = f"{self._random.getrandbits(80):020x}"
        return f"{self._uids:08x}-{drawn[:4]}-4{drawn[4:7]}-a{drawn[7:10]}-00{drawn[10:]}"


def _longest_name() -> str:
    """Return a name of the greatest length that the API allows, of labels of the greatest length."""
    label = "companion-with-the-longest-name-that-the-api-allows-for-a-pod-of-any-kind"[:LONGEST_LABEL]
    return ".".join([label] * 4)[:LONGEST_NAME]
