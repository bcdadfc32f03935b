"""Observations of the dashboard's state, and their properties."""

from typing import Any

import pytest

from dashboard.core.state.builder import Look
from dashboard.runs.demos.autoscale.observed.observation import SOURCES, Observation, observe
from tests.dashboard.runs.demos.autoscale.observations import STARTING, T0, observation, pod

LIVE = {name: {"state": "live"} for name in (*SOURCES, "traffic")}


def state(
    pods: int = 2, sources: dict[str, Any] | None = None, deployment: Any = None, **autoscaler: Any
) -> dict[str, Any]:
    active = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": ""}
    return {
        "autoscaler": {
            "min": 2, "max": 5, "current": 2, "desired": 2, "cpu_percent": 5, "target_percent": 70,
            "cpu_millicores": 5, "target_millicores": None, "conditions": [active], "evaluation": None,
        } | autoscaler,
        "pods": [
            {
                "uid": f"u{n}", "name": f"flask-{n}", "app": "flask", "phase": "Running", "ready": True, "reason": None,
                "unready": None,
                "cpu_request_millicores": 100, "cpu_limit_millicores": 400, "requests_per_second": 9.0,
                "errors_per_second": 0.0,
            }
            for n in range(pods)
        ],
        "deployment": {"desired": 2, "ready": 2, "updated": 2, "replicas": 2, "failure": None} | (deployment or {}),
        "service": {"endpoints": 2},
        "sources": LIVE | (sources or {}),
    }  # fmt: skip


def observed(state: dict[str, Any]) -> Observation:
    result = observe(Look(state, {}, 60.0), {"u0": (T0, 5.0, 15.0)}, "flask", T0)
    assert result is not None
    return result


def test_no_observation_without_a_cpu_target() -> None:
    for without in (state() | {"autoscaler": None}, state(target_percent=None)):
        assert observe(Look(without, {}, 60.0), {}, "flask", T0) is None


def test_target_in_millicores_has_the_unit_m() -> None:
    result = observed(state(target_percent=None, target_millicores=75, cpu_percent=None, cpu_millicores=133))
    assert (result.target, result.unit, result.figure, result.per_pod) == (75, "m", 133, 75.0)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_finished_pod_is_not_counted(phase: str) -> None:
    finished = state(pods=3)
    finished["pods"][2] |= {"phase": phase, "ready": False, "reason": "Evicted"}
    assert len(observed(finished).pods) == 2 and observed(finished).even


def test_pods_of_another_app_are_ignored() -> None:
    other_app = state(pods=3)
    other_app["pods"][2]["app"] = "mongodb"
    assert len(observed(other_app).pods) == 2


def test_requests_of_pods_are_unknown_while_scraping_is_stale() -> None:
    assert observed(state()).serving == {"u0", "u1"}
    assert [pod.requests for pod in observed(state(sources={"traffic": {"state": "stale"}})).pods] == [None, None]


def test_metrics_but_cpu_have_their_names_and_proposals() -> None:
    metrics = [
        {"name": name, "type": type_, "proposed": proposed}
        for name, type_, proposed in (("cpu", "Resource", 2), ("memory", "Resource", 4), ("cpu", "External", None))
    ]
    result = observed(state(metrics=metrics))
    assert result.others == (("memory", 4), ("cpu", None))
    assert [result.held_by(count) for count in (4, 5)] == ["memory", "cpu"]
    assert observed(state(metrics=metrics[:2])).held_by(5) is None


def test_measured_container_has_the_request_and_the_limit() -> None:
    result = observe(Look(state(), {}, 60.0, resources={"u0": (50, None)}), {}, "flask", T0)
    assert result and [(pod.request, pod.limit) for pod in result.pods] == [(50, None), (100, 400)]


def test_new_hpa_object_desires_the_deployments_replicas() -> None:
    result = observed(state(desired=0, conditions=[]))
    assert (result.desired, result.active) == (2, False)


