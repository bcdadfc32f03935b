"""Whole runs, in virtual time: both demos to their verdicts, whatever may break them off, and one at a time."""

import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from dashboard.clock import Clock
from dashboard.core.errors import ExternalError, InvalidOption, NotFound
from dashboard.kube.lease import LeaseHolder
from dashboard.load.options import LoadBusy, LoadOptions
from dashboard.runs.manager import in_thread
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.records.archive import UnknownRun
from dashboard.runs.turn import RunActive
from tests.dashboard.runs.world import Scene, Writers

PERSISTENCE = ("preflight", "warmup", "kill", "outage", "after", "readback")
AUTOSCALE = ("preflight", "settle", "load", "steady", "unload")

Json = dict[str, Any]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def states(run: Json) -> dict[str, str]:
    return {step["id"]: step["state"] for step in run["steps"]}


def told(scene: Scene, name: str) -> list[Any]:
    return [told for _, told in scene.told if type(told).__name__ == name]


def over(scene: Scene, run: Json) -> None:
    """Whatever happened: nothing goes on, the lease is free, all of it is remembered."""
    assert run["verdict"] in ("pass", "fail", "inconclusive")
    assert run["line"] and run["ended"] and (run["reason"] or run["verdict"] == "pass")
    assert not scene.load.running()
    assert not any(writers.writing for writers in scene.writers)
    assert scene.cluster.lease is None
    assert told(scene, "LeaseChanged")[-1].lease is None
    assert told(scene, "RunUpdated")[-1].run == run
    assert scene.cluster.history[0] == run
    assert told(scene, "RunHistoryUpdated")[-1].runs[0]["verdict"] == run["verdict"]
    assert "running" not in states(run).values() and "waiting" not in states(run).values()


# Persistence


def test_graceful_run_passes(scene: Scene) -> None:
    run = scene.run("persistence")
    over(scene, run)
    assert (run["verdict"], run["reason"]) == ("pass", None)
    assert set(states(run).values()) == {"done"}
    evidence = run["evidence"]
    assert evidence["pod"] == {"before": "uid-1", "after": "uid-2"}
    assert (evidence["lost"], evidence["unknown"], evidence["volume"]) == (0, 0, "same")
    assert evidence["attempted"] == evidence["acked"] > 1000
    assert evidence["down"] == pytest.approx(3, abs=0.2)
    assert evidence["ready"] == pytest.approx(5, abs=0.6)
    assert evidence["longest_write"] == pytest.approx(2.5, abs=0.2)
    assert evidence["in_flight"] == 8
    assert scene.cluster.kills == [("graceful", "uid-1")]
    assert run["line"].startswith("persistence PASS mode=graceful attempted=")


def test_crash_run_passes_with_a_new_container_in_the_same_pod(scene: Scene) -> None:
    run = scene.run("persistence", mode="crash")
    over(scene, run)
    assert run["verdict"] == "pass"
    assert run["evidence"]["container"] == {"before": "container-1", "after": "container-2"}
    assert run["evidence"]["pod"] == {"before": "uid-1", "after": "uid-1"}
    assert scene.cluster.kills == [("crash", "uid-1")]
    assert " container=containe→containe volume=same " in run["line"]


def test_writers_go_on_through_the_outage_and_ten_seconds_after(scene: Scene) -> None:
    scene.cluster.back_seconds = 20
    run = scene.run("persistence")
    assert run["verdict"] == "pass"
    assert run["evidence"]["down"] == pytest.approx(20, abs=0.2)
    assert run["evidence"]["acked_after"] > 1000
    steps = {step["id"]: step for step in run["steps"]}
    assert steps["after"]["started"] < steps["after"]["ended"]


def test_loss_fails_the_run_although_writes_survived_the_outage(scene: Scene) -> None:
    def lose() -> None:
        for id_ in list(scene.cluster.stored)[-14:]:
            del scene.cluster.stored[id_]

    scene.cluster.on_kill = lose
    run = scene.run("persistence", mode="crash")
    over(scene, run)
    assert (run["verdict"], run["evidence"]["lost"]) == ("fail", 14)
    assert run["evidence"]["lost_ids"]
    assert run["line"].startswith("persistence FAIL mode=crash ")


