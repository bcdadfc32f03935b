"""A run manager in virtual time, with fakes of everything that runs use (runs.ports).

The fakes' attributes are the faults that tests set, and what tests check.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from heapq import nlargest
from itertools import islice
from typing import Any

from msgspec.structs import replace

from dashboard.core.deployment.deployed import Deployed
from dashboard.core.errors import ExternalError, NotFound, UidMismatch
from dashboard.core.events import Event, RunUpdated
from dashboard.kube.lease import LeaseHeld, LeaseHolder, LeaseLost
from dashboard.kube.pods.control import PodIdentity, VolumeClaimIdentity
from dashboard.load.options import LoadBusy, LoadOptions, LoadTotals, check_rate
from dashboard.load.schedule import Schedule
from dashboard.runs.activity_lock import Spawn
from dashboard.runs.demo import Demo, Tools
from dashboard.runs.demos.records import reader
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.manager import RunManager
from dashboard.runs.ports import Clock, Peers
from dashboard.runs.records.history import SavedRuns
from dashboard.runs.records.record import is_run
from dashboard.runs.workload.ledger import Ledger
from dashboard.runs.workload.operation import WRITES, Kind, Operation
from dashboard.runs.workload.primary import Primary
from tests.dashboard.runs.demos.autoscale.simulation import AutoscalerSimulation, SimulationOptions
from tests.dashboard.runs.virtual_clock import STEP, VirtualClock

HOLDER = "me"  # this dashboard's name

Json = dict[str, Any]


class FakeCluster:
    """Implements `runs.ports.Pods`, `Lease` and `History`: the database's pod, the lease and the saved runs."""

    def __init__(self, clock: VirtualClock, volume_claim: str | None = "data-mongodb-0") -> None:
        self.clock = clock
        self.database: PodIdentity | None = PodIdentity(
            "mongodb-0", "uid-1", "container-1", "node-1", True, volume_claim
        )
        self.volume = VolumeClaimIdentity("claim-uid", "pv-1")
        self.process: str | None = "process-1"
        self.documents: dict[str, tuple[str, str]] = {}  # mongod's, id → (run, sha256)
        self.kills: list[tuple[str, str]] = []
        self.lease: LeaseHolder | None = None
        self.holds_lease = False  # of this process: a lease in its name may be from before a restart
        self.renewals = 0
        self.history: list[Any] = []
        self.saves: list[list[Json]] = []
        self.errors: dict[str, ExternalError] = {}  # by the name of the method that raises them
        self.restart_seconds = 3.0  # until a new mongod answers
        self.stays_down = False
        self.ignores_deletion = False
        self.on_exit: Callable[[], None] = lambda: None  # called when mongod has ended
        self._starts = 1

    def pod(self, name: str) -> PodIdentity:
        self._raise_error("pod")
        if self.database is None:
            raise NotFound(f"There is no pod {name} now.")
        return self.database

    def volume_claim(self, name: str) -> VolumeClaimIdentity:
        self._raise_error("volume_claim")
        return self.volume

    def kill(self, name: str, uid: str, mode: str) -> None:
        self._raise_error("kill")
        if self.database is None or self.database.uid != uid:
            raise UidMismatch(f"The pod {name} has another uid now.")
        self.kills.append((mode, uid))
        if mode == "crash":
            self._crash(self.database)
            return
        if self.ignores_deletion or not self.database.ready:  # a terminating pod is not deleted again
            return
        self._starts += 1
        new = PodIdentity(
            name, f"uid-{self._starts}", f"container-{self._starts}", "node-1", True, self.database.volume_claim
        )
        self.database = replace(self.database, ready=False)
        self.clock.after(0.5, lambda: self._exit(None))
        self.clock.after(1.5, lambda: setattr(self, "database", replace(new, container=None, ready=False)))
        self._start(new)

    def _crash(self, pod: PodIdentity) -> None:
        self._starts += 1
        new = replace(pod, container=f"container-{self._starts}", ready=True)
        self._exit(pod)  # the pod's status changes a second later
        self.clock.after(1.0, lambda: setattr(self, "database", replace(new, ready=False)))
        self._start(new)

    def _exit(self, pod: PodIdentity | None) -> None:
        self.process, self.database = None, pod
        self.on_exit()

    def _start(self, pod: PodIdentity) -> None:
        process = f"process-{self._starts}"
        if not self.stays_down:
            self.clock.after(self.restart_seconds, lambda: setattr(self, "process", process))
            self.clock.after(self.restart_seconds + 2, lambda: setattr(self, "database", pod))

    def acquire(self, run: str, ttl: float) -> None:
        self._raise_error("acquire")
        if (held := self._current_holder()) and (held.holder, held.run) != (HOLDER, run):
            raise LeaseHeld(held.holder, held.run)
        self.lease, self.holds_lease = LeaseHolder(HOLDER, run, self.clock.now()), True

    def renew(self) -> None:
        self.renewals += 1
        self._raise_error("renew")
        if self.lease is None or self.lease.holder != HOLDER or not self.holds_lease:
            raise LeaseLost("The lease is another dashboard's by now.")

    def release(self) -> None:
        if self.holds_lease and self.lease and self.lease.holder == HOLDER:
            self.lease = None
        self.holds_lease = False

    def holder(self) -> LeaseHolder | None:
        self._raise_error("holder")
        return self._current_holder()

    def _current_holder(self) -> LeaseHolder | None:
        return None if self.lease and self.lease.holder == HOLDER and not self.holds_lease else self.lease

    def load(self) -> SavedRuns:
        self._raise_error("load")
        runs = [entry for entry in self.history if is_run(entry)]
        return SavedRuns(deepcopy(runs), len(self.history) - len(runs))

    def save(self, runs: Sequence[Json]) -> None:
        self._raise_error("save")
        self.history = deepcopy(list(runs))
        self.saves.append(self.history)

    def _raise_error(self, method: str) -> None:
        if error := self.errors.get(method):
            raise error


