"""Sessions: behind proxies, and after a logout."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.web.auth import ENDED_SESSIONS, EndedSessions, is_origin_of
from tests.dashboard.stubs import OPERATOR

BASIC = {"Authorization": "Basic YTpi"}


def sign_in(client: FlaskClient) -> dict[str, str]:
    """Log in. Return the headers that a change needs."""
    assert client.post("/login", json={"token": OPERATOR}).status_code == 204
    with client.session_transaction() as session:
        return {"Origin": "http://localhost", "X-CSRF-Token": session["csrf"]}


def test_basic_authorization_of_a_proxy_does_not_replace_the_session(client: FlaskClient) -> None:
    assert client.get("/api/state", headers=BASIC).status_code == 401
    headers = sign_in(client)
    assert client.get("/api/state", headers=BASIC).status_code == 200
    assert client.get("/api/state", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.post("/logout", headers=BASIC, json={}).status_code == 403  # the CSRF check applies
    assert client.post("/logout", headers=headers | BASIC, json={}).status_code == 204


def test_cookie_is_invalid_after_the_logout(app: Flask, client: FlaskClient) -> None:
    headers = sign_in(client)
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie
    other = app.test_client()
    sign_in(other)
    assert client.post("/logout", headers=headers, json={}).status_code == 204
    client.set_cookie(app.config["SESSION_COOKIE_NAME"], cookie.value)
    assert client.get("/api/state").status_code == 401
    assert client.delete("/api/runs/none", headers=headers).status_code == 401
    assert other.get("/api/state").status_code == 200


def test_logout_with_a_token_does_not_affect_sessions(client: FlaskClient) -> None:
    assert client.post("/logout", headers={"Authorization": f"Bearer {OPERATOR}"}, json={}).status_code == 204
    sign_in(client)
    assert client.get("/api/state").status_code == 200


def test_ended_session_stays_ended_however_many_follow() -> None:
    ended = EndedSessions()
    for number in range(ENDED_SESSIONS + 10):
        ended.add(str(number), 1_000.0 + number)
    for number in (0, 9, 10, ENDED_SESSIONS + 9):
        assert ended.has(str(number), 1_000.0 + number)
    assert ended.has("one that began before them", 999.0), "it can't be told from a forgotten one"
    assert not ended.has("one that began among them", 1_010.0)
    assert len(ended._ends) == ENDED_SESSIONS


def test_cookie_stays_invalid_after_many_other_logouts(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.web.auth.ENDED_SESSIONS", 2)
    headers = sign_in(client)
    cookie = client.get_cookie(name := app.config["SESSION_COOKIE_NAME"])
    assert cookie
    for later in range(1, 6):
        assert client.post("/logout", headers=headers, json={}).status_code == 204
        headers = sign_in(client)
        with client.session_transaction() as session:
            session["until"] += later
    assert client.get("/api/state").status_code == 200
    client.set_cookie(name, cookie.value)
    assert client.get("/api/state").status_code == 401


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://localhost", "localhost", True),
        ("http://localhost:8080", "localhost:8080", True),
        ("https://dash.example", "dash.example", True),
        ("https://dash.example", "dash.example:443", True),
        ("http://dash.example", "dash.example:80", True),
        ("HTTPS://Dash.example", "dash.EXAMPLE", True),
        ("https://dash.example", "dash.example:80", False),
        ("https://dash.example:8443", "dash.example", False),
        ("http://evil.example", "dash.example", False),
        ("null", "dash.example", False),
        ("null", "", False),
        ("http://", "", False),
        ("ftp://dash.example", "dash.example", False),
        ("http://[::1]", "[::1]:80", True),
    ],
)
def test_origin_is_compared_with_the_host(origin: str, host: str, same: bool) -> None:
    assert is_origin_of(origin, host) is same


def test_login_with_deeply_nested_json_is_400(client: FlaskClient) -> None:
    for depth in (4_000, 60_000):
        answer = client.post("/login", data="[" * depth, content_type="application/json")
        assert answer.status_code == 400
