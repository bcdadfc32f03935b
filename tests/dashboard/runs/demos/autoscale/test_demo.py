"""Autoscale runs against a simulated autoscaler, from many healthy states and on many broken ones."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from dashboard.core.errors import ExternalError
from dashboard.core.timestamps import seconds
from dashboard.load.options import MOST_RATE, GeneratorUnfit, LoadOptions
from dashboard.mock.cluster.manifests import BEHAVIOR
from tests.dashboard.runs.demos.autoscale.simulation import Options
from tests.dashboard.runs.world import Scene

pytestmark = pytest.mark.slow  # a hundred whole runs; `make check` has the rules on literals, in core/autoscale

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


def played(options: Options | None = None, pods: int = 0, dress: Callable[[Scene], None] = lambda scene: None) -> Json:
    scene = Scene(options=options, pods=pods, step=STEP)
    dress(scene)
    run = scene.run("autoscale")
    assert scene.cluster.lease is None and not scene.load.running()
    return run


def lasted(run: Json) -> float:
    return seconds(run["ended"]) - seconds(run["started"])


# Healthy


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(low=1, high=10),
        Options(low=3, high=4),
        Options(request=50),
        Options(request=200),
        Options(request=500, limit=1500),
        Options(target=50),
        Options(target=90),
        Options(resolution=30),
        Options(resolution=60),
        Options(sync=30),
        Options(tolerance=0.2),
        Options(tolerance=0.2, low=4, high=10),
        Options(cost=0.4, cheaper=0.5),
        Options(cost=20),
        Options(noise=0.15),
        Options(lag=12),
        Options(starts=25),
        Options(skew=60),
        Options(skew=-60),
        Options(windows=False),
        Options(windows=False, resolution=60),
        Options(background=100),
        Options(background=180),
        Options(behavior=SLOW_POLICIES),
    ],
    ids=repr,
)
def test_healthy_autoscaler_passes(options: Options) -> None:
    run = played(options)
    assert (run["verdict"], run["reason"]) == ("pass", None), run["timeline"]
    moments = [run["evidence"][f"t{number}"] for number in range(9)]
    assert moments == sorted(moments)
    assert {step["state"] for step in run["steps"]} == {"done"}


def test_evidence_has_the_load_and_the_obligations() -> None:
    evidence = played()["evidence"]
    assert (evidence["min"], evidence["start"], evidence["errors"], evidence["resolution"]) == (2, 2, 0, 15.0)
    assert evidence["peak"] > 2
    assert evidence["rates"][0] == {"at": 0.0, "rate": 25.0} and len(evidence["rates"]) > 1
    assert evidence["rates"][-1]["rate"] == evidence["rate"]
    assert 0.3 < evidence["cost_millicores"] < 3
    assert {"ready", "remove"} <= {obligation["what"] for obligation in evidence["owed"]} | {"remove"}
    assert all(obligation["met"] for obligation in evidence["owed"])


def test_run_from_rest_takes_less_than_four_and_a_half_minutes() -> None:
    times = sorted(lasted(played(Options(seed=seed))) for seed in range(5))
    assert times[2] <= 270


def test_rate_that_was_asked_for_is_not_changed() -> None:
    scene = Scene(step=STEP)
    run = scene.run("autoscale", rate=200)
    assert run["verdict"] == "pass"
    assert [options.rate for options in scene.load.started] == [200] and scene.load.changes == []


def test_with_more_pods_than_min_it_waits_until_they_are_gone() -> None:
    run = played(pods=4)
    assert (run["verdict"], run["evidence"]["start"]) == ("pass", 2)


def test_traffic_that_keeps_it_over_min_is_where_it_begins_and_ends() -> None:
    run = played(Options(background=170), pods=3)
    assert (run["verdict"], run["evidence"]["start"], run["evidence"]["min"]) == ("pass", 3, 2)


def test_figures_that_are_not_there_yet_are_waited_for() -> None:
    run = played(dress=lambda scene: scene.scaler._samples.clear())
    assert run["verdict"] == "pass"


def test_machine_that_is_busy_at_first_is_asked_again() -> None:
    scene = Scene(step=STEP)
    scene.load.trouble = GeneratorUnfit("This machine can't carry it now.")
    scene.in_step("load", lambda: setattr(scene.load, "trouble", None), after=60)
    assert scene.run("autoscale")["verdict"] == "pass"


def test_too_much_load_is_lowered_until_all_is_steady() -> None:
    scene = Scene(options=Options(cost=30, cheaper=0), step=STEP)
    run = scene.run("autoscale")
    assert run["verdict"] == "pass", run["reason"]
    assert scene.load.changes and scene.load.changes[-1][1] < 25


# What only a person can decide


@pytest.mark.parametrize(
    ("options", "dress", "words"),
    [
        (None, lambda scene: setattr(scene.scaler, "present", False), "no autoscaler"),
        (Options(high=2), lambda scene: None, "maxReplicas"),
        (Options(target=1000), lambda scene: None, "1000 %"),
        (None, lambda scene: setattr(scene.scaler, "scales", "other"), "scaleTargetRef"),
        (
            Options(behavior=BEHAVIOR | {"scaleUp": BEHAVIOR["scaleUp"] | {"selectPolicy": "Disabled"}}),
            lambda scene: None,
            "scaleUp disabled",
        ),
        (
            Options(behavior=BEHAVIOR | {"scaleDown": BEHAVIOR["scaleDown"] | {"selectPolicy": "Disabled"}}),
            lambda scene: None,
            "scaleDown disabled",
        ),
        (None, lambda scene: scene.load.start(LoadOptions(rate=1, duration=900), "viewer"), "stop it"),
    ],
)
def test_misconfiguration_ends_the_run_before_any_load(
    options: Options | None, dress: Callable[[Scene], None], words: str
) -> None:
    scene = Scene(options=options, step=STEP)
    dress(scene)
    scene.scaler._tell_all()
    loads, began = len(scene.load.started), scene.world.time
    run = scene.run("autoscale")
    assert run["verdict"] == "inconclusive" and words in run["reason"]
    assert len(scene.load.started) == loads and scene.world.time - began < 60


# Broken: what was owed did not come


def test_controller_that_does_not_act_on_its_own_figure_fails() -> None:
    run = played(dress=lambda scene: scene.in_step("load", lambda: setattr(scene.scaler, "moves", False)))
    assert run["verdict"] == "fail"
    (unmet,) = [obligation for obligation in run["evidence"]["owed"] if obligation["met"] is None]
    assert unmet["what"] == "scale-up" and 60 <= seconds(unmet["by"]) - seconds(unmet["since"]) <= 120
    assert "own figure" in run["reason"] and "t0 +" in run["reason"]
    assert run["evidence"]["t2"] is None


def test_controller_that_does_not_come_back_down_fails() -> None:
    run = played(dress=lambda scene: scene.in_step("unload", lambda: setattr(scene.scaler, "moves", False)))
    assert (run["verdict"], run["evidence"]["t7"]) == ("fail", None)
    assert "scale-down" in [obligation["what"] for obligation in run["evidence"]["owed"] if not obligation["met"]]


@pytest.mark.parametrize(
    ("spoil", "what", "words"),
    [
        (lambda scaler: setattr(scaler, "quota", 2), "ready", "exceeded quota"),
        (lambda scaler: scaler.new_pods.update(reason="ImagePullBackOff", ready_at=None), "ready", "ImagePullBackOff"),
        (lambda scaler: scaler.new_pods.update(ready_at=None), "ready", "readiness probe"),
        (lambda scaler: scaler.new_pods.update(serves=False), "serve", "selector"),
    ],
)
def test_pods_that_were_asked_for_and_are_of_no_use_fail_it(
    spoil: Callable[[Any], None], what: str, words: str
) -> None:
    run = played(dress=lambda scene: spoil(scene.scaler))
    assert run["verdict"] == "fail" and words in run["reason"], run["reason"]
    assert [obligation["what"] for obligation in run["evidence"]["owed"] if not obligation["met"]] == [what]


def test_new_pods_that_answer_with_errors_fail_it_and_are_named() -> None:
    def dress(scene: Scene) -> None:
        scene.scaler.new_pods["fails"] = True
        scene.in_step("steady", lambda: setattr(scene.load, "share_of_errors", 0.3))

    run = played(dress=dress)
    assert run["verdict"] == "fail" and "only pods that were added" in run["reason"], run["reason"]


def test_requests_that_fail_fail_the_run() -> None:
    run = played(dress=lambda scene: setattr(scene.load, "share_of_errors", 0.01))
    assert run["verdict"] == "fail" and "requests failed" in run["reason"]


def test_load_is_stopped_when_most_requests_fail_for_ten_seconds() -> None:
    def dress(scene: Scene) -> None:
        scene.in_step("load", lambda: setattr(scene.load, "share_of_errors", 0.9), after=2)

    run = played(dress=dress)
    assert run["verdict"] == "fail" and run["evidence"]["t6"] < 20


# Broken or disturbed: nothing was owed


@pytest.mark.parametrize(
    ("step", "spoil", "words"),
    [
        ("load", lambda scene: setattr(scene.scaler, "present", False), "deleted"),
        ("load", lambda scene: setattr(scene.scaler, "scales", "other"), "scaleTargetRef"),
        ("steady", lambda scene: setattr(scene.scaler.options, "high", 3), "maxReplicas"),
        ("load", lambda scene: setattr(scene.scaler, "metrics", False), "CPU samples"),
        ("load", lambda scene: setattr(scene.scaler, "reports", False), "kube-controller-manager"),
        (
            "steady",
            lambda scene: setattr(scene.scaler, "inactive", ("FailedGetResourceMetric", "no metrics")),
            "FailedGetResourceMetric",
        ),
        ("steady", lambda scene: scene.load.break_off(), "signal 9"),
    ],
)
def test_undecidable_run_is_inconclusive_with_the_cause(
    step: str, spoil: Callable[[Scene], None], words: str
) -> None:
    run = played(dress=lambda scene: scene.in_step(step, lambda: spoil(scene), after=1))
    assert run["verdict"] == "inconclusive" and words in run["reason"], run["reason"]


def test_load_that_can_not_be_had_is_inconclusive_with_the_figure_that_shows_it() -> None:
    run = played(Options(cost=0.02))
    assert run["verdict"] == "inconclusive"
    assert f"{MOST_RATE:g} requests a second" in run["reason"] and "% of a 70 % target" in run["reason"]


def test_rate_that_is_too_low_for_it_is_inconclusive() -> None:
    scene = Scene(step=STEP)
    run = scene.run("autoscale", rate=20)
    assert run["verdict"] == "inconclusive" and "20 requests a second" in run["reason"]


def test_service_that_does_not_keep_up_is_not_loaded_further() -> None:
    scene = Scene(options=Options(cost=0.3), step=STEP)
    scene.in_step("load", lambda: setattr(scene.load, "share_of_answered", 0.5), after=10)
    run = scene.run("autoscale")
    assert run["verdict"] == "inconclusive" and "answers in time" in run["reason"]
    assert run["evidence"]["rate"] < MOST_RATE


def test_traffic_that_keeps_it_at_max_is_inconclusive() -> None:
    run = played(Options(background=320), pods=5)
    assert run["verdict"] == "inconclusive" and "at max" in run["reason"]


def test_somebody_elses_scaling_is_no_finding_about_the_autoscaler() -> None:
    def dress(scene: Scene) -> None:
        def scale() -> None:
            scene.scaler.scale(4)
            scene.scaler.status["desired"] = 4

        scene.in_step("unload", scale, after=3)

    run = played(dress=dress)
    assert run["verdict"] != "fail"


def scaled_by_hand(scene: Scene, to: int) -> None:
    """The Deployment, and its autoscaler hears of it at its next look."""
    scene.scaler.scale(to)


@pytest.mark.parametrize("step", ["settle", "load", "steady", "unload"])
@pytest.mark.parametrize(
    "happens",
    [
        lambda scene: scene.scaler.evict(),
        lambda scene: scene.scaler.roll_out(),
        lambda scene: scene.scaler.restart_controller(),
        lambda scene: scene.scaler.recreate(),
        lambda scene: scaled_by_hand(scene, 1),
        lambda scene: scaled_by_hand(scene, 4),
        lambda scene: scaled_by_hand(scene, 7),
        lambda scene: setattr(scene.scaler, "uncounted", True),
    ],
    ids=["evicted", "rolled out", "controller restarted", "object made anew", "to 1", "to 4", "to 7", "uncounted"],
)
def test_ordinary_changes_of_a_deployment_never_fail_its_autoscaler(
    step: str, happens: Callable[[Scene], None]
) -> None:
    run = played(dress=lambda scene: scene.in_step(step, lambda: happens(scene), after=4))
    assert run["verdict"] != "fail", run["reason"]


def test_evicted_pods_are_not_waited_for() -> None:
    run = played(dress=lambda scene: scene.scaler.evict())
    assert run["verdict"] == "pass" and lasted(run) < 400, run["reason"]


def test_pods_of_a_roll_out_are_none_that_the_autoscaler_asked_for() -> None:
    run = played(dress=lambda scene: scene.in_step("load", scene.scaler.roll_out, after=10))
    assert run["verdict"] == "inconclusive" and "rolled out" in run["reason"]


def test_controller_that_was_started_anew_may_wait_a_whole_window_again() -> None:
    behavior = BEHAVIOR | {"scaleDown": BEHAVIOR["scaleDown"] | {"stabilizationWindowSeconds": 300}}
    scene = Scene(options=Options(behavior=behavior), step=STEP)
    scene.in_step("unload", scene.scaler.restart_controller, after=290)
    assert scene.run("autoscale")["verdict"] == "pass"


def test_errors_of_a_service_that_gets_more_than_it_answers_are_no_finding() -> None:
    scene = Scene(options=Options(cost=0.3), step=STEP)

    def overload() -> None:
        scene.load.share_of_answered, scene.load.share_of_errors = 0.5, 0.05

    scene.in_step("load", overload, after=10)
    run = scene.run("autoscale")
    assert run["verdict"] == "inconclusive" and "answers in time" in run["reason"]


@pytest.mark.parametrize(("name", "value", "words"), [("lag_ms", 80.0, "lagged"), ("cpu", 95.0, "its core")])
def test_unsound_load_proves_nothing(name: str, value: float, words: str) -> None:
    run = played(dress=lambda scene: setattr(scene.load, name, value))
    assert run["verdict"] == "inconclusive" and words in run["reason"]


def test_lag_that_passes_is_outlasted_under_load() -> None:
    scene = Scene(step=STEP)
    scene.load.lag_ms = 80.0
    scene.in_step("steady", lambda: setattr(scene.load, "lag_ms", 40.0), after=120)
    run = scene.run("autoscale")
    assert (run["verdict"], run["evidence"]["lag_p99_ms"]) == ("pass", 40.0)
    assert run["evidence"]["t6"] - run["evidence"]["t5"] > 30


def test_lag_that_lasts_is_given_up_on_after_four_minutes() -> None:
    run = played(dress=lambda scene: setattr(scene.load, "lag_ms", 80.0))
    assert run["verdict"] == "inconclusive" and "lagged" in run["reason"]
    assert 240 <= run["evidence"]["t6"] - run["evidence"]["t5"] < 250
    assert run["evidence"]["t8"] is not None


def test_load_beyond_the_machines_capacity_is_inconclusive() -> None:
    scene = Scene(step=STEP)
    scene.load.trouble = ExternalError("This machine can't carry 2000 requests a second now.")
    run = scene.run("autoscale", rate=2000)
    assert (run["verdict"], run["reason"]) == ("inconclusive", "This machine can't carry 2000 requests a second now.")


# Many


def any_healthy(seed: int) -> Options:
    chance = random.Random(seed)  # noqa: S311 - a simulation
    low = chance.randint(1, 3)
    target, request = chance.randint(30, 90), chance.choice([50, 100, 200, 500])
    rules = {
        "scaleUp": {
            "stabilizationWindowSeconds": chance.choice([0, 30, 60]),
            "selectPolicy": chance.choice(["Max", "Min"]),
            "policies": [{"type": "Pods", "value": chance.choice([1, 2, 4]), "periodSeconds": chance.choice([15, 60])}],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": chance.choice([0, 30, 60, 300]),
            "policies": [
                {"type": "Percent", "value": chance.choice([50, 100]), "periodSeconds": chance.choice([15, 60])},
                {"type": "Pods", "value": 1, "periodSeconds": 30},
            ],
        },
    }
    return Options(
        seed=seed,
        low=low,
        high=chance.randint(low + 1, 10),
        target=target,
        request=request,
        limit=int(request * max(1.6 * target / 100, chance.choice([2, 4]))),
        value=int(request * target / 100) if chance.random() < 0.15 else None,
        behavior=chance.choice([None, rules]),
        cost=chance.choice([0.3, 0.6, 1.2, 2.5, 8]),
        cheaper=chance.choice([0, 0.25, 0.5]),
        noise=chance.uniform(0.01, 0.15),
        resolution=chance.choice([15, 30, 60]),
        sync=chance.choice([15, 15, 30]),
        lag=chance.choice([1, 4, 10]),
        starts=chance.choice([2, 5, 20]),
        background=chance.choice([0, 0, 0.4, 0.8]) * request * target / 100 * low,
    )


def is_excused(run: Json, options: Options) -> bool:
    """It is known why there is no proof, and it is nobody's fault."""
    given = BEHAVIOR if options.behavior is None else options.behavior
    flaps = given["scaleDown"]["stabilizationWindowSeconds"] < 2 * options.resolution
    holds = options.background and ("(t8)" in run["reason"] or "at max" in run["reason"])
    return bool("the maximum" in run["reason"] or holds or (flaps and "(t5)" in run["reason"]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_healthy_autoscaler_is_like_it_passes_if_the_load_can_reach_it(seed: int) -> None:
    options = any_healthy(seed)
    run = played(options)
    assert run["verdict"] == "pass" or (run["verdict"] == "inconclusive" and is_excused(run, options)), run["reason"]