class FakeFiles:
    """Implements `runs.ports.EvidenceFiles`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}  # by run
        self.error: ExternalError | None = None

    def save(self, run: str, started: str, file: bytes) -> None:
        if self.error:
            raise self.error
        self.files[run] = file

    def load(self, run: str) -> bytes | None:
        return self.files.get(run)


class FakeService:
    """Implements `runs.ports.Service` on the simulated Deployment. A request takes a tenth of a second."""

    def __init__(self, clock: VirtualClock, simulation: AutoscalerSimulation) -> None:
        self.clock = clock
        self.simulation = simulation
        self.template: Json = {"metadata": {"labels": {"app": "flask"}}}
        self.error: ExternalError | None = None
        self.pre_stop = self.readiness = True
        self.progress_deadline: int | None = None
        self.calls: list[tuple[str, ...]] = []
        self.on_change: Callable[[], None] = lambda: None  # called after each change
        self.changes = True  # whether a change has an effect

    def read(self) -> Deployed:
        if self.error:
            raise self.error
        return Deployed("flask", "uid-flask", self.template, self.pre_stop, self.readiness, self.progress_deadline)

    def restart(self, at: str) -> tuple[Deployed, Deployed]:
        return self._roll("restart", self.template | {"annotations": {"at": at}})

    def undo(self, former: Deployed, ours: Deployed) -> tuple[Deployed, Deployed]:
        if self.read().template != ours.template:
            raise ExternalError("The template was changed meanwhile.")
        return self._roll("undo", former.template)

    def delete(self, pod: str, uid: str, grace: int | None) -> None:
        if self.error:
            raise self.error
        self.clock.advance(0.1)
        self.calls.append(("delete", pod, str(grace)))
        if self.changes:
            self.simulation.delete(uid, at_once=grace == 0)
        self.on_change()

    def _roll(self, call: str, template: Json) -> tuple[Deployed, Deployed]:
        before = self.read()
        self.clock.advance(0.1)
        self.calls.append((call,))
        self.template = template
        if self.changes:
            self.simulation.roll_out()
        self.on_change()
        return before, self.read()


class FakeReader:
    """Implements `runs.ports.DatabaseReader` on the cluster's documents."""

    reads = True
    database = "mongodb"

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.place: str | None = None
        self.note: str | None = None
        self.problem = ""
        self.refusal: ExternalError | None = None  # while it answers
        self.error: ExternalError | None = None
        self.beside: str | None = None  # another member, which is the primary

    def primary(self) -> Primary | None:
        if self.cluster.process is None:
            return None
        if self.refusal:
            raise self.refusal
        return Primary(self.cluster.process, self.beside or "mongodb-0", ("mongodb-0", self.beside or "mongodb-1"))

    def read(self, run: str) -> Mapping[str, str]:
        if self.error:
            raise self.error
        return {id_: sha for id_, (of, sha) in self.cluster.documents.items() if of == run}


