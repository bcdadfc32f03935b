"""A seeded story of a deployment, for work on the page: the same events as the real sources tell.

A cycle of four minutes: quiet, then load; CPU rises, the autoscaler adds pods; the database's pod is killed and comes
back; the load stops, pods go; a container runs out of memory, a source fails for a while. Then again, with other times.
The story has no clock: the moments come in with its steps, so that a seed tells the same one each time.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from dashboard.core import event
from dashboard.core.snapshot import Targets
from dashboard.fake.contents import ODD, Contents, Keep
from dashboard.fake.happenings import Happenings, Regarding
from dashboard.fake.load import COUNTED_PODS, Load
from dashboard.fake.manifests import HASH, Json, claim, decoded, endpoint_slice, workload
from dashboard.fake.meter import Meter
from dashboard.fake.moments import STEP_SECONDS, Moments
from dashboard.fake.pods import COMPANION, DASHBOARD, DATABASE, LONGEST_NAME, SERVICE, Pod, Pods
from dashboard.fake.scaler import Scaler

CYCLE_SECONDS = 240
PAST_SECONDS = 3_600  # told on opening: whole cycles, that it may end in quiet
SHORT_PAST_SECONDS = 480  # with so many pods that an hour of them would take too long
CROWD = 50
POLL_SECONDS = 5  # of the plot, between two looks at the metrics
VOLUME_SECONDS = 10  # of the plot, between two looks at the file system
INSERTION = 0.25  # of a document, with each step
SECOND = timedelta(seconds=1)
ODD_STEPS = 6  # between two odd documents: the last ones of the past, so that each of them can be seen at first
FAILURES = (  # a source, what it is while it fails, and its words
    ("metrics", "stale", "503: the server is currently unable to handle the request (get pods.metrics.k8s.io)"),
    ("endpointslices", "forbidden", '403: endpointslices.discovery.k8s.io is forbidden: User "dashboard" cannot list'),
    ("traffic", "stale", "no pod of the service answers"),
    ("statefulsets", "stale", "the API server can't be reached: [Errno 104] Connection reset by peer"),
)

Scene = tuple[float, Callable[[], None]]  # second of the cycle, what happens then


class Story:
    """`opening` first, then `step` after `step`, each every STEP_SECONDS of the plot; both give what is told."""

    def __init__(
        self,
        targets: Targets,
        seed: int,
        keep: Keep = lambda id_, document: None,
        *,
        pods: int = 2,
        churn: int = 0,
        speed: float = 1.0,
    ) -> None:
        self._targets = targets
        self._random = random.Random(seed)  # noqa: S311 - a story, no secret
        self._churn = churn
        self._told: list[event.Told] = []
        self._lost: tuple[str, str, str] | None = None  # the source that fails
        self._uids = 0
        self._moments = moments = Moments(datetime.min.replace(tzinfo=UTC))
        self._happenings = Happenings(moments, self._tell, self._uid)
        self._pods = Pods(targets.namespace, moments, self._random, self._happenings, self._tell, self._uid)
        self._load = Load(moments, self._random, pods)
        self._meter = Meter(moments, self._random, self._load)
        self._scaler = Scaler(moments, pods, speed)
        self._contents = Contents(moments, self._random, keep)
        self._claim_uid = self._uid()
        self._cycle = -1.0
        self._scenes: list[Scene] = []  # that are still to come in this cycle
        self._database_up = False
        self._figures_at = datetime.min.replace(tzinfo=UTC)
        self._since = ""  # when everything was first made
        self._written: dict[str, Json] = {}  # kind → as told last

    # What is told

    def opening(self, at: datetime) -> list[event.Told]:
        """What first lists tell at a moment, and the figures of the hour before it."""
        past = self._past(at)
        version = event.Versioned(at=self._moments.told, kubernetes="v1.36.3-fake")
        steps = [told for told in past if isinstance(told, event.Changed) and told.kind == "deployments"]
        claim_ = decoded("persistentvolumeclaims", claim(f"data-{self._database}", self._claim_uid, self._since))
        figures = [told for told in past if isinstance(told, event.Scraped | event.Sampled)]
        return [
            version,
            *steps,
            self._pods.listed(),
            event.Listed(at=self._moments.told, kind="persistentvolumeclaims", objects=[claim_]),
            *map(self._listed, ("deployments", "statefulsets", "endpointslices")),
            self._happenings.listed(),
            *figures,
            self._listed("horizontalpodautoscalers"),
            self._contents.contents(),
            self._contents.volume(),
            event.Operations(at=self._moments.told, per_second=self._operations()),
        ]

    def step(self, at: datetime) -> list[event.Told]:
        """What happens until `at`."""
        self._moments.step(at)
        self._told = []
        self._play()
        self._live()
        return [told for told in self._told if not self._is_lost(told)]

    def insert(self, id_: str, document: dict[str, object]) -> None:
        """Takes in a reader's own document, which is told with the next step."""
        self._contents.insert(document, id_)

    def generate(self, rate: float) -> None:
        """A reader's own load, beside that of the plot: so many requests a second, none for 0."""
        self._load.generate(rate)

    def restart_database(self, mode: str) -> None:
        """As a reader asks for it: "graceful" or "crash"."""
        if mode == "graceful":
            self._kill_database()
        elif (database := self._pods.named(self._database)) and database.ready:
            self._pods.kill(database, "Error")

    def _tell(self, told: event.Told) -> None:
        self._told.append(told)

    def _past(self, at: datetime) -> list[event.Told]:
        """Plays what came before, from the first pods on, and gives what was told of it."""
        seconds = PAST_SECONDS if self._scaler.desired <= CROWD else SHORT_PAST_SECONDS
        start = at - timedelta(seconds=seconds)
        self._found(start)
        past: list[event.Told] = []
        for left in reversed(range(int(seconds / STEP_SECONDS))):
            past += self.step(at - timedelta(seconds=left * STEP_SECONDS))
            if left < ODD_STEPS * len(ODD) and left % ODD_STEPS == 0:
                self._contents.insert(ODD[left // ODD_STEPS])
        return past

    def _found(self, start: datetime) -> None:
        """The first pods, made a while before the start, so that they are ready by then."""
        self._moments.at = start - timedelta(seconds=30)
        self._figures_at = start
        self._since = self._moments.stamp
        for _ in range(self._scaler.desired):
            self._pods.create(self._pods.new_name(self._targets.deployment), self._targets.deployment, SERVICE)
        self._pods.create(self._database, self._targets.statefulset, DATABASE)
        self._pods.create(self._pods.new_name("dashboard"), "dashboard", DASHBOARD)
        self._pods.create(_longest_name(), "companion", COMPANION)
        while not all(pod.ready for pod in self._pods):
            self._moments.plot += STEP_SECONDS
            self._pods.step()
        self._moments.plot = 0.0
        self._moments.at = start
        self._database_up = True

    # The plot

    def _play(self) -> None:
        """The scenes that are due, and a new cycle's when the last one is over."""
        cycle, second = divmod(self._moments.plot, CYCLE_SECONDS)
        if cycle != self._cycle:
            self._cycle, self._scenes = cycle, self._new_cycle()
        while self._scenes and self._scenes[0][0] <= second:
            _, happen = self._scenes.pop(0)
            happen()

    def _new_cycle(self) -> list[Scene]:
        drawn = self._random.uniform
        begin = drawn(14, 20)
        failure = drawn(211, 215)
        peak = drawn(295, 325)
        scenes: list[Scene] = [
            (begin, lambda: self._load.begin(peak)),
            (begin + drawn(72, 80), self._kill_database),
            (begin + drawn(94, 100), self._load.end),
            *([(drawn(4, 8), self._run_out_of_memory)] if self._cycle % 3 == 0 else ()),
            (failure, self._lose_a_source),
            (failure + drawn(10, 16), self._find_it_again),
            (drawn(226, 232), self._replace_companion),
        ]
        return sorted(scenes, key=lambda scene: scene[0])

    def _kill_database(self) -> None:
        if database := self._pods.named(self._database):
            self._pods.end(database, by_owner=False)

    def _run_out_of_memory(self) -> None:
        unlucky = self._random.choice(self._pods.of(self._targets.deployment))
        self._pods.run_out_of_memory(unlucky)
        self._load.forget(unlucky.uid)
        self._load.fail(4)

    def _lose_a_source(self) -> None:
        self._lost = self._random.choice(FAILURES)
        source, state, error = self._lost
        self._tell(event.Heard(at=self._moments.told, source=source, state=state, error=error))

    def _find_it_again(self) -> None:
        if not self._lost:
            return
        (source, _, _), self._lost = self._lost, None
        if source in self._objects():
            self._tell(self._listed(source))

    def _replace_companion(self) -> None:
        for pod in self._pods.of("companion"):
            self._pods.end(pod)

    # Life

    def _live(self) -> None:
        self._follow(self._pods.step())
        self._churn_some()
        self._tell_database()
        self._load.step([pod.uid for pod in self._pods if pod.ready and pod.kind is SERVICE], self._database_up)
        self._meter.step(self._pods)
        self._scale()
        self._tell_objects()
        self._tell_figures()

    def _follow(self, moved: list[Pod]) -> None:
        """What owners do about pods that are gone."""
        for pod in moved:
            if pod.stage != "gone":
                continue
            self._load.forget(pod.uid)
            if pod.kind in (DATABASE, COMPANION):  # back under its name
                self._pods.create(pod.name, pod.app, pod.kind)

    def _churn_some(self) -> None:
        if not self._churn:
            return
        pods = self._pods.of(self._targets.deployment)
        for _ in range(int(self._churn * self._moments.elapsed + self._random.random())):
            self._pods.flap(self._random.choice(pods))

    def _scale(self) -> None:
        """The autoscaler decides, and the Deployment follows: by new pods, or without its newest ones."""
        pods = self._pods.of(self._targets.deployment)
        before = self._scaler.desired
        if not self._scaler.step([self._meter.cpu(pod.uid) for pod in pods]):
            return
        self._note_scale(before, self._scaler.desired)
        for _ in range(self._scaler.desired - len(pods)):
            self._pods.create(self._pods.new_name(self._targets.deployment), self._targets.deployment, SERVICE)
        for pod in pods[self._scaler.desired :]:
            self._pods.end(pod)

    def _note_scale(self, before: int, desired: int) -> None:
        name, set_ = self._targets.deployment, f"{self._targets.deployment}-{HASH}"
        self._happenings.note(
            Regarding(
                "HorizontalPodAutoscaler", self._targets.autoscaler, f"uid-{self._targets.autoscaler}-autoscaler"
            ),
            "SuccessfulRescale",
            f"New size: {desired}; reason: {self._scaler.reason}",
            "horizontal-pod-autoscaler",
        )
        self._happenings.note(
            Regarding("Deployment", name, f"uid-{name}"),
            "ScalingReplicaSet",
            f"Scaled {'up' if desired > before else 'down'} replica set {set_} from {before} to {desired}",
            "deployment-controller",
        )

    # What follows from it

    def _tell_database(self) -> None:
        database = self._pods.named(self._database)
        was_up, self._database_up = self._database_up, database is not None and database.ready
        if not self._database_up:
            if was_up:
                self._tell(event.MongoDown(at=self._moments.told, error="the database has no primary"))
            elif self._moments.plot % 2 == 0:
                error = "the database can't be reached: ServerSelectionTimeoutError"
                self._tell(event.MongoDown(at=self._moments.told, error=error))
            return
        if self._random.random() < INSERTION:
            self._contents.insert()
        if self._contents.take_change() or not was_up:
            self._tell(self._contents.contents())
        if self._moments.plot % VOLUME_SECONDS == 0:
            self._tell(self._contents.volume())

    def _tell_objects(self) -> None:
        """Those that are not as they were told last."""
        for kind, written in self._objects().items():
            if self._written.get(kind) != written:
                self._written[kind] = written
                self._tell(event.Changed(at=self._moments.told, kind=kind, object=decoded(kind, written)))

    def _listed(self, kind: str) -> event.Listed:
        return event.Listed(at=self._moments.told, kind=kind, objects=[decoded(kind, self._objects()[kind])])

    def _objects(self) -> dict[str, Json]:
        """One of each kind: the Deployment, the StatefulSet, the autoscaler, the Service's endpoints."""
        members = [pod for pod in self._pods if pod.kind is SERVICE]
        ready = sum(pod.ready for pod in members)
        addresses = [(pod.address, pod.ready) for pod in members if pod.stage not in ("pending", "creating")]
        deployment, statefulset, autoscaler = (
            self._targets.deployment, self._targets.statefulset, self._targets.autoscaler,
        )  # fmt: skip
        return {
            "deployments": workload(deployment, self._since, self._scaler.desired, ready),
            "statefulsets": workload(statefulset, self._since, 1, int(self._database_up)),
            "horizontalpodautoscalers": self._scaler.written(autoscaler, deployment, self._since),
            "endpointslices": endpoint_slice(self._targets.service, self._since, addresses),
        }

    def _tell_figures(self) -> None:
        """The pods' counters and the database's each second of the day, the samples every few of the plot."""
        if self._moments.plot % POLL_SECONDS == 0:
            self._tell(self._meter.sampled(self._pods))
        if self._moments.at < self._figures_at:
            return
        self._figures_at = max(self._figures_at + SECOND, self._moments.at - SECOND)
        members = [
            pod for pod in self._pods if pod.kind is SERVICE and pod.stage in ("running", "ready", "unready", "ending")
        ]
        counters = {pod.name: self._load.counters(pod.uid) for pod in members[:COUNTED_PODS]}
        self._tell(event.Scraped(at=self._moments.told, pods=counters))
        if self._database_up:
            self._tell(event.Operations(at=self._moments.told, per_second=self._operations()))

    def _operations(self) -> float:
        return round(self._load.rate * self._random.uniform(1.6, 1.9) + self._random.uniform(0, 2), 1)

    def _is_lost(self, told: event.Told) -> bool:
        """Whether it comes from the source that fails."""
        if self._lost is None or isinstance(told, event.Heard):
            return False
        source = self._lost[0]
        match told:
            case event.Sampled():
                return source == "metrics"
            case event.Scraped():
                return source == "traffic"
        return getattr(told, "kind", None) == source

    @property
    def _database(self) -> str:
        return f"{self._targets.statefulset}-0"

    def _uid(self) -> str:
        """Shaped as Kubernetes', and told apart by a number."""
        self._uids += 1
        drawn = f"{self._random.getrandbits(80):020x}"
        return f"{self._uids:08x}-{drawn[:4]}-4{drawn[4:7]}-a{drawn[7:10]}-00{drawn[10:]}"


def _longest_name() -> str:
    """As long as the API allows, in labels of 63 characters at most."""
    return ".".join(["companion-with-the-longest-name-that-the-api-allows-for-a-pod-xyz"[:63]] * 4)[:LONGEST_NAME]
