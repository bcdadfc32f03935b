"""Autoscale runs against a simulated autoscaler: healthy ones, misconfigured ones, broken ones, and random ones."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from dashboard.core.errors import ExternalError
from dashboard.core.timestamps import seconds
from dashboard.load.options import MOST_RATE, GeneratorUnfit, LoadOptions
from dashboard.mock.cluster.manifests import BEHAVIOR
from tests.dashboard.runs.demos.autoscale.simulation import AutoscalerSimulation, SimulationOptions
from tests.dashboard.runs.harness import RunHarness

pytestmark = pytest.mark.slow  # a hundred whole runs: `make check` has the tests of the rules

STEP = 0.25  # seconds of the simulated time

Json = dict[str, Any]

SLOW_POLICIES = {
    "scaleUp": {
        "stabilizationWindowSeconds": 30,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    },
}


Configure = Callable[[RunHarness], None]


def run_autoscale(
    options: SimulationOptions | None = None, pods: int = 0, configure: Configure = lambda harness: None
) -> Json:
    harness = RunHarness(options=options, pods=pods, step=STEP)
    configure(harness)
    run = harness.run_and_recompute("autoscale")
    assert harness.cluster.lease is None and not harness.load.running()
    return run


def duration(run: Json) -> float:
    return seconds(run["ended"]) - seconds(run["started"])


# Healthy deployments


@pytest.mark.parametrize(
    "options",
    [
        SimulationOptions(),
        SimulationOptions(low=1, high=10),
        SimulationOptions(low=3, high=4),
        SimulationOptions(request=50),
        SimulationOptions(request=200),
        SimulationOptions(request=500, limit=1500),
        SimulationOptions(target=50),
        SimulationOptions(target=90),
        SimulationOptions(resolution=30),
        SimulationOptions(resolution=60),
        SimulationOptions(sync=30),
        SimulationOptions(tolerance=0.2),
        SimulationOptions(tolerance=0.2, low=4, high=10),
        SimulationOptions(cost=0.4, cost_exponent=0.5),
        SimulationOptions(cost=20),
        SimulationOptions(noise=0.15),
        SimulationOptions(lag=12),
        SimulationOptions(startup=25),
        SimulationOptions(skew=60),
        SimulationOptions(skew=-60),
        SimulationOptions(windows=False),
        SimulationOptions(windows=False, resolution=60),
        SimulationOptions(background=100),
        SimulationOptions(background=180),
        SimulationOptions(behavior=SLOW_POLICIES),
    ],
    ids=repr,
)
def test_healthy_autoscaler_passes(options: SimulationOptions) -> None:
    run = run_autoscale(options)
    assert (run["verdict"], run["reason"]) == ("pass", None), run["timeline"]
    times = [run["evidence"][f"t{number}"] for number in range(9)]
    assert times == sorted(times)
    assert {step["state"] for step in run["steps"]} == {"done"}


def test_evidence_has_the_load_and_the_obligations() -> None:
    evidence = run_autoscale()["evidence"]
    assert (evidence["min"], evidence["start"], evidence["errors"], evidence["resolution"]) == (2, 2, 0, 15.0)
    assert evidence["peak"] > 2
    assert evidence["rates"][0] == {"at": 0.0, "rate": 25.0} and len(evidence["rates"]) > 1
    assert evidence["rates"][-1]["rate"] == evidence["rate"]
    assert 0.3 < evidence["cost_millicores"] < 3
    assert "ready" in {obligation["what"] for obligation in evidence["owed"]}
    assert all(obligation["met"] for obligation in evidence["owed"])


def test_run_without_load_before_takes_less_than_four_and_a_half_minutes() -> None:
    times = sorted(duration(run_autoscale(SimulationOptions(seed=seed))) for seed in range(5))
    assert times[2] <= 270


def test_given_rate_is_not_changed() -> None:
    harness = RunHarness(step=STEP)
    run = harness.run("autoscale", rate=200)
    assert run["verdict"] == "pass"
    assert [options.rate for options in harness.load.started] == [200] and harness.load.rate_changes == []


def test_run_waits_until_pods_over_min_are_removed() -> None:
    run = run_autoscale(pods=4)
    assert (run["verdict"], run["evidence"]["start"]) == ("pass", 2)


def test_run_starts_and_ends_over_min_if_other_traffic_needs_it() -> None:
    run = run_autoscale(SimulationOptions(background=170), pods=3)
    assert (run["verdict"], run["evidence"]["start"], run["evidence"]["min"]) == ("pass", 3, 2)


def test_run_waits_for_the_first_samples() -> None:
    run = run_autoscale(configure=lambda harness: harness.autoscaler._samples.clear())
    assert run["verdict"] == "pass"


def test_failed_self_test_of_the_generator_is_repeated() -> None:
    harness = RunHarness(step=STEP)
    harness.load.error = GeneratorUnfit("This machine can't carry it now.")
    harness.during_step("load", lambda: setattr(harness.load, "error", None), after=60)
    assert harness.run("autoscale")["verdict"] == "pass"


def test_too_high_rate_is_lowered_until_cpu_is_steady() -> None:
    harness = RunHarness(options=SimulationOptions(cost=30, cost_exponent=0), step=STEP)
    run = harness.run("autoscale")
    assert run["verdict"] == "pass", run["reason"]
    assert harness.load.rate_changes and harness.load.rate_changes[-1][1] < 25


@pytest.mark.parametrize("older", [False, True])
def test_autoscaler_that_removes_one_pod_in_ten_minutes_never_fails(older: bool) -> None:
    """A policy of ten minutes for fewer pods counts the changes to more pods that the controller still remembers."""
    policies = {seconds: [{"type": "Pods", "value": 1, "periodSeconds": seconds}] for seconds in (15, 600)}
    behavior = {
        "scaleUp": {"stabilizationWindowSeconds": 0, "policies": policies[15]},
        "scaleDown": {"stabilizationWindowSeconds": 60, "policies": policies[600]},
    }
    harness = RunHarness(options=SimulationOptions(behavior=behavior, sync=15.25, older=older), step=STEP)
    run = harness.run("autoscale", rate=400)
    assert run["verdict"] != "fail", run["reason"]


def test_run_starts_and_ends_over_min_if_another_metric_needs_it() -> None:
    run = run_autoscale(SimulationOptions(queue=3), pods=3)
    assert (run["verdict"], run["evidence"]["start"], run["reason"]) == ("pass", 3, None)


def test_another_metric_may_add_pods_once_cpu_has() -> None:
    def configure(harness: RunHarness) -> None:
        harness.during_step("steady", lambda: setattr(harness.autoscaler, "queue", 4), after=10)
        harness.during_step("unload", lambda: setattr(harness.autoscaler, "queue", 0))

    run = run_autoscale(SimulationOptions(queue=0), configure=configure)
    assert (run["verdict"], run["reason"], run["evidence"]["peak"]) == ("pass", None, 4)


LONG_WINDOW = BEHAVIOR | {"scaleUp": BEHAVIOR["scaleUp"] | {"stabilizationWindowSeconds": 600}}
ONE_IN_TEN_MINUTES = [{"type": "Pods", "value": 1, "periodSeconds": 600}]


@pytest.mark.parametrize(
    "options",
    [
        SimulationOptions(behavior=LONG_WINDOW),
        SimulationOptions(behavior=BEHAVIOR | {"scaleUp": BEHAVIOR["scaleUp"] | {"policies": ONE_IN_TEN_MINUTES}}),
        SimulationOptions(behavior=BEHAVIOR | {"scaleDown": BEHAVIOR["scaleDown"] | {"policies": ONE_IN_TEN_MINUTES}}),
        SimulationOptions(startup=200),
        SimulationOptions(startup=500, progress_deadline=600),
    ],
)
def test_autoscaler_that_is_slow_by_its_own_rules_passes(options: SimulationOptions) -> None:
    run = run_autoscale(options)
    assert (run["verdict"], run["reason"]) == ("pass", None)


@pytest.mark.parametrize("after", [100, 190, 210])
def test_restarted_controller_may_wait_for_a_whole_scale_up_window_again(after: float) -> None:
    behavior = BEHAVIOR | {"scaleUp": BEHAVIOR["scaleUp"] | {"stabilizationWindowSeconds": 180}}
    harness = RunHarness(options=SimulationOptions(behavior=behavior), step=STEP)
    harness.during_step("load", harness.autoscaler.restart_controller, after=after)
    assert harness.run("autoscale")["verdict"] == "pass"


# Misconfigured deployments


@pytest.mark.parametrize(
    ("options", "configure", "cause"),
    [
        (None, lambda harness: setattr(harness.autoscaler, "exists", False), "no autoscaler"),
        (SimulationOptions(high=2), lambda harness: None, "maxReplicas"),
        (SimulationOptions(target=1000), lambda harness: None, "1000 %"),
        (None, lambda harness: setattr(harness.autoscaler, "scale_target", "other"), "scaleTargetRef"),
        (
            SimulationOptions(behavior=BEHAVIOR | {"scaleUp": BEHAVIOR["scaleUp"] | {"selectPolicy": "Disabled"}}),
            lambda harness: None,
            "scaleUp disabled",
        ),
        (
            SimulationOptions(behavior=BEHAVIOR | {"scaleDown": BEHAVIOR["scaleDown"] | {"selectPolicy": "Disabled"}}),
            lambda harness: None,
            "scaleDown disabled",
        ),
        (None, lambda harness: harness.load.start(LoadOptions(rate=1, duration=900), "viewer"), "stop it"),
    ],
)
def test_misconfiguration_ends_the_run_before_any_load(
    options: SimulationOptions | None, configure: Configure, cause: str
) -> None:
    harness = RunHarness(options=options, step=STEP)
    configure(harness)
    harness.autoscaler.emit_all()
    loads, began = len(harness.load.started), harness.clock.time
    run = harness.run("autoscale")
    assert run["verdict"] == "inconclusive" and cause in run["reason"]
    assert len(harness.load.started) == loads and harness.clock.time - began < 60


# Broken deployments: an obligation is not met


def stop_scaling_in(step: str) -> Configure:
    return lambda harness: harness.during_step(step, lambda: setattr(harness.autoscaler, "scales", False))


def test_controller_that_ignores_its_own_cpu_value_fails() -> None:
    run = run_autoscale(configure=stop_scaling_in("load"))
    assert run["verdict"] == "fail"
    (unmet,) = [obligation for obligation in run["evidence"]["owed"] if obligation["met"] is None]
    assert unmet["what"] == "scale-up" and 60 <= seconds(unmet["by"]) - seconds(unmet["since"]) <= 120
    assert unmet["text"] in run["reason"] and "t0 +" in run["reason"]
    assert run["evidence"]["t2"] is None


def test_controller_that_does_not_scale_down_fails() -> None:
    run = run_autoscale(configure=stop_scaling_in("unload"))
    assert (run["verdict"], run["evidence"]["t7"]) == ("fail", None)
    assert "scale-down" in [obligation["what"] for obligation in run["evidence"]["owed"] if not obligation["met"]]


@pytest.mark.parametrize(
    ("inject", "kind", "cause"),
    [
        (lambda autoscaler: setattr(autoscaler, "quota", 2), "ready", "exceeded quota"),
        (lambda autoscaler: autoscaler.new_pods.update(reason="ErrImagePull", ready_at=None), "ready", "ErrImagePull"),
        (lambda autoscaler: autoscaler.new_pods.update(ready_at=None), "ready", "readiness probe"),
        (lambda autoscaler: autoscaler.new_pods.update(serves=False), "serve", "selector"),
    ],
)
def test_missing_or_useless_new_pods_fail_the_run(
    inject: Callable[[AutoscalerSimulation], None], kind: str, cause: str
) -> None:
    run = run_autoscale(configure=lambda harness: inject(harness.autoscaler))
    assert run["verdict"] == "fail" and cause in run["reason"], run["reason"]
    assert [obligation["what"] for obligation in run["evidence"]["owed"] if not obligation["met"]] == [kind]


def test_errors_of_new_pods_fail_the_run() -> None:
    def configure(harness: RunHarness) -> None:
        harness.autoscaler.new_pods["fails"] = True
        harness.during_step("steady", lambda: setattr(harness.load, "error_ratio", 0.3))

    run = run_autoscale(configure=configure)
    assert run["verdict"] == "fail" and "pods that were added" in run["reason"], run["reason"]


def test_failed_requests_fail_the_run() -> None:
    run = run_autoscale(configure=lambda harness: setattr(harness.load, "error_ratio", 0.01))
    assert run["verdict"] == "fail" and "requests failed" in run["reason"]


def test_load_is_stopped_after_ten_seconds_of_mostly_failed_requests() -> None:
    def configure(harness: RunHarness) -> None:
        harness.during_step("load", lambda: setattr(harness.load, "error_ratio", 0.9), after=2)

    run = run_autoscale(configure=configure)
    assert run["verdict"] == "fail" and run["evidence"]["t6"] < 20


# Disturbed runs: no obligation is unmet


@pytest.mark.parametrize(
    ("step", "inject", "cause"),
    [
        ("load", lambda harness: setattr(harness.autoscaler, "exists", False), "deleted"),
        ("load", lambda harness: setattr(harness.autoscaler, "scale_target", "other"), "scaleTargetRef"),
        ("steady", lambda harness: setattr(harness.autoscaler.options, "high", 3), "maxReplicas"),
        ("load", lambda harness: setattr(harness.autoscaler, "metrics", False), "CPU samples"),
        ("load", lambda harness: setattr(harness.autoscaler, "syncs", False), "kube-controller-manager"),
        (
            "steady",
            lambda harness: setattr(harness.autoscaler, "inactive", ("FailedGetResourceMetric", "no metrics")),
            "FailedGetResourceMetric",
        ),
        ("steady", lambda harness: harness.load.crash(), "signal 9"),
    ],
)
def test_undecidable_run_is_inconclusive_with_the_cause(step: str, inject: Configure, cause: str) -> None:
    run = run_autoscale(configure=lambda harness: harness.during_step(step, lambda: inject(harness), after=1))
    assert run["verdict"] == "inconclusive" and cause in run["reason"], run["reason"]


@pytest.mark.parametrize(("skew", "cause"), [(-250, "ahead"), (400, "from the future")])
def test_clocks_that_are_far_apart_are_named_before_any_load(skew: float, cause: str) -> None:
    run = run_autoscale(SimulationOptions(skew=skew))
    assert run["verdict"] == "inconclusive" and cause in run["reason"], run["reason"]
    assert run["evidence"]["t0"] is None


@pytest.mark.parametrize("step", ["load", "steady", "unload"])
@pytest.mark.parametrize("seconds", [-300, 300])
def test_clock_that_jumps_never_fails_the_autoscaler(step: str, seconds: float) -> None:
    def configure(harness: RunHarness) -> None:
        def jump() -> None:
            harness.clock.ahead = seconds
            harness.load.fail(50)

        harness.during_step(step, jump, after=22)

    run = run_autoscale(configure=configure)
    assert (run["verdict"], run["evidence"]["t8"]) == ("inconclusive", None) and "clock" in run["reason"]


def test_target_that_the_maximum_rate_does_not_reach_is_inconclusive() -> None:
    run = run_autoscale(SimulationOptions(cost=0.02))
    assert run["verdict"] == "inconclusive"
    assert f"{MOST_RATE:g}" in run["reason"] and "70 %" in run["reason"]


def test_given_rate_that_is_too_low_is_inconclusive() -> None:
    harness = RunHarness(step=STEP)
    run = harness.run("autoscale", rate=20)
    assert run["verdict"] == "inconclusive" and "20 requests" in run["reason"]


def test_rate_is_not_raised_beyond_what_the_service_answers() -> None:
    harness = RunHarness(options=SimulationOptions(cost=0.3), step=STEP)
    harness.during_step("load", lambda: setattr(harness.load, "answered_ratio", 0.5), after=10)
    run = harness.run("autoscale")
    assert run["verdict"] == "inconclusive" and "answers in time" in run["reason"]
    assert run["evidence"]["rate"] < MOST_RATE


def test_other_traffic_that_needs_max_is_inconclusive() -> None:
    run = run_autoscale(SimulationOptions(background=320), pods=5)
    assert run["verdict"] == "inconclusive" and "at max" in run["reason"]


def test_pods_by_another_metric_before_those_by_cpu_are_inconclusive_with_its_name() -> None:
    def configure(harness: RunHarness) -> None:
        harness.during_step("load", lambda: setattr(harness.autoscaler, "queue", 3))

    run = run_autoscale(SimulationOptions(queue=0), configure=configure)
    assert run["verdict"] == "inconclusive" and "queue" in run["reason"] and "something else" not in run["reason"]


def test_another_metric_that_needs_max_is_inconclusive() -> None:
    run = run_autoscale(SimulationOptions(queue=5), pods=5)
    assert run["verdict"] == "inconclusive" and "queue" in run["reason"]


def test_manual_scaling_does_not_fail_the_autoscaler() -> None:
    def configure(harness: RunHarness) -> None:
        def scale() -> None:
            harness.autoscaler.scale(4)
            harness.autoscaler.status["desired"] = 4

        harness.during_step("unload", scale, after=3)

    run = run_autoscale(configure=configure)
    assert run["verdict"] != "fail"


def test_pods_that_are_added_by_hand_under_load_prove_no_autoscaler() -> None:
    def configure(harness: RunHarness) -> None:
        autoscaler = harness.autoscaler
        autoscaler.scales = False
        harness.clock.when(lambda: (autoscaler.reported or 0) > 70, lambda: autoscaler.scale(3))
        harness.during_step("unload", lambda: autoscaler.scale(2), after=20)

    run = run_autoscale(configure=configure)
    assert run["verdict"] == "inconclusive" and "something else" in run["reason"]
    assert run["evidence"]["t2"] is not None and run["evidence"]["t8"] is not None


def test_pods_that_are_removed_by_hand_after_the_load_prove_no_autoscaler() -> None:
    def configure(harness: RunHarness) -> None:
        harness.during_step("unload", lambda: setattr(harness.autoscaler, "scales", False))
        harness.during_step("unload", lambda: harness.autoscaler.scale(2), after=30)

    run = run_autoscale(configure=configure)
    assert run["verdict"] == "inconclusive" and "something else" in run["reason"]
    assert run["evidence"]["t7"] is not None


@pytest.mark.parametrize("step", ["settle", "load", "steady", "unload"])
@pytest.mark.parametrize(
    "change",
    [
        lambda harness: harness.autoscaler.evict(),
        lambda harness: harness.autoscaler.roll_out(),
        lambda harness: harness.autoscaler.restart_controller(),
        lambda harness: harness.autoscaler.recreate(),
        lambda harness: harness.autoscaler.scale(1),
        lambda harness: harness.autoscaler.scale(4),
        lambda harness: harness.autoscaler.scale(7),
        lambda harness: setattr(harness.autoscaler, "counters", False),
    ],
    ids=["evicted", "rolled out", "controller restarted", "HPA recreated", "to 1", "to 4", "to 7", "not scraped"],
)
def test_ordinary_changes_of_a_deployment_never_fail_its_autoscaler(step: str, change: Configure) -> None:
    run = run_autoscale(configure=lambda harness: harness.during_step(step, lambda: change(harness), after=4))
    assert run["verdict"] != "fail", run["reason"]


def test_run_does_not_wait_for_an_evicted_pod() -> None:
    run = run_autoscale(configure=lambda harness: harness.autoscaler.evict())
    assert run["verdict"] == "pass" and duration(run) < 400, run["reason"]


def test_pods_of_a_rollout_do_not_count_as_scaled_up() -> None:
    run = run_autoscale(configure=lambda harness: harness.during_step("load", harness.autoscaler.roll_out, after=10))
    assert run["verdict"] == "inconclusive" and "rolled out" in run["reason"]


def test_restarted_controller_may_wait_for_a_whole_window_again() -> None:
    behavior = BEHAVIOR | {"scaleDown": BEHAVIOR["scaleDown"] | {"stabilizationWindowSeconds": 300}}
    harness = RunHarness(options=SimulationOptions(behavior=behavior), step=STEP)
    harness.during_step("unload", harness.autoscaler.restart_controller, after=290)
    assert harness.run("autoscale")["verdict"] == "pass"


def test_errors_of_an_overloaded_service_are_inconclusive() -> None:
    harness = RunHarness(options=SimulationOptions(cost=0.3), step=STEP)

    def overload() -> None:
        harness.load.answered_ratio, harness.load.error_ratio = 0.5, 0.05

    harness.during_step("load", overload, after=10)
    run = harness.run("autoscale")
    assert run["verdict"] == "inconclusive" and "answers in time" in run["reason"]


@pytest.mark.parametrize(("name", "value", "cause"), [("lag_ms", 80.0, "lagged"), ("cpu_percent", 95.0, "core")])
def test_unfit_generator_is_inconclusive(name: str, value: float, cause: str) -> None:
    run = run_autoscale(configure=lambda harness: setattr(harness.load, name, value))
    assert run["verdict"] == "inconclusive" and cause in run["reason"]


def test_load_lasts_until_the_lag_is_low() -> None:
    harness = RunHarness(step=STEP)
    harness.load.lag_ms = 80.0
    harness.during_step("steady", lambda: setattr(harness.load, "lag_ms", 40.0), after=120)
    run = harness.run("autoscale")
    assert (run["verdict"], run["evidence"]["lag_p99_ms"]) == ("pass", 40.0)
    assert run["evidence"]["t6"] - run["evidence"]["t5"] > 30


def test_load_with_a_lasting_lag_stops_after_four_minutes() -> None:
    run = run_autoscale(configure=lambda harness: setattr(harness.load, "lag_ms", 80.0))
    assert run["verdict"] == "inconclusive" and "lagged" in run["reason"]
    assert 240 <= run["evidence"]["t6"] - run["evidence"]["t5"] < 250
    assert run["evidence"]["t8"] is not None


def test_failed_self_test_of_a_given_rate_is_inconclusive() -> None:
    harness = RunHarness(step=STEP)
    error = harness.load.error = ExternalError("This machine can't carry 2000 requests a second now.")
    run = harness.run("autoscale", rate=2000)
    assert (run["verdict"], run["reason"]) == ("inconclusive", str(error))


# Random healthy deployments


def random_options(seed: int) -> SimulationOptions:
    draw = random.Random(seed)  # noqa: S311 - a simulation
    low = draw.randint(1, 3)
    target, request = draw.randint(30, 90), draw.choice([50, 100, 200, 500])
    rules = {
        "scaleUp": {
            "stabilizationWindowSeconds": draw.choice([0, 30, 60]),
            "selectPolicy": draw.choice(["Max", "Min"]),
            "policies": [{"type": "Pods", "value": draw.choice([1, 2, 4]), "periodSeconds": draw.choice([15, 60])}],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": draw.choice([0, 30, 60, 300]),
            "policies": [
                {"type": "Percent", "value": draw.choice([50, 100]), "periodSeconds": draw.choice([15, 60])},
                {"type": "Pods", "value": 1, "periodSeconds": 30},
            ],
        },
    }
    return SimulationOptions(
        seed=seed,
        low=low,
        high=draw.randint(low + 1, 10),
        target=target,
        request=request,
        limit=int(request * max(1.6 * target / 100, draw.choice([2, 4]))),
        value=int(request * target / 100) if draw.random() < 0.15 else None,
        behavior=draw.choice([None, rules]),
        cost=draw.choice([0.3, 0.6, 1.2, 2.5, 8]),
        cost_exponent=draw.choice([0, 0.25, 0.5]),
        noise=draw.uniform(0.01, 0.15),
        resolution=draw.choice([15, 30, 60]),
        sync=draw.choice([15, 15, 30]),
        lag=draw.choice([1, 4, 10]),
        startup=draw.choice([2, 5, 20]),
        background=draw.choice([0, 0, 0.4, 0.8]) * request * target / 100 * low,
    )


def may_be_inconclusive(run: Json, options: SimulationOptions) -> bool:
    """Return whether the options explain that a run on a healthy autoscaler has this reason and no PASS."""
    behavior = BEHAVIOR if options.behavior is None else options.behavior
    flaps = behavior["scaleDown"]["stabilizationWindowSeconds"] < 2 * options.resolution
    held = options.background and ("(t8)" in run["reason"] or "at max" in run["reason"])
    return bool("the maximum" in run["reason"] or held or (flaps and "(t5)" in run["reason"]))


@pytest.mark.parametrize("seed", range(40))
def test_random_healthy_autoscaler_passes_or_has_a_known_obstacle(seed: int) -> None:
    options = random_options(seed)
    run = run_autoscale(options)
    inconclusive = run["verdict"] == "inconclusive" and may_be_inconclusive(run, options)
    assert run["verdict"] == "pass" or inconclusive, run["reason"]