class FakeWriters:
    """Implements `runs.ports.Writers`: eight writes at once every `interval` seconds, of which one is a replacement and
    one a deletion, and a read of each kind. They are answered while mongod answers, and pending otherwise."""

    kinds: Collection[Kind] = WRITES

    def __init__(self, cluster: FakeCluster, run: str) -> None:
        self.ledger = Ledger()
        self.cluster = cluster
        self.run = run
        self.interval = 0.05
        self.error: ExternalError | None = None
        self.fails_last_write = False
        self.contract_obstacle: str | None = None
        self.changes = True  # whether documents are replaced and deleted
        self.reads = True
        self.writing = False
        self._pending: list[Operation] = []
        self._next_round = 0.0
        self._attempts = 0
        self._changeable: list[str] = []

    def obstacle(self, cancelled: threading.Event) -> str | None:
        return self.contract_obstacle

    def start(self) -> None:
        self.writing = True
        self.cluster.clock.on_step.append(self._write_round)

    def stop(self) -> None:
        self.writing = False
        self._answer()

    def write(self) -> bool:
        assert not self.writing
        self._post()
        if self.fails_last_write:
            self.ledger.end(self._pending.pop(), self.cluster.clock.time, "failed")
            return False
        self._answer()
        return not self._pending

    def read(self, cancelled: threading.Event) -> Mapping[str, str]:
        if self.error:
            raise self.error
        return FakeReader(self.cluster).read(self.run)

    def _write_round(self) -> None:
        self._answer()
        if self.writing and not self._pending and self.cluster.clock.time >= self._next_round:
            self._next_round = self.cluster.clock.time + self.interval
            kinds: Sequence[Kind] = ("put", "delete") if self.changes and len(self._changeable) > 20 else ()
            for kind in kinds:
                self._begin(kind, self._changeable.pop(0))
            for _ in range(8 - len(kinds)):
                self._post()
            if self.reads and self._changeable:
                self._begin("get", self._changeable[-1])
                if self._attempts % 5 == 0:
                    self._begin("list", None)

    def _post(self) -> None:
        self._attempts += 1
        self._begin("post", f"{self._attempts:024x}")

    def _begin(self, kind: Kind, id_: str | None) -> None:
        version = {"post": 1, "put": 2}.get(kind)
        sha256 = hashlib.sha256(f"{id_} {version}".encode()).hexdigest() if version else None
        self._pending.append(self.ledger.begin(0, kind, id_, self.cluster.clock.time, version, sha256))

    def _answer(self) -> None:
        if self.cluster.process is None:
            return
        documents, now = self.cluster.documents, self.cluster.clock.time
        for each in self._pending:
            if each.kind == "list":
                newest = nlargest(40, islice(reversed(documents), 200))  # ids grow, but for one that a test brings back
                found = {id_: documents[id_] for id_ in newest}
                self.ledger.see(each, now, {id_: sha256 for id_, (of, sha256) in found.items() if of == self.run})
            elif each.kind == "get":
                self.ledger.see(each, now, {each.id: documents[each.id][1]} if each.id in documents else {})
            else:
                self._apply(each)
                self.ledger.end(each, now, "acknowledged")
        self._pending = []

    def _apply(self, write: Operation) -> None:
        assert write.id
        if write.sha256 is None:
            self.cluster.documents.pop(write.id, None)
        elif write.kind == "post" or write.id in self.cluster.documents:
            self.cluster.documents[write.id] = (self.run, write.sha256)
        if write.kind == "post" and int(write.id, 16) % 3 == 0:
            self._changeable.append(write.id)


class FakeLoad:
    """Implements `runs.ports.Load`, without requests: its totals follow from the schedule and the ratios."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.started: list[LoadOptions] = []
        self.rate_changes: list[tuple[float, float]] = []  # (time, rate)
        self.error: ExternalError | None = None
        self.error_ratio = 0.0  # of the sent requests
        self.answered_ratio = 1.0  # of the sent requests
        self.lag_ms = 1.2
        self.cpu_percent = 30.0
        self._failed = 0
        self._schedule: Schedule | None = None  # of the running load
        self._began = 0.0
        self._by = ""
        self._totals = LoadTotals()

    @property
    def rate(self) -> float:
        return self._schedule.rate if self._schedule else 0.0

    def start(self, options: LoadOptions, by: str, test_rate: float | None = None) -> None:
        if self._schedule:
            raise LoadBusy(self._by)
        if self.error:
            raise self.error
        self._schedule, self._by, self._began, self._totals = options.schedule(), by, self.clock.time, LoadTotals()
        self.started.append(options)

    def change_rate(self, rate: float) -> None:
        check_rate(rate)
        if self._schedule:
            self._schedule = self._schedule.changed(self.clock.time - self._began, rate)
            self.rate_changes.append((self.clock.time, rate))

    def stop(self) -> None:
        self._totals = self.totals()
        self._schedule = None

    def fail(self, count: int) -> None:
        """Let some more requests fail."""
        self._failed += count

    def crash(self) -> None:
        """End the load like a killed generator."""
        self.stop()
        self._totals = replace(self._totals, failed="The load ended early: it ended with signal 9.")

    def running(self) -> bool:
        return self._schedule is not None

    def totals(self) -> LoadTotals:
        if self._schedule is None:
            return self._totals
        sent = self._schedule.offered(self.clock.time - self._began)
        answered = int(sent * self.answered_ratio)
        return LoadTotals(
            due=sent,
            offered=sent,
            sent=sent,
            achieved=answered,
            errors=(errors := int(sent * self.error_ratio) + self._failed),
            by_kind={"connect": errors} if errors else {},
            in_flight=sent - answered,
            lag_p99_ms=self.lag_ms,
            cpu_percent=self.cpu_percent,
        )


def assert_recomputed(run: Json, file: bytes, demo: Demo) -> None:
    """Assert that the run's verdict follows from its records."""
    assert demo.recompute
    opened = reader([file])
    found = demo.recompute(opened.header, opened.records())
    assert (opened.differences, found.differences) == ([], [])
    verdict = found.verdict
    assert (verdict.verdict, verdict.reason, verdict.line) == (run["verdict"], run["reason"], run["line"])
    assert json.loads(json.dumps(verdict.evidence)) == json.loads(json.dumps(run["evidence"]))


