"""Rollout and self-healing runs on a simulated Deployment: healthy ones, interrupted ones, and broken ones."""

from collections.abc import Callable
from typing import Any

import pytest

from dashboard.core.errors import ExternalError, UidMismatch
from dashboard.core.events import SourceStatus
from dashboard.load.options import GeneratorUnfit, LoadOptions
from dashboard.mock.cluster.manifests import BEHAVIOR
from tests.dashboard.runs.demos.autoscale.simulation import SimulationOptions
from tests.dashboard.runs.harness import RunHarness

Json = dict[str, Any]
Configure = Callable[[RunHarness], None]

pytestmark = pytest.mark.slow  # whole runs: `make check` has the tests of the rules

STEP = 0.1  # seconds of the simulated time
DEMOS = ("rollout", "self-healing")


def new_harness(**options: Any) -> RunHarness:
    """Return a harness whose writers send 80 writes a second."""
    harness = RunHarness(step=STEP, **options)
    harness.configure_writers = lambda writers: setattr(writers, "interval", STEP)
    return harness


def run_demo(demo: str, configure: Configure = lambda harness: None, **options: Any) -> Json:
    """Run a demo, whose verdict must follow from its records. It may leave neither a load nor the lease."""
    harness = new_harness(**options)
    configure(harness)
    run = harness.run_and_recompute(demo)
    assert harness.cluster.lease is None and not harness.load.running()
    assert not any(writers.writing for writers in harness.writers)
    return run


def seen(run: Json) -> dict[str, bool]:
    return {each["what"]: each["seen"] for each in run["evidence"]["coverage"] if each["required"]}


def during(step: str, action: Callable[[RunHarness], object], after: float = 0.5) -> Configure:
    def configure(harness: RunHarness) -> None:
        def act() -> None:
            action(harness)

        harness.during_step(step, act, after)

    return configure


# Healthy deployments


@pytest.mark.parametrize("pods", [2, 3, 5])
def test_rollout_forward_and_back_passes(pods: int) -> None:
    run = run_demo("rollout", pods=pods, options=SimulationOptions(background=60.0 * pods))
    evidence = run["evidence"]
    assert run["verdict"] == "pass", run
    assert (evidence["failed"], evidence["lost"], evidence["excused"]) == (0, 0, 0)
    assert evidence["pods"] >= 2 and evidence["replaced"] >= 2 * evidence["pods"]
    assert [each["kind"] for each in evidence["disruptions"]] == ["restart", "undo"]
    assert evidence["restart"] > 0 and evidence["undo"] > 0 and evidence["gap"] < 1
    forward, back = evidence["disruptions"]
    assert not {*forward["old"]} & {*forward["new"]} and {*forward["new"]} == {*back["old"]}


def test_rollout_restarts_and_undoes_by_the_former_template() -> None:
    harness = new_harness()
    template = harness.service.template
    assert harness.run("rollout")["verdict"] == "pass"
    assert harness.service.calls == [("restart",), ("undo",)] and harness.service.template == template
    audited = [(action, outcome, about and about["kind"]) for _, action, outcome, about, _ in harness.audited]
    assert ("roll out flask", "done", "Deployment") in audited and ("roll back flask", "done", "Deployment") in audited


def test_self_healing_passes_and_names_the_new_pods() -> None:
    run = run_demo("self-healing")
    evidence = run["evidence"]
    assert run["verdict"] == "pass", run
    assert [each["kind"] for each in evidence["disruptions"]] == ["delete", "kill"]
    assert evidence["replaced"] == 2 and evidence["whole"] == max(evidence["delete"], evidence["kill"])
    for each in evidence["disruptions"]:
        assert each["new"] and not {*each["old"]} & {*each["new"]}
        assert each["least_ready"] >= 1


def test_self_healing_deletes_with_and_without_a_grace_period() -> None:
    harness = new_harness()
    assert harness.run("self-healing")["verdict"] == "pass"
    assert [call[2] for call in harness.service.calls] == ["None", "0"]


