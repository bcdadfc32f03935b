"""Shutdown, the lease and failures: no activity starts after the shutdown, all share one lease, and no failure at the
end of an activity blocks the next one."""

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask

from dashboard.clock import SystemClock
from dashboard.core.errors import ExternalError
from dashboard.core.events import LeaseChanged, RunHistoryUpdated, RunUpdated
from dashboard.core.state.history import MetricsTables
from dashboard.kube.client import KubeClient
from dashboard.kube.lease import KubeLease, LeaseHolder, LeaseLost
from dashboard.load.options import GeneratorUnfit, LoadBusy, LoadOptions
from dashboard.runs.activity_lock import RunActive
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.lease_renewer import LeaseRenewer
from dashboard.runs.manager import in_thread
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.records.record import orphaned, summary, trimmed
from dashboard.web.report.report import Report
from tests.dashboard.runs.harness import HOLDER, RunHarness
from tests.dashboard.runs.invalid_runs import INVALID_RUNS, RUN

pytestmark = pytest.mark.slow

LOAD = LoadOptions(rate=100, duration=60)

Json = dict[str, Any]


def leases(harness: RunHarness) -> list[Json | None]:
    return [event.lease for event in harness.events(LeaseChanged)]


def assert_idle(harness: RunHarness) -> None:
    """Assert that no activity is under way, and that the lease is released and emitted."""
    assert harness.cluster.lease is None
    assert not harness.load.running()
    assert not leases(harness) or leases(harness)[-1] is None
    assert harness.manager._activity.idle.is_set()


# Shutdown


class ShutdownAfterCall:
    """Shuts the manager down after the call with this number to a collaborator. Counts the actions after that."""

    def __init__(self, harness: RunHarness, number: int) -> None:
        self.harness, self.number, self.calls, self.actions_after = harness, number, 0, 0
        cluster = harness.cluster
        for name in ("acquire", "pod", "volume_claim", "renew", "holder", "load", "save", "release"):
            self._count_call(cluster, name)
        for name in ("emit", "audit", "spawn", "new_writers"):
            self._count_call(harness, name)
        self._count_call(harness.reader, "primary")
        for object_, name in ((cluster, "kill"), (harness.load, "start")):
            self._count_action(object_, name)

    @property
    def reached(self) -> bool:
        return self.calls >= self.number

    def _count_call(self, object_: object, name: str) -> None:
        method = getattr(object_, name)

        def patched(*args: Any, **named: Any) -> Any:
            result = method(*args, **named)
            self.calls += 1
            if self.calls == self.number:
                self.harness.manager.end()
            return result

        setattr(object_, name, patched)

    def _count_action(self, object_: object, name: str) -> None:
        method = getattr(object_, name)

        def patched(*args: Any, **named: Any) -> Any:
            self.actions_after += self.reached
            return method(*args, **named)

        setattr(object_, name, patched)


ACTIVITIES: dict[str, tuple[int, Callable[[RunHarness], object]]] = {  # (number of calls to test, start)
    "a persistence run": (40, lambda harness: harness.run("persistence")),
    "a crash run": (40, lambda harness: harness.run("persistence", mode="crash")),
    "an autoscale run": (40, lambda harness: harness.run("autoscale")),
    "a restart": (10, lambda harness: harness.manager.restart_mongo("uid-1", "graceful", "operator")),
    "a crash": (10, lambda harness: harness.manager.restart_mongo("uid-1", "crash", "operator")),
    "a load": (10, lambda harness: harness.manager.load(LOAD, "operator")),
}


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_no_kill_and_no_load_follows_a_shutdown(activity: str) -> None:
    calls, start = ACTIVITIES[activity]
    for number in range(1, calls + 1):
        harness = RunHarness()
        shutdown = ShutdownAfterCall(harness, number)
        try:
            start(harness)
        except RunActive as error:
            assert (error.holder, error.run) == (HOLDER, "")
        if not shutdown.reached:
            harness.manager.end()
            assert number > 3
        harness.clock.advance(1)  # threads end
        assert shutdown.actions_after == 0, number
        assert_idle(harness)
        with pytest.raises(RunActive):
            start(harness)
        assert_idle(harness)


