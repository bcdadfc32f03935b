"""The state, built from objects as the API sends them."""

from typing import Any

import msgspec
import orjson
import pytest

from dashboard.core import events, objects
from dashboard.core.state.builder import StateBuilder
from dashboard.core.state.diff import diff, patch
from dashboard.core.timestamps import seconds
from tests.dashboard.core.decoding import decoded
from tests.dashboard.stubs import TARGETS

T0, T1, T2 = "2026-11-24T12:00:00Z", "2026-11-24T12:00:10Z", "2026-11-24T12:00:20Z"
KINDS = (*list(objects.KINDS)[:6], "metrics", "mongo")


@pytest.fixture
def builder() -> StateBuilder:
    return StateBuilder(TARGETS, KINDS, T0)


def pod(uid: str = "u1", name: str = "mongodb-0", created: str = T0, **more: Any) -> Any:
    meta = {"name": name, "uid": uid, "creationTimestamp": created, **more.pop("metadata", {})}
    return decoded("pods", {"metadata": meta, **more})


def changed(kind: str, object_: dict[str, Any], at: str = T1) -> events.ObjectChanged:
    return events.ObjectChanged(at=at, kind=kind, object=decoded(kind, object_))


def only_pod(builder: StateBuilder) -> dict[str, Any]:
    (view,) = builder.state(0)["pods"]
    return dict(view)


def sample(at: str, cpu: str = "123456789n", name: str = "mongodb-0") -> objects.PodMetrics:
    usage = {"cpu": cpu, "memory": "64Mi"}
    return objects.PodMetrics(objects.Meta(name=name), at, "15s", [objects.ContainerMetrics("c", usage)])


def test_empty_state_has_every_field(builder: StateBuilder) -> None:
    assert builder.state(2) == {
        "pods": [], "autoscaler": None, "deployment": None, "statefulset": None, "claims": [], "service": None,
        "traffic": None, "mongo": None, "load": None, "run": None, "runs": [], "confidence": {}, "alerts": None,
            "lease": None,
        "sources": {kind: {"state": "connecting", "as_of": None, "since": T0, "error": None} for kind in KINDS},
        "about": {
            "namespace": "flask-mongodb", "cluster": "embedded", "kubernetes_version": None, "crash": False,
            "actions": [],
            "viewers": 2,
        },
    }  # fmt: skip


