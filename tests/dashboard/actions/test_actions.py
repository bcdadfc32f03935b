"""An operator's actions over HTTP, on the mock's objects: guards, dry runs, audit."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.core.errors import Denied
from dashboard.mock import Mock
from dashboard.mock.schedule import CYCLE_SECONDS
from dashboard.mock.simulation import SimulationOptions
from dashboard.runs.activity_lock import RunActive
from dashboard.web.lookups import Lookups
from tests.dashboard.stubs import OPERATOR, VIEWER

Json = dict[str, Any]
CHANGES = [
    ("POST", "/api/deployment/restart", {}),
    ("POST", "/api/deployment/pause", {}),
    ("POST", "/api/deployment/resume", {}),
    ("POST", "/api/deployment/undo", {}),
    ("PATCH", "/api/autoscaler", {"max": 8}),
]

idle = pytest.mark.parametrize("past", [CYCLE_SECONDS])


def mock_of(app: Flask) -> Mock:
    (mock,) = app.extensions["sources"]
    assert isinstance(mock, Mock)
    return mock


@pytest.fixture
def past() -> float:
    """Seconds of the mock's past. Each takes a millisecond, and idle traffic needs a whole cycle."""
    return 20


@pytest.fixture
def mock(app: Flask, past: float, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The app's mock after its opening, with the hub's state of it. No thread runs."""
    monkeypatch.setattr("dashboard.mock.simulation.PAST_SECONDS", past)
    mock = mock_of(app)
    mock._simulation._options = SimulationOptions(quiet=True)
    for event in mock._simulation.opening(datetime.now(UTC)):
        app.extensions["hub"]._apply(event)
    app.extensions["hub"]._publish()
    return mock


def step(app: Flask, mock: Mock, seconds: float = 1.0) -> None:
    """Let the simulation go on."""
    for _ in range(int(seconds * 2)):
        for event in mock._simulation.step(datetime.now(UTC)):
            app.extensions["hub"]._apply(event)
    app.extensions["hub"]._publish()


def request(client: FlaskClient, method: str, path: str, body: Any = None, token: str = OPERATOR) -> TestResponse:
    return client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {token}"})


def dry(client: FlaskClient, method: str, path: str, body: Json | None = None) -> Json:
    answer = request(client, method, path, (body or {}) | {"dry_run": True})
    assert answer.status_code == 200, answer.data
    return dict(json.loads(answer.data))


def act(client: FlaskClient, method: str, path: str, body: Json | None = None) -> Json:
    seen = dry(client, method, path, body)["resource_version"]
    answer = request(client, method, path, (body or {}) | {"resource_version": seen})
    assert answer.status_code == 202, answer.data
    return dict(json.loads(answer.data))


def audited(client: FlaskClient) -> list[Json]:
    lines: list[Json] = json.loads(request(client, "GET", "/api/audit").data)
    return lines


def state(client: FlaskClient) -> Json:
    return dict(json.loads(request(client, "GET", "/api/state").data))


@pytest.mark.parametrize(("method", "path", "body"), [*CHANGES, ("DELETE", "/api/pods/u1", None)])
def test_viewer_changes_nothing(client: FlaskClient, mock: Mock, method: str, path: str, body: Any) -> None:
    assert request(client, method, path, body, VIEWER).status_code == 403
    assert client.open(path, method=method, json=body).status_code == 401


def test_viewer_reads_revisions_and_settings(client: FlaskClient, mock: Mock) -> None:
    found = json.loads(request(client, "GET", "/api/deployment", token=VIEWER).data)
    assert [one["revision"] for one in found["revisions"]] == [1] and found["paused"] is False
    settings = json.loads(request(client, "GET", "/api/autoscaler", token=VIEWER).data)["settings"]
    assert (settings["min"], settings["max"], settings["target"], settings["unit"]) == (2, 5, 70, "%")


@pytest.mark.parametrize("path", ["/api/deployment", "/api/autoscaler"])
def test_too_many_viewers_who_wait_for_the_api_server_are_503(
    app: Flask, client: FlaskClient, mock: Mock, path: str
) -> None:
    """Each holds one of the web server's threads while the API server hangs."""
    lookups = app.extensions["lookups"] = Lookups(1)
    with lookups.one():
        answer = request(client, "GET", path, token=VIEWER)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert request(client, "GET", path, token=VIEWER).status_code == 200


def test_dry_run_says_what_would_change_and_changes_nothing(client: FlaskClient, mock: Mock) -> None:
    before = json.loads(request(client, "GET", "/api/deployment").data)
    lines = len(audited(client))
    answer = dry(client, "POST", "/api/deployment/restart")
    assert answer["command"] == "kubectl -n flask-mongodb rollout restart deployment/flask"
    assert any("restartedAt" in change for change in answer["changes"])
    assert json.loads(request(client, "GET", "/api/deployment").data) == before
    assert len(audited(client)) == lines


def test_refused_dry_run_is_not_audited_and_a_refused_change_is(client: FlaskClient, mock: Mock) -> None:
    """The page asks at each key: a maximum of 10 begins with 1."""
    lines = len(audited(client))
    low = {"max": 1, "resource_version": None}
    assert request(client, "PATCH", "/api/autoscaler", low | {"dry_run": True}).status_code == 422
    assert request(client, "DELETE", "/api/pods/none?dry_run=true").status_code == 404
    assert len(audited(client)) == lines
    assert request(client, "PATCH", "/api/autoscaler", low).status_code == 422
    assert request(client, "DELETE", "/api/pods/none").status_code == 404
    assert len(audited(client)) == lines + 2
    assert request(client, "PATCH", "/api/autoscaler", low | {"dry_run": True}, token=VIEWER).status_code == 403
    assert len(audited(client)) == lines + 3


@pytest.mark.parametrize(("method", "path", "body"), CHANGES[:2] + CHANGES[4:])
def test_change_without_what_was_seen_is_refused(
    client: FlaskClient, mock: Mock, method: str, path: str, body: Json
) -> None:
    assert request(client, method, path, body).status_code == 422


@idle
def test_restart_replaces_every_pod_and_undo_brings_the_template_back(
    app: Flask, client: FlaskClient, mock: Mock
) -> None:
    before = {pod["uid"] for pod in state(client)["pods"] if pod["app"] == "flask"}
    done = act(client, "POST", "/api/deployment/restart")
    assert done["object"] == {"kind": "Deployment", "name": "flask", "uid": "uid-flask"}
    step(app, mock)
    assert state(client)["deployment"]["rollout"]["state"] == "progressing"
    ready = []
    for _ in range(60):
        step(app, mock)
        ready.append(state(client)["deployment"]["ready"])
    rollout = state(client)["deployment"]["rollout"]
    assert (rollout["state"], rollout["revision"]) == ("complete", "2")
    assert min(ready) >= 2, "no pod goes before its successor is ready"
    after = {pod["uid"] for pod in state(client)["pods"] if pod["app"] == "flask"}
    assert len(after) == 2 and not before & after
    undone = act(client, "POST", "/api/deployment/undo")
    assert undone["revision"] == 1
    step(app, mock, 60)
    assert state(client)["deployment"]["rollout"] == {
        "state": "complete", "revision": "3", "text": "all pods are of the newest template, and available",
    }  # fmt: skip
    line = audited(client)[0]
    assert line["action"] == "undo the roll-out of flask to revision 1" and line["outcome"] == "done"
    assert line["object"]["kind"] == "Deployment"


@idle
def test_paused_roll_out_stands_still_and_goes_on(app: Flask, client: FlaskClient, mock: Mock) -> None:
    act(client, "POST", "/api/deployment/restart")
    step(app, mock, 2)
    act(client, "POST", "/api/deployment/pause")
    step(app, mock, 60)
    shown = state(client)["deployment"]
    assert shown["rollout"]["state"] == "paused" and shown["updated"] < 2
    assert request(client, "POST", "/api/deployment/restart", {"dry_run": True}).status_code == 409
    act(client, "POST", "/api/deployment/resume")
    step(app, mock, 60)
    assert state(client)["deployment"]["rollout"]["state"] == "complete"


def test_second_of_two_operators_is_told_what_changed(client: FlaskClient, mock: Mock) -> None:
    first = second = dry(client, "PATCH", "/api/autoscaler", {"max": 8})["resource_version"]
    assert request(client, "PATCH", "/api/autoscaler", {"max": 8, "resource_version": first}).status_code == 202
    late = request(client, "PATCH", "/api/autoscaler", {"max": 6, "resource_version": second})
    assert late.status_code == 409
    assert json.loads(late.data)["changes"] == ["maxReplicas: 5 → 8"]
    assert json.loads(request(client, "GET", "/api/autoscaler").data)["settings"]["max"] == 8
    assert audited(client)[0]["outcome"].startswith("refused")


def test_unknown_resource_version_is_refused(client: FlaskClient, mock: Mock) -> None:
    answer = request(client, "POST", "/api/deployment/pause", {"resource_version": "another"})
    assert answer.status_code == 409
    assert json.loads(request(client, "GET", "/api/deployment").data)["paused"] is False


def test_change_of_the_status_alone_is_no_conflict(app: Flask, client: FlaskClient, mock: Mock) -> None:
    seen = dry(client, "POST", "/api/deployment/pause")["resource_version"]
    pod = next(pod for pod in mock._simulation._pods.of("flask"))
    mock._simulation._pods.kill(pod, "Error")
    step(app, mock)
    assert json.loads(request(client, "GET", "/api/deployment").data)["resource_version"] != seen
    assert request(client, "POST", "/api/deployment/pause", {"resource_version": seen}).status_code == 202


def test_dry_run_of_the_autoscaler_has_the_arithmetic_of_the_new_spec(client: FlaskClient, mock: Mock) -> None:
    now = state(client)["autoscaler"]["evaluation"]
    then = dry(client, "PATCH", "/api/autoscaler", {"target": 1})["evaluation"]
    assert (now["target"], then["target"]) == (70, 1)
    assert then["wanted"] > now["wanted"] and "/ 1)" in then["formula"]
    outside = dry(client, "PATCH", "/api/autoscaler", {"min": 4})["evaluation"]
    assert (outside["recommended"], outside["limited_by"]) == (4, "TooFewReplicas")
    assert state(client)["autoscaler"]["evaluation"] == now, "nothing of the state changed"


@idle
def test_autoscaler_works_by_its_new_settings(app: Flask, client: FlaskClient, mock: Mock) -> None:
    behavior = {"scaleDown": {"selectPolicy": "Disabled"}}
    act(client, "PATCH", "/api/autoscaler", {"min": 3, "max": 6, "behavior": behavior})
    step(app, mock, 40)
    shown = state(client)["autoscaler"]
    assert (shown["min"], shown["max"], shown["desired"]) == (3, 6, 3)
    assert shown["evaluation"]["disabled"] == ["scaleDown"]


@pytest.mark.parametrize(
    "body",
    [{"min": 9}, {"max": 0}, {"target": "70"}, {"behavior": {"scaleSideways": {}}}, {"behavior": 1}, {"other": 1}, {}],
)
def test_bad_settings_are_refused(client: FlaskClient, mock: Mock, body: Json) -> None:
    assert request(client, "PATCH", "/api/autoscaler", body | {"dry_run": True}).status_code == 422


@pytest.mark.parametrize("revision", [0, -1, True, "1", 99])
def test_unknown_revision_is_refused(client: FlaskClient, mock: Mock, revision: object) -> None:
    body = {"revision": revision, "dry_run": True}
    assert request(client, "POST", "/api/deployment/undo", body).status_code == 422


def test_undo_without_a_former_revision_is_refused(client: FlaskClient, mock: Mock) -> None:
    assert request(client, "POST", "/api/deployment/undo", {"dry_run": True}).status_code == 409


@idle
def test_service_pod_is_deleted_and_replaced(app: Flask, client: FlaskClient, mock: Mock) -> None:
    pod = next(pod for pod in state(client)["pods"] if pod["app"] == "flask")
    tried = request(client, "DELETE", f"/api/pods/{pod['uid']}?dry_run=true")
    assert json.loads(tried.data)["command"] == f"kubectl -n flask-mongodb delete pod {pod['name']}"
    step(app, mock)
    assert pod["uid"] in {one["uid"] for one in state(client)["pods"]}
    assert request(client, "DELETE", f"/api/pods/{pod['uid']}").status_code == 202
    step(app, mock)
    assert request(client, "DELETE", f"/api/pods/{pod['uid']}").status_code == 409, "it is terminating"
    step(app, mock, 30)
    after = [one for one in state(client)["pods"] if one["app"] == "flask"]
    assert len(after) == 2 and pod["uid"] not in {one["uid"] for one in after}
    assert request(client, "DELETE", f"/api/pods/{pod['uid']}").status_code == 404


def test_only_pods_of_the_service_are_deleted(client: FlaskClient, mock: Mock) -> None:
    for pod in state(client)["pods"]:
        if pod["app"] != "flask":
            assert request(client, "DELETE", f"/api/pods/{pod['uid']}").status_code == 422, pod["name"]


def test_nothing_is_changed_during_a_run(
    app: Flask, client: FlaskClient, mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise RunActive("dashboard", "persistence-1", "somebody")

    monkeypatch.setattr(app.extensions["manager"], "_refuse_during_run", refuse)
    seen = dry(client, "POST", "/api/deployment/restart")["resource_version"]
    answer = request(client, "POST", "/api/deployment/restart", {"resource_version": seen})
    assert answer.status_code == 409 and json.loads(answer.data)["run"] == "persistence-1"
    pod = next(pod for pod in state(client)["pods"] if pod["app"] == "flask")
    assert request(client, "DELETE", f"/api/pods/{pod['uid']}").status_code == 409
    assert json.loads(request(client, "GET", "/api/deployment").data)["resource_version"] == seen
    assert audited(client)[0]["outcome"].startswith("refused: 409")


def test_missing_right_is_a_403_with_the_reason(
    app: Flask, client: FlaskClient, mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Denied("The cluster does not let the dashboard change the Deployment flask: cannot patch.")

    monkeypatch.setattr(mock.control, "patch", refuse)
    answer = request(client, "POST", "/api/deployment/restart", {"dry_run": True})
    assert answer.status_code == 403 and "cannot patch" in json.loads(answer.data)["detail"]
