"""Runs, loads and restarts are safe to stop and share: nothing begins once the dashboard ends, one lease is for all of
them, and whatever fails at the end of one, the next may come."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dashboard.clock import Clock
from dashboard.core.errors import ExternalError
from dashboard.core.events import LeaseChanged, RunHistoryUpdated, RunUpdated
from dashboard.kube.client import KubeClient
from dashboard.kube.lease import Lease, LeaseHolder, LeaseLost
from dashboard.load.options import LoadBusy, LoadOptions
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.lease_renewer import LeaseRenewer
from dashboard.runs.manager import in_thread
from dashboard.runs.records.record import orphaned, summary, trimmed
from dashboard.runs.records.report import Report
from dashboard.runs.turn import RunActive
from tests.dashboard.runs.spoiled import RUN, SPOILED
from tests.dashboard.runs.world import Scene

LEASE = "/apis/coordination.k8s.io/v1/namespaces/flask-mongodb/leases/dashboard-runs"
LOAD = LoadOptions(rate=100, duration=60)

Json = dict[str, Any]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def leases(scene: Scene) -> list[Json | None]:
    return [told.lease for _, told in scene.told if isinstance(told, LeaseChanged)]


def idle(scene: Scene) -> None:
    """Nothing goes on, and all may know."""
    assert scene.cluster.lease is None
    assert not scene.load.running()
    assert not leases(scene) or leases(scene)[-1] is None
    assert scene.manager._turn.idle.is_set()


# Nothing begins once the dashboard was told to end


class Ending:
    """Tells a scene's manager to end right after its collaborators' call of this number."""

    def __init__(self, scene: Scene, number: int) -> None:
        self.scene, self.number, self.calls, self.deeds_after = scene, number, 0, 0
        cluster = scene.cluster
        for name in ("acquire", "pod", "claim", "renew", "holder", "load", "save", "release"):
            self._wrap(cluster, name)
        for name in ("emit", "audit", "spawn", "write"):
            self._wrap(scene, name)
        self._wrap(scene.reader, "process")
        for of, name in ((cluster, "kill"), (scene.load, "start")):
            self._watch(of, name)

    @property
    def reached(self) -> bool:
        return self.calls >= self.number

    def _wrap(self, of: object, name: str) -> None:
        call = getattr(of, name)

        def calling(*args: Any, **named: Any) -> Any:
            answer = call(*args, **named)
            self.calls += 1
            if self.calls == self.number:
                self.scene.manager.end()
            return answer

        setattr(of, name, calling)

    def _watch(self, of: object, name: str) -> None:
        call = getattr(of, name)

        def calling(*args: Any, **named: Any) -> Any:
            self.deeds_after += self.reached
            return call(*args, **named)

        setattr(of, name, calling)


DEEDS: dict[str, tuple[int, Callable[[Scene], object]]] = {  # with the number of calls that are looked at
    "a persistence run": (40, lambda scene: scene.run("persistence")),
    "a crash run": (40, lambda scene: scene.run("persistence", mode="crash")),
    "an autoscale run": (40, lambda scene: scene.run("autoscale")),
    "a restart": (10, lambda scene: scene.manager.restart_mongo("uid-1", "graceful", "operator")),
    "a crash": (10, lambda scene: scene.manager.restart_mongo("uid-1", "crash", "operator")),
    "a load": (10, lambda scene: scene.manager.load(LOAD, "operator")),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_wherever_the_end_comes_nothing_is_killed_or_loaded_after_it(deed: str) -> None:
    most, do = DEEDS[deed]
    for number in range(1, most + 1):
        scene = Scene()
        ending = Ending(scene, number)
        try:
            do(scene)
        except RunActive as refused:
            assert (refused.holder, refused.run) == ("me", "")
        if not ending.reached:
            scene.manager.end()
            assert number > 3
        scene.world.wait(threading.Event(), 1)  # what has a thread of its own ends
        assert ending.deeds_after == 0, number
        idle(scene)
        with pytest.raises(RunActive):
            do(scene)
        idle(scene)


def test_run_that_gets_the_lease_during_shutdown_does_not_start(scene: Scene) -> None:
    acquire = scene.cluster.acquire

    def acquiring(run: str, ttl: float) -> None:
        acquire(run, ttl)
        scene.manager.end()

    scene.cluster.acquire = acquiring  # type: ignore[method-assign]
    with pytest.raises(RunActive, match="going down"):
        scene.manager.start("persistence", {}, "operator")
    idle(scene)
    assert scene.manager.list() == [] == scene.cluster.saved
    assert not any(isinstance(told, RunUpdated) for _, told in scene.told)


def test_run_that_waits_for_its_thread_ends_before_its_first_step(scene: Scene) -> None:
    waiting: list[Callable[[], None]] = []
    scene.spawn = lambda name, work: waiting.append(work) if name != "lease" else None
    run_id = scene.manager.start("persistence", {}, "operator")
    scene.manager.end()
    waiting[0]()
    run = scene.manager.get(run_id)
    assert (run["verdict"], run["reason"]) == ("inconclusive", "Aborted: the dashboard is going down.")
    assert not scene.writers[0].ledger.counts()["attempted"]
    idle(scene)


def test_of_restarts_that_race_with_the_end_none_comes_after_it() -> None:
    for _ in range(50):
        scene = Scene()
        manager = scene.managed(Clock(), in_thread)
        barrier = threading.Barrier(4)

        def restart(manager: Any = manager, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                manager.restart_mongo("uid-1", "graceful", "operator")
            except Exception as error:
                assert isinstance(error, RunActive) or "being restarted" in str(error)

        threads = [threading.Thread(target=restart) for _ in range(3)]
        for thread in threads:
            thread.start()
        barrier.wait()
        manager.end()
        kills = len(scene.cluster.kills)
        for thread in threads:
            thread.join()
        assert len(scene.cluster.kills) == kills <= 1
        assert scene.cluster.lease is None


def test_end_comes_twice_and_to_an_idle_dashboard(scene: Scene) -> None:
    before = scene.world.time
    scene.manager.end()
    scene.manager.end()
    assert scene.world.time == before


def test_load_that_was_about_to_begin_is_stopped_again(scene: Scene) -> None:
    """The generator's own stop comes too early for a load that is between its check and its start."""
    start = scene.load.start

    def starting(options: LoadOptions, by: str) -> None:
        scene.world.at(0.25, lambda: start(options, by))
        scene.manager.end()

    scene.load.start = starting  # type: ignore[method-assign]
    with pytest.raises(RunActive):
        scene.manager.load(LOAD, "operator")
    idle(scene)