def test_database_that_comes_back_empty_on_no_volume_fails() -> None:
    scene = Scene(claim=None)
    scene.cluster.on_kill = scene.cluster.stored.clear
    run = scene.run("persistence")
    over(scene, run)
    assert (run["verdict"], run["evidence"]["volume"]) == ("fail", "none")
    assert run["evidence"]["lost"] >= run["evidence"]["acked_before"] >= 500


def test_another_payload_than_was_written_fails(scene: Scene) -> None:
    def spoil() -> None:
        first = next(iter(scene.cluster.stored))
        scene.cluster.stored[first] = (scene.cluster.stored[first][0], "0" * 64)

    scene.cluster.on_kill = spoil
    run = scene.run("persistence")
    assert (run["verdict"], run["evidence"]["corrupt"]) == ("fail", 1)


def test_pages_of_the_service_count_as_much_as_the_database(scene: Scene) -> None:
    scene.dress = lambda writers: setattr(writers, "read", lambda cancelled: {})
    run = scene.run("persistence")
    assert run["verdict"] == "fail"
    assert run["evidence"]["lost"] == run["evidence"]["acked"]


@pytest.mark.parametrize("where", ["reader", "writers"])
def test_failed_read_back_is_inconclusive(scene: Scene, where: str) -> None:
    trouble = ExternalError("The documents could not be read.")
    if where == "reader":
        scene.reader.trouble = trouble
    else:
        scene.dress = lambda writers: setattr(writers, "trouble", trouble)
    run = scene.run("persistence")
    over(scene, run)
    assert (run["verdict"], run["reason"]) == ("inconclusive", "The documents could not be read.")
    assert run["evidence"]["lost"] == 0


def test_read_that_fails_for_a_while_is_made_again(scene: Scene) -> None:
    scene.reader.trouble = ExternalError("No primary.")
    scene.in_step("readback", lambda: setattr(scene.reader, "trouble", None), after=10)
    assert scene.run("persistence")["verdict"] == "pass"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda scene: setattr(scene.scaler, "mongo", {"state": "down"}), "MongoDB does not answer"),
        (lambda scene: setattr(scene.scaler, "mongo", None), "MongoDB does not answer"),
        (lambda scene: setattr(scene.cluster, "there", None), "There is no pod mongodb-0 now."),
        (lambda scene: setattr(scene.cluster, "process", None), "No primary answers"),
        (lambda scene: scene.cluster.troubles.update(claim=NotFound("There is no claim now.")), "no claim"),
    ],
)
def test_pre_flight_check_that_fails_starts_nothing_and_says_why(scene: Scene, spoil: Any, words: str) -> None:
    spoil(scene)
    run = scene.run("persistence")
    over(scene, run)
    assert run["verdict"] == "inconclusive"
    assert words in run["reason"]
    assert states(run)["warmup"] == "skipped"
    assert scene.cluster.kills == []
    assert run["evidence"]["attempted"] == 0


def test_pod_that_is_not_ready_or_a_claim_that_is_not_bound_is_refused(scene: Scene) -> None:
    assert scene.cluster.there
    scene.cluster.there = replace(scene.cluster.there, ready=False)
    assert scene.run("persistence")["reason"] == "The pod mongodb-0 is not Ready."
    scene.cluster.there = replace(scene.cluster.there, ready=True)
    scene.cluster.volume = replace(scene.cluster.volume, phase="Pending", volume=None)
    assert "is Pending" in scene.run("persistence")["reason"]


def test_leftovers_of_a_restart_are_waited_for(scene: Scene) -> None:
    scene.scaler.mongo = {"state": "down"}
    scene.in_step("preflight", lambda: setattr(scene.scaler, "mongo", {"state": "up"}), after=20)
    run = scene.run("persistence")
    assert run["verdict"] == "pass"
    assert scene.cluster.kills != []


