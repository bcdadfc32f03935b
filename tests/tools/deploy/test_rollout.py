"""The readiness of workloads, the obstacles to it, and the autoscaler's first figure."""

from typing import Any

import pytest

from tools.deploy.rollout import has_figure, obstacles, unready


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


def deployment(message: str) -> dict[str, Any]:
    return workload("Deployment", 1, conditions=[{"type": "ReplicaFailure", "status": "True", "message": message}])


def pod(**status: Any) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": "flask-1"}, "status": status}


def container(**state: Any) -> dict[str, Any]:
    return {"name": "flask", "state": state}


def failed_create(name: str) -> dict[str, Any]:
    message = f"create Pod {name}-0 failed: exceeded quota"
    return {
        "kind": "Event", "metadata": {}, "reason": "FailedCreate", "involvedObject": {"name": name}, "message": message
    }  # fmt: skip


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (deployment("pods are forbidden: exceeded quota"), "  flask: pods are forbidden: exceeded quota"),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]),
            "  flask-1: 0/1 nodes are available",
        ),
        (
            pod(containerStatuses=[container(waiting={"reason": "ImagePullBackOff", "message": "not found"})]),
            "  flask-1/flask: ImagePullBackOff not found",
        ),
        (
            pod(initContainerStatuses=[container(terminated={"reason": "OOMKilled"})]),
            "  flask-1/flask: OOMKilled",
        ),
    ],
)
def test_obstacle_quotes_kubernetes(item: dict[str, Any], expected: str) -> None:
    assert obstacles([item, item]) == [expected]


@pytest.mark.parametrize(
    "item",
    [
        workload("Deployment", 1, conditions=[{"type": "Available", "status": "False", "message": "no pods"}]),
        pod(conditions=[{"type": "PodScheduled", "status": "True"}]),
        pod(containerStatuses=[container(waiting={"reason": "ContainerCreating"}), container(running={})]),
        pod(initContainerStatuses=[container(terminated={"reason": "Completed"})]),
    ],
)
def test_ordinary_start_has_no_obstacle(item: dict[str, Any]) -> None:
    assert obstacles([item]) == []


def test_refused_pod_of_a_statefulset_is_an_obstacle_while_it_is_missing() -> None:
    assert obstacles([workload("StatefulSet", 1), failed_create("flask")]) == [
        "  flask: create Pod flask-0 failed: exceeded quota"
    ]
    assert obstacles([workload("StatefulSet", 1, replicas=1), failed_create("flask")]) == []
    assert obstacles([workload("StatefulSet", 1), failed_create("other")]) == []
