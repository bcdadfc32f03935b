"""Who gets in, by which door, and who does not."""

from dataclasses import replace

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from dashboard.web import auth
from dashboard.web.auth import FAILURES, FAILURES_SECONDS, AttemptLimit, require
from tests.dashboard.stubs import OPERATOR, VIEWER

ORIGIN = {"Origin": "http://localhost"}


def problem(response: TestResponse) -> int:
    """The status, of a response that is a problem and says so."""
    assert response.content_type == "application/problem+json"
    assert response.json and response.json["status"] == response.status_code and response.json["title"]
    return response.status_code


def sign_in(client: FlaskClient, token: str = OPERATOR) -> str:
    """The session's CSRF token."""
    assert client.post("/login", json={"token": token}, headers=ORIGIN).status_code == 204
    with client.session_transaction() as session:
        return str(session["csrf"])


def test_without_a_credential_the_page_leads_to_the_login_and_the_api_says_401(client: FlaskClient) -> None:
    page = client.get("/")
    assert (page.status_code, page.location) == (303, "login")
    answer = client.get("/api/state")
    assert problem(answer) == 401 and answer.headers["WWW-Authenticate"].lower().startswith("bearer")


@pytest.mark.parametrize("token", [OPERATOR, VIEWER])
def test_bearer_token_opens_the_api(client: FlaskClient, token: str) -> None:
    assert client.get("/api/state", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Bearer \u00e9"])
def test_wrong_header_is_401_even_with_a_good_session(client: FlaskClient, header: str) -> None:
    sign_in(client)
    assert problem(client.get("/api/state", headers={"Authorization": header})) == 401


def test_form_login_leads_to_the_page_that_knows_the_role(client: FlaskClient) -> None:
    answer = client.post("/login", data={"token": VIEWER}, headers=ORIGIN)
    assert (answer.status_code, answer.location) == (303, "./")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    page = client.get("/")
    assert page.status_code == 200 and "viewer" in page.text
    with client.session_transaction() as session:
        assert f'name="csrf-token" content="{session["csrf"]}"' in page.text


NO_TOKENS = [{"token": "wrong"}, {"token": None}, {"token": 7}, {"token": "x" * 999}, {}, [], "x", None]


@pytest.mark.parametrize("body", NO_TOKENS)
def test_json_login_with_no_good_token_is_401(client: FlaskClient, body: object) -> None:
    assert problem(client.post("/login", json=body, headers=ORIGIN)) == 401
    assert client.get("/").status_code == 303


@pytest.mark.parametrize("token", ["wrong", "", "x" * 999])
def test_form_login_with_an_invalid_token_shows_the_form_with_an_error(client: FlaskClient, token: str) -> None:
    answer = client.post("/login", data={"token": token}, headers=ORIGIN)
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert 'name="token"' in answer.text and "not valid" in answer.text
    assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")
    assert client.get("/").status_code == 303


def test_form_login_after_too_many_attempts_is_429_with_the_form(client: FlaskClient) -> None:
    for _ in range(FAILURES):
        assert client.post("/login", data={"token": "guess"}, headers=ORIGIN).status_code == 401
    answer = client.post("/login", data={"token": "guess"}, headers=ORIGIN)
    assert (answer.status_code, answer.mimetype) == (429, "text/html")
    assert f"Try again in {answer.headers['Retry-After']} seconds" in answer.text


def test_guessing_is_stopped_with_429_and_a_valid_token_is_accepted_meanwhile(client: FlaskClient) -> None:
    for _ in range(FAILURES):
        assert problem(client.post("/login", json={"token": "guess"})) == 401
    answer = client.post("/login", json={"token": "guess"})
    assert problem(answer) == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= FAILURES_SECONDS + 1
    assert problem(client.get("/api/state", headers={"Authorization": "Bearer guess"})) == 429
    assert client.get("/api/state", headers={"Authorization": f"Bearer {OPERATOR}"}).status_code == 200
    assert client.post("/login", json={"token": OPERATOR}).status_code == 204


def test_forwarded_headers_do_not_reset_the_count(client: FlaskClient) -> None:
    for number in range(FAILURES):
        client.post("/login", json={"token": "guess"}, headers={"X-Forwarded-For": f"10.0.0.{number}"})
    forwarded = {"X-Forwarded-For": "10.0.1.1"}
    assert client.post("/login", json={"token": "guess"}, headers=forwarded).status_code == 429


def test_limit_lets_go_after_its_time_and_forgets_the_oldest_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "ADDRESSES", 2)
    now = 0.0
    limit = AttemptLimit(lambda: now)
    for _ in range(FAILURES):
        limit.failed("a")
    assert limit.wait("a") > 0 and limit.wait("b") == 0
    now = FAILURES_SECONDS + 0.1
    assert limit.wait("a") == 0
    for address in ("b", "c"):
        limit.failed(address)
    assert len(limit._failures) == 2


