"""The proposals of an autoscaler's metrics, compared with the replica calculator of Kubernetes, transcribed here."""

# ruff: noqa: RUF001 - the texts have multiplication signs

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core import objects
from dashboard.core.hpa.evaluation import Evaluator
from dashboard.core.hpa.proposals import ProposalReader, ask, combined
from dashboard.core.timestamps import rfc3339
from dashboard.core.wire import AskView, MetricView
from dashboard.mock.cluster.manifests import BEHAVIOR
from tests.dashboard.core.hpa.test_evaluation import CPU, NOW, pod

MEBI = 2**20


def resource(name: str = "memory", container: str = "", **value: Any) -> dict[str, Any]:
    key = "containerResource" if container else "resource"
    return {"type": key[0].upper() + key[1:], key: {"name": name, "container": container, **value}}


def custom(type_: str, name: str, **value: Any) -> dict[str, Any]:
    about = {"describedObject": {"kind": "Ingress", "name": "main"}} if type_ == "Object" else {}
    return {"type": type_, type_.lower(): {"metric": {"name": name}, **about, **value}}


def hpa(metrics: list[Any], seen: list[Any] | None = None, current: int = 3, **behavior: Any) -> objects.Autoscaler:
    spec = {"minReplicas": 1, "maxReplicas": 50, "metrics": metrics, "behavior": behavior or BEHAVIOR}
    status = {"currentReplicas": current, "desiredReplicas": current, "currentMetrics": seen}
    object_ = {"metadata": {"name": "flask", "uid": "h"}, "spec": spec, "status": status}
    return msgspec.convert(object_, objects.Autoscaler)


def members(count: int, memory: str | None = "100Mi", **more: Any) -> list[objects.Pod]:
    made = [pod(f"p{index}", **more) for index in range(count)]
    requests = {"cpu": "100m"} | ({"memory": memory} if memory else {})
    containers = [objects.Container("flask", objects.Resources(requests))]
    return [msgspec.structs.replace(one, spec=objects.PodSpec(containers)) for one in made]


def usage(*mebi: int) -> dict[str, objects.PodMetrics]:
    names = [f"p{index}" for index in range(len(mebi))]
    return {
        name: objects.PodMetrics(
            objects.Meta(name=name),
            rfc3339(NOW),
            "15s",
            [objects.ContainerMetrics("flask", {"cpu": "50m", "memory": f"{amount}Mi"})],
        )
        for name, amount in zip(names, mebi, strict=True)
    }


def read(
    autoscaler: objects.Autoscaler, pods: list[objects.Pod], samples: dict[str, objects.PodMetrics]
) -> list[MetricView]:
    current = autoscaler.status.desired_replicas
    return ProposalReader().read(autoscaler, pods, samples, NOW, current).views


def fields(view: MetricView) -> tuple[Any, ...]:
    return view.current, view.proposed, view.measured_by


def test_memory_is_computed_from_samples() -> None:
    (view,) = read(hpa([resource(target={"averageUtilization": 50})]), members(3), usage(80, 84, 88))
    assert fields(view) == ("84 %", 6, "samples")
    assert (view.target, view.formula) == ("50 % of the requests", "ceil(3 × 84 % / 50 %) = 6")


def test_memory_a_pod_is_computed_from_samples() -> None:
    (view,) = read(hpa([resource(target={"averageValue": "60Mi"})]), members(3), usage(80, 84, 88))
    assert (view.target, *fields(view)) == ("60 Mi a pod", "84 Mi", 5, "samples")


def test_memory_of_a_pod_that_is_not_ready_counts() -> None:
    starting = members(1, conditions=[{"type": "Ready", "status": "False", "lastTransitionTime": rfc3339(NOW)}])
    (view,) = read(hpa([resource(target={"averageValue": "60Mi"})], current=1), starting, usage(120))
    assert view.proposed == 2


def test_container_is_measured_alone() -> None:
    (view,) = read(hpa([resource("memory", "flask", target={"averageValue": "60Mi"})]), members(3), usage(80, 84, 88))
    assert (view.type, view.container, view.proposed) == ("ContainerResource", "flask", 5)
    (other,) = read(hpa([resource("memory", "x", target={"averageUtilization": 60})]), members(3), usage(80, 84, 88))
    assert other.proposed is None and other.problem


def test_utilization_without_a_request_has_no_proposal() -> None:
    (view,) = read(hpa([resource(target={"averageUtilization": 50})]), members(3, memory=None), usage(80, 84, 88))
    assert view.proposed is None and view.problem and "no memory request" in view.problem


def test_without_samples_the_controllers_figure_counts() -> None:
    seen = [resource(current={"averageUtilization": 84, "averageValue": "84Mi"})]
    (view,) = read(hpa([resource(target={"averageUtilization": 50})], seen), members(3), {})
    assert fields(view) == ("84 %", 6, "controller")


def test_pending_pods_count_as_idle_without_samples_too() -> None:
    pending = [msgspec.structs.replace(one, status=objects.PodStatus("Pending")) for one in members(5)[2:]]
    seen = [resource(current={"averageUtilization": 84, "averageValue": "84Mi"})]
    (view,) = read(hpa([resource(target={"averageUtilization": 50})], seen, 5), [*members(2), *pending], {})
    assert fields(view) == ("84 %", 5, "controller")  # not ceil(2 x 84 / 50) = 4