def test_fields_of_a_pod(builder: StateBuilder) -> None:
    resources = {"requests": {"cpu": "100m", "memory": "96Mi"}, "limits": {"cpu": "400m", "memory": "256Mi"}}
    sidecar = {"name": "sidecar", "resources": {**resources, "limits": {"memory": "64Mi"}}}
    builder.apply(
        events.ObjectsListed(
            at=T1,
            kind="pods",
            objects=[
                pod(
                    metadata={"labels": {"app.kubernetes.io/name": "mongodb"}},
                    spec={
                        "nodeName": "node",
                        "containers": [{"name": "a", "resources": resources}, sidecar],
                        "initContainers": [
                            {"name": "once", "resources": {"requests": {"cpu": "9"}}},
                            {"name": "mesh", "restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}},
                        ],
                    },
                    status={
                        "phase": "Running",
                        "podIP": "10.0.0.7",
                        "conditions": [{"type": "Ready", "status": "True"}],
                        "containerStatuses": [{"name": "a", "restartCount": 2}, {"name": "sidecar", "restartCount": 1}],
                    },
                )
            ],
        )
    )
    assert only_pod(builder) == {
        "name": "mongodb-0", "uid": "u1", "app": "mongodb", "phase": "Running", "ready": True, "restarts": 3,
        "created": T0, "node": "node", "cpu_millicores": None, "memory_bytes": None, "cpu_request_millicores": 250,
        "cpu_limit_millicores": None, "memory_request_bytes": 192 * 2**20, "memory_limit_bytes": None,
        "ip": "10.0.0.7", "reason": None, "unready": None, "requests_per_second": None, "errors_per_second": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        ({"containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "ErrImagePull"}}}]}, "ErrImagePull"),
        ({"containerStatuses": [{"name": "a", "state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        ({"initContainerStatuses": [{"name": "a", "state": {"terminated": {"reason": "Completed"}}}]}, None),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}, "Unschedulable"),
        ({"conditions": None, "containerStatuses": None}, None),
    ],
)
def test_reason_of_a_pod(builder: StateBuilder, status: dict[str, Any], reason: str | None) -> None:
    builder.apply(events.ObjectChanged(at=T1, kind="pods", object=pod(status=status)))
    assert only_pod(builder)["reason"] == reason


@pytest.mark.parametrize(("initialized", "restarts"), [("True", 6), ("False", 7)])
def test_restarts_are_those_that_kubectl_shows(builder: StateBuilder, initialized: str, restarts: int) -> None:
    """Those of an init container count until it has done its work, those of a sidecar always."""
    init = [{"name": "once"}, {"name": "mesh", "restartPolicy": "Always"}]
    status = {
        "conditions": [{"type": "Initialized", "status": initialized}],
        "initContainerStatuses": [{"name": "once", "restartCount": 1}, {"name": "mesh", "restartCount": 2}],
        "containerStatuses": [{"name": "a", "restartCount": 4}],
    }
    spec = {"containers": [{"name": "a"}], "initContainers": init}
    builder.apply(events.ObjectChanged(at=T1, kind="pods", object=pod(spec=spec, status=status)))
    assert only_pod(builder)["restarts"] == restarts


@pytest.mark.parametrize(
    ("status", "unready"),
    [
        ({"phase": "Running"}, "MongoDB refuses."),
        ({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}, None),
    ],
)
def test_pod_that_is_not_ready_has_its_own_words_for_it(status: dict[str, Any], unready: str | None) -> None:
    builder = StateBuilder(TARGETS, ("pods", "traffic"), T0)
    builder.apply(events.ObjectChanged(at=T1, kind="pods", object=pod(status=status)))
    builder.apply(events.CountersScraped(at=T1, pods={}, unready={"mongodb-0": "MongoDB refuses."}))
    assert (only_pod(builder)["unready"], only_pod(builder)["reason"]) == (unready, None)
    builder.apply(events.CountersScraped(at=T1, pods={}))
    assert only_pod(builder)["unready"] is None


def test_deleted_pod_is_terminating_in_any_phase(builder: StateBuilder) -> None:
    terminating = pod(metadata={"deletionTimestamp": T1}, status={"phase": "Running"})
    builder.apply(events.ObjectChanged(at=T1, kind="pods", object=terminating))
    assert only_pod(builder)["phase"] == "Terminating"


def test_replaced_pod_of_the_same_name_is_another_pod(builder: StateBuilder) -> None:
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=[pod("old")]))
    builder.apply(events.MetricsSampled(at=T1, samples=[sample(T1)]))
    before = builder.state(0)
    builder.apply(events.ObjectChanged(at=T2, kind="pods", object=pod("new", created=T2)))
    assert [pod["uid"] for pod in builder.state(0)["pods"]] == ["old", "new"]
    builder.apply(events.ObjectDeleted(at=T2, kind="pods", uid="old"))
    assert only_pod(builder)["uid"] == "new"
    assert only_pod(builder)["cpu_millicores"] is None, "the sample was the old pod's"
    kinds = [change[:2] for change in diff(before["pods"], builder.state(0)["pods"])]
    assert kinds == [["remove", ["old"]], ["insert", []]]


def test_pods_are_ordered_by_creation_then_name(builder: StateBuilder) -> None:
    pods = [pod("1", "b", T1), pod("2", "a", T1), pod("3", "z", T0)]
    builder.apply(events.ObjectsListed(at=T1, kind="pods", objects=pods))
    assert [pod["name"] for pod in builder.state(0)["pods"]] == ["z", "a", "b"]


def test_list_removes_deleted_objects(builder: StateBuilder) -> None:
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=[pod("1", "a"), pod("2", "b")]))
    builder.apply(events.ObjectsListed(at=T1, kind="pods", objects=[pod("2", "b")]))
    assert only_pod(builder)["uid"] == "2"


def test_unreadable_object_keeps_its_last_version_and_is_named(builder: StateBuilder) -> None:
    def sources_error() -> Any:
        return builder.state(0)["sources"]["pods"]["error"]

    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=[pod("u1", "a"), pod("u2", "b")]))
    bad = events.UnreadableObject("u1", "a", "Expected `int`")
    builder.apply(events.ObjectUnreadable(at=T1, kind="pods", object=bad))
    assert [each["name"] for each in builder.state(0)["pods"]] == ["a", "b"]
    assert sources_error() == "a: Expected `int`"
    builder.apply(events.SourceStatus(at=T1, source="pods", state="live"))
    assert sources_error() == "a: Expected `int`"
    unknown = events.UnreadableObject("u3", "c", "Expected `str`")
    builder.apply(events.ObjectsListed(at=T1, kind="pods", objects=[pod("u4", "d")], unreadable=[bad, unknown]))
    assert [each["name"] for each in builder.state(0)["pods"]] == ["a", "d"]
    assert sources_error() == "a (and 1 more): Expected `int`"
    builder.apply(events.ObjectChanged(at=T2, kind="pods", object=pod("u1", "a")))
    assert sources_error() == "c: Expected `str`"
    builder.apply(events.ObjectDeleted(at=T2, kind="pods", uid="u3"))
    assert sources_error() is None


