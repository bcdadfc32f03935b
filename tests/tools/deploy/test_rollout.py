"""The readiness of workloads, the obstacles to it, and the autoscaler's first figure."""

import itertools
import socket
import threading
from typing import Any

import pytest

from tools.cluster.errors import ClusterError
from tools.deploy.rollout import blocking, has_figure, obstacles, unready, wait_for_answer


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
        pod(phase="Failed", containerStatuses=[container(terminated={"reason": "Error"})]),
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


class Resetting(threading.Thread):
    """A server that resets its first connections, and answers the others with 404."""

    def __init__(self, resets: int) -> None:
        super().__init__(daemon=True)
        self.resets = resets
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        for number in itertools.count():
            connection, _ = self.listener.accept()
            with connection:
                if number >= self.resets:
                    connection.recv(1024)
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def test_any_answer_ends_the_wait() -> None:
    server = Resetting(resets=2)
    server.start()
    wait_for_answer(server.url, limit=20)


def test_address_without_an_answer_is_an_error_that_names_it() -> None:
    server = Resetting(resets=1_000_000)
    server.start()
    with pytest.raises(ClusterError, match=server.url):
        wait_for_answer(server.url, limit=0.1)


def member(revision: str, ready: str = "False", **meta: Any) -> dict[str, Any]:
    labels = {"app": "mongodb", "controller-revision-hash": revision}
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return {"kind": "Pod", "metadata": {"name": "mongodb-0", "labels": labels} | meta, "status": status}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (member("old"), ["mongodb-0"]),
        (member("new"), []),
        (member("old", ready="True"), []),
        (member("old", deletionTimestamp="2026-11-27T19:00:00Z"), []),
        (member("old", labels={"app": "flask", "controller-revision-hash": "old"}), []),
        (member("old", labels=None), []),
    ],
)
def test_unready_pod_of_an_old_revision_blocks_its_statefulset(item: dict[str, Any], expected: list[str]) -> None:
    controller = workload("StatefulSet", 1, updateRevision="new")
    controller["spec"]["selector"] = {"matchLabels": {"app": "mongodb"}}
    assert blocking([controller, item]) == expected


def test_single_member_that_does_not_know_of_others_is_replaced_although_it_is_ready() -> None:
    follows = {"containers": [{"name": "sidecar", "env": [{"name": "SCALE_URL", "value": "https://api"}]}]}
    alone = {"containers": [{"name": "sidecar", "env": [{"name": "REPLICAS", "value": "1"}]}]}
    controller = workload("StatefulSet", 3, updateRevision="new")
    controller["spec"] |= {"selector": {"matchLabels": {"app": "mongodb"}}, "template": {"spec": follows}}
    assert blocking([controller, member("old", ready="True") | {"spec": alone}]) == ["mongodb-0"]
    assert blocking([controller, member("old", ready="True") | {"spec": follows}]) == []