# A load by hand


def test_load_holds_the_lease_until_it_has_ended_by_itself(scene: Scene) -> None:
    scene.manager.load(LOAD, "operator")
    lease = scene.cluster.lease
    assert lease and lease.holder == "me" and lease.run.startswith("load-")
    assert leases(scene) == [{"holder": "me", "run": lease.run, "since": lease.since}]
    scene.world.wait(threading.Event(), 30)
    assert scene.cluster.renewals >= 5
    scene.load.break_off()
    scene.world.wait(threading.Event(), 1)
    idle(scene)
    assert scene.run("persistence")["verdict"] == "pass"


def test_load_that_is_stopped_gives_the_lease_back_at_once(scene: Scene) -> None:
    scene.manager.load(LOAD, "operator")
    scene.manager.unload("another")
    idle(scene)
    assert scene.audited[-1][:3] == ("another", "load", "stopped")


def test_with_threads_and_a_real_clock_a_load_ends_by_itself_by_a_stop_and_with_the_dashboard() -> None:
    scene = Scene()
    manager = scene.managed(Clock(), in_thread)
    for end in (scene.load.break_off, partial(manager.unload, "operator"), manager.end):
        manager.load(LOAD, "operator")
        end()
        assert manager._turn.idle.wait(10)
        assert scene.cluster.lease is None and not scene.load.running()
    with pytest.raises(RunActive):
        manager.load(LOAD, "operator")


def test_load_that_can_t_begin_gives_the_lease_back(scene: Scene) -> None:
    scene.load.trouble = ExternalError("This machine can't carry 100 requests a second now.")
    with pytest.raises(ExternalError, match="can't carry"):
        scene.manager.load(LOAD, "operator")
    idle(scene)
    assert scene.audited == []
    scene.load.trouble = None
    scene.manager.load(LOAD, "operator")


