"""A cluster in virtual time, for the director's stories: five minutes of it pass in milliseconds, and in one thread.

Time passes only while somebody waits on its clock. What happens then, happens in steps of STEP seconds.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from dashboard.core.event import Told
from dashboard.core.ledger import Ledger
from dashboard.core.load import Busy, LoadOptions, Totals
from dashboard.core.moment import rfc3339
from dashboard.core.ports import Bell, ClaimIdentity, Clock, Held, Holder, Lost, Missing, PodIdentity, Stale, Trouble
from dashboard.director import Director, Spawn

EPOCH = 1_800_000_000.0
STEP = 0.05

Json = dict[str, Any]


class World:
    def __init__(self) -> None:
        self.time = 1000.0
        self.steps: list[Callable[[], None]] = []  # of what goes on
        self._due: list[tuple[float, Callable[[], None]]] = []

    def at(self, seconds: float, do: Callable[[], None]) -> None:
        """Something happens so many seconds from now."""
        self._due.append((self.time + seconds, do))
        self._due.sort(key=lambda each: each[0])

    def when(self, met: Callable[[], bool], do: Callable[[], None]) -> None:
        """Something happens once, as soon as it is so."""

        def look() -> None:
            if met():
                self.steps.remove(look)
                do()

        self.steps.append(look)

    # The clock

    def now(self) -> str:
        return rfc3339(EPOCH + self.time)

    def monotonic(self) -> float:
        return self.time

    def wait(self, bell: Bell, seconds: float) -> bool:
        end = self.time + seconds
        while not bell.is_set() and self.time < end - 1e-9:
            self.time = min(end, self.time + STEP)
            while self._due and self._due[0][0] <= self.time:
                self._due.pop(0)[1]()
            for step in list(self.steps):
                step()
        return bell.is_set()


class Cluster:
    """The database's pod, and the operator's calls on it."""

    def __init__(self, world: World, claim: str | None = "data-mongodb-0") -> None:
        self.world = world
        self.there: PodIdentity | None = PodIdentity("mongodb-0", "uid-1", "container-1", "node-1", True, claim)
        self.volume = ClaimIdentity("claim-uid", "pv-1")
        self.process: str | None = "process-1"
        self.stored: dict[str, tuple[str, str]] = {}  # id → (run, sha256): what mongod has
        self.kills: list[tuple[str, str]] = []
        self.lease: Holder | None = None
        self.renewals = 0
        self.history: list[Json] = []
        self.saved: list[list[Json]] = []
        self.troubles: dict[str, Trouble] = {}  # by the call that raises them
        self.back_seconds = 3.0  # after which a new mongod answers
        self.stays_down = False
        self.ignores = False  # deletes are accepted, and nothing comes of them
        self.on_kill: Callable[[], None] = lambda: None
        self._number = 1

    def pod(self, name: str) -> PodIdentity:
        self._raise("pod")
        if self.there is None:
            raise Missing(f"There is no pod {name} now.")
        return self.there

    def claim(self, name: str) -> ClaimIdentity:
        self._raise("claim")
        return self.volume

    def delete_pod(self, name: str, uid: str) -> None:
        self._raise("delete_pod")
        if self.there is None or self.there.uid != uid:
            raise Stale(f"The pod {name} has another uid now.")
        self.kills.append(("graceful", uid))
        if self.ignores or not self.there.ready:  # it is on its way out already
            return
        self._number += 1
        number, claim = self._number, self.there.claim
        self.there = replace(self.there, ready=False)
        come = PodIdentity(name, f"uid-{number}", f"container-{number}", "node-1", True, claim)
        self.world.at(0.5, lambda: self._go_down(None))
        self.world.at(1.5, lambda: setattr(self, "there", replace(come, container=None, ready=False)))
        self._come_back(number, come)

    def crash(self, uid: str) -> None:
        self._raise("crash")
        if self.there is None or self.there.uid != uid:
            raise Stale("The pod has another uid now.")
        self.kills.append(("crash", uid))
        self._number += 1
        come = replace(self.there, container=f"container-{self._number}", ready=True)
        self._go_down(self.there)  # its status is a little behind
        self.world.at(1.0, lambda: setattr(self, "there", replace(come, ready=False)))
        self._come_back(self._number, come)

    def acquire(self, run: str, ttl: float) -> None:
        self._raise("acquire")
        if self.lease and (self.lease.holder, self.lease.run) != ("me", run):
            raise Held(self.lease.holder, self.lease.run)
        self.lease = Holder("me", run, self.world.now())

    def renew(self) -> None:
        self.renewals += 1
        self._raise("renew")
        if self.lease is None or self.lease.holder != "me":
            raise Lost("The lease is another dashboard's by now.")

    def release(self) -> None:
        if self.lease and self.lease.holder == "me":
            self.lease = None

    def holder(self) -> Holder | None:
        self._raise("holder")
        return self.lease

    def load_history(self) -> list[Json]:
        self._raise("load_history")
        return deepcopy(self.history)

    def save_history(self, runs: Sequence[Json]) -> None:
        self._raise("save_history")
        self.history = deepcopy(list(runs))
        self.saved.append(self.history)

    def record(self, reason: str, message: str, about: Json, type_: str = "Normal") -> None:
        """Nobody reads them here."""

    def _raise(self, call: str) -> None:
        if trouble := self.troubles.get(call):
            raise trouble

    def _go_down(self, pod: PodIdentity | None) -> None:
        self.process, self.there = None, pod
        self.on_kill()

    def _come_back(self, number: int, pod: PodIdentity) -> None:
        if not self.stays_down:
            self.world.at(self.back_seconds, lambda: setattr(self, "process", f"process-{number}"))
            self.world.at(self.back_seconds + 2, lambda: setattr(self, "there", pod))


class Reader:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.trouble: Trouble | None = None

    def process(self) -> str | None:
        return self.cluster.process

    def read(self, run: str) -> Mapping[str, str]:
        if self.trouble:
            raise self.trouble
        return {id_: sha for id_, (of, sha) in self.cluster.stored.items() if of == run}


class Writers:
    """Eight writers, all at once every EVERY seconds; while mongod is away their documents wait."""

    def __init__(self, cluster: Cluster, run: str, *, every: float = 0.05) -> None:
        self.ledger = Ledger()
        self.cluster = cluster
        self.run = run
        self.every = every
        self.trouble: Trouble | None = None
        self.refuses_last = False
        self.writing = False
        self.stops = 0
        self._waiting: list[str] = []
        self._next = 0.0
        self._number = 0

    def start(self) -> None:
        self.writing = True
        self.cluster.world.steps.append(self._step)

    def stop(self) -> None:
        self.stops += 1
        self.writing = False
        self._settle()

    def write(self) -> bool:
        assert not self.writing
        self._attempt()
        if self.refuses_last:
            self.ledger.fail(self._waiting.pop(), self.cluster.world.time)
            return False
        self._settle()
        return not self._waiting

    def read(self, bell: Bell) -> Mapping[str, str]:
        if self.trouble:
            raise self.trouble
        return Reader(self.cluster).read(self.run)

    def _step(self) -> None:
        self._settle()
        if self.writing and not self._waiting and self.cluster.world.time >= self._next:
            self._next = self.cluster.world.time + self.every
            for _ in range(8):
                self._attempt()

    def _attempt(self) -> None:
        self._number += 1
        id_ = f"{self._number:024x}"
        self.ledger.attempt(id_, hashlib.sha256(id_.encode()).hexdigest(), self.cluster.world.time)
        self._waiting.append(id_)

    def _settle(self) -> None:
        if self.cluster.process is None:
            return
        for id_ in self._waiting:
            self.cluster.stored[id_] = (self.run, hashlib.sha256(id_.encode()).hexdigest())
            self.ledger.acknowledge(id_, self.cluster.world.time)
        self._waiting = []


class Load:
    def __init__(self, world: World) -> None:
        self.world = world
        self.started: list[LoadOptions] = []
        self.stops = 0
        self.trouble: Trouble | None = None
        self.share_of_errors = 0.0
        self.lag_ms = 1.2
        self.cpu = 30.0
        self._options: LoadOptions | None = None
        self._began = 0.0
        self._by = ""
        self._totals = Totals()

    @property
    def rate(self) -> float:
        return self._options.rate if self._options else 0.0

    def start(self, options: LoadOptions, by: str) -> None:
        if self._options:
            raise Busy(self._by)
        if self.trouble:
            raise self.trouble
        self._options, self._by, self._began, self._totals = options, by, self.world.time, Totals()
        self.started.append(options)

    def stop(self) -> None:
        self.stops += 1
        self._totals = self.totals()
        self._options = None

    def break_off(self) -> None:
        self.stop()
        self._totals = replace(self._totals, failed="The load ended early: it ended with signal 9.")

    def running(self) -> bool:
        return self._options is not None

    def totals(self) -> Totals:
        if self._options is None:
            return self._totals
        offered = int(self.rate * (self.world.time - self._began))
        errors = int(offered * self.share_of_errors)
        figures = {"lag_p99_ms": self.lag_ms, "cpu_percent": self.cpu}
        return Totals(offered=offered, sent=offered, achieved=offered, errors=errors, **figures)


class Pod(Struct):
    uid: str
    created: float
    ready: bool = True


class Scaler:
    """A Deployment with its HorizontalPodAutoscaler and metrics-server: the hub's view of them."""

    def __init__(self, world: World, load: Load, *, resolution: float = 15.0, cost: float = 0.6) -> None:
        self.world = world
        self.load = load
        self.resolution = resolution
        self.cost = cost  # millicores for each request a second
        self.idle = 8.0
        self.low, self.high, self.target, self.window = 2, 5, 70, 60.0
        self.pods = [Pod("pod-1", 0.0), Pod("pod-2", 0.0)]
        self.desired = 2
        self.percent: int | None = 8
        self.active = ("True", "ValidMetricFound", "it can scale")
        self.metrics = True
        self.moves = True  # whether the autoscaler does anything
        self.mongo: Json | None = {"state": "up"}
        self.others: list[Json] = []  # pods beside the service's
        self.serves = True
        self._samples: dict[str, tuple[float, float]] = {}
        self._recommended: list[tuple[float, int]] = []
        self._numbers = 2
        self._sampled = self._looked = world.time - 3
        self._sample()
        world.steps.append(self._step)

    def view(self) -> Json:
        status, reason, message = self.active
        share = self.load.rate / max(1, len(self._ready()))
        sources = {name: {"state": "live"} for name in ("horizontalpodautoscalers", "pods", "metrics")}
        return {
            "mongo": self.mongo,
            "sources": sources,
            "pods": [
                {
                    "uid": pod.uid,
                    "app": "flask",
                    "ready": pod.ready,
                    "phase": "Running",
                    "requests_per_second": share if pod.ready and self.serves else None,
                    "cpu_request_millicores": 100,
                }
                for pod in self.pods
            ]
            + self.others,
            "autoscaler": {
                "min": self.low,
                "max": self.high,
                "current": len(self.pods),
                "desired": self.desired,
                "cpu_percent": self.percent,
                "target_percent": self.target,
                "conditions": [{"type": "ScalingActive", "status": status, "reason": reason, "message": message}],
            },
        }

    def samples(self) -> Mapping[str, tuple[float, float]]:
        return self._samples

    def down_window(self) -> float:
        return self.window

    def scale(self, to: int) -> None:
        """As asked for: pods come, and are Ready 5 s later; or go."""
        self.desired = to
        while len(self.pods) < to:
            self._numbers += 1
            self.pods.append(Pod(f"pod-{self._numbers}", self.world.time, ready=False))
        del self.pods[to:]

    def _ready(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.ready]

    def _step(self) -> None:
        for pod in self.pods:
            pod.ready = self.world.time - pod.created >= 5
        if self.metrics and self.world.time - self._sampled >= self.resolution:
            self._sampled = self.world.time
            self._sample()
        if self.world.time - self._looked >= 15:
            self._looked = self.world.time
            self._look()

    def _sample(self) -> None:
        at = EPOCH + self.world.time - 1
        used = self.idle + self.cost * self.load.rate / max(1, len(self._ready()))
        self._samples = {pod.uid: (at, min(400.0, used)) for pod in self._ready()}

    def _look(self) -> None:
        used = [self._samples[pod.uid][1] for pod in self._ready() if pod.uid in self._samples]
        if not used or not self.moves:
            return
        self.percent = int(sum(used) / len(used))
        ratio = self.percent / self.target
        wanted = len(self.pods) if 0.9 <= ratio <= 1.1 else math.ceil(len(used) * ratio)
        wanted = min(self.high, max(self.low, wanted))
        self._recommended = [each for each in self._recommended if each[0] > self.world.time - self.window]
        self._recommended.append((self.world.time, wanted))
        self.scale(max(wanted, min(len(self.pods), max(each for _, each in self._recommended))))


