"""The reasons for which a deployment does not become Ready."""

from typing import Any

import pytest

from tools.deploy.obstacles import Obstacle, obstacles

Object = dict[str, Any]
REFUSED = {"type": "ReplicaFailure", "status": "True", "message": "pods are forbidden: exceeded quota: compute"}


def an_object(kind: str, name: str, spec: Object | None = None, **status: Any) -> Object:
    return {"kind": kind, "metadata": {"name": name, "uid": f"{name}-uid"}, "spec": spec or {}, "status": status}


def pod(**status: Any) -> Object:
    return an_object("Pod", "flask-1", **status)


def stateful_set(replicas: int) -> Object:
    return an_object("StatefulSet", "mongodb", {"replicas": 1}, replicas=replicas)


def claim(phase: str) -> Object:
    return an_object("PersistentVolumeClaim", "data-mongodb-0", phase=phase)


def replica_set(replicas: int) -> Object:
    made = an_object("ReplicaSet", "flask-7d4", {"replicas": replicas}, conditions=[REFUSED])
    made["metadata"]["ownerReferences"] = [{"name": "flask"}]
    return made


def container(**state: Any) -> Object:
    return {"name": "flask", "state": state}


def crashed(**container: Any) -> Object:
    ended = {"terminated": {"reason": "Error", "exitCode": 132, "message": "first\nIllegal instruction\n"}}
    return {"name": "flask", "lastState": ended, "ready": False, **container}


def event(about: Object, reason: str, message: str, **more: Any) -> Object:
    involved = {"kind": about["kind"], "name": about["metadata"]["name"], "uid": about["metadata"]["uid"]}
    return {"kind": "Event", "involvedObject": involved, "metadata": {}, "reason": reason, "message": message} | more


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            an_object("Deployment", "flask", {"replicas": 1}, conditions=[REFUSED]),
            Obstacle("flask", REFUSED["message"], "describe replicasets --selector app.kubernetes.io/name=flask"),
        ),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]),
            Obstacle("flask-1", "0/1 nodes are available", "describe pod flask-1"),
        ),
        (
            pod(containerStatuses=[container(waiting={"reason": "ImagePullBackOff", "message": "not found"})]),
            Obstacle("flask-1/flask", "ImagePullBackOff not found", "describe pod flask-1"),
        ),
        (
            pod(initContainerStatuses=[container(terminated={"reason": "OOMKilled", "exitCode": 137})]),
            Obstacle("flask-1/flask", "OOMKilled (exit status 137)", "logs flask-1 --container flask"),
        ),
    ],
)
def test_obstacle_quotes_kubernetes_and_names_the_command_that_shows_more(item: Object, expected: Obstacle) -> None:
    assert obstacles([item, item]) == [expected]


@pytest.mark.parametrize("state", [{"waiting": {"reason": "CrashLoopBackOff"}}, {"running": {}}])
def test_crash_is_explained_by_its_last_words_and_not_by_the_wait_for_the_next_start(state: Object) -> None:
    (found,) = obstacles([pod(containerStatuses=[crashed(state=state)])])
    assert found.reason == "Error (exit status 132): first / Illegal instruction"
    assert found.look == "logs flask-1 --container flask --previous"


def test_container_that_recovered_from_a_crash_is_no_obstacle() -> None:
    assert obstacles([pod(containerStatuses=[crashed(state={"running": {}}, ready=True)])]) == []


@pytest.mark.parametrize(
    "item",
    [
        an_object("Deployment", "flask", conditions=[{"type": "Available", "status": "False", "message": "no pods"}]),
        replica_set(replicas=0),  # of an earlier revision
        pod(conditions=[{"type": "PodScheduled", "status": "True"}]),
        pod(containerStatuses=[container(waiting={"reason": "ContainerCreating"}), container(running={})]),
        pod(initContainerStatuses=[container(terminated={"reason": "Completed", "exitCode": 0})]),
        pod(phase="Failed", containerStatuses=[container(terminated={"reason": "Error"})]),
        {"kind": "Pod", "metadata": {"name": "flask-1"}},
    ],
)
def test_ordinary_start_has_no_obstacle(item: Object) -> None:
    assert obstacles([item]) == []


def test_refusal_that_a_deployment_repeats_of_its_replica_set_is_one_obstacle() -> None:
    deployment = an_object("Deployment", "flask", {"replicas": 2}, conditions=[REFUSED])
    assert [each.name for each in obstacles([deployment, replica_set(2)])] == ["flask"]


def test_refusal_by_a_quota_leads_to_the_quota() -> None:
    quotas = [an_object("ResourceQuota", name) for name in ("storage", "compute")]
    (found,) = obstacles([replica_set(2), *quotas])
    assert found.look == "describe resourcequota compute"


def test_refused_pod_of_a_statefulset_is_an_obstacle_while_it_is_missing() -> None:
    refused = event(stateful_set(0), "FailedCreate", "create Pod mongodb-0 failed: exceeded quota")
    assert [each.reason for each in obstacles([stateful_set(0), refused])] == [refused["message"]]
    assert obstacles([stateful_set(1), refused]) == []
    assert obstacles([an_object("StatefulSet", "other", {"replicas": 1}), refused]) == []


def test_claim_that_no_class_serves_comes_before_the_pod_that_waits_for_it() -> None:
    message = "no persistent volumes available for this claim and no storage class is set"
    unbound = event(claim("Pending"), "FailedBinding", message, type="Normal")
    waiting = pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "unbound claims"}])
    found = obstacles([waiting, claim("Pending"), unbound])
    assert [each.reason for each in found] == [message, "unbound claims"]
    assert obstacles([claim("Bound"), unbound]) == []


def test_event_counts_for_the_present_pod_that_is_not_ready() -> None:
    failed = event(pod(), "FailedMount", 'secret "dashboard-auth" not found', type="Warning")
    ready = [{"type": "Ready", "status": "True"}]
    assert [each.reason for each in obstacles([pod(), failed])] == [failed["message"]]
    assert obstacles([pod(conditions=ready), failed]) == []
    failed["involvedObject"]["uid"] = "of a former pod"
    assert obstacles([pod(), failed]) == []


@pytest.mark.parametrize("reason", ["Scheduled", "Pulled", "Killing"])
def test_ordinary_event_is_no_obstacle(reason: str) -> None:
    assert obstacles([pod(), event(pod(), reason, "all well", type="Normal")]) == []


@pytest.mark.parametrize(("last", "expected"), [("10:00:29", 0), ("10:00:30", 1)])
def test_failing_probe_counts_once_it_has_lasted(last: str, expected: int) -> None:
    times = {"firstTimestamp": "2026-11-28T10:00:00Z", "lastTimestamp": f"2026-11-28T{last}Z"}
    unhealthy = event(pod(), "Unhealthy", "Readiness probe failed: 503", type="Warning", **times)
    assert len(obstacles([pod(), unhealthy])) == expected
    assert obstacles([pod(), event(pod(), "Unhealthy", "…", type="Warning", firstTimestamp=None)]) == []