@pytest.mark.parametrize(
    ("deployment", "updated"),
    [
        ({}, True),
        ({"updated": 1, "replicas": 3}, False),
        ({"desired": 4, "updated": 2, "replicas": 2}, True),
        ({"desired": 2, "updated": 4, "replicas": 4}, True),
    ],
)
def test_scaling_is_not_a_rollout(deployment: dict[str, int], updated: bool) -> None:
    assert observed(state(deployment=deployment)).updated == updated


@pytest.mark.parametrize(("kind", "status"), [("ScalingActive", "False"), ("AbleToScale", "False")])
def test_inactive_autoscaler_has_the_conditions_reason_and_message(kind: str, status: str) -> None:
    condition = {"type": kind, "status": status, "reason": "FailedGetScale", "message": "no"}
    result = observed(state(conditions=[condition]))
    assert not result.active and result.inactive == "FailedGetScale: no"


@pytest.mark.parametrize("name", SOURCES)
def test_source_that_is_not_live_is_away(name: str) -> None:
    assert observed(state(sources={name: {"state": "stale"}})).away == name
    assert observed(state()).away is None


def test_demand_is_in_pods_and_unknown_until_each_pod_has_a_sample() -> None:
    assert observation(used=105.0).demand == pytest.approx(3.0)
    assert observed(state()).demand is None


@pytest.mark.parametrize(
    ("pods", "demand", "content"),
    [(2, 2.2, True), (2, 2.3, False), (3, 2.1, True), (3, 2.0, False), (2, 0.1, True), (3, 0.1, False), (0, 1, False)],
)
def test_autoscaler_is_content_if_it_would_not_change_the_pods(pods: int, demand: float, content: bool) -> None:
    assert observation(count=pods).content_at(demand) == content


def test_autoscaler_must_act_only_beyond_the_tolerance() -> None:
    """CPU of 72 % is within the tolerance of a 70 % target."""
    assert [observation().must_act(2 * percent / 70) for percent in (72, 77, 78)] == [False, False, True]


def test_observation_is_even_if_no_pod_is_starting() -> None:
    assert observation().even and observation(pods=(pod(0), pod(1), pod(2, phase="Terminating"))).even
    assert not observation(pods=(pod(0), pod(1), pod(2, **STARTING))).even


@pytest.mark.parametrize(
    ("reason", "owed", "expected"),
    [
        ("ScaleDownStabilized", 1, None),
        ("ScaleDownStabilized", 4, 4),
        ("ScaleUpStabilized", 4, None),
        ("ScaleUpStabilized", 1, 1),
        ("ReadyForNewScale", 4, 4),
    ],
)
def test_nothing_is_owed_while_the_controller_says_that_a_window_holds_it(
    reason: str, owed: int, expected: int | None
) -> None:
    able = {"type": "AbleToScale", "status": "True", "reason": reason, "message": ""}
    active = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": ""}
    found = observed(state(conditions=[able, active], evaluation={"owed": owed}))
    assert found.owed == expected


@pytest.mark.parametrize(("reason", "owed"), [("ScaleUpLimit", 4), ("ScaleDownLimit", 1)])
@pytest.mark.parametrize("status", ["True", "False"])
def test_nothing_is_owed_while_the_controller_says_that_a_policy_holds_it(reason: str, owed: int, status: str) -> None:
    limited = {"type": "ScalingLimited", "status": status, "reason": reason, "message": ""}
    found = observed(state(conditions=[limited], evaluation={"owed": owed}))
    assert (found.owed, found.held) == ((None, reason) if status == "True" else (owed, None))


def test_pod_of_the_label_that_something_else_has_made_is_measured_and_not_counted() -> None:
    found = observe(Look(state(pods=3), {}, 60.0, strangers=frozenset({"u2"})), {}, "flask", T0)
    assert found and (len(found.ready), len(found.own_ready), found.even) == (3, 2, True)


def test_pods_without_samples_are_named_and_so_are_counters_that_nobody_can_read() -> None:
    assert observed(state()).unmeasured == ["flask-1"]
    assert not observed(state()).uncounted
    assert observed(state(sources={"traffic": {"state": "stale"}})).uncounted