def test_sample_from_the_future_is_ignored_and_its_pod_named(builder: StateBuilder) -> None:
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=[pod("u1", "a"), pod("u2", "b")]))
    future = "9999-12-31T23:59:59Z"
    builder.apply(events.MetricsSampled(at=T1, samples=[sample(future, name="a"), sample(T0, name="b")]))
    state = builder.state(0)
    assert [each["cpu_millicores"] for each in state["pods"]] == [None, 124]
    source = state["sources"]["metrics"]
    assert source["as_of"] == T0 and source["error"].startswith("a: ") and future in source["error"]
    builder.apply(events.MetricsSampled(at=T2, samples=[sample(T1, name="a"), sample(T1, name="b")]))
    assert builder.state(0)["sources"]["metrics"]["error"] is None
    assert builder.history.since(0)["pods"]["u1"]["at"] == [seconds(T1)]


def test_sample_counts_once_and_has_its_own_timestamp(builder: StateBuilder) -> None:
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=[pod()]))
    builder.apply(events.MetricsSampled(at=T1, samples=[sample(T1)]))
    assert (only_pod(builder)["cpu_millicores"], only_pod(builder)["memory_bytes"]) == (124, 64 * 2**20)
    before = builder.state(0)
    builder.apply(events.MetricsSampled(at=T2, samples=[sample(T1)]))
    assert diff(before, builder.state(0)) == []
    assert before["sources"]["metrics"]["as_of"] == T1
    builder.apply(events.MetricsSampled(at=T2, samples=[]))
    assert only_pod(builder)["cpu_millicores"] is None, "no current sample"


def test_samples_by_pod_with_their_own_timestamps(builder: StateBuilder) -> None:
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=[pod(), pod("u2", "flask-1")]))
    assert builder.samples() == {}
    builder.apply(events.MetricsSampled(at=T2, samples=[sample(T1)]))
    assert builder.samples() == {"u1": (seconds(T1), 124, 15.0)}