@pytest.mark.parametrize(
    ("target", "current", "proposed"),
    [
        (custom("Pods", "requests", target={"averageValue": "10"}), {"averageValue": "25500m"}, 8),
        (custom("Object", "requests", target={"type": "Value", "value": "100"}), {"value": "240"}, 8),
        (custom("Object", "requests", target={"averageValue": "100"}), {"averageValue": "240"}, 8),
        (custom("External", "queue", target={"value": "100"}), {"value": "105"}, 3),
        (custom("External", "queue", target={"averageValue": "30"}), {"averageValue": "5"}, 1),
        (custom("External", "queue", target={"value": "30"}), {"value": "-5"}, 0),
    ],
)
def test_other_metrics_are_computed_from_the_controllers_figure(
    target: dict[str, Any], current: dict[str, Any], proposed: int
) -> None:
    kind = target["type"].lower()
    seen = {"type": target["type"], kind: target[kind] | {"current": current}}
    (view,) = read(hpa([target], [seen]), members(3), {})
    assert (view.proposed, view.measured_by) == (proposed, "controller")


@pytest.mark.parametrize("seen", [None, [], [{"type": ""}], [custom("External", "other", current={"value": "9"})]])
def test_metric_without_a_figure_has_no_proposal(seen: list[Any] | None) -> None:
    (view,) = read(hpa([custom("External", "queue", target={"value": "30"})], seen), members(3), usage(1, 1, 1))
    assert view.proposed is None and view.measured_by is None and view.problem


def test_largest_proposal_counts() -> None:
    views = read(
        hpa([resource(target={"averageValue": "60Mi"}), resource(target={"averageUtilization": 50})]),
        members(3),
        usage(80, 84, 88),
    )
    assert ask(3, views) == AskView(6, "The largest proposal counts: memory asks for 6 pods.")


def test_cpu_alone_needs_no_sum() -> None:
    autoscaler = hpa([CPU])
    found = ProposalReader().read(autoscaler, members(3), usage(1, 1, 1), NOW, 3)
    evaluation = Evaluator().evaluate(autoscaler, members(3), usage(1, 1, 1), NOW, 3, found.others)
    state = found.state(evaluation, 3)
    assert (found.others, state["asks"], state["metrics"][0]["proposed"]) == ([], None, 3)


PROPOSALS = st.lists(st.none() | st.integers(-5, 60), max_size=6)


@given(st.integers(1, 30), PROPOSALS)
def test_combination_matches_the_controller(current: int, proposals: list[int | None]) -> None:
    """By computeReplicasForMetrics."""
    most, invalid = 0, 0
    for one in proposals:
        if one is None:
            invalid += 1
        elif most == 0 or one > most:
            most = one
    refused = invalid >= len(proposals) or (invalid > 0 and most < current)
    expected = None if refused else most
    found = combined(current, proposals)
    # The controller begins with 0, which is below minReplicas: a negative proposal and 0 ask for the same.
    assert found == expected or (expected is not None and found is not None and max(found, expected) <= 0)


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 20), st.integers(0, 5), st.integers(0, 5))
def test_average_matches_the_controller(used: int, target: int, measured: int, missing: int, pending: int) -> None:
    """By calcPlainMetricReplicas, for memory in Mi."""
    current = measured + missing + pending
    pods = members(current)
    late = [msgspec.structs.replace(one, status=objects.PodStatus("Pending")) for one in pods[measured + missing :]]
    (view,) = read(
        hpa([resource(target={"averageValue": f"{target}Mi"})], current=current),
        [*pods[: measured + missing], *late],
        usage(*[used] * measured),
    )
    assert view.proposed == plain_replicas(current, [used] * measured, target, missing, pending)


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 20), st.integers(0, 3), st.integers(0, 5))
def test_metric_of_pods_matches_the_controller(seen: int, target: int, measured: int, ended: int, pending: int) -> None:
    """By calcPlainMetricReplicas, which does not ask pods of these metrics whether they are ready."""
    current = measured + ended + pending
    pods = members(current, conditions=[{"type": "Ready", "status": "False", "lastTransitionTime": rfc3339(NOW)}])
    phases = ["Running"] * measured + ["Succeeded"] * ended + ["Pending"] * pending
    pods = [
        msgspec.structs.replace(one, status=msgspec.structs.replace(one.status, phase=phase))
        for one, phase in zip(pods, phases, strict=True)
    ]
    metric = custom("Pods", "requests", target={"averageValue": str(target)})
    figure = custom("Pods", "requests", current={"averageValue": str(seen)})
    (view,) = read(hpa([metric], [figure], current=current), pods, {})
    assert view.proposed == plain_replicas(current, [seen] * measured, target, ended, pending)
    assert view.current == str(seen)


def test_metric_of_pods_has_no_proposal_while_all_are_pending() -> None:
    pending = [msgspec.structs.replace(one, status=objects.PodStatus("Pending")) for one in members(2)]
    metric = custom("Pods", "requests", target={"averageValue": "10"})
    figure = custom("Pods", "requests", current={"averageValue": "20"})
    (view,) = read(hpa([metric], [figure], current=2), pending, {})
    assert (view.proposed, view.problem) == (None, "No pod runs yet, so none has a figure.")


def plain_replicas(current: int, metrics: list[int], target: int, missing: int, unready: int) -> int:
    ratio = sum(metrics) / len(metrics) / target
    if not (unready and ratio > 1) and not missing:
        return current if 0.9 <= ratio <= 1.1 else math.ceil(ratio * len(metrics))
    if missing and ratio != 1:
        metrics = metrics + [target if ratio < 1 else 0] * missing
    if unready and ratio > 1:
        metrics = metrics + [0] * unready
    new = (sum(metrics) * 1000 * MEBI // len(metrics)) / (target * 1000 * MEBI)
    if 0.9 <= new <= 1.1 or (ratio < 1 < new) or (new < 1 < ratio):
        return current
    wanted = math.ceil(new * len(metrics))
    return current if (new < 1 and wanted > current) or (new > 1 and wanted < current) else wanted