@pytest.mark.parametrize("demo", DEMOS)
def test_scale_up_meanwhile_is_no_failure(demo: str) -> None:
    step, after = ("undo", 7.0) if demo == "rollout" else ("kill", 2.0)
    run = run_demo(demo, during(step, lambda harness: harness.autoscaler.scale(4), after))
    assert run["verdict"] == "pass", run


def test_deletion_waits_for_a_scale_down_that_is_due_or_no_new_pod_would_come() -> None:
    behavior = BEHAVIOR | {"scaleDown": BEHAVIOR["scaleDown"] | {"stabilizationWindowSeconds": 30}}
    options = SimulationOptions(behavior=behavior, startup=20.0, background=150.0)

    def configure(harness: RunHarness) -> None:
        options.background = 0.0
        harness.clock.advance(30)  # half a minute before the scale-down

    run = run_demo("self-healing", configure, pods=3, options=options)
    assert run["verdict"] == "pass", run
    assert [len(each["new"]) for each in run["evidence"]["disruptions"]] == [1, 1]


@pytest.mark.parametrize("demo", DEMOS)
def test_run_waits_until_all_pods_are_ready(demo: str) -> None:
    run = run_demo(demo, lambda harness: harness.autoscaler.roll_out())
    assert run["verdict"] == "pass", run


@pytest.mark.parametrize("demo", DEMOS)
def test_run_waits_until_mongodb_answers(demo: str) -> None:
    def configure(harness: RunHarness) -> None:
        harness.autoscaler.mongo = {"state": "down"}
        harness.clock.after(1.5, lambda: setattr(harness.autoscaler, "mongo", {"state": "up"}))

    assert run_demo(demo, configure)["verdict"] == "pass"


@pytest.mark.parametrize("demo", DEMOS)
def test_run_without_mongodb_does_not_begin(demo: str) -> None:
    run = run_demo(demo, lambda harness: setattr(harness.autoscaler, "mongo", None))
    assert (run["verdict"], run["evidence"]["attempted"]) == ("inconclusive", 0) and "MongoDB" in run["reason"]


def test_pods_may_start_as_long_as_kubernetes_lets_them() -> None:
    def configure(harness: RunHarness) -> None:
        harness.service.progress_deadline = 600

    run = run_demo("self-healing", configure, options=SimulationOptions(startup=130.0))
    assert run["verdict"] == "pass" and run["evidence"]["whole"] > 130, run


def test_busy_generator_is_tried_again() -> None:
    def configure(harness: RunHarness) -> None:
        harness.load.error = GeneratorUnfit("It lags.")
        harness.during_step("warmup", lambda: setattr(harness.load, "error", None), 12.0)

    assert run_demo("rollout", configure)["verdict"] == "pass"


def test_lag_of_the_generator_alone_is_no_doubt() -> None:
    run = run_demo("rollout", lambda harness: setattr(harness.load, "lag_ms", 90.0))
    assert run["verdict"] == "pass" and run["evidence"]["lag_p99_ms"] == 90.0


# Broken ones


@pytest.mark.parametrize(("demo", "step"), [("rollout", "restart"), ("rollout", "undo"), ("self-healing", "delete")])
def test_failed_requests_fail_with_the_missing_hook_as_the_cause(demo: str, step: str) -> None:
    def configure(harness: RunHarness) -> None:
        harness.service.pre_stop = False
        during(step, lambda harness: harness.load.fail(3))(harness)

    run = run_demo(demo, configure)
    assert run["verdict"] == "fail" and run["evidence"]["failed"] == 3, run
    assert "preStop" in run["reason"] and "readiness" not in run["reason"]


def test_failed_requests_fail_with_the_missing_probe_as_the_cause() -> None:
    def configure(harness: RunHarness) -> None:
        harness.service.readiness = False
        during("restart", lambda harness: harness.load.fail(7))(harness)

    run = run_demo("rollout", configure)
    assert run["verdict"] == "fail" and "readiness probe" in run["reason"], run