def test_look_at_an_autoscaler_of_one_container_has_its_cpu_alone(builder: StateBuilder) -> None:
    flask = {"name": "flask", "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "400m"}}}
    proxy = {"name": "proxy", "resources": {"requests": {"cpu": "10m"}}}
    meta = {"name": "flask-1", "uid": "u1", "labels": {"app": "flask"}}
    made = msgspec.convert({"metadata": meta, "spec": {"containers": [flask, proxy]}}, objects.Pod)
    usages = [{"name": "flask", "usage": {"cpu": "60m"}}, {"name": "proxy", "usage": {"cpu": "30m"}}]
    used = {"metadata": {"name": "flask-1"}, "timestamp": T1, "window": "15s", "containers": usages}
    metric = {"name": "cpu", "container": "flask", "target": {"averageUtilization": 70}}
    spec = {"maxReplicas": 5, "metrics": [{"type": "ContainerResource", "containerResource": metric}]}
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=[made]))
    builder.apply(events.MetricsSampled(at=T2, samples=[msgspec.convert(used, objects.PodMetrics)]))
    assert (builder.look(T2).samples, builder.look(T2).resources) == ({"u1": (seconds(T1), 90, 15.0)}, {})
    builder.apply(changed("horizontalpodautoscalers", {"metadata": {"name": "flask", "uid": "h"}, "spec": spec}))
    look = builder.look(T2)
    assert (look.samples, look.resources) == ({"u1": (seconds(T1), 60, 15.0)}, {"u1": (100, 400)})


def test_requests_and_limits_of_a_whole_pod_count_before_its_containers(builder: StateBuilder) -> None:
    container = {"name": "flask", "resources": {"requests": {"cpu": "100m"}}}
    whole = {"requests": {"cpu": "200m"}, "limits": {"cpu": "800m"}}
    spec = {"containers": [container], "resources": whole}
    made = msgspec.convert({"metadata": {"name": "p", "uid": "p"}, "spec": spec}, objects.Pod)
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=[made]))
    (view,) = builder.state(0)["pods"]
    assert (view["cpu_request_millicores"], view["cpu_limit_millicores"]) == (200, 800)


def test_look_has_the_autoscalers_windows_and_its_longest_period_or_the_defaults(builder: StateBuilder) -> None:
    look = builder.look(T0)
    assert (look.down_window, look.up_window, look.period) == (300, 0, 15)
    policies = [{"type": "Pods", "value": 1, "periodSeconds": 90}]
    behavior = {
        "scaleDown": {"stabilizationWindowSeconds": 60, "policies": policies},
        "scaleUp": {"stabilizationWindowSeconds": 30},
    }
    hpa = {"metadata": {"name": "flask", "uid": "h"}, "spec": {"maxReplicas": 5, "behavior": behavior}}
    builder.apply(changed("horizontalpodautoscalers", hpa))
    look = builder.look(T0)
    assert (look.down_window, look.up_window, look.period) == (60, 30, 90)


def test_unchanged_pod_is_the_same_object_in_the_next_state(builder: StateBuilder) -> None:
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=[pod("1", "a"), pod("2", "b")]))
    before = builder.state(0)["pods"]
    builder.apply(events.ObjectChanged(at=T1, kind="pods", object=pod("2", "b", status={"phase": "Running"})))
    after = builder.state(0)["pods"]
    assert after[0] is before[0] and after[1] is not before[1]


