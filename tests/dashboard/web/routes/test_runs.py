"""Runs, load and restart over HTTP: who may, what is refused in which words, and what is noted of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.core.errors import ExternalError, InvalidOption
from dashboard.core.events import ActionRecorded
from dashboard.load.options import LoadBusy, LoadOptions
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.records.archive import UnknownRun
from dashboard.runs.turn import RunActive
from tests.dashboard.runs.finished_run import persistence_run
from tests.dashboard.stubs import OPERATOR, VIEWER, Emitted

POD = {"kind": "Pod", "name": "mongodb-0", "uid": "u1"}
CHANGES = [
    ("POST", "/api/runs", {"demo": "persistence"}),
    ("DELETE", "/api/runs/r1", None),
    ("PUT", "/api/load", {"rate": 100, "duration": 10}),
    ("DELETE", "/api/load", None),
    ("POST", "/api/mongo/restart", {"uid": "u1", "mode": "graceful"}),
]
LOOKS = ["/api/runs", "/api/runs/r1", "/api/runs/r1/report", "/api/runs/r1/report.html", "/api/audit"]

Json = dict[str, Any]


class RunManager:
    """Does nothing, and remembers what it was asked to do; raises `error` instead, where there is one."""

    def __init__(self, audit: Any) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.runs: dict[str, Json] = {"r1": persistence_run()}
        self._audit = audit

    def start(self, demo: str, options: Json, by: str) -> str:
        self._do("start", demo, options)
        self._audit(by, f"run {demo}", "started")
        return "r2"

    def abort(self, id_: str, by: str) -> None:
        if id_ not in self.runs:
            raise UnknownRun
        self._do("abort", id_)

    def restart_mongo(self, uid: str, mode: str, by: str) -> None:
        self._do("restart", uid, mode)
        self._audit(by, f"restart mongodb-0 ({mode})", "started", POD)

    def load(self, options: LoadOptions, by: str) -> None:
        self._do("load", options)

    def unload(self, by: str) -> None:
        self._do("unload")

    def get(self, id_: str) -> Json:
        if id_ not in self.runs:
            raise UnknownRun
        return self.runs[id_]

    def list(self) -> "list[Json]":
        return [{"id": id_} for id_ in self.runs]

    def _do(self, *what: Any) -> None:
        if self.error:
            raise self.error
        self.done.append(what)


@pytest.fixture
def manager(app: Flask) -> RunManager:
    manager = RunManager(app.extensions["audit"])
    app.extensions["manager"] = manager
    return manager


@pytest.fixture
def emitted(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emitted]:
    emitted = Emitted()
    monkeypatch.setattr(app.extensions["audit"], "_emit", emitted)
    yield emitted


def ask(
    client: FlaskClient, method: str, path: str, body: Any = None, token: str | None = OPERATOR, **more: Any
) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.open(path, method=method, json=body, headers=headers, **more)


def problem(answer: TestResponse, status: int) -> Json:
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.data
    assert answer.json and answer.json["status"] == status
    return dict(answer.json)


def audited(client: FlaskClient) -> list[Json]:
    lines: list[Json] = json.loads(ask(client, "GET", "/api/audit").data)
    return lines


def test_demo_is_started_and_is_found_at_its_location(client: FlaskClient, manager: RunManager) -> None:
    answer = ask(client, "POST", "/api/runs", {"demo": "persistence", "options": {"mode": "crash"}})
    assert (answer.status_code, answer.json) == (202, {"id": "r2"})
    assert answer.headers["Location"] == "runs/r2"
    assert manager.done == [("start", "persistence", {"mode": "crash"})]


def test_options_may_be_left_out(client: FlaskClient, manager: RunManager) -> None:
    assert ask(client, "POST", "/api/runs", {"demo": "autoscale"}).status_code == 202
    assert manager.done == [("start", "autoscale", {})]


def test_runs_are_listed_and_each_is_there_whole(client: FlaskClient, manager: RunManager) -> None:
    assert ask(client, "GET", "/api/runs", token=VIEWER).json == [{"id": "r1"}]
    assert ask(client, "GET", "/api/runs/r1", token=VIEWER).json == persistence_run()


def test_run_is_aborted(client: FlaskClient, manager: RunManager) -> None:
    assert ask(client, "DELETE", "/api/runs/r1").status_code == 202
    assert manager.done == [("abort", "r1")]


def test_load_is_started_and_stopped(client: FlaskClient, manager: RunManager) -> None:
    assert ask(client, "PUT", "/api/load", {"rate": 100, "duration": 30, "connections": 20}).status_code == 202
    assert ask(client, "DELETE", "/api/load").status_code == 202
    assert manager.done == [("load", LoadOptions(rate=100, duration=30, connections=20)), ("unload",)]


def test_mongodb_is_restarted_by_the_uid_of_its_pod(client: FlaskClient, manager: RunManager) -> None:
    answer = ask(client, "POST", "/api/mongo/restart", {"uid": "u1", "mode": "crash"})
    assert answer.status_code == 202
    assert manager.done == [("restart", "u1", "crash")]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_viewer_changes_nothing(client: FlaskClient, manager: RunManager, method: str, path: str, body: Any) -> None:
    problem(ask(client, method, path, body, token=VIEWER), 403)
    assert manager.done == []


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_change_without_a_token_is_401(
    client: FlaskClient, manager: RunManager, method: str, path: str, body: Any
) -> None:
    assert problem(ask(client, method, path, body, token="wr0ng-token-of-nobody"), 401)
    assert problem(ask(client, method, path, body, token=None), 401)
    assert manager.done == []


@pytest.mark.parametrize("path", LOOKS)
def test_reading_without_a_session_is_401(client: FlaskClient, manager: RunManager, path: str) -> None:
    problem(ask(client, "GET", path, token=None), 401)
    assert ask(client, "GET", path, token=VIEWER).status_code == 200


def test_session_changes_things_with_its_csrf_token_only(client: FlaskClient, manager: RunManager) -> None:
    client.post("/login", json={"token": OPERATOR})
    with client.session_transaction() as session:
        csrf = session["csrf"]
    body, headers = {"demo": "persistence"}, {"Origin": "http://localhost"}
    problem(client.post("/api/runs", json=body, headers=headers), 403)
    problem(client.post("/api/runs", json=body, headers={"X-CSRF-Token": csrf, "Origin": "http://evil.example"}), 403)
    assert manager.done == []
    assert client.post("/api/runs", json=body, headers={"X-CSRF-Token": csrf, **headers}).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "/api/runs", {"demo": "persistence", "speed": 2}, "Allowed: demo, options"),
        ("POST", "/api/runs", {"demo": 7}, '"demo": "<name>"'),
        ("POST", "/api/runs", {}, '"demo": "<name>"'),
        ("POST", "/api/runs", {"demo": "persistence", "options": [1]}, "options"),
        ("POST", "/api/runs", {"demo": "persistence", "options": None}, "options"),
        ("POST", "/api/runs", ["persistence"], "an object with the members demo, options"),
        ("PUT", "/api/load", {"rate": -1, "duration": 10}, "from 1 to 2000"),
        ("PUT", "/api/load", {"rate": 10**9, "duration": 10}, "from 1 to 2000"),
        ("PUT", "/api/load", {"rate": 100, "duration": 1801}, "from 1 to 1800"),
        ("PUT", "/api/load", {"rate": 100, "duration": 10, "connections": 201}, "from 1 to 200"),
        ("PUT", "/api/load", {"rate": True, "duration": 10}, "must be a number"),
        ("PUT", "/api/load", {"rate": "100", "duration": 10}, "must be a number"),
        ("PUT", "/api/load", {"rate": 100}, "duration"),
        ("PUT", "/api/load", {"rate": 100, "duration": 10, "url": "http://evil.example"}, "Allowed: rate, duration"),
        ("POST", "/api/mongo/restart", {"mode": "graceful"}, '"uid"'),
        ("POST", "/api/mongo/restart", {"uid": "u1"}, '"mode"'),
        ("POST", "/api/mongo/restart", {"uid": "", "mode": "crash"}, '"uid"'),
        ("POST", "/api/mongo/restart", {"uid": "u1", "mode": "crash", "pod": "etcd"}, "Allowed: uid, mode"),
    ],
)
def test_invalid_body_is_refused_with_the_allowed_members(
    client: FlaskClient, manager: RunManager, method: str, path: str, body: Any, words: str
) -> None:
    assert words in problem(ask(client, method, path, body), 422)["detail"]
    assert manager.done == []
    assert audited(client)[0]["outcome"].startswith("refused: 422")


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        ('{"rate": NaN, "duration": 10}', "application/json", 400),
        ('{"rate": 1e999, "duration": 10}', "application/json", 400),
        ("{", "application/json", 400),
        ("", "application/json", 400),
        ("[" * 4000, "application/json", 400),
        ('{"rate": 100, "duration": 10}', "text/plain", 415),
        ('{"rate": 100, "duration": 10' + " " * 5000 + "}", "application/json", 413),
    ],
)
def test_body_that_is_not_small_json_is_refused(
    client: FlaskClient, manager: RunManager, data: str, content_type: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    problem(client.put("/api/load", data=data, content_type=content_type, headers=headers), status)
    assert manager.done == []


@pytest.mark.parametrize(
    ("error", "status", "members"),
    [
        (InvalidOption("mode must be graceful or crash."), 422, {}),
        (RunActive("dashboard-7", "r9"), 409, {"holder": "dashboard-7", "run": "r9"}),
        (LoadBusy("operator (token, 10.0.0.7)"), 409, {"holder": "operator (token, 10.0.0.7)"}),
        (UidNotCurrent("mongodb-0", "u2"), 409, {"uid": "u2"}),
        (ExternalError("The API server can't be reached."), 502, {}),
    ],
)
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_refusals_of_the_manager_have_their_status(
    client: FlaskClient,
    manager: RunManager,
    method: str,
    path: str,
    body: Any,
    error: Exception,
    status: int,
    members: Json,
) -> None:
    manager.error = error
    told = problem(ask(client, method, path, body), status)
    assert told["detail"] == str(error)
    assert members.items() <= told.items()
    (line,) = audited(client)
    assert line["outcome"].startswith(f"{'failed' if status == 502 else 'refused'}: {status} {str(error)[:20]}")


@pytest.mark.parametrize("run_id", ["r7", "..", "%2e%2e%2fsecrets", "a" * 200, "<script>"])
def test_unknown_run_is_404(client: FlaskClient, manager: RunManager, run_id: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/report"), ("GET", "/report.html")):
        problem(ask(client, method, f"/api/runs/{run_id}{path}"), 404)


def test_action_is_audited_once_with_its_author(client: FlaskClient, manager: RunManager, emitted: Emitted) -> None:
    ask(client, "POST", "/api/mongo/restart", {"uid": "u1", "mode": "crash"})
    ask(client, "PUT", "/api/load", {"rate": 100})
    load, restart = audited(client)
    assert (restart["action"], restart["outcome"], restart["object"]) == ("restart mongodb-0 (crash)", "started", POD)
    assert (load["action"], load["outcome"]) == ('load {"rate":100}', "refused: 422 A load needs a duration.")
    assert restart["by"] == load["by"] == "operator (token, 127.0.0.1)"
    assert len(emitted.of(ActionRecorded)) == 2


def test_sessions_are_told_apart(app: Flask, manager: RunManager) -> None:
    for _ in range(2):
        client = app.test_client()
        client.post("/login", json={"token": OPERATOR})
        with client.session_transaction() as session:
            csrf = session["csrf"]
        client.delete("/api/load", headers={"X-CSRF-Token": csrf, "Origin": "http://localhost"})
    second, first = audited(app.test_client())
    assert first["by"].startswith("operator (session ") and first["by"] != second["by"]


def test_refused_action_is_audited_with_its_request(client: FlaskClient, manager: RunManager) -> None:
    ask(client, "POST", "/api/mongo/restart", {"uid": "u0", "mode": "crash"}, token=VIEWER)
    manager.error = UidNotCurrent("mongodb-0", "u1")
    ask(client, "POST", "/api/mongo/restart", {"uid": "u0", "mode": "crash"})
    stale, viewer = audited(client)
    assert stale["action"] == "restart MongoDB, crash, of the pod u0" and stale["outcome"].startswith("refused: 409")
    assert viewer["by"].startswith("viewer (token") and viewer["outcome"].startswith("refused: 403")


def test_denied_request_is_audited_but_not_shown(client: FlaskClient, manager: RunManager, emitted: Emitted) -> None:
    ask(client, "POST", "/api/runs", {"demo": "persistence"}, token="wr0ng-token-of-nobody")
    ask(client, "POST", "/api/runs", {"demo": "persistence"}, token=None)
    ask(client, "POST", "/api/runs", {"demo": "persistence"}, token=VIEWER)
    viewer, without, wrong = audited(client)
    assert (wrong["by"], wrong["action"]) == ("nobody (token, 127.0.0.1)", "run a demo")
    assert wrong["outcome"].startswith("refused: 401") and without["by"] == "nobody (no token, 127.0.0.1)"
    assert viewer["by"] == "viewer (token, 127.0.0.1)"
    assert emitted == []


def test_looking_is_no_action(client: FlaskClient, manager: RunManager) -> None:
    for path in LOOKS:
        ask(client, "GET", path)
    assert audited(client) == []


def test_report_is_a_file_with_a_name(client: FlaskClient, manager: RunManager) -> None:
    answer = ask(client, "GET", "/api/runs/r1/report", token=VIEWER)
    assert answer.json and persistence_run().items() <= answer.json.items()
    assert answer.headers["Content-Disposition"] == 'attachment; filename="2025-11-25T12-00-00Z-persistence.json"'


def test_report_page_has_a_policy_of_its_own(client: FlaskClient, manager: RunManager) -> None:
    answer = ask(client, "GET", "/api/runs/r1/report.html", token=VIEWER)
    assert answer.content_type == "text/html; charset=utf-8"
    (policy,) = answer.headers.get_all("Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "frame-ancestors 'none'" in policy
    assert "default-src 'self'" in ask(client, "GET", "/api/runs").headers["Content-Security-Policy"]


def test_there_is_no_report_before_the_verdict(client: FlaskClient, manager: RunManager) -> None:
    manager.runs["r1"] = persistence_run(verdict="running", line=None, ended=None)
    for suffix in ("", ".html"):
        problem(ask(client, "GET", f"/api/runs/r1/report{suffix}"), 409)


def test_run_of_which_little_was_kept_has_a_report(client: FlaskClient, manager: RunManager) -> None:
    run = persistence_run()
    kept = {name: run[name] for name in ("id", "demo", "verdict", "line", "reason", "started", "ended", "by")}
    manager.runs["r1"] = kept
    assert b"PASS" in ask(client, "GET", "/api/runs/r1/report.html").data