def test_load_that_can_t_be_watched_is_stopped(scene: Scene) -> None:
    spawn = scene.spawn

    def spawning(name: str, work: Callable[[], None]) -> None:
        if name.startswith("load-"):
            raise RuntimeError("can't start new thread")
        spawn(name, work)

    scene.spawn = spawning
    with pytest.raises(RuntimeError):
        scene.manager.load(LOAD, "operator")
    idle(scene)


@pytest.mark.parametrize("demo", ["persistence", "autoscale"])
def test_run_is_refused_while_a_load_goes_and_told_by_whom(scene: Scene, demo: str) -> None:
    scene.manager.load(LOAD, "somebody")
    with pytest.raises(RunActive, match="a load by somebody") as refused:
        scene.manager.start(demo, {}, "operator")
    assert (refused.value.holder, refused.value.run) == ("me", scene.cluster.lease and scene.cluster.lease.run)
    assert scene.load.running()
    assert scene.manager.list() == []


def test_second_load_is_refused_with_the_author_of_the_first(scene: Scene) -> None:
    scene.manager.load(LOAD, "somebody")
    with pytest.raises(LoadBusy) as refused:
        scene.manager.load(LOAD, "operator")
    assert refused.value.by == "somebody"
    assert scene.cluster.lease


def test_load_of_another_dashboard_is_respected(scene: Scene) -> None:
    scene.cluster.lease = LeaseHolder("other", "load-20261125-040000-0000", "2026-11-25T04:00:00Z")
    for deed in (
        lambda: scene.manager.load(LOAD, "operator"),
        lambda: scene.manager.start("autoscale", {}, "operator"),
        lambda: scene.manager.restart_mongo("uid-1", "crash", "operator"),
    ):
        with pytest.raises(RunActive, match="other has a load") as refused:
            deed()
        assert refused.value.holder == "other"
    assert scene.load.started == [] == scene.cluster.kills


@pytest.mark.parametrize("loss", ["taken", "away"])
def test_load_whose_lease_is_lost_is_stopped_and_it_is_said(scene: Scene, loss: str) -> None:
    scene.manager.load(LOAD, "operator")
    if loss == "taken":
        scene.cluster.lease = LeaseHolder("other", "run-1", "")
    else:
        scene.cluster.troubles["renew"] = ExternalError("No answer.")
    scene.world.wait(threading.Event(), 21)
    assert not scene.load.running()
    (line,) = [line for line in scene.audited if line[2].startswith("failed")]
    assert line[:2] == ("operator", "load")
    assert ("another dashboard's" if loss == "taken" else "No answer.") in line[2]
    assert scene.cluster.lease == (LeaseHolder("other", "run-1", "") if loss == "taken" else None)
    assert scene.manager._turn.idle.is_set()


def test_renewal_that_finds_the_lease_given_back_is_no_loss(scene: Scene) -> None:
    losses: list[str] = []
    renewer = LeaseRenewer(scene.cluster, scene.world, losses.append)

    def renew() -> None:
        renewer.end()
        raise LeaseLost("The lease is nobody's by now.")

    scene.cluster.renew = renew  # type: ignore[method-assign]
    renewer.renew()
    assert losses == []


def test_restart_goes_on_beside_a_load_and_under_its_lease(scene: Scene) -> None:
    scene.manager.load(LOAD, "operator")
    held = scene.cluster.lease
    scene.manager.restart_mongo("uid-1", "graceful", "operator")
    assert scene.cluster.kills == [("graceful", "uid-1")]
    assert scene.load.running() and scene.cluster.lease == held
    scene.cluster.lease = LeaseHolder("other", "run-1", "")
    scene.world.wait(threading.Event(), 0.1)
    with pytest.raises(ExternalError):
        scene.manager.restart_mongo("uid-1", "crash", "operator")
    assert len(scene.cluster.kills) == 1


def test_restart_whose_lease_was_lost_kills_nothing(scene: Scene) -> None:
    scene.cluster.troubles["renew"] = LeaseLost("The lease is another dashboard's by now.")
    with pytest.raises(LeaseLost):
        scene.manager.restart_mongo("uid-1", "graceful", "operator")
    assert scene.cluster.kills == []
    idle(scene)


def test_leftover_load_can_be_stopped(scene: Scene) -> None:
    scene.load.start(LOAD, "a run")
    scene.manager.unload("operator")
    assert not scene.load.running()