class RunHarness:
    """A run manager and its fakes. It records the events and audit lines."""

    def __init__(
        self,
        *,
        volume_claim: str | None = "data-mongodb-0",
        options: SimulationOptions | None = None,
        pods: int = 0,
        step: float = STEP,
        demos: Mapping[str, Demo] = DEMOS,
        peers: Peers | None = None,
    ) -> None:
        self.clock = VirtualClock(step)
        self.cluster = FakeCluster(self.clock, volume_claim)
        self.reader = FakeReader(self.cluster)
        self.files = FakeFiles()
        self.load = FakeLoad(self.clock)
        self.autoscaler = AutoscalerSimulation(self.clock, lambda: self.load.rate, options, pods)
        self.service = FakeService(self.clock, self.autoscaler)
        self.emitted: list[tuple[float, Event]] = []  # (time, event)
        self.audited: list[tuple[str, str, str, Json | None, str | None]] = []
        self.writers: list[FakeWriters] = []
        self.configure_writers: Callable[[FakeWriters], None] = lambda writers: None
        self.demos = demos
        self.peers = peers
        self.manager = self.new_manager(self.clock, lambda name, work: self.spawn(name, work))

    def new_manager(self, clock: Clock, spawn: Spawn) -> RunManager:
        return RunManager(
            Tools(
                pods=self.cluster,
                load=self.load,
                writers=lambda run: self.new_writers(run),
                reader=self.reader,
                view=self.autoscaler,
                database="mongodb-0",
                deployment="flask",
                service=self.service,
            ),
            self.cluster,
            self.cluster,
            self.files,
            lambda event: self.emit(event),
            lambda *line, **more: self.audit(*line, **more),
            clock,
            holder=HOLDER,
            demos=self.demos,
            peers=self.peers,
            spawn=spawn,
        )

    def run(self, demo: str, **options: Any) -> Json:
        """Run a demo to its verdict. Return the run."""
        return self.manager.get(self.manager.start(demo, options, "operator"))

    def run_and_recompute(self, demo: str, **options: Any) -> Json:
        """Run a demo to its verdict, which must follow from its records. Return the run."""
        run = self.run(demo, **options)
        assert_recomputed(run, self.files.files[run["id"]], self.demos[demo])
        return run

    def during_step(self, step: str, action: Callable[[], None], after: float = 0.0) -> None:
        """Call `action` once, when a step of a run has begun, or `after` seconds later."""
        self.clock.when(
            lambda: self.current_step() == step, lambda: self.clock.after(after, action) if after else action()
        )

    def current_step(self) -> str | None:
        context = self.manager._context
        run = context and context.run.to_json()
        return next((step["id"] for step in run["steps"] if step["state"] == "running"), None) if run else None

    def current_run(self) -> Json:
        """Return the run as last emitted."""
        run: Json = self.events(RunUpdated)[-1].run
        return run

    def events(self, type_: type[Any]) -> list[Any]:
        return [event for _, event in self.emitted if isinstance(event, type_)]

    def new_writers(self, run: str) -> FakeWriters:
        writers = FakeWriters(self.cluster, run)
        self.configure_writers(writers)
        self.writers.append(writers)
        return writers

    def emit(self, event: Event) -> None:
        self.emitted.append((self.clock.time, event))

    def audit(self, by: str, action: str, outcome: str, about: Json | None = None, mark: str | None = None) -> None:
        self.audited.append((by, action, outcome, about, mark))

    def spawn(self, name: str, work: Callable[[], None]) -> None:
        """Do a thread's work in this thread: a run's at once, a manual load's when the load has ended, the lease
        renewer's every 5 s. Leave out the archive's: tests call `sync`."""
        if name == "lease":
            self._renew_every_5_s(work.__self__)  # type: ignore[attr-defined]
        elif name.startswith("load-"):
            self.clock.when(lambda: not self.load.running(), work)
        elif name != "runs":
            work()

    def _renew_every_5_s(self, renewer: Any) -> None:
        def renew() -> None:
            renewer.renew()
            self.clock.after(5, renew)

        self.clock.after(5, renew)