class Scene:
    """Everything joined, and what was told of it."""

    def __init__(self, *, claim: str | None = "data-mongodb-0", resolution: float = 15.0) -> None:
        self.world = World()
        self.cluster = Cluster(self.world, claim)
        self.reader = Reader(self.cluster)
        self.load = Load(self.world)
        self.scaler = Scaler(self.world, self.load, resolution=resolution)
        self.told: list[tuple[float, Told]] = []
        self.audit: list[tuple[str, str, str, Json | None, str | None]] = []
        self.writers: list[Writers] = []
        self.dress: Callable[[Writers], None] = lambda writers: None
        self.director = self.directed(self.world, self._spawn)

    def directed(self, clock: Clock, spawn: Spawn) -> Director:
        return Director(
            self.cluster,
            self.load,
            self._write,
            self.reader,
            self.scaler,
            lambda told: self.told.append((self.world.time, told)),
            lambda by, action, outcome, about=None, mark=None: self.audit.append((by, action, outcome, about, mark)),
            clock,
            holder="me",
            pod="mongodb-0",
            deployment="flask",
            spawn=spawn,
        )

    def run(self, demo: str, **options: Any) -> Json:
        """Plays it through; gives back the run."""
        return self.director.get(self.director.start(demo, options, "operator"))

    def current(self) -> Json | None:
        """The run that goes, as it was last told."""
        return next((told.run for _, told in reversed(self.told) if type(told).__name__ == "Ran"), None)

    def in_step(self, step: str, do: Callable[[], None], after: float = 0.0) -> None:
        """Something happens when a step of a run begins, or so many seconds later."""
        self.world.when(lambda: self._step() == step, lambda: self.world.at(after, do) if after else do())

    def _step(self) -> str | None:
        stage = self.director._stage
        run = stage and stage.run.to_json()
        return next((step["id"] for step in run["steps"] if step["state"] == "running"), None) if run else None

    def _write(self, run: str) -> Writers:
        writers = Writers(self.cluster, run)
        self.dress(writers)
        self.writers.append(writers)
        return writers

    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        """A run plays at once, in this thread; the keeper renews as time passes; others' runs are looked at by hand."""
        if name == "lease":
            self._renew(work.__self__)  # type: ignore[attr-defined]
        elif name != "runs":
            work()

    def _renew(self, keeper: Any) -> None:
        def beat() -> None:
            keeper.beat()
            self.world.at(5, beat)

        self.world.at(5, beat)
