"""When a workload has rolled out, and when an autoscaler has a figure."""

from typing import Any

import pytest

from tools.deploy.rollout import has_figure, unready


def workload(kind: str, desired: int, **status: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": "flask", "generation": 3},
        "spec": {"replicas": desired},
        "status": status,
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}, None),
        ({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1}, "flask 1/2"),
        # An old pod is still there.
        ({"observedGeneration": 3, "replicas": 3, "updatedReplicas": 2, "readyReplicas": 3}, "flask 2/2"),
        # The controller has not observed the latest spec, so its status describes an earlier one.
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}, "flask 0/2"),
        ({}, "flask 0/2"),
    ],
)
def test_deployment_is_ready_when_only_new_pods_exist(status: dict[str, Any], expected: str | None) -> None:
    assert unready(workload("Deployment", 2, **status)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"replicas": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "a"}, None),
        ({"replicas": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "b"}, "flask 0/1"),
        ({"replicas": 1, "readyReplicas": 0, "currentRevision": "a", "updateRevision": "a"}, "flask 0/1"),
    ],
)
def test_statefulset_is_ready_at_its_latest_revision(status: dict[str, Any], expected: str | None) -> None:
    assert unready(workload("StatefulSet", 1, observedGeneration=3, **status)) == expected


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (None, False),
        ([], False),
        ([{"type": ""}], False),
        ([{"type": "Resource", "resource": {"name": "cpu", "current": {}}}], False),
        ([{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 0}}}], True),
        ([{"type": "Resource", "resource": {"name": "cpu", "current": {"averageValue": "1m"}}}], True),
        ([{"type": "ContainerResource", "containerResource": {"current": {"averageUtilization": 133}}}], True),
    ],
)
def test_autoscaler_without_samples_has_no_figure(metrics: list[Any] | None, expected: bool) -> None:
    assert has_figure({"status": {"currentMetrics": metrics}}) is expected
    assert not has_figure({})