def test_reason_of_a_thin_run_has_the_writers_answers(scene: Scene) -> None:
    def refuse(writers: Writers) -> None:
        writers.every = 0.2
        writers.ledger.attempt("refused", "", 0.0)
        writers.ledger.fail("refused", 0.0, "The service answered 500: not authorized.")

    scene.dress = refuse
    run = scene.run("persistence")
    assert (run["verdict"], run["evidence"]["failed"]) == ("inconclusive", 1)
    assert "answered 500: not authorized" in run["reason"]


def test_reason_of_a_missing_database_names_what_its_pod_waits_for(scene: Scene) -> None:
    scene.cluster.stays_down = True
    about = {"uid": "uid-2", "app": "mongodb", "ready": False, "phase": "Running", "requests_per_second": None}
    scene.scaler.others = [about | {"name": "mongodb-0", "reason": "CrashLoopBackOff", "restarts": 7}]
    run = scene.run("persistence")
    assert run["verdict"] == "inconclusive" and "mongodb-0: CrashLoopBackOff, restarted 7 times." in run["reason"]


def test_thin_traffic_kills_nothing_and_is_inconclusive(scene: Scene) -> None:
    scene.dress = lambda writers: setattr(writers, "every", 0.2)
    run = scene.run("persistence")
    over(scene, run)
    assert run["verdict"] == "inconclusive"
    assert run["reason"].startswith("Too thin")
    assert scene.cluster.kills == []


def test_writers_that_stop_before_the_kill_make_it_inconclusive(scene: Scene) -> None:
    def stop_before(name: str, uid: str, mode: str) -> None:
        scene.writers[-1].writing = False
        kill(name, uid, mode)

    kill, scene.cluster.kill = scene.cluster.kill, stop_before  # type: ignore[method-assign]
    run = scene.run("persistence", mode="crash")
    over(scene, run)
    assert run["verdict"] == "inconclusive"
    assert "Too thin afterwards" in run["reason"] and "No write was under way" in run["reason"]


def test_pod_that_is_not_replaced_makes_it_inconclusive(scene: Scene) -> None:
    scene.cluster.ignores = True
    run = scene.run("persistence")
    over(scene, run)
    assert (run["verdict"], run["reason"]) == ("inconclusive", "No new mongod answered within 120 s.")


def test_database_that_stays_away_makes_it_inconclusive(scene: Scene) -> None:
    scene.cluster.stays_down = True
    run = scene.run("persistence", mode="crash")
    over(scene, run)
    assert "No new mongod answered" in run["reason"]


def test_last_write_that_fails_makes_it_inconclusive(scene: Scene) -> None:
    scene.dress = lambda writers: setattr(writers, "refuses_last", True)
    run = scene.run("persistence")
    assert (run["verdict"], run["reason"]) == ("inconclusive", "The last write was not acknowledged.")
    assert run["evidence"]["failed"] == 1


def test_kill_that_is_refused_makes_it_inconclusive_and_is_audited(scene: Scene) -> None:
    scene.cluster.troubles["kill"] = ExternalError("Crash mode is not installed here.")
    run = scene.run("persistence", mode="crash")
    over(scene, run)
    assert (run["verdict"], run["reason"]) == ("inconclusive", "Crash mode is not installed here.")
    assert ("restart mongodb-0 (crash)", "failed: Crash mode is not installed here.") in [
        (action, outcome) for _, action, outcome, *_ in scene.audited
    ]


# Whatever may break a run off


