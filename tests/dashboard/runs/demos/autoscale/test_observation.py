"""What is read of the dashboard's state, and what follows from it."""

from typing import Any

import pytest

from dashboard.runs.demos.autoscale.observation import SOURCES, Observation, observe
from tests.dashboard.runs.demos.autoscale.observations import ON_ITS_WAY, T0, pod, seen

LIVE = {name: {"state": "live"} for name in (*SOURCES, "traffic")}


def state(pods: int = 2, sources: dict[str, Any] | None = None, workload: Any = None, **scaler: Any) -> dict[str, Any]:
    active = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": ""}
    return {
        "autoscaler": {
            "min": 2, "max": 5, "current": 2, "desired": 2, "cpu_percent": 5, "target_percent": 70,
            "cpu_millicores": 5, "target_millicores": None, "conditions": [active], "evaluation": None,
        } | scaler,
        "pods": [
            {
                "uid": f"u{n}", "name": f"flask-{n}", "app": "flask", "phase": "Running", "ready": True, "reason": None,
                "cpu_request_millicores": 100, "cpu_limit_millicores": 400, "requests_per_second": 9.0,
                "errors_per_second": 0.0,
            }
            for n in range(pods)
        ],
        "deployment": {"desired": 2, "ready": 2, "updated": 2, "replicas": 2, "failure": None} | (workload or {}),
        "service": {"endpoints": 2},
        "sources": LIVE | (sources or {}),
    }  # fmt: skip


def read(found: dict[str, Any]) -> Observation:
    one = observe(found, {"u0": (T0, 5.0, 15.0)}, "flask", 60.0, T0)
    assert one is not None
    return one


def test_without_a_cpu_target_there_is_nothing_to_observe() -> None:
    assert observe(state() | {"autoscaler": None}, {}, "flask", 60.0, T0) is None
    assert observe(state(target_percent=None), {}, "flask", 60.0, T0) is None


def test_target_in_millicores_is_in_its_own_unit() -> None:
    one = read(state(target_percent=None, target_millicores=75, cpu_percent=None, cpu_millicores=133))
    assert (one.target, one.unit, one.figure, one.per_pod) == (75, "m", 133, 75.0)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_finished_pod_is_not_counted(phase: str) -> None:
    found = state(pods=3)
    found["pods"][2] |= {"phase": phase, "ready": False, "reason": "Evicted"}
    assert len(read(found).pods) == 2 and read(found).even


def test_pods_of_another_app_are_ignored() -> None:
    found = state(pods=3)
    found["pods"][2]["app"] = "mongodb"
    assert len(read(found).pods) == 2


def test_served_requests_are_unknown_while_scraping_is_stale() -> None:
    assert read(state()).serving == {"u0", "u1"}
    assert [one.requests for one in read(state(sources={"traffic": {"state": "stale"}})).pods] == [None, None]


def test_new_object_asks_for_as_many_as_the_deployment_has() -> None:
    one = read(state(desired=0, conditions=[]))
    assert (one.desired, one.active) == (2, False)


@pytest.mark.parametrize(
    ("workload", "updated"),
    [
        ({}, True),
        ({"updated": 1, "replicas": 3}, False),
        ({"desired": 4, "updated": 2, "replicas": 2}, True),
        ({"desired": 2, "updated": 4, "replicas": 4}, True),
    ],
)
def test_scaling_is_no_roll_out(workload: dict[str, int], updated: bool) -> None:
    assert read(state(workload=workload)).updated == updated


@pytest.mark.parametrize(("kind", "status"), [("ScalingActive", "False"), ("AbleToScale", "False")])
def test_it_is_inactive_in_kubernetes_own_words(kind: str, status: str) -> None:
    condition = {"type": kind, "status": status, "reason": "FailedGetScale", "message": "no"}
    one = read(state(conditions=[condition]))
    assert not one.active and one.inactive == "FailedGetScale: no"


@pytest.mark.parametrize("name", SOURCES)
def test_source_that_is_not_live_is_away(name: str) -> None:
    assert read(state(sources={name: {"state": "stale"}})).away == name
    assert read(state()).away is None


def test_demand_is_in_pods_at_the_target_and_unknown_until_each_has_a_sample() -> None:
    assert seen(used=105.0).demand == pytest.approx(3.0)
    assert read(state()).demand is None


@pytest.mark.parametrize(
    ("pods", "demand", "content"),
    [(2, 2.2, True), (2, 2.3, False), (3, 2.1, True), (3, 2.0, False), (2, 0.1, True), (3, 0.1, False), (0, 1, False)],
)
def test_it_is_content_within_the_tolerance_where_the_number_fits_and_at_min(
    pods: int, demand: float, content: bool
) -> None:
    assert seen(pods=pods).content_at(demand) == content


def test_it_has_to_act_beyond_the_tolerance_and_not_before() -> None:
    """CPU of 72 % of a 70 % target is inside of it."""
    assert not seen().must_act(2 * 72 / 70) and not seen().must_act(2 * 77 / 70) and seen().must_act(2 * 78 / 70)


def test_even_means_no_pod_on_its_way_in() -> None:
    assert seen().even and seen(there=(pod(0), pod(1), pod(2, phase="Terminating"))).even
    assert not seen(there=(pod(0), pod(1), pod(2, **ON_ITS_WAY))).even