def test_run_that_acquires_the_lease_during_the_shutdown_does_not_start(harness: RunHarness) -> None:
    acquire = harness.cluster.acquire

    def acquire_and_shut_down(run: str, ttl: float) -> None:
        acquire(run, ttl)
        harness.manager.end()

    harness.cluster.acquire = acquire_and_shut_down  # type: ignore[method-assign]
    with pytest.raises(RunActive) as error:
        harness.manager.start("persistence", {}, "operator")
    assert (error.value.holder, error.value.run) == (HOLDER, "")
    assert_idle(harness)
    assert harness.manager.list() == [] == harness.cluster.saves
    assert harness.events(RunUpdated) == []


def test_run_whose_thread_starts_after_the_shutdown_does_no_step(harness: RunHarness) -> None:
    threads: list[Callable[[], None]] = []
    harness.spawn = lambda name, work: threads.append(work) if name != "lease" else None
    run_id = harness.manager.start("persistence", {}, "operator")
    harness.manager.end()
    threads[0]()
    run = harness.manager.get(run_id)
    assert run["verdict"] == "inconclusive" and run["reason"].startswith("Aborted")
    assert harness.writers[0].ledger.operations() == []
    assert_idle(harness)


def test_restarts_that_race_with_the_shutdown_kill_before_it_or_not_at_all() -> None:
    for _ in range(50):
        harness = RunHarness()
        manager = harness.new_manager(SystemClock(), in_thread)
        barrier = threading.Barrier(4)

        def restart(manager: Any = manager, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with contextlib.suppress(RunActive, UidNotCurrent):
                manager.restart_mongo("uid-1", "graceful", "operator")

        threads = [threading.Thread(target=restart) for _ in range(3)]
        for thread in threads:
            thread.start()
        barrier.wait()
        manager.end()
        kills = len(harness.cluster.kills)
        for thread in threads:
            thread.join()
        assert len(harness.cluster.kills) == kills <= 1
        assert harness.cluster.lease is None


def test_shutdown_of_an_idle_manager_returns_at_once_and_can_be_repeated(harness: RunHarness) -> None:
    before = harness.clock.time
    harness.manager.end()
    harness.manager.end()
    assert harness.clock.time == before


def test_load_that_starts_during_the_shutdown_is_stopped(harness: RunHarness) -> None:
    """The first stop comes before the start of a load that has passed its check already."""
    start = harness.load.start

    def start_late_and_shut_down(options: LoadOptions, by: str) -> None:
        harness.clock.after(0.25, lambda: start(options, by))
        harness.manager.end()

    harness.load.start = start_late_and_shut_down  # type: ignore[method-assign]
    with pytest.raises(RunActive):
        harness.manager.load(LOAD, "operator")
    assert_idle(harness)


# Manual loads


def test_load_holds_the_lease_until_it_ends(harness: RunHarness) -> None:
    harness.manager.load(LOAD, "operator")
    lease = harness.cluster.lease
    assert lease and lease.holder == HOLDER and lease.run.startswith("load-")
    assert leases(harness) == [{"holder": HOLDER, "run": lease.run, "since": lease.since}]
    harness.clock.advance(30)
    assert harness.cluster.renewals >= 5
    harness.load.crash()
    harness.clock.advance(1)
    assert_idle(harness)
    assert harness.run("persistence")["verdict"] == "pass"


def test_stopped_load_releases_the_lease_at_once(harness: RunHarness) -> None:
    harness.manager.load(LOAD, "operator")
    harness.manager.unload("another")
    assert_idle(harness)
    assert harness.audited[-1][:3] == ("another", "load", "stopped")


def test_watched_load_ends_by_a_crash_a_stop_and_a_shutdown() -> None:
    harness = RunHarness()
    manager = harness.new_manager(SystemClock(), in_thread)
    for end in (harness.load.crash, partial(manager.unload, "operator"), manager.end):
        manager.load(LOAD, "operator")
        end()
        assert manager._activity.idle.wait(10)
        assert harness.cluster.lease is None and not harness.load.running()
    with pytest.raises(RunActive):
        manager.load(LOAD, "operator")


def test_load_that_fails_to_start_releases_the_lease(harness: RunHarness) -> None:
    harness.load.error = GeneratorUnfit("This machine can't carry 100 requests a second now.")
    with pytest.raises(GeneratorUnfit):
        harness.manager.load(LOAD, "operator")
    assert_idle(harness)
    assert harness.audited == []
    harness.load.error = None
    harness.manager.load(LOAD, "operator")


def test_load_without_a_watching_thread_is_stopped(harness: RunHarness) -> None:
    spawn = harness.spawn

    def fail_for_loads(name: str, work: Callable[[], None]) -> None:
        if name.startswith("load-"):
            raise RuntimeError("can't start new thread")
        spawn(name, work)

    harness.spawn = fail_for_loads
    with pytest.raises(RuntimeError):
        harness.manager.load(LOAD, "operator")
    assert_idle(harness)


@pytest.mark.parametrize("demo", ["persistence", "autoscale", "rollout", "self-healing"])
def test_run_is_refused_during_a_load_with_its_author(harness: RunHarness, demo: str) -> None:
    harness.manager.load(LOAD, "somebody")
    with pytest.raises(RunActive, match="somebody") as error:
        harness.manager.start(demo, {}, "operator")
    assert (error.value.holder, error.value.run) == (HOLDER, harness.cluster.lease and harness.cluster.lease.run)
    assert harness.load.running()
    assert harness.manager.list() == []


def test_second_load_is_refused_with_the_author_of_the_first(harness: RunHarness) -> None:
    harness.manager.load(LOAD, "somebody")
    with pytest.raises(LoadBusy) as error:
        harness.manager.load(LOAD, "operator")
    assert error.value.by == "somebody"
    assert harness.cluster.lease


def test_load_of_another_dashboard_refuses_every_activity_here(harness: RunHarness) -> None:
    harness.cluster.lease = LeaseHolder("other", "load-20261125-040000-0000", "2026-11-25T04:00:00Z")
    for call in (
        lambda: harness.manager.load(LOAD, "operator"),
        lambda: harness.manager.start("autoscale", {}, "operator"),
        lambda: harness.manager.restart_mongo("uid-1", "crash", "operator"),
    ):
        with pytest.raises(RunActive, match="a load") as error:
            call()
        assert error.value.holder == "other"
    assert harness.load.started == [] == harness.cluster.kills


@pytest.mark.parametrize("loss", ["acquired by another", "not renewed"])
def test_load_whose_lease_is_lost_is_stopped_and_audited(harness: RunHarness, loss: str) -> None:
    harness.manager.load(LOAD, "operator")
    other = LeaseHolder("other", "run-1", "")
    if loss == "acquired by another":
        harness.cluster.lease = other
    else:
        harness.cluster.errors["renew"] = ExternalError("No answer.")
    harness.clock.advance(21)
    assert not harness.load.running()
    (line,) = [line for line in harness.audited if line[2].startswith("failed")]
    assert line[:2] == ("operator", "load")
    assert ("another dashboard's" if loss == "acquired by another" else "No answer.") in line[2]
    assert harness.cluster.lease == (other if loss == "acquired by another" else None)
    assert harness.manager._activity.idle.is_set()


def test_renewal_after_the_release_is_no_loss(harness: RunHarness) -> None:
    losses: list[str] = []
    renewer = LeaseRenewer(harness.cluster, harness.clock, losses.append)

    def end_and_fail() -> None:
        renewer.end()
        raise LeaseLost("The lease was released.")

    harness.cluster.renew = end_and_fail  # type: ignore[method-assign]
    renewer.renew()
    assert losses == []


def test_restart_during_a_load_uses_the_loads_lease(harness: RunHarness) -> None:
    harness.manager.load(LOAD, "operator")
    held = harness.cluster.lease
    harness.manager.restart_mongo("uid-1", "graceful", "operator")
    assert harness.cluster.kills == [("graceful", "uid-1")]
    assert harness.load.running() and harness.cluster.lease == held
    harness.cluster.lease = LeaseHolder("other", "run-1", "")
    harness.clock.advance(0.1)
    with pytest.raises(ExternalError):
        harness.manager.restart_mongo("uid-1", "crash", "operator")
    assert len(harness.cluster.kills) == 1


def test_restart_whose_lease_was_lost_kills_nothing(harness: RunHarness) -> None:
    harness.cluster.errors["renew"] = LeaseLost("The lease is another dashboard's by now.")
    with pytest.raises(LeaseLost):
        harness.manager.restart_mongo("uid-1", "graceful", "operator")
    assert harness.cluster.kills == []
    assert_idle(harness)


def test_load_left_by_a_run_can_be_stopped(harness: RunHarness) -> None:
    harness.load.start(LOAD, "a run")
    harness.manager.unload("operator")
    assert not harness.load.running()


# Failures at the start and the end of a run


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a bug")


def break_events(type_: type) -> Callable[[RunHarness], None]:
    def inject(harness: RunHarness) -> None:
        emit = harness.emit
        harness.emit = lambda event: fail() if isinstance(event, type_) else emit(event)

    return inject


def break_context(harness: RunHarness) -> None:
    assert harness.manager._context
    harness.manager._context.publish = fail  # type: ignore[method-assign]


def break_release(harness: RunHarness) -> None:
    release = harness.cluster.release
    harness.cluster.release = lambda: fail(release())  # type: ignore[method-assign]


FAULTS: dict[str, Callable[[RunHarness], None]] = {
    "publish": break_context,
    "emit of the run": break_events(RunUpdated),
    "emit of the runs": break_events(RunHistoryUpdated),
    "emit of the lease": break_events(LeaseChanged),
    "audit": lambda harness: setattr(harness, "audit", fail),
    "load": lambda harness: setattr(harness.cluster, "load", fail),
    "save": lambda harness: setattr(harness.cluster, "save", fail),
    "release": break_release,
    "renew": lambda harness: setattr(harness.cluster, "renew", fail),
    "cleanup": lambda harness: setattr(harness.writers[-1], "stop", fail),
    "verdict": lambda harness: setattr(harness.writers[-1].ledger, "operations", fail),
}


@pytest.mark.parametrize("step", ["warmup", "after"])
@pytest.mark.parametrize("fault", FAULTS)
def test_failure_at_the_end_of_a_run_does_not_block_the_next_run(harness: RunHarness, fault: str, step: str) -> None:
    emit, audit = harness.emit, harness.audit
    injected: list[str] = []
    harness.during_step(step, lambda: injected.append(fault) or FAULTS[fault](harness))
    harness.manager.start("persistence", {}, "operator")
    assert injected and harness.manager._activity.idle.is_set() and harness.cluster.lease is None
    assert harness.manager.list()[0]["verdict"] in ("pass", "inconclusive")
    harness.emit, harness.audit = emit, audit
    for name in ("load", "save", "release", "renew"):
        vars(harness.cluster).pop(name, None)
    harness.clock.advance(10)
    assert harness.run("persistence")["verdict"] == "pass"
    assert_idle(harness)


@pytest.mark.parametrize("fault", ["emit of the runs", "emit of the lease", "audit"])
def test_failure_at_the_start_of_a_run_releases_the_lease(harness: RunHarness, fault: str) -> None:
    emit, audit = harness.emit, harness.audit
    FAULTS[fault](harness)
    with pytest.raises(RuntimeError):
        harness.manager.start("persistence", {}, "operator")
    harness.emit, harness.audit = emit, audit
    assert harness.cluster.lease is None
    assert harness.manager.list() == []
    assert harness.run("persistence")["verdict"] == "pass"


def test_run_without_a_thread_releases_the_lease(harness: RunHarness) -> None:
    spawn, harness.spawn = harness.spawn, lambda name, work: None if name == "lease" else fail()
    with pytest.raises(RuntimeError):
        harness.manager.start("persistence", {}, "operator")
    assert_idle(harness)
    assert harness.manager.list() == []
    harness.spawn = spawn
    assert harness.run("persistence")["verdict"] == "pass"


def test_bug_in_the_renewal_ends_the_run_like_an_unreachable_api_server(harness: RunHarness) -> None:
    harness.during_step("steady", lambda: setattr(harness.cluster, "renew", fail))
    run = harness.run("autoscale")
    assert run["verdict"] == "inconclusive" and "a bug" in run["reason"]


def test_abort_that_cannot_be_audited_ends_the_run(harness: RunHarness) -> None:
    def abort() -> None:
        audit, harness.audit = harness.audit, fail
        with pytest.raises(RuntimeError):
            harness.manager.abort(harness.manager.list()[0]["id"], "viewer")
        harness.audit = audit

    harness.during_step("outage", abort)
    assert "viewer" in harness.run("persistence")["reason"]


def test_verdict_that_could_not_be_saved_is_saved_by_the_next_sync(harness: RunHarness) -> None:
    harness.manager._archive.sync()
    harness.during_step("after", lambda: harness.cluster.errors.update(save=ExternalError("No answer.")))
    run = harness.run("persistence")
    assert harness.cluster.history[0]["verdict"] == "running"
    with pytest.raises(ExternalError):
        harness.manager._archive.sync()
    harness.cluster.errors.clear()
    harness.manager._archive.sync()
    assert harness.cluster.history == [run] == [harness.manager.get(run["id"])]
    assert not [line for line in harness.audited if line[2].startswith("aborted")]
    saves = len(harness.cluster.saves)
    harness.manager._archive.sync()
    assert len(harness.cluster.saves) == saves


def test_sync_whose_event_could_not_be_emitted_is_repeated(harness: RunHarness) -> None:
    emit, harness.emit = harness.emit, fail
    harness.cluster.lease = LeaseHolder("other", "run-1", "")
    with pytest.raises(RuntimeError):
        harness.manager._archive.sync()
    harness.emit = emit
    harness.manager._archive.sync()
    assert leases(harness) == [{"holder": "other", "run": "run-1", "since": ""}]


# Invalid entries of the history


def test_invalid_entries_are_skipped_and_audited_once(harness: RunHarness) -> None:
    harness.cluster.history = [*INVALID_RUNS, RUN]
    harness.manager._archive.sync()
    assert harness.manager.list() == [summary(RUN, DEMOS.get(RUN["demo"]))]
    assert harness.manager.get("run-9") == RUN
    run = harness.run("persistence")
    assert [row["id"] for row in harness.manager.list()] == [run["id"], "run-9"]
    (line,) = [line for line in harness.audited if line[1] == "read the history of runs"]
    assert line[0] == "dashboard" and str(len(INVALID_RUNS)) in line[2]


def test_minimal_run_can_be_orphaned_trimmed_and_reported(app: Flask) -> None:
    minimal = {name: RUN[name] for name in ("id", "demo", "verdict", "started")} | {"verdict": "running"}
    harness = RunHarness()
    harness.cluster.history = [minimal]
    harness.manager._archive.sync()
    aborted = harness.manager.get("run-9")
    assert aborted["verdict"] == "inconclusive"
    assert orphaned(minimal, RUN["ended"])["steps"] == []
    assert trimmed([minimal], DEMOS, most=10) == []
    tables = MetricsTables().since(0)["tables"]
    with app.app_context():
        for run in (minimal, aborted, minimal | {"demo": "another", "evidence": {"mode": ["x"], "before": {}}}):
            assert "run-9" in Report(run, tables, "flask-mongodb", "kind", None).as_html()


# The lease of a dashboard that died


def test_syncs_detect_that_another_dashboard_died(harness: RunHarness, clients: Callable[[float], KubeClient]) -> None:
    def lease_of(holder: str, clock: Callable[[], float]) -> KubeLease:
        return KubeLease(clients, "flask-mongodb", holder, clock, harness.clock.monotonic)

    dead = lease_of("other", lambda: 4_000_000_000.0)  # by a clock that is decades ahead
    dead.acquire("persistence-9", 20)
    harness.cluster.history = [RUN | {"id": "persistence-9", "verdict": "running"}]
    ours = lease_of(HOLDER, lambda: 1_000_000_000.0)
    for name in ("acquire", "renew", "release", "holder"):
        setattr(harness.cluster, name, getattr(ours, name))
    harness.clock.advance(1000)
    for _ in range(4):
        harness.manager._archive.sync()
        with pytest.raises(RunActive) as error:
            harness.manager.start("persistence", {}, "operator")
        assert (error.value.holder, error.value.run) == ("other", "persistence-9")
        harness.clock.advance(5.1)
    assert harness.manager.get("persistence-9")["verdict"] == "running"
    harness.manager._archive.sync()
    assert harness.manager.get("persistence-9")["verdict"] == "inconclusive"
    assert leases(harness)[-1] is None
    assert harness.run("persistence")["verdict"] == "pass"
    with pytest.raises(LeaseLost):
        dead.renew()