@pytest.mark.parametrize(
    ("demo", "step"), [*(("persistence", step) for step in PERSISTENCE), *(("autoscale", step) for step in AUTOSCALE)]
)
def test_abort_ends_it_in_every_step(demo: str, step: str) -> None:
    scene = Scene()
    abort = lambda: scene.manager.abort(scene.current()["id"], "viewer")  # type: ignore[index]  # noqa: E731
    scene.dress = lambda writers: _abort_while_reading(writers, abort, step)
    scene.cluster.renew = _abort_while_renewing(scene, abort, step)  # type: ignore[method-assign]
    if step in ("preflight",):
        scene.cluster.save = _abort_while_saving(scene, abort)  # type: ignore[method-assign]
    elif step not in ("kill", "readback"):
        scene.in_step(step, abort, after=0.5)
    run = scene.run(demo)
    over(scene, run)
    assert (run["verdict"], run["reason"]) == ("inconclusive", "Aborted by viewer.")
    assert ("viewer", f"abort {run['id']}", "asked") in [line[:3] for line in scene.audited]
    if demo == "persistence":
        assert bool(scene.cluster.kills) == (step in ("outage", "after", "readback"))


def _abort_while_reading(writers: Writers, abort: Any, step: str) -> None:
    if step == "readback":
        read = writers.read
        writers.read = lambda cancelled: (abort(), read(cancelled))[1]  # type: ignore[method-assign]


def _abort_while_renewing(scene: Scene, abort: Any, step: str) -> Any:
    renew = scene.cluster.renew

    def renewing() -> None:
        if step == "kill" and scene._step() == "kill":
            abort()
        renew()

    return renewing


def _abort_while_saving(scene: Scene, abort: Any) -> Any:
    save = scene.cluster.save

    def saving(runs: Any) -> None:
        scene.cluster.save = save  # type: ignore[method-assign]
        save(runs)
        abort()

    return saving


@pytest.mark.parametrize("step", ["warmup", "outage"])
def test_lost_lease_ends_the_run(scene: Scene, step: str) -> None:
    scene.cluster.back_seconds = 30
    scene.in_step(step, lambda: setattr(scene.cluster, "lease", LeaseHolder("other", "theirs", "")))
    run = scene.run("persistence")
    assert (run["verdict"], run["reason"]) == ("inconclusive", "The lease is another dashboard's by now.")
    assert not scene.writers[-1].writing
    assert scene.cluster.lease == LeaseHolder("other", "theirs", "")


def test_lease_is_asked_for_once_more_right_before_the_kill(scene: Scene) -> None:
    taken = LeaseHolder("other", "theirs", "")
    process = scene.reader.process

    def looking() -> str | None:
        if scene.writers and scene.writers[-1].ledger.counts()["acked"] >= 500:
            scene.cluster.lease = taken  # after the last renewal
        return process()

    scene.reader.process = looking  # type: ignore[method-assign]
    run = scene.run("persistence")
    assert (run["verdict"], scene.cluster.kills) == ("inconclusive", [])
    assert states(run)["kill"] == "failed"


def test_before_a_kill_the_lease_must_be_known_to_be_held(scene: Scene) -> None:
    scene.in_step("warmup", lambda: scene.cluster.troubles.update(renew=ExternalError("No answer.")))
    run = scene.run("persistence")
    assert scene.cluster.kills == []
    assert "No answer." in run["reason"]


def test_lease_that_cant_be_renewed_for_long_ends_the_run_and_its_load(scene: Scene) -> None:
    scene.in_step("steady", lambda: scene.cluster.troubles.update(renew=ExternalError("No answer.")))
    run = scene.run("autoscale")
    over(scene, run)
    assert run["reason"] == "The lease could not be renewed: No answer."


def test_lease_that_cant_be_renewed_for_a_moment_is_kept(scene: Scene) -> None:
    scene.in_step("steady", lambda: scene.cluster.troubles.update(renew=ExternalError("No answer.")))
    scene.in_step("steady", scene.cluster.troubles.clear, after=9)
    assert scene.run("autoscale")["verdict"] == "pass"


def test_lease_is_renewed_all_along(scene: Scene) -> None:
    began = scene.world.time
    scene.run("autoscale")
    assert scene.cluster.renewals >= (scene.world.time - began) / 5 - 1


