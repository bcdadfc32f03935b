"""Sessions behind proxies, and their end."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.web.auth import SESSION_HOURS, EndedSessions, is_origin_of
from tests.dashboard.stubs import OPERATOR

BASIC = {"Authorization": "Basic YTpi"}


def sign_in(client: FlaskClient) -> dict[str, str]:
    """Sign in, and return the headers of a request that changes something."""
    assert client.post("/login", json={"token": OPERATOR}).status_code == 204
    with client.session_transaction() as session:
        return {"Origin": "http://localhost", "X-CSRF-Token": session["csrf"]}


def test_session_counts_beside_a_proxys_basic_authorization(client: FlaskClient) -> None:
    assert client.get("/api/state", headers=BASIC).status_code == 401
    own = sign_in(client)
    assert client.get("/api/state", headers=BASIC).status_code == 200
    assert client.get("/api/state", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.post("/logout", headers=BASIC, json={}).status_code == 403  # no exception from the CSRF check
    assert client.post("/logout", headers=own | BASIC, json={}).status_code == 204


def test_logged_out_cookie_is_worth_nothing(app: Flask, client: FlaskClient) -> None:
    own = sign_in(client)
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie
    other = app.test_client()
    sign_in(other)
    assert client.post("/logout", headers=own, json={}).status_code == 204
    client.set_cookie(app.config["SESSION_COOKIE_NAME"], cookie.value)
    assert client.get("/api/state").status_code == 401
    assert client.delete("/api/runs/none", headers=own).status_code == 401
    assert other.get("/api/state").status_code == 200


def test_logout_with_a_token_ends_no_session(client: FlaskClient) -> None:
    assert client.post("/logout", headers={"Authorization": f"Bearer {OPERATOR}"}, json={}).status_code == 204
    sign_in(client)
    assert client.get("/api/state").status_code == 200


def test_ended_sessions_are_forgotten_after_the_life_of_a_cookie() -> None:
    now = 0.0
    ended = EndedSessions(lambda: now)
    for number in range(5_000):
        ended.add(str(number))
    assert "4999" in ended and "0" not in ended
    now = SESSION_HOURS * 3600 + 1.0
    ended.add("new")
    assert "new" in ended and "4999" not in ended


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
def test_origin_belongs_to_the_host_that_served_it(origin: str, host: str, same: bool) -> None:
    assert is_origin_of(origin, host) is same


def test_login_with_deeply_nested_json_is_400(client: FlaskClient) -> None:
    deep = client.post("/login", data="[" * 4_000, content_type="application/json")
    assert deep.status_code == 400
    deeper = client.post("/login", data="[" * 60_000, content_type="application/json")
    assert deeper.status_code == 400
