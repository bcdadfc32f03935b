"""What the autoscaler would do, over HTTP."""

import time
from typing import Any

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from msgspec.structs import replace

from dashboard.core import events, objects, wire
from dashboard.core.hpa.what_if import MOST_PODS
from dashboard.core.timestamps import rfc3339
from dashboard.web.hub import Hub
from tests.dashboard.core.hpa.test_evaluation import autoscaler, pod, samples
from tests.dashboard.stubs import AS_VIEWER

AT = "2027-01-15T08:00:00Z"
OWN = {  # metadata of a pod that the Deployment made
    "labels": {"app.kubernetes.io/name": "flask", "pod-template-hash": "5d9c"},
    "ownerReferences": [{"kind": "ReplicaSet", "name": "flask-5d9c", "controller": True}],
}


@pytest.fixture
def hub(app: Flask) -> Hub:
    """The hub, which knows an autoscaler of 3 pods at 120 % of a 70 % target. Its thread does not run."""
    hub: Hub = app.extensions["hub"]
    members = [pod(f"p{index}", metadata=OWN) for index in range(3)]
    deployment = objects.Workload(objects.WorkloadMeta(name="flask", uid="d"), objects.ReplicasSpec(3))
    for kind, found in (("pods", members), ("deployments", [deployment])):
        hub._apply(events.ObjectsListed(at=AT, kind=kind, objects=found))
    hub._apply(events.MetricsSampled(at=AT, samples=[*samples(120, 3).values()]))
    hub._apply(events.ObjectsListed(at=AT, kind="horizontalpodautoscalers", objects=[autoscaler(3, 3, 120)]))
    return hub


def asked(client: FlaskClient, query: str = "") -> wire.WhatIf:
    answer = client.get(f"/api/autoscaler/what-if{query}", headers=AS_VIEWER)
    assert answer.status_code == 200, answer.json
    return msgspec.convert(answer.json, wire.WhatIf, strict=True)


def refused(client: FlaskClient, query: str) -> tuple[int, str]:
    answer = client.get(f"/api/autoscaler/what-if{query}", headers=AS_VIEWER)
    body: Any = answer.json
    assert answer.content_type == "application/problem+json"
    return answer.status_code, body["detail"]


def test_present_is_the_default(client: FlaskClient, hub: Hub) -> None:
    answer = asked(client)
    evaluation = hub._builder.state(0)["autoscaler"]["evaluation"]
    assert (answer.replicas, answer.percent, answer.target, answer.min, answer.max) == (3, 120, 70, 2, 5)
    assert (answer.formula, answer.wanted, answer.findings) == (evaluation["formula"], evaluation["wanted"], [])


def test_each_supposition_counts(client: FlaskClient, hub: Hub) -> None:
    answer = asked(client, "?percent=90&replicas=4&target=50&min=1&max=9&unready=1")
    assert (answer.replicas, answer.percent, answer.target, answer.min, answer.max) == (4, 90, 50, 1, 9)
    assert answer.wanted == 6  # of (3 x 90 + 1 x 0) / 4 = 67 %
    assert hub._builder.state(0)["autoscaler"]["max"] == 5


def test_findings_are_about_the_supposed_settings(client: FlaskClient, hub: Hub) -> None:
    assert [one.id for one in asked(client, "?min=5").findings] == ["MinIsMax"]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("?percent=-1", "percent"),
        ("?percent=1e2", "percent"),
        ("?percent=", "percent"),
        ("?percent=1&percent=2", "percent"),
        ("?replicas=0", "replicas"),
        (f"?replicas={MOST_PODS + 1}", "replicas"),
        ("?target=0", "target"),
        ("?min=6", "min"),
        ("?missing=3", "sample"),
        ("?color=red", "color"),
    ],
)
def test_bad_supposition_is_400(client: FlaskClient, hub: Hub, query: str, word: str) -> None:
    status, detail = refused(client, query)
    assert status == 400 and word in detail


def test_without_an_autoscaler_it_is_404(client: FlaskClient) -> None:
    assert refused(client, "?percent=1")[0] == 404


def test_without_a_figure_percent_is_needed(client: FlaskClient, hub: Hub) -> None:
    hub._apply(events.MetricsSampled(at=AT, samples=[]))
    hub._apply(events.ObjectsListed(at=AT, kind="horizontalpodautoscalers", objects=[autoscaler(3, 3, None)]))
    assert refused(client, "")[0] == 400
    assert asked(client, "?percent=120").wanted == 6


def test_without_a_session_it_is_401(client: FlaskClient) -> None:
    assert client.get("/api/autoscaler/what-if").status_code == 401


def sizing(client: FlaskClient) -> list[wire.SizingView]:
    answer = client.get("/api/sizing", headers=AS_VIEWER)
    assert answer.status_code == 200
    return msgspec.convert(answer.json, list[wire.SizingView], strict=True)


def test_sizing_has_no_amounts_with_little_history(client: FlaskClient, hub: Hub) -> None:
    (one,) = sizing(client)
    assert (one.id, one.cpu, one.memory, one.absent is not None) == ("flask/flask", None, None, True)


def test_sizing_has_amounts_after_half_an_hour(client: FlaskClient, hub: Hub) -> None:
    usage = {"cpu": "40m", "memory": "64Mi"}
    start = int(time.time()) - 1_900
    stranger = pod("s", start, metadata={"labels": OWN["labels"]})
    hub._apply(events.ObjectsListed(at=AT, kind="pods", objects=[pod("q", start, metadata=OWN), stranger]))
    for second in range(0, 1_900, 15):
        at = rfc3339(start + second)
        containers = [objects.ContainerMetrics("flask", usage)]
        metrics = [objects.PodMetrics(objects.Meta(name=name), at, "15s", containers) for name in ("q", "s")]
        hub._apply(events.MetricsSampled(at=at, samples=metrics))
    (one,) = sizing(client)
    assert one.samples == 127 and one.cpu and (one.cpu.request, one.cpu.fit_request) == (100, 50)


@pytest.mark.parametrize(
    "owners",
    [
        [],
        [{"kind": "ReplicaSet", "name": "other-5d9c", "controller": True}],
        [{"kind": "Job", "name": "flask-5d9c", "controller": True}],
        [{"kind": "ReplicaSet", "name": "flask-5d9c"}],
    ],
)
@pytest.mark.parametrize("phase", ["Pending", "Running"])
def test_sizing_is_of_the_deployments_own_pods(
    client: FlaskClient, hub: Hub, owners: list[dict[str, Any]], phase: str
) -> None:
    stranger = pod("s", time.time() + 1e9, metadata=OWN | {"ownerReferences": owners}, phase=phase)  # the newest
    stranger = replace(stranger, spec=replace(stranger.spec, containers=[objects.Container("other")]))
    hub._apply(events.ObjectChanged(at=AT, kind="pods", object=stranger))
    (one,) = sizing(client)
    assert one.id == "flask/flask"


def test_sizing_is_of_the_stateful_sets_own_pods(client: FlaskClient, hub: Hub) -> None:
    own = {"ownerReferences": [{"kind": "StatefulSet", "name": "mongodb", "controller": True}]}
    hub._apply(events.ObjectChanged(at=AT, kind="pods", object=pod("mongodb-0", metadata=own)))
    assert [one.id for one in sizing(client)] == ["flask/flask", "mongodb/flask"]


def test_sizing_takes_no_parameters(client: FlaskClient) -> None:
    assert client.get("/api/sizing?hours=2", headers=AS_VIEWER).status_code == 400