def test_fields_of_the_autoscaler(builder: StateBuilder) -> None:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    current = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 133}}}
    condition = {"type": "AbleToScale", "status": "True", "reason": "Ready", "message": "fine"}
    since = {"lastTransitionTime": T0}
    hpa: dict[str, Any] = {
        "metadata": {"name": "flask", "uid": "h"},
        "spec": {"minReplicas": 2, "maxReplicas": 5, "metrics": [cpu]},
        "status": {
            "currentReplicas": 2,
            "desiredReplicas": 4,
            "currentMetrics": [current],
            "conditions": [condition | since],
            "lastScaleTime": T0,
        },
    }
    builder.apply(changed("horizontalpodautoscalers", hpa))
    view = builder.state(0)["autoscaler"]
    assert view["evaluation"]["sentence"] == "No pod is ready, so there is nothing to measure."
    assert [metric["target"] for metric in view["metrics"]] == ["70 % of the requests"]
    assert view | {"evaluation": None, "metrics": []} == {
        "scales": None, "min": 2, "max": 5, "current": 2, "desired": 4, "cpu_percent": 133, "target_percent": 70,
        "cpu_millicores": None, "target_millicores": None, "target_of_requests": 70,
        "last_scaled": T0, "conditions": [{"id": "AbleToScale", "since": T0, **condition}], "evaluation": None,
        "metrics": [], "asks": None, "findings": [],
    }  # fmt: skip
    deployment = {"metadata": {"name": "flask", "uid": "d"}, "spec": {"replicas": 3}}
    builder.apply(changed("deployments", deployment))
    assert builder.state(0)["autoscaler"]["evaluation"]["replicas"] == 3, "the Deployment's spec.replicas"
    hpa["status"] = {"currentReplicas": 2, "desiredReplicas": 0, "currentMetrics": None}
    builder.apply(changed("horizontalpodautoscalers", hpa))
    assert builder.state(0)["autoscaler"]["cpu_percent"] is None


def test_target_in_millicores_is_also_in_percent_of_the_requests(builder: StateBuilder) -> None:
    cpu: dict[str, Any] = {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "75m"}}
    current = {"name": "cpu", "current": {"averageValue": "133m"}}
    hpa = {
        "metadata": {"name": "flask", "uid": "h"},
        "spec": {"minReplicas": 2, "maxReplicas": 5, "metrics": [{"type": "Resource", "resource": cpu}]},
        "status": {"currentMetrics": [{"type": "Resource", "resource": current}]},
    }
    keys = ("cpu_percent", "target_percent", "cpu_millicores", "target_millicores", "target_of_requests")

    def target_fields(target: str | None = None) -> list[Any]:
        if target:
            cpu["target"]["averageValue"] = target
        builder.apply(changed("horizontalpodautoscalers", hpa))
        return [builder.state(0)["autoscaler"][key] for key in keys]

    assert target_fields() == [None, None, 133, 75, None], "no pods"
    requests = [{"cpu": "100m"}, {"cpu": "200m"}, {}]
    specs = [{"containers": [{"name": "flask", "resources": {"requests": one}}]} for one in requests]
    labels = {"app.kubernetes.io/name": "flask"}
    pods = [
        msgspec.convert({"metadata": {"name": f"p{n}", "uid": f"p{n}", "labels": labels}, "spec": spec}, objects.Pod)
        for n, spec in enumerate(specs)
    ]
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=pods))
    assert target_fields() == [None, None, 133, 75, 50.0], "of the pods with a request"
    assert target_fields("5E")[3:] == [10**9, None], "the line would flatten the chart"


def test_browsers_can_hold_the_numbers_of_huge_requests(builder: StateBuilder) -> None:
    huge = {"requests": {"cpu": "5E", "memory": "100E"}, "limits": {"cpu": "1e20", "memory": "9223372036854775807"}}
    spec = {"containers": [{"name": f"c{n}", "resources": huge} for n in range(40)]}
    large = msgspec.convert({"metadata": {"name": "p", "uid": "p"}, "spec": spec}, objects.Pod)
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=[large]))
    assert orjson.loads(orjson.dumps(builder.state(0)))["pods"][0]["memory_limit_bytes"] == 2**53 - 1


def test_only_the_configured_names_are_shown(builder: StateBuilder) -> None:
    for name in ("other", "flask"):
        builder.apply(
            changed("deployments", {"metadata": {"name": name, "uid": name},
                                    "spec": {"replicas": 3, "progressDeadlineSeconds": 300},
                                    "status": {"readyReplicas": 1, "updatedReplicas": 2}})
        )  # fmt: skip
    assert builder.state(0)["deployment"] == {
        "name": "flask", "desired": 3, "ready": 1, "updated": 2, "available": 0, "replicas": 0, "failure": None,
        "rollout": {"state": "progressing", "text": "2 of 3 pods are of the newest template", "revision": None},
        "progress_deadline": 300,
    }  # fmt: skip
    assert builder.state(0)["statefulset"] is None