# Whatever fails, the next may come


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a defect")


def spoil_events(kind: type) -> Callable[[Scene], None]:
    def spoil(scene: Scene) -> None:
        emit = scene.emit
        scene.emit = lambda told: fail() if isinstance(told, kind) else emit(told)

    return spoil


def spoil_stage(scene: Scene) -> None:
    assert scene.manager._context
    scene.manager._context.publish = fail  # type: ignore[method-assign]


def spoil_release(scene: Scene) -> None:
    release = scene.cluster.release
    scene.cluster.release = lambda: fail(release())  # type: ignore[method-assign]


SPOILS: dict[str, Callable[[Scene], None]] = {
    "publish": spoil_stage,
    "emit of the run": spoil_events(RunUpdated),
    "emit of the runs": spoil_events(RunHistoryUpdated),
    "emit of the lease": spoil_events(LeaseChanged),
    "audit": lambda scene: setattr(scene, "audit", fail),
    "load": lambda scene: setattr(scene.cluster, "load", fail),
    "save": lambda scene: setattr(scene.cluster, "save", fail),
    "release": spoil_release,
    "renew": lambda scene: setattr(scene.cluster, "renew", fail),
    "clean": lambda scene: setattr(scene.writers[-1], "stop", fail),
    "verdict": lambda scene: setattr(scene.writers[-1].ledger, "longest", fail),
}


@pytest.mark.parametrize("step", ["warmup", "after"])
@pytest.mark.parametrize("spoil", SPOILS)
def test_whatever_fails_when_a_run_ends_the_next_may_begin(scene: Scene, spoil: str, step: str) -> None:
    emit, audit = scene.emit, scene.audit
    spoiled: list[str] = []
    scene.in_step(step, lambda: spoiled.append(spoil) or SPOILS[spoil](scene))
    scene.manager.start("persistence", {}, "operator")
    assert spoiled and scene.manager._turn.idle.is_set() and scene.cluster.lease is None
    assert scene.manager.list()[0]["verdict"] in ("pass", "inconclusive")
    scene.emit, scene.audit = emit, audit
    for name in ("load", "save", "release", "renew"):
        vars(scene.cluster).pop(name, None)
    scene.world.wait(threading.Event(), 10)
    assert scene.run("persistence")["verdict"] == "pass"
    idle(scene)


@pytest.mark.parametrize("spoil", ["emit of the runs", "emit of the lease", "audit"])
def test_whatever_fails_when_a_run_begins_gives_the_lease_back(scene: Scene, spoil: str) -> None:
    emit, audit = scene.emit, scene.audit
    SPOILS[spoil](scene)
    with pytest.raises(RuntimeError):
        scene.manager.start("persistence", {}, "operator")
    scene.emit, scene.audit = emit, audit
    assert scene.cluster.lease is None
    assert scene.manager.list() == []
    assert scene.run("persistence")["verdict"] == "pass"


def test_run_that_gets_no_thread_is_none(scene: Scene) -> None:
    spawn, scene.spawn = scene.spawn, lambda name, work: None if name == "lease" else fail()
    with pytest.raises(RuntimeError):
        scene.manager.start("persistence", {}, "operator")
    idle(scene)
    assert scene.manager.list() == []
    scene.spawn = spawn
    assert scene.run("persistence")["verdict"] == "pass"


def test_renewals_that_fail_by_a_defect_end_the_run_like_an_api_that_is_away(scene: Scene) -> None:
    scene.in_step("steady", lambda: setattr(scene.cluster, "renew", fail))
    run = scene.run("autoscale")
    assert run["reason"] == "The lease could not be renewed: a defect"


def test_abort_counts_though_it_can_t_be_audited(scene: Scene) -> None:
    def abort() -> None:
        audit, scene.audit = scene.audit, fail
        with pytest.raises(RuntimeError):
            scene.manager.abort(scene.manager.list()[0]["id"], "viewer")
        scene.audit = audit

    scene.in_step("outage", abort)
    assert scene.run("persistence")["reason"] == "Aborted by viewer."