def test_logging_out_needs_this_origin_and_the_csrf_token(client: FlaskClient) -> None:
    csrf = sign_in(client)
    token = {"X-CSRF-Token": csrf}
    assert problem(client.post("/logout")) == 403
    assert problem(client.post("/logout", headers=ORIGIN)) == 403
    assert problem(client.post("/logout", headers=token)) == 403
    assert problem(client.post("/logout", headers={**token, "Origin": "http://evil.example"})) == 403
    assert problem(client.post("/logout", headers={**token, "Origin": "null"})) == 403
    assert problem(client.post("/logout", headers={**ORIGIN, "X-CSRF-Token": "wrong"})) == 403
    assert client.get("/").status_code == 200
    answer = client.post("/logout", data={"csrf_token": csrf}, headers=ORIGIN)
    assert (answer.status_code, answer.location) == (303, "login")
    assert client.get("/").status_code == 303


def test_login_from_another_origin_is_refused(client: FlaskClient) -> None:
    assert problem(client.post("/login", json={"token": OPERATOR}, headers={"Origin": "http://evil.example"})) == 403


def test_session_ends_with_its_token_and_cannot_be_forged(
    config: DashboardConfig, app: Flask, client: FlaskClient
) -> None:
    sign_in(client)
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie
    for change in ({"operator_token": "Nw2-pz8Gt4Xk6Lb1Rv7C"}, {"session_key": "Ot7-mc3Hy9Jd5Wq1Ke8F"}):
        changed = create_app(replace(config, **change))
        other = changed.test_client()
        other.set_cookie(changed.config["SESSION_COOKIE_NAME"], cookie.value)
        assert problem(other.get("/api/state")) == 401


def test_viewer_may_not_use_operator_routes(app: Flask, client: FlaskClient) -> None:
    @app.post("/api/restart")
    @require("operator")
    def restart() -> Response:
        return Response(status=202)

    assert problem(client.post("/api/restart", headers=ORIGIN)) == 401
    assert problem(client.post("/api/restart", headers={"Authorization": f"Bearer {VIEWER}"})) == 403
    assert client.post("/api/restart", headers={"Authorization": f"Bearer {OPERATOR}"}).status_code == 202
    headers = {**ORIGIN, "X-CSRF-Token": sign_in(client)}
    assert client.post("/api/restart", headers=headers).status_code == 202


@pytest.mark.parametrize("path", ["/", "/login", "/api/state", "/nowhere", "/static/js/main.js"])
def test_every_response_has_a_strict_content_security_policy(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';") and "frame-ancestors 'none'" in policy
    assert "connect-src 'self' ws://localhost wss://localhost" in policy
    assert "unsafe" not in policy and "*" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_strange_host_is_misdirected_and_does_not_get_into_the_policy(client: FlaskClient) -> None:
    answer = client.get("/login", headers={"Host": "a;script-src"})
    assert problem(answer) == 421 and "script-src" not in answer.headers["Content-Security-Policy"]


def test_unknown_paths_and_methods_are_problems(client: FlaskClient) -> None:
    assert problem(client.get("/api/none")) == 404
    wrong = client.put("/api/state", headers={"Authorization": f"Bearer {OPERATOR}"})
    assert problem(wrong) == 405 and "GET" in wrong.headers["Allow"]


def test_body_beyond_the_limit_is_refused(client: FlaskClient) -> None:
    assert problem(client.post("/login", data={"token": "x" * 100_000}, headers=ORIGIN)) == 413


def test_unexpected_failure_is_a_problem_and_logged(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    def broken() -> Response:
        raise RuntimeError("secret detail")

    answer = client.get("/broken")
    assert problem(answer) == 500 and "secret detail" not in answer.text
    assert "secret detail" in caplog.text
