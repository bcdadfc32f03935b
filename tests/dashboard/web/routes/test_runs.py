"""Runs, manual load and restart over HTTP: authorization, errors, and the audit."""

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
from dashboard.runs.activity_lock import RunActive
from dashboard.runs.evidence.store import Unkept
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.records.archive import UnknownRun
from dashboard.web.lookups import Lookups
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
READS = [
    "/api/runs", "/api/runs/r1", "/api/runs/r1/report", "/api/runs/r1/report.html", "/api/runs/r1/evidence",
    "/api/audit",
]  # fmt: skip

Json = dict[str, Any]


class StubRunManager:
    """A run manager that records its calls, or raises `error`."""

    def __init__(self, audit: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.runs: dict[str, Json] = {"r1": persistence_run()}
        self.files: dict[str, bytes] = {"r1": b"records"}
        self._audit = audit

    def start(self, demo: str, options: Json, by: str) -> str:
        self._record("start", demo, options)
        self._audit(by, f"run {demo}", "started")
        return "r2"

    def abort(self, id_: str, by: str) -> None:
        if id_ not in self.runs:
            raise UnknownRun
        self._record("abort", id_)

    def restart_mongo(self, uid: str, mode: str, by: str) -> None:
        self._record("restart", uid, mode)
        self._audit(by, f"restart mongodb-0 ({mode})", "started", POD)

    def load(self, options: LoadOptions, by: str) -> None:
        self._record("load", options)

    def unload(self, by: str) -> None:
        self._record("unload")

    def get(self, id_: str) -> Json:
        if id_ not in self.runs:
            raise UnknownRun
        return self.runs[id_]

    def evidence(self, id_: str) -> bytes:
        if self.error:
            raise self.error
        if id_ not in self.files:
            raise Unkept("It is not kept.")
        return self.files[id_]

    def list(self) -> "list[Json]":
        return [{"id": id_} for id_ in self.runs]

    def _record(self, *call: Any) -> None:
        if self.error:
            raise self.error
        self.calls.append(call)


@pytest.fixture
def manager(app: Flask) -> StubRunManager:
    manager = StubRunManager(app.extensions["audit"])
    app.extensions["manager"] = manager
    return manager


@pytest.fixture
def emitted(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emitted]:
    emitted = Emitted()
    monkeypatch.setattr(app.extensions["audit"], "_emit", emitted)
    yield emitted


def request(
    client: FlaskClient, method: str, path: str, body: Any = None, token: str | None = OPERATOR, **more: Any
) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.open(path, method=method, json=body, headers=headers, **more)


def problem(answer: TestResponse, status: int) -> Json:
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.data
    assert answer.json and answer.json["status"] == status
    return dict(answer.json)


def audited(client: FlaskClient) -> list[Json]:
    lines: list[Json] = json.loads(request(client, "GET", "/api/audit").data)
    return lines


def test_started_run_has_a_location(client: FlaskClient, manager: StubRunManager) -> None:
    answer = request(client, "POST", "/api/runs", {"demo": "persistence", "options": {"mode": "crash"}})
    assert (answer.status_code, answer.json) == (202, {"id": "r2"})
    assert answer.headers["Location"] == "runs/r2"
    assert manager.calls == [("start", "persistence", {"mode": "crash"})]


def test_options_are_optional(client: FlaskClient, manager: StubRunManager) -> None:
    assert request(client, "POST", "/api/runs", {"demo": "autoscale"}).status_code == 202
    assert manager.calls == [("start", "autoscale", {})]


def test_runs_are_listed_and_read(client: FlaskClient, manager: StubRunManager) -> None:
    assert request(client, "GET", "/api/runs", token=VIEWER).json == [{"id": "r1"}]
    assert request(client, "GET", "/api/runs/r1", token=VIEWER).json == persistence_run()


def test_run_is_aborted(client: FlaskClient, manager: StubRunManager) -> None:
    assert request(client, "DELETE", "/api/runs/r1").status_code == 202
    assert manager.calls == [("abort", "r1")]


def test_load_is_started_and_stopped(client: FlaskClient, manager: StubRunManager) -> None:
    assert request(client, "PUT", "/api/load", {"rate": 100, "duration": 30, "connections": 20}).status_code == 202
    assert request(client, "DELETE", "/api/load").status_code == 202
    assert manager.calls == [("load", LoadOptions(rate=100, duration=30, connections=20)), ("unload",)]


def test_mongodb_is_restarted_by_the_uid_of_its_pod(client: FlaskClient, manager: StubRunManager) -> None:
    answer = request(client, "POST", "/api/mongo/restart", {"uid": "u1", "mode": "crash"})
    assert answer.status_code == 202
    assert manager.calls == [("restart", "u1", "crash")]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_change_by_a_viewer_is_403(
    client: FlaskClient, manager: StubRunManager, method: str, path: str, body: Any
) -> None:
    problem(request(client, method, path, body, token=VIEWER), 403)
    assert manager.calls == []


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_change_without_a_token_is_401(
    client: FlaskClient, manager: StubRunManager, method: str, path: str, body: Any
) -> None:
    assert problem(request(client, method, path, body, token="wr0ng-token-of-nobody"), 401)
    assert problem(request(client, method, path, body, token=None), 401)
    assert manager.calls == []


@pytest.mark.parametrize("path", READS)
def test_reading_without_a_session_is_401(client: FlaskClient, manager: StubRunManager, path: str) -> None:
    problem(request(client, "GET", path, token=None), 401)
    assert request(client, "GET", path, token=VIEWER).status_code == 200


def test_change_by_a_session_needs_its_csrf_token(client: FlaskClient, manager: StubRunManager) -> None:
    client.post("/login", json={"token": OPERATOR})
    with client.session_transaction() as session:
        csrf = session["csrf"]
    body, headers = {"demo": "persistence"}, {"Origin": "http://localhost"}
    problem(client.post("/api/runs", json=body, headers=headers), 403)
    problem(client.post("/api/runs", json=body, headers={"X-CSRF-Token": csrf, "Origin": "http://evil.example"}), 403)
    assert manager.calls == []
    assert client.post("/api/runs", json=body, headers={"X-CSRF-Token": csrf, **headers}).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
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
def test_invalid_body_is_422_with_the_allowed_members(
    client: FlaskClient, manager: StubRunManager, method: str, path: str, body: Any, allowed: str
) -> None:
    assert allowed in problem(request(client, method, path, body), 422)["detail"]
    assert manager.calls == []
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
    client: FlaskClient, manager: StubRunManager, data: str, content_type: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    problem(client.put("/api/load", data=data, content_type=content_type, headers=headers), status)
    assert manager.calls == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/runs", '{"demo":"persistence","options":{"a":%s}}'),
        ("POST", "/api/runs", '{"demo":%s}'),
        ("PUT", "/api/load", '{"rate":%s,"duration":1}'),
        ("POST", "/api/mongo/restart", '{"uid":%s,"mode":"graceful"}'),
        ("POST", "/api/deployment/undo", '{"dry_run":true,"revision":%s}'),
        ("PATCH", "/api/autoscaler", '{"dry_run":true,"behavior":{"scaleUp":%s}}'),
    ],
)
def test_deeply_nested_body_is_400(client: FlaskClient, method: str, path: str, body: str) -> None:
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    for nested in ("[" * 20 + "]" * 20, "[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500):
        answer = client.open(path, method=method, data=body % nested, content_type="application/json", headers=headers)
        problem(answer, 400)


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
def test_error_of_the_manager_has_its_status_and_members(
    client: FlaskClient,
    manager: StubRunManager,
    method: str,
    path: str,
    body: Any,
    error: Exception,
    status: int,
    members: Json,
) -> None:
    manager.error = error
    found = problem(request(client, method, path, body), status)
    assert found["detail"] == str(error)
    assert members.items() <= found.items()
    (line,) = audited(client)
    assert line["outcome"].startswith(f"{'failed' if status == 502 else 'refused'}: {status} {str(error)[:20]}")


@pytest.mark.parametrize("run_id", ["r7", "..", "%2e%2e%2fsecrets", "a" * 200, "<script>"])
def test_unknown_run_is_404(client: FlaskClient, manager: StubRunManager, run_id: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/report"), ("GET", "/report.html")):
        problem(request(client, method, f"/api/runs/{run_id}{path}"), 404)


def test_action_is_audited_once_with_its_author(client: FlaskClient, manager: StubRunManager, emitted: Emitted) -> None:
    request(client, "POST", "/api/mongo/restart", {"uid": "u1", "mode": "crash"})
    request(client, "PUT", "/api/load", {"rate": 100})
    load, restart = audited(client)
    assert (restart["action"], restart["outcome"], restart["object"]) == ("restart mongodb-0 (crash)", "started", POD)
    assert load["action"] == 'load {"rate":100}' and load["outcome"].startswith("refused: 422 ")
    assert restart["by"] == load["by"] == "operator (token, 127.0.0.1)"
    assert len(emitted.of(ActionRecorded)) == 2


def test_author_of_an_action_identifies_the_session(app: Flask, manager: StubRunManager) -> None:
    for _ in range(2):
        client = app.test_client()
        client.post("/login", json={"token": OPERATOR})
        with client.session_transaction() as session:
            csrf = session["csrf"]
        client.delete("/api/load", headers={"X-CSRF-Token": csrf, "Origin": "http://localhost"})
    second, first = audited(app.test_client())
    assert first["by"].startswith("operator (session ") and first["by"] != second["by"]


def test_refused_action_is_audited_with_its_request(client: FlaskClient, manager: StubRunManager) -> None:
    request(client, "POST", "/api/mongo/restart", {"uid": "u0", "mode": "crash"}, token=VIEWER)
    manager.error = UidNotCurrent("mongodb-0", "u1")
    request(client, "POST", "/api/mongo/restart", {"uid": "u0", "mode": "crash"})
    conflict, viewer = audited(client)
    assert "crash" in conflict["action"] and "u0" in conflict["action"]
    assert conflict["outcome"].startswith("refused: 409")
    assert viewer["by"].startswith("viewer (token") and viewer["outcome"].startswith("refused: 403")


def test_denied_request_is_audited_and_not_emitted(
    client: FlaskClient, manager: StubRunManager, emitted: Emitted
) -> None:
    request(client, "POST", "/api/runs", {"demo": "persistence"}, token="wr0ng-token-of-nobody")
    request(client, "POST", "/api/runs", {"demo": "persistence"}, token=None)
    request(client, "POST", "/api/runs", {"demo": "persistence"}, token=VIEWER)
    viewer, without_token, wrong_token = audited(client)
    assert (wrong_token["by"], wrong_token["action"]) == ("nobody (token, 127.0.0.1)", "run a demo")
    assert wrong_token["outcome"].startswith("refused: 401") and without_token["by"] == "nobody (no token, 127.0.0.1)"
    assert viewer["by"] == "viewer (token, 127.0.0.1)"
    assert emitted == []


def test_reading_is_not_audited(client: FlaskClient, manager: StubRunManager) -> None:
    for path in READS:
        request(client, "GET", path)
    assert audited(client) == []


def test_report_is_a_file_with_a_name(client: FlaskClient, manager: StubRunManager) -> None:
    answer = request(client, "GET", "/api/runs/r1/report", token=VIEWER)
    assert answer.json and persistence_run().items() <= answer.json.items()
    assert answer.headers["Content-Disposition"] == 'attachment; filename="2025-11-25T12-00-00Z-persistence.json"'


def test_report_page_has_a_policy_of_its_own(client: FlaskClient, manager: StubRunManager) -> None:
    answer = request(client, "GET", "/api/runs/r1/report.html", token=VIEWER)
    assert answer.content_type == "text/html; charset=utf-8"
    (policy,) = answer.headers.get_all("Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "frame-ancestors 'none'" in policy
    assert "default-src 'self'" in request(client, "GET", "/api/runs").headers["Content-Security-Policy"]


def test_report_before_the_verdict_is_409(client: FlaskClient, manager: StubRunManager) -> None:
    manager.runs["r1"] = persistence_run(verdict="running", line=None, ended=None)
    for suffix in ("", ".html"):
        problem(request(client, "GET", f"/api/runs/r1/report{suffix}"), 409)


def test_summary_of_a_run_has_a_report(client: FlaskClient, manager: StubRunManager) -> None:
    run = persistence_run()
    summary = {name: run[name] for name in ("id", "demo", "verdict", "line", "reason", "started", "ended", "by")}
    manager.runs["r1"] = summary
    assert b"PASS" in request(client, "GET", "/api/runs/r1/report.html").data


def test_evidence_file_is_downloaded_by_viewers(client: FlaskClient, manager: StubRunManager) -> None:
    answer = request(client, "GET", "/api/runs/r1/evidence", token=VIEWER)
    assert (answer.status_code, answer.content_type, answer.data) == (200, "application/gzip", b"records")
    name = answer.headers["Content-Disposition"].partition("filename=")[2]
    assert name.startswith('"2025-') and name.endswith('Z-persistence.evidence.jsonl.gz"')
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("path", ["evidence", "report", "report.html"])
def test_too_many_viewers_who_wait_for_a_file_are_503(
    app: Flask, client: FlaskClient, manager: StubRunManager, path: str
) -> None:
    manager.runs["r1"] = persistence_run() | {"id": "r1", "evidence_file": {"bytes": 7}}
    lookups = app.extensions["lookups"] = Lookups(1)
    with lookups.one():
        problem(request(client, "GET", f"/api/runs/r1/{path}", token=VIEWER), 503)
    assert request(client, "GET", f"/api/runs/r1/{path}", token=VIEWER).status_code == 200


def test_file_that_is_not_kept_is_404_with_the_reason(client: FlaskClient, manager: StubRunManager) -> None:
    manager.files.clear()
    assert problem(request(client, "GET", "/api/runs/r1/evidence"), 404)["detail"] == "It is not kept."
    assert problem(request(client, "GET", "/api/runs/r2/evidence"), 404)


def test_file_that_can_not_be_read_now_is_502(client: FlaskClient, manager: StubRunManager) -> None:
    manager.error = ExternalError("The dashboard could not read the ConfigMap.")
    problem(request(client, "GET", "/api/runs/r1/evidence"), 502)


@pytest.mark.parametrize("file", [b"", b"no gzip", None])
def test_report_has_no_charts_if_the_file_is_unreadable(
    client: FlaskClient, manager: StubRunManager, file: bytes | None
) -> None:
    manager.runs["r1"] = persistence_run(evidence_file={"bytes": 7, "sha256": "0", "kept": True, "why": None})
    manager.files = {} if file is None else {"r1": file}
    page = request(client, "GET", "/api/runs/r1/report.html")
    assert page.status_code == 200 and b"<figure>" not in page.data
