"""A cluster in virtual time, for the run manager's stories: five minutes of it pass in milliseconds, and in one thread.

Time passes only while somebody waits on its clock. What happens then, happens in steps of STEP seconds.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from msgspec.structs import replace

from dashboard.core.errors import ExternalError, NotFound, UidMismatch
from dashboard.core.events import Event
from dashboard.core.timestamps import rfc3339
from dashboard.kube.lease import LeaseHeld, LeaseHolder, LeaseLost
from dashboard.kube.pod_control import ClaimIdentity, PodIdentity
from dashboard.load.options import LoadBusy, LoadOptions, LoadTotals, check_rate
from dashboard.load.schedule import Schedule
from dashboard.runs.demo import Demo, Tools
from dashboard.runs.demos.persistence.ledger import Ledger
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.manager import RunManager
from dashboard.runs.ports import Clock
from dashboard.runs.records.history import SavedRuns
from dashboard.runs.records.record import is_run
from dashboard.runs.turn import Spawn
from tests.dashboard.runs.demos.autoscale.simulation import Options, Simulation

EPOCH = 1_800_000_000.0
STEP = 0.05

Json = dict[str, Any]


class World:
    def __init__(self, step: float = STEP) -> None:
        self.time = 1000.0
        self._step = step
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

    def wait(self, cancelled: threading.Event, seconds: float) -> bool:
        end = self.time + seconds
        while not cancelled.is_set() and self.time < end - 1e-9:
            self.time = min(end, self.time + self._step)
            while self._due and self._due[0][0] <= self.time:
                self._due.pop(0)[1]()
            for step in list(self.steps):
                step()
        return cancelled.is_set()


class Cluster:
    """The database's pod, and the operator's calls on it."""

    def __init__(self, world: World, claim: str | None = "data-mongodb-0") -> None:
        self.world = world
        self.there: PodIdentity | None = PodIdentity("mongodb-0", "uid-1", "container-1", "node-1", True, claim)
        self.volume = ClaimIdentity("claim-uid", "pv-1")
        self.process: str | None = "process-1"
        self.stored: dict[str, tuple[str, str]] = {}  # id → (run, sha256): what mongod has
        self.kills: list[tuple[str, str]] = []
        self.lease: LeaseHolder | None = None
        self.holds = False  # whether this process has the lease: one in its name may be from before a restart
        self.renewals = 0
        self.history: list[Any] = []
        self.saved: list[list[Json]] = []
        self.troubles: dict[str, ExternalError] = {}  # by the call that raises them
        self.back_seconds = 3.0  # after which a new mongod answers
        self.stays_down = False
        self.ignores = False  # deletes are accepted, and nothing comes of them
        self.on_kill: Callable[[], None] = lambda: None
        self._number = 1

    def pod(self, name: str) -> PodIdentity:
        self._raise("pod")
        if self.there is None:
            raise NotFound(f"There is no pod {name} now.")
        return self.there

    def claim(self, name: str) -> ClaimIdentity:
        self._raise("claim")
        return self.volume

    def kill(self, name: str, uid: str, mode: str) -> None:
        self._raise("kill")
        if self.there is None or self.there.uid != uid:
            raise UidMismatch(f"The pod {name} has another uid now.")
        self.kills.append((mode, uid))
        if mode == "crash":
            self._crash(self.there)
            return
        if self.ignores or not self.there.ready:  # it is on its way out already
            return
        self._number += 1
        number, claim = self._number, self.there.claim
        self.there = replace(self.there, ready=False)
        come = PodIdentity(name, f"uid-{number}", f"container-{number}", "node-1", True, claim)
        self.world.at(0.5, lambda: self._go_down(None))
        self.world.at(1.5, lambda: setattr(self, "there", replace(come, container=None, ready=False)))
        self._come_back(number, come)

    def _crash(self, pod: PodIdentity) -> None:
        self._number += 1
        come = replace(pod, container=f"container-{self._number}", ready=True)
        self._go_down(pod)  # its status is a little behind
        self.world.at(1.0, lambda: setattr(self, "there", replace(come, ready=False)))
        self._come_back(self._number, come)

    def acquire(self, run: str, ttl: float) -> None:
        self._raise("acquire")
        if (held := self._held()) and (held.holder, held.run) != ("me", run):
            raise LeaseHeld(held.holder, held.run)
        self.lease, self.holds = LeaseHolder("me", run, self.world.now()), True

    def renew(self) -> None:
        self.renewals += 1
        self._raise("renew")
        if self.lease is None or self.lease.holder != "me" or not self.holds:
            raise LeaseLost("The lease is another dashboard's by now.")

    def release(self) -> None:
        if self.holds and self.lease and self.lease.holder == "me":
            self.lease = None
        self.holds = False

    def holder(self) -> LeaseHolder | None:
        self._raise("holder")
        return self._held()

    def load(self) -> SavedRuns:
        self._raise("load")
        runs = [entry for entry in self.history if is_run(entry)]
        return SavedRuns(deepcopy(runs), len(self.history) - len(runs))

    def save(self, runs: Sequence[Json]) -> None:
        self._raise("save")
        self.history = deepcopy(list(runs))
        self.saved.append(self.history)

    def _held(self) -> LeaseHolder | None:
        return None if self.lease and self.lease.holder == "me" and not self.holds else self.lease

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
        self.trouble: ExternalError | None = None

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
        self.trouble: ExternalError | None = None
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

    def read(self, cancelled: threading.Event) -> Mapping[str, str]:
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
    """`changes` are the rates that it was changed to, each with its moment; `tested` the rates of its self-tests."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.started: list[LoadOptions] = []
        self.changes: list[tuple[float, float]] = []
        self.tested: list[float] = []
        self.stops = 0
        self.trouble: ExternalError | None = None
        self.share_of_errors = 0.0
        self.share_of_sent = 1.0  # of what is due
        self.share_of_answered = 1.0
        self.lag_ms = 1.2
        self.cpu = 30.0
        self._schedule: Schedule | None = None  # of the load that runs
        self._began = 0.0
        self._by = ""
        self._totals = LoadTotals()

    @property
    def rate(self) -> float:
        return self._schedule.rate if self._schedule else 0.0

    def start(self, options: LoadOptions, by: str, test_rate: float | None = None) -> None:
        if self._schedule:
            raise LoadBusy(self._by)
        self.tested.append(test_rate or options.rate)
        if self.trouble:
            raise self.trouble
        self._schedule, self._by, self._began, self._totals = options.schedule(), by, self.world.time, LoadTotals()
        self.started.append(options)

    def change_rate(self, rate: float) -> None:
        check_rate(rate)
        if self._schedule:
            self._schedule = self._schedule.changed(self.world.time - self._began, rate)
            self.changes.append((self.world.time, rate))

    def stop(self) -> None:
        self.stops += 1
        self._totals = self.totals()
        self._schedule = None

    def break_off(self) -> None:
        self.stop()
        self._totals = replace(self._totals, failed="The load ended early: it ended with signal 9.")

    def running(self) -> bool:
        return self._schedule is not None

    def totals(self) -> LoadTotals:
        if self._schedule is None:
            return self._totals
        due = self._schedule.offered(self.world.time - self._began)
        sent = int(due * self.share_of_sent)
        errors = int(sent * self.share_of_errors)
        figures = {"lag_p99_ms": self.lag_ms, "cpu_percent": self.cpu}
        answered = int(sent * self.share_of_answered)
        waiting = sent - answered
        return LoadTotals(
            due=due, offered=sent, sent=sent, achieved=answered, errors=errors, in_flight=waiting, **figures
        )