def test_revision_of_any_length_hides_no_deployment(builder: StateBuilder) -> None:
    annotations = {"deployment.kubernetes.io/revision": "9" * 5_000}
    builder.apply(changed("deployments", {"metadata": {"name": "flask", "uid": "d", "annotations": annotations}}))
    revision = builder.state(0)["deployment"]["rollout"]["revision"]
    assert revision.startswith("999") and len(revision) == 253


def test_claim_has_a_capacity_once_bound(builder: StateBuilder) -> None:
    metadata = {"name": "data-mongodb-0", "uid": "c"}
    claim: dict[str, Any] = {"metadata": metadata, "spec": {}, "status": {"phase": "Pending"}}
    builder.apply(changed("persistentvolumeclaims", claim))
    claim["spec"], claim["status"] = {"volumeName": "pvc-1"}, {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    before = builder.state(0)["claims"]
    builder.apply(changed("persistentvolumeclaims", claim))
    of_database = {"name": "data-mongodb-0", "uid": "c", "of_database": True}
    assert before == [{**of_database, "phase": "Pending", "capacity_bytes": None, "volume": None}]
    assert builder.state(0)["claims"] == [{**of_database, "phase": "Bound", "capacity_bytes": 2**30, "volume": "pvc-1"}]


def test_ready_endpoints_of_the_service_are_counted(builder: StateBuilder) -> None:
    labels = {"kubernetes.io/service-name": "flask"}
    slices = [
        {"metadata": {"uid": "1", "labels": labels}, "endpoints": [
            {"addresses": ["10.0.0.1"], "conditions": {"ready": True}}, {"addresses": ["10.0.0.2"], "conditions": {}},
            {"addresses": ["10.0.0.3"], "conditions": {"ready": False}}]},
        {"metadata": {"uid": "2", "labels": labels}, "endpoints": [{"addresses": ["10.0.0.1"]}]},
        {"metadata": {"uid": "3", "labels": labels}, "endpoints": None},
        {"metadata": {"uid": "4"}, "endpoints": [{"addresses": ["10.0.0.9"]}]},
    ]  # fmt: skip
    listed = [decoded("endpointslices", one) for one in slices]
    builder.apply(events.ObjectsListed(at=T1, kind="endpointslices", objects=listed))
    assert builder.state(0)["service"] == {"name": "flask", "endpoints": 2}
    six = {"metadata": {"uid": "5", "labels": labels}, "addressType": "IPv6", "endpoints": [{"addresses": ["fd00::1"]}]}
    builder.apply(events.ObjectChanged(at=T1, kind="endpointslices", object=decoded("endpointslices", six)))
    assert builder.state(0)["service"] == {"name": "flask", "endpoints": 2}, "the same pods by their other addresses"


def test_look_names_the_pods_that_the_deployment_has_not_made(builder: StateBuilder) -> None:
    labels = {"app": "flask", "pod-template-hash": "a1"}
    owner = {"kind": "ReplicaSet", "name": "flask-a1", "uid": "rs", "controller": True}
    job = owner | {"kind": "Job", "name": "flask-job"}
    made = [
        {"name": name, "uid": name, "labels": labels, "ownerReferences": owners}
        for name, owners in (("own", [owner]), ("job", [job]), ("bare", []))
    ]
    pods = [msgspec.convert({"metadata": meta, "spec": {"containers": []}}, objects.Pod) for meta in made]
    builder.apply(events.ObjectsListed(at=T0, kind="pods", objects=pods))
    assert builder.look(T0).strangers == {"job", "bare"}


def test_state_keeps_the_collection_while_the_database_is_down(builder: StateBuilder) -> None:
    builder.apply(events.MongoUnavailable(at=T0, error="away"))
    assert builder.state(0)["mongo"] == {
        "state": "down", "since": T0, "version": None, "count": None, "size_bytes": None, "ops_per_second": None,
        "volume": None, "newest": [],
    }  # fmt: skip
    assert builder.state(0)["sources"]["mongo"]["state"] == "connecting"
    document = events.Document(id="1", document={"key": "value"}, inserted=T0)
    builder.apply(events.CollectionRead(at=T1, version="7.0.1", count=1, size_bytes=40, newest=[document]))
    builder.apply(events.OperationRate(at=T1, per_second=2.5))
    assert builder.state(0)["mongo"] == {
        "state": "up", "since": T1, "version": "7.0.1", "count": 1, "size_bytes": 40, "ops_per_second": 2.5,
        "volume": None,
        "newest": [{"id": "1", "document": {"key": "value"}, "inserted": T0, "truncated": False, "text": None}],
    }  # fmt: skip
    for at in (T2, "2026-11-24T12:00:30Z"):
        builder.apply(events.MongoUnavailable(at=at, error="away"))
    mongo, source = builder.state(0)["mongo"], builder.state(0)["sources"]["mongo"]
    assert (mongo["state"], mongo["since"], mongo["count"], mongo["ops_per_second"]) == ("down", T2, 1, None)
    assert source == {"state": "stale", "as_of": T1, "since": T2, "error": "away"}


def test_diff_of_two_states_patches_the_first_into_the_second(builder: StateBuilder) -> None:
    before = builder.state(0)
    builder.apply(events.ObjectsListed(at=T1, kind="pods", objects=[pod("1", "a"), pod("2", "b")]))
    builder.apply(events.ClusterVersion(at=T1, kubernetes="v1.36.3"))
    after = builder.state(3)
    assert patch(before, diff(before, after)) == after


def test_kubernetes_event_is_decoded() -> None:
    event = {"metadata": {"name": "e", "uid": "e"}, "involvedObject": {"kind": "Pod", "name": "mongodb-0", "uid": "u"},
            "type": "Warning", "reason": "Unhealthy", "message": "Readiness probe failed", "count": 3,
            "lastTimestamp": T1, "eventTime": None}  # fmt: skip
    read = decoded("events", event)
    assert (read.involved_object.uid, read.reason, read.count, read.event_time) == ("u", "Unhealthy", 3, None)


def test_crash_mode_depends_on_the_database_pods_containers(builder: StateBuilder) -> None:
    with_crash_container = pod("u1", spec={"containers": [{"name": "mongod"}, {"name": "crash"}]})
    builder.apply(events.ObjectChanged(at=T0, kind="pods", object=with_crash_container))
    builder.apply(events.ObjectDeleted(at=T1, kind="pods", uid="u1"))
    assert builder.state(0)["about"]["crash"], "the pod is being replaced"
    builder.apply(events.ObjectChanged(at=T2, kind="pods", object=pod("u2", created=T2)))
    assert not builder.state(0)["about"]["crash"]


def test_alerts_are_those_of_the_last_answer_and_stay_while_prometheus_is_away() -> None:
    builder = StateBuilder(TARGETS, ("alerts",), T0)
    alert = events.FiringAlert("a", "MongoDown", "critical", "mongod\nis down.", T0)
    builder.apply(events.AlertsRead(at=T1, alerts=[alert]))
    shown = {"id": "a", "name": "MongoDown", "severity": "critical", "summary": "mongod is down.", "since": T0}
    assert builder.state(0)["alerts"] == [shown]
    builder.apply(events.SourceStatus(at=T1, source="alerts", state="stale", error="Prometheus does not answer"))
    assert builder.state(0)["alerts"] == [shown]
    builder.apply(events.AlertsRead(at=T1, alerts=[]))
    assert builder.state(0)["alerts"] == [] and builder.state(0)["sources"]["alerts"]["state"] == "live"
