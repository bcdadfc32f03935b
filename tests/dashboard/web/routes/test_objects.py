"""Details of the deployment's objects over HTTP. The mock reader and the real one, on a stub API, pass the same."""

from functools import partial
from typing import Any

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from kubernetes.client import Configuration

from dashboard.core.wire import ObjectDetails
from dashboard.kube.client import KubeClient
from dashboard.kube.objects.reader import APIS, KubeObjectReader
from dashboard.mock import Mock
from dashboard.mock.cluster.object_reader import MockObjectReader
from dashboard.web.lookups import Lookups
from tests.dashboard.kube.stubs import NAMESPACE, Json, StubApi
from tests.dashboard.stubs import AS_VIEWER

OBJECTS = [
    ("Deployment", "flask"), ("StatefulSet", "mongodb"), ("HorizontalPodAutoscaler", "flask"),
    ("PersistentVolumeClaim", "data-mongodb-0"), ("Service", "flask"),
]  # fmt: skip


@pytest.fixture
def mock(app: Flask, monkeypatch: pytest.MonkeyPatch) -> MockObjectReader:
    """The mock's reader; the hub has the simulation's first state, after a short past. No thread runs."""
    monkeypatch.setattr("dashboard.mock.simulation.PAST_SECONDS", 20)
    hub = app.extensions["hub"]
    source = next(one for one in app.extensions["sources"] if isinstance(one, Mock))
    source._emit = hub._apply
    source._emit_events(source._simulation.opening)
    hub._publish()
    reader: MockObjectReader = app.extensions["object_reader"]
    return reader


@pytest.fixture(params=["mock", "real"])
def objects(request: pytest.FixtureRequest, app: Flask, mock: MockObjectReader) -> FlaskClient:
    if request.param == "real":
        api: StubApi = request.getfixturevalue("api")
        api.scripts.update(exchanges(mock))
        app.extensions["object_reader"] = real(api)
    return app.test_client()


def real(api: StubApi) -> KubeObjectReader:
    return KubeObjectReader(partial(KubeClient, Configuration(host=api.url)), NAMESPACE)


def exchanges(mock: MockObjectReader) -> dict[str, list[Json]]:
    events = {"items": mock.events("uid")}
    scripts = {f"/api/v1/namespaces/{NAMESPACE}/events": [answer(events)]}
    for kind, name in OBJECTS:
        scripts[path(kind, name)] = [answer(mock.object(kind, name))]
    uid = mock.object("Deployment", "flask")["metadata"]["uid"]
    scripts[f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets"] = [answer({"items": mock.replica_sets(uid)})]
    return scripts


def answer(body: Json, status: int = 200) -> Json:
    return {"query": {}, "status": status, "body": body, "repeat": True}


def path(kind: str, name: str) -> str:
    api, resource = APIS[kind]
    return f"/{api}/namespaces/{NAMESPACE}/{resource}/{name}"


def get(client: FlaskClient, kind: str, name: str) -> ObjectDetails:
    found = client.get(f"/api/objects/{kind.lower()}/{name}", headers=AS_VIEWER)
    assert found.status_code == 200, found.json
    return msgspec.convert(found.json, ObjectDetails, strict=True)


@pytest.mark.parametrize(("kind", "name"), OBJECTS)
def test_object_has_facts_events_related_objects_and_yaml(objects: FlaskClient, kind: str, name: str) -> None:
    found = get(objects, kind, name)
    assert (found.kind, found.name) == (kind, name)
    assert found.uid and found.facts and found.related and found.events
    assert f"kind: {kind}" in (found.yaml or "") and "managedFields" not in (found.yaml or "")


def test_deployment_names_its_pods_autoscaler_and_service(objects: FlaskClient) -> None:
    found = get(objects, "Deployment", "flask")
    assert {one.kind for one in found.related} == {"Pod", "HorizontalPodAutoscaler", "Service"}
    assert all(one.uid for one in found.related if one.kind == "Pod")
    assert [one.type for one in found.conditions] == ["Available", "Progressing"]


def test_claim_names_its_pod_and_autoscaler_its_target(objects: FlaskClient) -> None:
    assert [one.name for one in get(objects, "PersistentVolumeClaim", "data-mongodb-0").related] == ["mongodb-0"]
    assert [one.name for one in get(objects, "HorizontalPodAutoscaler", "flask").related] == ["flask"]


def test_one_revision_is_not_compared(objects: FlaskClient) -> None:
    found = get(objects, "Deployment", "flask")
    assert found.revisions is None and "one revision only" in (found.note or "")


def test_two_newest_revisions_are_compared(app: Flask, mock: MockObjectReader, client: FlaskClient) -> None:
    rollout = mock._control._deployment.rollout
    changed: Json = {"metadata": {}, "spec": {"containers": [{"name": "flask", "image": "new"}]}}
    before = rollout.current.template
    changed["metadata"] = before["metadata"]
    rollout.change({"template": changed})
    found = get(client, "Deployment", "flask").revisions
    assert found is not None and (found.before, found.after) == (1, 2)
    assert found.words == ["image of flask: flask-mongodb-flask:mock → new"]
    assert "+++ revision 2" in found.diff and "+  - name: flask" not in found.diff


def test_node_has_only_what_its_pods_say(app: Flask, mock: MockObjectReader, client: FlaskClient) -> None:
    node = app.extensions["hub"].pods()[0]["node"]
    found = get(client, "Node", node)
    assert found.yaml is None and "cluster-wide" in (found.note or "")
    assert {one.role for one in found.related} == {"runs on it"}


@pytest.mark.parametrize(
    "path",
    ["secret/flask", "deployment/dashboard", "service/kubernetes", "node/other", "pod/mongodb-0", "Deployment/flask"],
)
def test_other_kinds_and_names_are_404(objects: FlaskClient, path: str) -> None:
    found = objects.get(f"/api/objects/{path}", headers=AS_VIEWER)
    assert found.status_code == 404 and found.content_type == "application/problem+json"


def test_lookups_are_limited_and_need_a_session(app: Flask, mock: MockObjectReader, client: FlaskClient) -> None:
    app.extensions["lookups"] = Lookups(0)
    assert client.get("/api/objects/deployment/flask", headers=AS_VIEWER).status_code == 503
    assert client.get("/api/objects/deployment/flask").status_code == 401


@pytest.mark.parametrize(("status", "shown"), [(403, 403), (404, 404), (500, 502)])
def test_errors_of_the_api_are_told(
    app: Flask, mock: MockObjectReader, client: FlaskClient, api: StubApi, status: int, shown: int
) -> None:
    app.extensions["object_reader"] = real(api)
    api.scripts[path("Service", "flask")] = [answer({"kind": "Status", "code": status, "message": "no"}, status)]
    found: Any = client.get("/api/objects/service/flask", headers=AS_VIEWER)
    assert found.status_code == shown


def test_forbidden_replica_sets_hide_only_the_revisions(
    app: Flask, mock: MockObjectReader, client: FlaskClient, api: StubApi
) -> None:
    app.extensions["object_reader"] = real(api)
    api.scripts.update(exchanges(mock))
    replica_sets = f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets"
    api.scripts[replica_sets] = [answer({"kind": "Status", "code": 403, "message": "no"}, 403)]
    found = get(client, "Deployment", "flask")
    assert found.yaml and found.revisions is None and "Role" in (found.note or "")