def test_verdict_that_could_not_be_saved_is_saved_by_the_next_look(scene: Scene) -> None:
    scene.manager._archive.sync()
    scene.in_step("after", lambda: scene.cluster.troubles.update(save=ExternalError("No answer.")))
    run = scene.run("persistence")
    assert scene.cluster.history[0]["verdict"] == "running"
    with pytest.raises(ExternalError):
        scene.manager._archive.sync()
    scene.cluster.troubles.clear()
    scene.manager._archive.sync()
    assert scene.cluster.history == [run] == [scene.manager.get(run["id"])]
    assert not [line for line in scene.audited if line[2].startswith("aborted")]
    saves = len(scene.cluster.saved)
    scene.manager._archive.sync()
    assert len(scene.cluster.saved) == saves


def test_look_whose_telling_fails_is_made_again(scene: Scene) -> None:
    emit, scene.emit = scene.emit, fail
    scene.cluster.lease = LeaseHolder("other", "run-1", "")
    with pytest.raises(RuntimeError):
        scene.manager._archive.sync()
    scene.emit = emit
    scene.manager._archive.sync()
    assert leases(scene) == [{"holder": "other", "run": "run-1", "since": ""}]


# What can't be read in the history


def test_entries_that_are_no_runs_are_skipped_and_it_is_said_once(scene: Scene) -> None:
    scene.cluster.history = [*SPOILED, RUN]
    scene.manager._archive.sync()
    assert scene.manager.list() == [summary(RUN, DEMOS.get(RUN["demo"]))]
    assert scene.manager.get("run-9") == RUN
    run = scene.run("persistence")
    assert [each["id"] for each in scene.manager.list()] == [run["id"], "run-9"]
    said = [line for line in scene.audited if line[1] == "read the history of runs"]
    assert len(said) == 1
    assert said[0][0] == "dashboard" and str(len(SPOILED)) in said[0][2]


def test_minimal_run_can_be_shown_orphaned_trimmed_and_reported(app: Any) -> None:
    least = {name: RUN[name] for name in ("id", "demo", "verdict", "started")} | {"verdict": "running"}
    scene = Scene()
    scene.cluster.history = [least]
    scene.manager._archive.sync()
    found = scene.manager.get("run-9")
    assert found["verdict"] == "inconclusive"
    assert orphaned(least, RUN["ended"])["steps"] == []
    assert trimmed([least], DEMOS, most=10) == []
    tables = {name: {"at": []} for name in ("load", "traffic", "cpu", "replicas")}
    columns = {"load": ("offered", "achieved", "errors", "p50_ms", "p99_ms"), "cpu": ("percent",)}
    columns |= {"traffic": ("requests", *columns["load"]), "replicas": ("desired", "ready")}
    for name, more in columns.items():
        tables[name] |= {column: [] for column in more}
    with app.app_context():
        for run in (least, found, least | {"demo": "another", "evidence": {"mode": ["x"], "before": {}}}):
            assert "run-9" in Report(run, tables, "flask-mongodb", "kind", None).as_html()


# Leases of dashboards that died


def test_background_looks_find_out_that_another_dashboard_died(
    scene: Scene, clients: Callable[[float], KubeClient]
) -> None:
    def lease_of(holder: str, clock: Callable[[], float]) -> Lease:
        return Lease(clients, "flask-mongodb", holder, clock, scene.world.monotonic)

    dead = lease_of("other", lambda: 4_000_000_000.0)  # its clock is decades ahead
    dead.acquire("persistence-9", 20)
    scene.cluster.history = [RUN | {"id": "persistence-9", "verdict": "running"}]
    ours = lease_of("me", lambda: 1_000_000_000.0)
    for name in ("acquire", "renew", "release", "holder"):
        setattr(scene.cluster, name, getattr(ours, name))
    scene.world.wait(threading.Event(), 1000)
    for _ in range(4):
        scene.manager._archive.sync()
        with pytest.raises(RunActive) as refused:
            scene.manager.start("persistence", {}, "operator")
        assert (refused.value.holder, refused.value.run) == ("other", "persistence-9")
        scene.world.wait(threading.Event(), 5.1)
    assert scene.manager.get("persistence-9")["verdict"] == "running"
    scene.manager._archive.sync()
    assert scene.manager.get("persistence-9")["verdict"] == "inconclusive"
    assert leases(scene)[-1] is None
    assert scene.run("persistence")["verdict"] == "pass"
    with pytest.raises(LeaseLost):
        dead.renew()