def test_dashboard_that_goes_down_aborts_its_run(scene: Scene) -> None:
    def go_down() -> None:
        scene.manager._context.cancel("Aborted: the dashboard is going down.")  # type: ignore[union-attr]

    scene.in_step("load", go_down, after=5)
    run = scene.run("autoscale")
    over(scene, run)
    assert (run["verdict"], run["reason"]) == ("inconclusive", "Aborted: the dashboard is going down.")
    scene.manager.end()
    with pytest.raises(RunActive):
        scene.manager.start("autoscale", {}, "operator")


def test_with_threads_and_a_real_clock_it_ends_when_it_is_told_to(scene: Scene) -> None:
    scene.scaler.metrics = False  # it waits for figures
    manager = scene.managed(Clock(), in_thread)
    before = threading.active_count()
    manager.begin()
    run_id = manager.start("autoscale", {}, "operator")
    assert manager.get(run_id)["verdict"] == "running"
    with pytest.raises(RunActive):
        manager.start("autoscale", {}, "operator")
    manager.end()
    over(scene, manager.get(run_id))
    assert manager.get(run_id)["reason"] == "Aborted: the dashboard is going down."
    until = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_defect_ends_the_run_and_leaves_nothing_behind(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.in_step("steady", lambda: setattr(scene.scaler, "view", lambda: {}), after=3)
    run = scene.run("autoscale")
    over(scene, run)
    assert (run["verdict"], run["reason"]) == (
        "inconclusive",
        "The dashboard failed during the run: KeyError.",
    )
    assert run["id"] in caplog.text


def test_run_that_cant_be_judged_is_over_all_the_same(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.dress = lambda writers: setattr(writers.ledger, "longest", lambda: "?")
    run = scene.run("persistence")
    over(scene, run)
    assert (run["verdict"], run["line"]) == ("inconclusive", "persistence INCONCLUSIVE")
    assert "could not be decided" in caplog.text


def test_abort_while_the_load_is_tested_is_told_as_an_abort(scene: Scene) -> None:
    def start(options: LoadOptions, by: str, test_rate: float | None = None) -> None:
        scene.manager.abort(scene.manager.list()[0]["id"], "viewer")
        raise ExternalError("The load was stopped before it began.")

    scene.load.start = start  # type: ignore[method-assign]
    run = scene.run("autoscale", rate=300)
    over(scene, run)
    assert run["reason"] == "Aborted by viewer."


def test_history_that_cant_be_saved_keeps_no_run_from_its_verdict(scene: Scene) -> None:
    scene.cluster.troubles["save"] = ExternalError("The ConfigMap is not there.")
    run = scene.run("persistence")
    assert run["verdict"] == "pass"
    assert any("could not be saved" in entry["text"] for entry in run["timeline"])
    assert scene.manager.get(run["id"]) == run


# What is told


def test_run_is_told_as_it_changes_but_not_more_than_five_times_a_second(scene: Scene) -> None:
    scene.run("persistence")
    moments = [at for at, each in scene.told if type(each).__name__ == "RunUpdated"]
    gaps = [after - before for before, after in pairwise(moments[:-1])]  # the last word waits for nothing
    assert min(gaps) >= 0.2 - 0.051  # the clock's own step
    seen = {
        step["id"] for each in told(scene, "RunUpdated") for step in each.run["steps"] if step["state"] == "running"
    }
    assert seen >= {"warmup", "outage", "after"}


def test_figures_so_far_are_told_too(scene: Scene) -> None:
    scene.run("persistence")
    acked = [each.run["evidence"]["acked"] for each in told(scene, "RunUpdated") if each.run["evidence"]]
    assert acked == sorted(acked) and len(set(acked)) > 10


def test_run_is_saved_as_running_before_anything_is_killed(scene: Scene) -> None:
    run = scene.run("persistence")
    first, last = scene.cluster.saved[0], scene.cluster.saved[-1]
    assert (first[0]["id"], first[0]["verdict"]) == (run["id"], "running")
    assert last[0] == run


def test_actions_are_audited_and_marked_on_the_charts(scene: Scene) -> None:
    run = scene.run("persistence")
    pod = {"kind": "Pod", "name": "mongodb-0", "uid": "uid-1"}
    assert scene.audited[0][:3] == ("operator", f"run {run['id']} mode=graceful", "started")
    assert ("operator", "restart mongodb-0 (graceful)", "done", pod, "kill") in scene.audited
    assert scene.audited[-1][:3] == ("operator", f"run {run['id']}", run["line"])


def test_lease_is_told_while_it_is_held(scene: Scene) -> None:
    run = scene.run("persistence")
    first, last = told(scene, "LeaseChanged")
    assert (first.lease["holder"], first.lease["run"], last.lease) == ("me", run["id"], None)


def test_runs_are_listed_newest_first_and_found_by_their_id(scene: Scene) -> None:
    first = scene.run("persistence")
    second = scene.run("persistence", mode="crash")
    assert [run["id"] for run in scene.manager.list()] == [second["id"], first["id"]]
    assert scene.manager.get(first["id"]) == first
    with pytest.raises(UnknownRun):
        scene.manager.get("persistence-0")


def test_run_that_goes_is_listed_too(scene: Scene) -> None:
    found: list[Any] = []
    scene.in_step("outage", lambda: found.append((scene.manager.list(), scene.manager.get(scene.current()["id"]))))  # type: ignore[index]
    scene.run("persistence")
    listed, whole = found[0]
    assert [run["verdict"] for run in listed] == ["running"] == [whole["verdict"]]


# One at a time


def test_second_run_is_refused_with_the_holder(scene: Scene) -> None:
    refused: list[RunActive] = []

    def press_again() -> None:
        with pytest.raises(RunActive) as caught:
            scene.manager.start("autoscale", {}, "another operator")
        refused.append(caught.value)

    scene.in_step("warmup", press_again)
    run = scene.run("persistence")
    assert run["verdict"] == "pass"
    assert (refused[0].holder, refused[0].run) == ("me", run["id"])
    assert len(scene.manager.list()) == 1


def test_two_simultaneous_starts_make_one_run() -> None:
    scene = Scene()
    scene.spawn = lambda name, work: None  # it never comes to an end
    barrier, outcomes = threading.Barrier(8), []

    def press() -> None:
        barrier.wait()
        try:
            outcomes.append(scene.manager.start("persistence", {}, "operator"))
        except RunActive as error:
            outcomes.append(error)

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([each for each in outcomes if isinstance(each, str)]) == 1
    assert len(scene.manager.list()) == 1


def test_run_of_another_dashboard_is_respected(scene: Scene) -> None:
    scene.cluster.lease = LeaseHolder("other", "autoscale-7", "2026-11-25T04:00:00Z")
    with pytest.raises(RunActive) as caught:
        scene.manager.start("persistence", {}, "operator")
    assert (caught.value.holder, caught.value.run) == ("other", "autoscale-7")
    with pytest.raises(RunActive):
        scene.manager.restart_mongo("uid-1", "graceful", "operator")
    with pytest.raises(RunActive):
        scene.manager.load(LoadOptions(rate=10, duration=10), "operator")
    assert scene.cluster.kills == [] and scene.load.started == []
    scene.cluster.lease = None
    assert scene.run("persistence")["verdict"] == "pass"


def test_lease_that_cant_be_asked_for_starts_nothing_and_holds_up_nothing(scene: Scene) -> None:
    scene.cluster.troubles["acquire"] = ExternalError("The API server can't be reached.")
    with pytest.raises(ExternalError, match="can't be reached"):
        scene.manager.start("persistence", {}, "operator")
    scene.cluster.troubles.clear()
    assert scene.run("persistence")["verdict"] == "pass"


@pytest.mark.parametrize(
    ("demo", "options"), [("chaos", {}), ("persistence", {"mode": "nuke"}), ("autoscale", {"rate": -1})]
)
def test_bad_option_starts_nothing(scene: Scene, demo: str, options: Json) -> None:
    with pytest.raises(InvalidOption):
        scene.manager.start(demo, options, "operator")
    assert scene.cluster.lease is None and scene.told == []


def test_abort_of_a_run_that_is_over_does_nothing_and_of_none_is_unknown(scene: Scene) -> None:
    run = scene.run("persistence")
    scene.manager.abort(run["id"], "operator")
    assert scene.manager.get(run["id"]) == run
    with pytest.raises(UnknownRun):
        scene.manager.abort("persistence-0", "operator")


# Orphans


def running(scene: Scene, id_: str) -> Json:
    """A run as its dashboard saved it at its beginning."""
    run = scene.run("persistence")
    return run | {"id": id_, "verdict": "running", "line": None, "reason": None, "ended": None}


def test_run_whose_dashboard_died_is_marked_aborted_at_the_next_start() -> None:
    orphan = running(Scene(), "persistence-9")
    scene = Scene()
    scene.cluster.history = [orphan]
    scene.manager._archive.sync()
    found = scene.manager.get("persistence-9")
    assert found["verdict"] == "inconclusive"
    assert found["reason"] == "Aborted: the dashboard that ran it is gone."
    assert scene.cluster.history == [found]
    assert told(scene, "RunHistoryUpdated")[-1].runs[0]["verdict"] == "inconclusive"
    assert told(scene, "LeaseChanged")[-1].lease is None
    assert scene.run("persistence")["verdict"] == "pass"
    assert [run["id"] for run in scene.manager.list()][1] == "persistence-9"


def test_run_of_a_dashboard_that_lives_is_left_alone_until_it_ends() -> None:
    theirs = running(Scene(), "persistence-9")
    scene = Scene()
    scene.cluster.history = [theirs]
    scene.cluster.lease = LeaseHolder("other", "persistence-9", "2026-11-25T04:00:00Z")
    scene.manager._archive.sync()
    assert scene.manager.get("persistence-9")["verdict"] == "running"
    assert scene.cluster.saved == []
    assert told(scene, "LeaseChanged")[-1].lease["holder"] == "other"
    with pytest.raises(RunActive) as caught:
        scene.manager.abort("persistence-9", "operator")
    assert caught.value.holder == "other"
    scene.cluster.history = [theirs | {"verdict": "pass"}]
    scene.cluster.lease = None
    scene.manager._archive.sync()
    assert scene.manager.get("persistence-9")["verdict"] == "pass"
    assert told(scene, "LeaseChanged")[-1].lease is None


def test_run_that_ends_just_while_the_history_is_read_is_no_orphan() -> None:
    theirs = running(Scene(), "persistence-9")
    scene = Scene()
    scene.cluster.history = [theirs]
    holder = scene.cluster.holder

    def ended_meanwhile() -> LeaseHolder | None:
        scene.cluster.history = [theirs | {"verdict": "pass"}]
        return holder()

    scene.cluster.holder = ended_meanwhile  # type: ignore[method-assign]
    scene.manager._archive.sync()
    assert scene.manager.get("persistence-9")["verdict"] == "pass"


def test_lease_of_this_dashboards_own_former_life_is_given_back() -> None:
    orphan = running(Scene(), "persistence-9")
    scene = Scene()
    scene.cluster.history = [orphan]
    scene.cluster.lease = LeaseHolder("me", "persistence-9", "2026-11-25T04:00:00Z")
    scene.manager._archive.sync()
    assert scene.manager.get("persistence-9")["verdict"] == "inconclusive"
    assert scene.run("persistence")["verdict"] == "pass"


def test_while_nothing_changes_the_history_is_not_read_again(scene: Scene) -> None:
    scene.manager._archive.sync()
    scene.cluster.troubles["load"] = ExternalError("Not asked for.")
    scene.manager._archive.sync()
    assert len(told(scene, "LeaseChanged")) == 1


# Outside of runs


def test_restart_deletes_the_pod_that_was_meant(scene: Scene) -> None:
    scene.manager.restart_mongo("uid-1", "graceful", "operator")
    assert scene.cluster.kills == [("graceful", "uid-1")]
    assert scene.cluster.lease is None
    pod = {"kind": "Pod", "name": "mongodb-0", "uid": "uid-1"}
    assert scene.audited == [("operator", "restart mongodb-0 (graceful)", "done", pod, "kill")]


@pytest.mark.parametrize("mode", ["graceful", "crash"])
def test_double_click_kills_once(scene: Scene, mode: str) -> None:
    scene.manager.restart_mongo("uid-1", mode, "operator")
    with pytest.raises(UidNotCurrent, match="being restarted already"):
        scene.manager.restart_mongo("uid-1", mode, "operator")
    scene.world.wait(threading.Event(), 10)
    if mode == "graceful":
        with pytest.raises(UidNotCurrent) as caught:
            scene.manager.restart_mongo("uid-1", mode, "operator")
        assert caught.value.uid == "uid-2"
    assert scene.cluster.kills == [(mode, "uid-1")]


def test_container_that_is_new_may_be_crashed_again(scene: Scene) -> None:
    scene.manager.restart_mongo("uid-1", "crash", "operator")
    scene.world.wait(threading.Event(), 10)
    scene.manager.restart_mongo("uid-1", "crash", "operator")
    assert len(scene.cluster.kills) == 2


def test_restart_is_refused_of_another_uid_or_mode_or_no_pod(scene: Scene) -> None:
    with pytest.raises(UidNotCurrent) as caught:
        scene.manager.restart_mongo("uid-0", "graceful", "operator")
    assert caught.value.uid == "uid-1"
    with pytest.raises(InvalidOption, match="graceful or crash"):
        scene.manager.restart_mongo("uid-1", "nuke", "operator")
    scene.cluster.there = None
    with pytest.raises(UidNotCurrent) as caught:
        scene.manager.restart_mongo("uid-1", "graceful", "operator")
    assert caught.value.uid is None
    assert scene.cluster.kills == [] and scene.cluster.lease is None


def test_restart_and_a_load_are_refused_while_a_run_goes(scene: Scene) -> None:
    refused: list[str] = []

    def try_all() -> None:
        for deed in (
            lambda: scene.manager.restart_mongo("uid-1", "graceful", "operator"),
            lambda: scene.manager.load(LoadOptions(rate=10, duration=10), "operator"),
            lambda: scene.manager.unload("operator"),
        ):
            with pytest.raises(RunActive) as caught:
                deed()
            refused.append(caught.value.holder)

    scene.in_step("load", try_all, after=2)
    assert scene.run("autoscale")["verdict"] == "pass"
    assert refused == ["me"] * 3
    assert scene.cluster.kills == []


def test_restart_that_fails_is_audited_and_may_be_tried_again(scene: Scene) -> None:
    scene.cluster.troubles["kill"] = ExternalError("The API server can't be reached.")
    with pytest.raises(ExternalError):
        scene.manager.restart_mongo("uid-1", "graceful", "operator")
    assert scene.audited[-1][2] == "failed: The API server can't be reached."
    scene.cluster.troubles.clear()
    scene.manager.restart_mongo("uid-1", "graceful", "operator")
    assert len(scene.cluster.kills) == 1


def test_load_outside_of_a_run_starts_stops_and_is_audited(scene: Scene) -> None:
    scene.manager.load(LoadOptions(rate=100, duration=60), "operator")
    with pytest.raises(LoadBusy):
        scene.manager.load(LoadOptions(rate=100, duration=60), "operator")
    scene.manager.unload("operator")
    assert not scene.load.running()
    assert [line[1:3] for line in scene.audited] == [("load 100/s for 60 s", "started"), ("load", "stopped")]
    scene.manager.unload("operator")
    assert len(scene.audited) == 2