@pytest.mark.parametrize("field", ["pre_stop", "readiness"])
@pytest.mark.parametrize("demo", DEMOS)
def test_pods_without_a_hook_or_probe_never_pass(demo: str, field: str) -> None:
    run = run_demo(demo, lambda harness: setattr(harness.service, field, False))
    assert run["verdict"] == "inconclusive", run
    assert {each["name"]: each["verdict"] for each in run["checks"]}["spec"] == "inconclusive"


@pytest.mark.parametrize("demo", DEMOS)
def test_one_replica_never_passes(demo: str) -> None:
    run = run_demo(demo, options=SimulationOptions(low=1, high=1))
    assert run["verdict"] == "inconclusive" and not seen(run)["pods Ready before each disruption"], run


def test_one_replica_whose_outage_fails_requests_is_named() -> None:
    configure = during("delete", lambda harness: harness.load.fail(20))
    run = run_demo("self-healing", configure, options=SimulationOptions(low=1, high=1))
    assert run["verdict"] == "fail" and "one pod only" in run["reason"], run


@pytest.mark.parametrize(("demo", "step"), [("rollout", "restart"), ("self-healing", "delete")])
def test_pods_that_never_become_ready_fail_with_their_reason(demo: str, step: str) -> None:
    def configure(harness: RunHarness) -> None:
        harness.autoscaler.new_pods = {"ready_at": None, "reason": "ImagePullBackOff"}

    run = run_demo(demo, configure)
    assert run["verdict"] == "fail" and "ImagePullBackOff" in run["reason"], run
    assert [each["kind"] for each in run["evidence"]["disruptions"]] == [step]


def test_pods_that_never_become_ready_fail_once_kubernetes_gives_them_up() -> None:
    def configure(harness: RunHarness) -> None:
        harness.service.progress_deadline = 150
        harness.autoscaler.new_pods = {"ready_at": None}
        harness.during_step("delete", lambda: not_over.append(harness.current_step()), after=149.0)

    not_over: list[str | None] = []
    assert run_demo("self-healing", configure)["verdict"] == "fail"
    assert not_over == ["delete"]


def test_quota_that_forbids_the_replacement_fails_with_its_name() -> None:
    configure = during("delete", lambda harness: setattr(harness.autoscaler, "quota", 1), after=0.0)
    run = run_demo("self-healing", configure)
    assert run["verdict"] == "fail" and "quota" in run["reason"], run


@pytest.mark.parametrize("demo", DEMOS)
def test_lost_documents_fail(demo: str) -> None:
    configure = during("after", lambda harness: harness.cluster.documents.pop(min(harness.cluster.documents)))
    run = run_demo(demo, configure)
    assert run["verdict"] == "fail" and run["evidence"]["lost"] == 1, run


def test_mongodb_that_was_away_is_named_as_the_cause() -> None:
    def go_away(harness: RunHarness) -> None:
        harness.autoscaler.mongo = {"state": "down"}
        harness.load.fail(40)
        harness.clock.after(6.0, lambda: setattr(harness.autoscaler, "mongo", {"state": "up"}))

    run = run_demo("rollout", during("restart", go_away))
    assert run["verdict"] == "fail" and "MongoDB" in run["reason"], run


# What is excused, and what is not


def test_failures_within_the_deadline_of_a_sudden_end_are_excused_and_counted() -> None:
    run = run_demo("self-healing", during("kill", lambda harness: harness.load.fail(4), after=3.0))
    assert run["verdict"] == "pass" and (run["evidence"]["failed"], run["evidence"]["excused"]) == (0, 4), run


def test_failures_after_the_deadline_of_a_sudden_end_fail() -> None:
    run = run_demo("self-healing", during("after", lambda harness: harness.load.fail(4), after=15.0))
    assert run["verdict"] == "fail" and run["evidence"]["failed"] == 4, run


def test_failures_before_the_first_disruption_are_a_doubt() -> None:
    run = run_demo("rollout", during("warmup", lambda harness: harness.load.fail(4)))
    assert run["verdict"] == "inconclusive" and run["evidence"]["failed"] == 0, run


