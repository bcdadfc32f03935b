"""What is found wrong with an autoscaler's settings, and what is not."""

from typing import Any

import msgspec
import pytest

from dashboard.core import objects
from dashboard.core.hpa.findings import Surroundings, applied_replicas, findings
from dashboard.core.wire import Finding
from dashboard.mock.cluster.manifests import BEHAVIOR
from tests.dashboard.core.hpa.test_evaluation import CPU

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TARGET = {"kind": "Deployment", "name": "flask"}


def autoscaler(name: str = "flask", **spec: Any) -> objects.Autoscaler:
    whole = {"scaleTargetRef": TARGET, "minReplicas": 2, "maxReplicas": 5, "metrics": [CPU], "behavior": BEHAVIOR}
    return msgspec.convert({"metadata": {"name": name, "uid": name}, "spec": whole | spec}, objects.Autoscaler)


def pod(requests: dict[str, str] | None = None, limits: dict[str, str] | None = None) -> objects.Pod:
    resources = objects.Resources({"cpu": "100m", "memory": "100Mi"} if requests is None else requests, limits)
    return objects.Pod(objects.Meta(name="p"), objects.PodSpec([objects.Container("flask", resources)]))


def deployment(replicas: int = 2, applied: str | None = None) -> objects.Workload:
    annotations = {} if applied is None else {APPLIED: applied}
    meta = {"name": "flask", "uid": "d", "annotations": annotations}
    return msgspec.convert({"metadata": meta, "spec": {"replicas": replicas}}, objects.Workload)


def found(
    autoscaler: objects.Autoscaler,
    pods: list[objects.Pod] | None = None,
    deployment: objects.Workload | None = None,
    others: list[objects.Autoscaler] | None = None,
    load: float | None = None,
) -> list[Finding]:
    pods = [pod(limits={"cpu": "400m", "memory": "200Mi"})] if pods is None else pods
    return findings(autoscaler, Surroundings(pods, deployment, [autoscaler, *(others or [])], load))


def ids(found: list[Finding]) -> list[str]:
    return [one.id for one in found]


def cpu(**target: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def test_sound_settings_have_no_findings() -> None:
    assert found(autoscaler(), deployment=deployment(applied='{"spec": {}}'), load=120) == []


def test_without_pods_nothing_is_found_about_them() -> None:
    assert found(autoscaler(), pods=[]) == []


def test_percentage_needs_a_request() -> None:
    assert ids(found(autoscaler(), [pod(requests={})])) == ["NoRequest"]
    assert ids(found(autoscaler(metrics=[cpu(averageValue="70m")]), [pod(requests={})])) == []
    memory = {"type": "Resource", "resource": {"name": "memory", "target": {"averageUtilization": 80}}}
    assert ids(found(autoscaler(metrics=[CPU, memory]), [pod(requests={"cpu": "1"})])) == ["NoRequest"]


@pytest.mark.parametrize(
    ("target", "limit", "over"),
    [
        ({"averageUtilization": 70}, "77m", True),  # the tolerance needs more than 77 %
        ({"averageUtilization": 70}, "78m", False),
        ({"averageUtilization": 400}, "400m", True),
        ({"averageUtilization": 400}, None, False),
        ({"averageValue": "500m"}, "400m", True),
        ({"averageValue": "300m"}, "400m", False),
    ],
)
def test_target_at_the_limit_adds_no_pod(target: dict[str, Any], limit: str | None, over: bool) -> None:
    limits = {"cpu": limit} if limit else None
    assert ids(found(autoscaler(metrics=[cpu(**target)]), [pod(limits=limits)])) == ["TargetOverLimit"] * over


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minReplicas": 5}, ["MinIsMax"]),
        ({"minReplicas": 6}, ["MinOverMax"]),
        ({"minReplicas": 0}, ["MinZero"]),
        ({"minReplicas": 0, "metrics": [CPU, {"type": "External", "external": {"metric": {"name": "q"}}}]}, []),
        ({"behavior": {"scaleUp": {"selectPolicy": "Disabled"}}}, ["ScaleUpDisabled"]),
        ({"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}, ["ScaleDownDisabled"]),
        ({"behavior": {"scaleDown": {"tolerance": "1"}}}, ["ToleranceTooWide"]),
        ({"behavior": None}, []),
    ],
)
def test_bounds_and_behavior(spec: dict[str, Any], expected: list[str]) -> None:
    assert ids(found(autoscaler(**spec))) == expected


@pytest.mark.parametrize(("window", "load", "late"), [(120, 120, True), (120, 121, False), (120, None, False)])
def test_window_must_be_shorter_than_the_load(window: int, load: float | None, late: bool) -> None:
    spec = {"behavior": {"scaleUp": {"stabilizationWindowSeconds": window}}}
    assert ids(found(autoscaler(**spec), load=load)) == ["WindowOverLoad"] * late


def test_two_autoscalers_of_one_target() -> None:
    assert ids(found(autoscaler(), others=[autoscaler("other")])) == ["SharedTarget"]
    elsewhere = autoscaler("other", scaleTargetRef={"kind": "Deployment", "name": "web"})
    assert found(autoscaler(), others=[elsewhere]) == []


@pytest.mark.parametrize(
    ("applied", "replicas"),
    [
        ('{"spec": {"replicas": 3, "template": {}}}', 3),
        ('{"spec": {"template": {}}}', None),
        ("{}", None),
        ("", None),
        ("no JSON", None),
        ('{"spec": {"replicas": "3"}}', None),
        ("[" * 100_000, None),
        (None, None),
    ],
)
def test_replicas_of_the_applied_manifest(applied: str | None, replicas: int | None) -> None:
    owner = deployment(applied=applied)
    assert applied_replicas(owner) == replicas
    assert ids(found(autoscaler(), deployment=owner)) == ["ReplicasApplied"] * (replicas is not None)


def test_scaled_to_zero_turns_it_off() -> None:
    assert ids(found(autoscaler(), deployment=deployment(0))) == ["ScaledToZero"]


def test_worst_is_first() -> None:
    many = found(autoscaler(minReplicas=5), [pod(requests={})])
    assert [(one.id, one.tone) for one in many] == [("NoRequest", "bad"), ("MinIsMax", "warn")]
