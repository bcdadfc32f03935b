"""The readiness of workloads, the wait for it, and the autoscaler's first figure."""

import itertools
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tools.cluster.errors import ClusterError
from tools.deploy.rollout import (
    apply,
    blocking,
    has_figure,
    refusal,
    unready,
    unscaled,
    wait,
    wait_for_answer,
    wait_for_figure,
)


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


@pytest.mark.slow
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
class Kubectl:
    """A kubectl that prints the same objects each time, and fails as it does where a kind may not be listed."""

    def __init__(self, directory: Path, *objects: dict[str, Any], errors: str = "", status: int = 0) -> None:
        (directory / "objects.json").write_text(json.dumps({"items": objects}))
        script = f"cat {directory}/objects.json; echo '{errors}' >&2; exit {status}"
        self.command = ("bash", "-c", script, "kubectl")


def quota_refusal() -> dict[str, Any]:
    made = workload("Deployment", 1, conditions=[
        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: compute, requested: pods=1"}
    ])  # fmt: skip
    return made


def test_reason_is_said_at_the_first_look_with_the_command_that_shows_more(tmp_path: Path) -> None:
    quota = {"kind": "ResourceQuota", "metadata": {"name": "compute"}}
    kubectl = Kubectl(tmp_path, quota_refusal(), workload("StatefulSet", 0), quota)
    said: list[str] = []
    with pytest.raises(ClusterError, match="exceeded quota: compute"):
        wait(kubectl.command, said.append, limit=0)
    reason, command = said[1].splitlines()
    assert "exceeded quota: compute" in reason
    assert command.endswith("--namespace flask-mongodb describe resourcequota compute")


def test_kind_that_may_not_be_listed_only_costs_its_reasons(tmp_path: Path) -> None:
    ready = {"observedGeneration": 3}
    objects = (workload("Deployment", 0, **ready), workload("StatefulSet", 0, **ready))
    forbidden = "Error from server (Forbidden): resourcequotas is forbidden"
    wait(Kubectl(tmp_path, *objects, errors=forbidden, status=1).command, print, limit=0)
    with pytest.raises(ClusterError, match="does not answer"):
        wait(Kubectl(tmp_path, *objects, errors="Unable to connect", status=1).command, print, limit=0)


def test_cluster_that_shows_no_workloads_is_not_ready(tmp_path: Path) -> None:
    forbidden = "Error from server (Forbidden): deployments.apps is forbidden"
    with pytest.raises(ClusterError, match="does not show"):
        wait(Kubectl(tmp_path, workload("StatefulSet", 0), errors=forbidden, status=1).command, print, limit=0)


def test_missing_figure_is_explained_by_the_autoscaler(tmp_path: Path) -> None:
    condition = {"type": "ScalingActive", "status": "False", "reason": "Failed", "message": "no metrics returned"}
    scaler = {"kind": "HorizontalPodAutoscaler", "status": {"conditions": [condition]}}
    assert unscaled(scaler) == ["no metrics returned"]
    assert unscaled({"status": {"conditions": [condition | {"type": "ScalingLimited"}]}}) == []
    with pytest.raises(ClusterError, match="no metrics returned"):
        wait_for_figure(Kubectl(tmp_path, scaler).command, print, limit=0)


FORBIDDEN = 'The StatefulSet "mongodb" is invalid: spec: Forbidden: updates to statefulset spec for fields other than …'


def test_larger_volume_is_refused_in_one_sentence_that_says_how_to_get_it() -> None:
    text = refusal(("kubectl",), FORBIDDEN)
    assert "\n" not in text
    assert "kubectl --namespace flask-mongodb delete statefulset mongodb --cascade=orphan" in text
    assert refusal(("kubectl",), "Service is invalid").endswith("Service is invalid")


def test_refused_manifests_are_not_half_applied(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = f'echo "$*" >> {log}; case "$*" in *dry-run=server*) echo "$REFUSED" >&2; exit 1 ;; esac'
    kubectl = ("env", f"REFUSED={FORBIDDEN}", "bash", "-c", script, "kubectl")
    with pytest.raises(ClusterError, match=r"^Nothing was applied"):
        apply(kubectl, "base", [], {}, [], tmp_path / "manifests")
    applied = [line for line in log.read_text().splitlines() if line.startswith("apply")]
    assert len(applied) == 1 and applied[0].endswith("--dry-run=server")