def test_failures_of_a_lagging_generator_are_a_doubt() -> None:
    def configure(harness: RunHarness) -> None:
        harness.load.lag_ms = 90.0
        during("restart", lambda harness: harness.load.fail(4))(harness)

    run = run_demo("rollout", configure)
    assert run["verdict"] == "inconclusive" and run["evidence"]["failed"] == 4, run


# Thin evidence, and interruptions


@pytest.mark.parametrize(("demo", "step"), [("rollout", "restart"), ("self-healing", "kill")])
def test_disruption_without_an_effect_is_no_proof(demo: str, step: str) -> None:
    configure = during(step, lambda harness: setattr(harness.service, "changes", False), after=0.0)
    assert run_demo(demo, configure)["verdict"] != "pass"


def test_new_pods_that_no_request_reaches_are_no_proof() -> None:
    run = run_demo("rollout", lambda harness: setattr(harness.autoscaler, "new_pods", {"serves": False}))
    assert run["verdict"] == "inconclusive" and not seen(run)["new pods that requests reached"], run


def test_writers_that_end_before_are_no_proof() -> None:
    def configure(harness: RunHarness) -> None:
        harness.during_step("restart", lambda: setattr(harness.writers[0], "writing", False))

    run = run_demo("rollout", configure)
    assert run["verdict"] == "inconclusive" and not seen(run)["writes acknowledged meanwhile"], run


def test_load_that_ends_early_is_inconclusive() -> None:
    run = run_demo("rollout", during("restart", lambda harness: harness.load.crash()))
    assert run["verdict"] == "inconclusive" and "signal 9" in run["reason"], run


@pytest.mark.parametrize("step", ["warmup", "restart", "undo", "after"])
def test_abort_is_inconclusive(step: str) -> None:
    def abort(harness: RunHarness) -> None:
        harness.manager.abort(harness.current_run()["id"], "viewer")

    run = run_demo("rollout", during(step, abort, after=0.0))
    assert run["verdict"] == "inconclusive" and "Aborted by viewer" in run["reason"], run


def test_template_that_somebody_changes_meanwhile_is_not_undone() -> None:
    configure = during("restart", lambda harness: setattr(harness.service, "template", {"spec": {}}), after=7.0)
    run = run_demo("rollout", configure)
    assert run["verdict"] == "inconclusive" and "changed meanwhile" in run["reason"], run


def test_pod_that_was_replaced_meanwhile_is_not_deleted() -> None:
    configure = during("warmup", lambda harness: setattr(harness.service, "error", UidMismatch("It has another uid.")))
    run = run_demo("self-healing", configure)
    assert run["verdict"] == "inconclusive" and run["evidence"]["disruptions"] == [], run


@pytest.mark.parametrize("demo", DEMOS)
def test_running_load_is_refused(demo: str) -> None:
    harness = new_harness()
    harness.load.start(LoadOptions(rate=10, duration=60), "another")
    run = harness.run(demo)
    assert run["verdict"] == "inconclusive" and "load is running" in run["reason"]
    assert harness.load.running()


@pytest.mark.parametrize("demo", DEMOS)
def test_run_without_permission_is_inconclusive(demo: str) -> None:
    step = "restart" if demo == "rollout" else "delete"
    configure = during(step, lambda harness: setattr(harness.service, "error", ExternalError("It may not.")), after=0.0)
    run = run_demo(demo, configure)
    assert run["verdict"] == "inconclusive" and "may not" in run["reason"], run


def test_pods_that_cannot_be_watched_owe_nothing() -> None:
    def lose_sight(harness: RunHarness) -> None:
        harness.autoscaler.new_pods = {"ready_at": None}
        gone = SourceStatus(at=harness.clock.now(), source="pods", state="stale", error="It does not answer.")
        harness.autoscaler.builder.apply(gone)
        harness.autoscaler._emit_pods = lambda: None  # type: ignore[method-assign]

    run = run_demo("rollout", during("restart", lose_sight))
    assert run["verdict"] == "inconclusive" and "pods does not answer" in run["reason"], run