class Scene:
    """Everything joined, and what was told of it."""

    def __init__(
        self,
        *,
        claim: str | None = "data-mongodb-0",
        options: Options | None = None,
        pods: int = 0,
        step: float = STEP,
        demos: Mapping[str, Demo] = DEMOS,
    ) -> None:
        self.world = World(step)
        self.cluster = Cluster(self.world, claim)
        self.reader = Reader(self.cluster)
        self.load = Load(self.world)
        self.scaler = Simulation(self.world, self.load, EPOCH, options, pods)
        self.told: list[tuple[float, Event]] = []
        self.audited: list[tuple[str, str, str, Json | None, str | None]] = []
        self.writers: list[Writers] = []
        self.dress: Callable[[Writers], None] = lambda writers: None
        self.demos = demos
        self.manager = self.managed(self.world, lambda name, work: self.spawn(name, work))

    def managed(self, clock: Clock, spawn: Spawn) -> RunManager:
        return RunManager(
            Tools(
                pods=self.cluster,
                load=self.load,
                writers=lambda run: self.write(run),
                reader=self.reader,
                view=self.scaler,
                database="mongodb-0",
                deployment="flask",
            ),
            self.cluster,
            self.cluster,
            lambda told: self.emit(told),
            lambda *line, **more: self.audit(*line, **more),
            clock,
            holder="me",
            demos=self.demos,
            spawn=spawn,
        )

    def run(self, demo: str, **options: Any) -> Json:
        """Plays it through; gives back the run."""
        return self.manager.get(self.manager.start(demo, options, "operator"))

    def current(self) -> Json | None:
        """The run that goes, as it was last told."""
        return next((told.run for _, told in reversed(self.told) if type(told).__name__ == "RunUpdated"), None)

    def in_step(self, step: str, do: Callable[[], None], after: float = 0.0) -> None:
        """Something happens when a step of a run begins, or so many seconds later."""
        self.world.when(lambda: self._step() == step, lambda: self.world.at(after, do) if after else do())

    def _step(self) -> str | None:
        context = self.manager._context
        run = context and context.run.to_json()
        return next((step["id"] for step in run["steps"] if step["state"] == "running"), None) if run else None

    def write(self, run: str) -> Writers:
        writers = Writers(self.cluster, run)
        self.dress(writers)
        self.writers.append(writers)
        return writers

    def emit(self, told: Event) -> None:
        self.told.append((self.world.time, told))

    def audit(
        self, by: str, action: str, outcome: str, about: Json | None = None, mark: str | None = None
    ) -> None:
        self.audited.append((by, action, outcome, about, mark))

    def spawn(self, name: str, work: Callable[[], None]) -> None:
        """A run goes at once, in this thread; the lease is renewed as time passes; a load by hand is watched until it
        has ended; others' runs are looked at by hand."""
        if name == "lease":
            self._renew(work.__self__)  # type: ignore[attr-defined]
        elif name.startswith("load-"):
            self.world.when(lambda: not self.load.running(), work)
        elif name != "runs":
            work()

    def _renew(self, renewer: Any) -> None:
        def beat() -> None:
            renewer.renew()
            self.world.at(5, beat)

        self.world.at(5, beat)
