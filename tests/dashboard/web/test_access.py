"""Who may do what: every route and every message of the socket, asked with every kind of credential.

A route or a message without a row fails: say in ROUTES or EVENTS who may use it.
"""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from dashboard.web.auth import SESSION_HOURS
from tests.dashboard.stubs import OPERATOR, VIEWER

OPEN = "open"  # to everybody
LOGIN = "login"
PAGE = "page"  # leads to the login
READ = "read"  # viewers and operators
LOGOUT = "logout"  # changes something, and viewers may
CHANGE = "change"  # operators
SOCKET = "socket"

ROUTES = {
    "GET /": PAGE,
    "GET /login": OPEN,
    "POST /login": LOGIN,
    "POST /logout": LOGOUT,
    "GET /static/<path:filename>": OPEN,
    "GET /static-<version>/<path:filename>": OPEN,
    "GET /api/state": READ,
    "GET /api/history": READ,
    "GET /api/demos": READ,
    "GET /api/audit": READ,
    "GET /api/runs": READ,
    "POST /api/runs": CHANGE,
    "GET /api/runs/<run_id>": READ,
    "DELETE /api/runs/<run_id>": CHANGE,
    "GET /api/runs/<run_id>/report": READ,
    "GET /api/runs/<run_id>/report.html": READ,
    "GET /api/runs/<run_id>/evidence": READ,
    "PUT /api/load": CHANGE,
    "DELETE /api/load": CHANGE,
    "POST /api/mongo/restart": CHANGE,
    "GET /api/documents": READ,
    "POST /api/documents": CHANGE,
    "GET /api/documents/<id_>": READ,
    "PUT /api/documents/<id_>": CHANGE,
    "DELETE /api/documents/<id_>": CHANGE,
    "GET /api/pods/<uid>": READ,
    "DELETE /api/pods/<uid>": CHANGE,
    "GET /api/deployment": READ,
    "POST /api/deployment/<action>": CHANGE,
    "GET /api/autoscaler": READ,
    "GET /api/autoscaler/what-if": READ,
    "GET /api/sizing": READ,
    "GET /api/logs": READ,
    "PATCH /api/autoscaler": CHANGE,
    "GET /api/pods/<uid>/log": READ,
    "GET /api/objects/<kind>/<name>": READ,
}
EVENTS = {"connect": SOCKET, "disconnect": SOCKET, "snapshot": SOCKET, "seen": SOCKET}  # what a page may send

IN = 0  # whatever the route itself answers
OUTCOMES = {
    #                          OPEN  LOGIN PAGE READ LOGOUT CHANGE SOCKET
    "nothing":                 (IN,  IN,   303, 401, 401,   401,   401),
    "wrong token":             (IN,  IN,   401, 401, 401,   401,   401),
    "viewer's token":          (IN,  IN,   IN,  IN,  IN,    403,   IN),
    "operator's token":        (IN,  IN,   IN,  IN,  IN,    IN,    IN),
    "viewer's session":        (IN,  IN,   IN,  IN,  IN,    403,   IN),
    "operator's session":      (IN,  IN,   IN,  IN,  IN,    IN,    IN),
    "expired session":         (IN,  IN,   303, 401, 401,   401,   401),
    "forged session":          (IN,  IN,   303, 401, 401,   401,   401),
    "replaced token's session": (IN, IN,   303, 401, 401,   401,   401),
    "logged out session":      (IN,  IN,   303, 401, 401,   401,   401),
    "foreign origin":          (IN,  403,  IN,  IN,  403,   403,   403),
    "opaque origin":           (IN,  403,  IN,  IN,  403,   403,   403),
    "no origin":               (IN,  IN,   IN,  IN,  403,   403,   403),
    "no CSRF token":           (IN,  IN,   IN,  IN,  403,   403,   IN),
    "another's CSRF token":    (IN,  IN,   IN,  IN,  403,   403,   IN),
    "foreign host":            (421, IN,   421, 421, 421,   421,   421),
    "foreign host with a token": (IN, IN,  IN,  IN,  IN,    IN,    IN),
}  # fmt: skip
CLASSES = (OPEN, LOGIN, PAGE, READ, LOGOUT, CHANGE, SOCKET)

ORIGIN = {"Origin": "http://localhost"}
FOREIGN = {"Host": "evil.example", "Origin": "http://evil.example"}

Headers = dict[str, str]


def session(app: Flask, token: str = OPERATOR) -> Headers:
    """The headers that a page sends which has signed in."""
    client = app.test_client()
    assert client.post("/login", json={"token": token}, headers=ORIGIN).status_code == 204
    cookie = client.get_cookie(name := app.config["SESSION_COOKIE_NAME"])
    with client.session_transaction() as opened:
        csrf = str(opened["csrf"])
    assert cookie
    return {"Cookie": f"{name}={cookie.value}", "X-CSRF-Token": csrf, **ORIGIN}


def without(headers: Headers, *names: str) -> Headers:
    return {name: value for name, value in headers.items() if name not in names}


def expired(app: Flask) -> Headers:
    """A session that began one second too early."""
    with pytest.MonkeyPatch.context() as patched:
        began = time.time() - SESSION_HOURS * 3600 - 1
        patched.setattr(time, "time", lambda: began)
        return session(app)


def of_another(app: Flask, **change: str) -> Headers:
    """A session of a dashboard with another secret, under this one's cookie name."""
    config: DashboardConfig = app.config["DASHBOARD"]
    other = create_app(replace(config, **change))
    headers = session(other, change.get("operator_token", OPERATOR))
    _, _, value = headers["Cookie"].partition("=")
    return headers | {"Cookie": f"{app.config['SESSION_COOKIE_NAME']}={value}"}


def logged_out(app: Flask) -> Headers:
    headers = session(app)
    assert app.test_client(use_cookies=False).post("/logout", json={}, headers=headers).status_code == 204
    return headers


CREDENTIALS: dict[str, Callable[[Flask], Headers]] = {
    "nothing": lambda app: ORIGIN,
    "wrong token": lambda app: session(app) | {"Authorization": "Bearer wrong"},
    "viewer's token": lambda app: {"Authorization": f"Bearer {VIEWER}"},
    "operator's token": lambda app: {"Authorization": f"Bearer {OPERATOR}"},
    "viewer's session": lambda app: session(app, VIEWER),
    "operator's session": session,
    "expired session": expired,
    "forged session": lambda app: of_another(app, session_key="Ot7-mc3Hy9Jd5Wq1Ke8F"),
    "replaced token's session": lambda app: of_another(app, operator_token="Nw2-pz8Gt4Xk6Lb1Rv7C"),
    "logged out session": logged_out,
    "foreign origin": lambda app: session(app) | {"Origin": "http://evil.example"},
    "opaque origin": lambda app: session(app) | {"Origin": "null"},
    "no origin": lambda app: without(session(app), "Origin"),
    "no CSRF token": lambda app: without(session(app), "X-CSRF-Token"),
    "another's CSRF token": lambda app: session(app) | {"X-CSRF-Token": session(app)["X-CSRF-Token"]},
    "foreign host": lambda app: FOREIGN,
    "foreign host with a token": lambda app: FOREIGN | {"Authorization": f"Bearer {OPERATOR}"},
}


def outcome(app: Flask, method: str, path: str, headers: Headers) -> int:
    body: dict[str, Any] = {"token": VIEWER} if path == "/login" else {}
    client = app.test_client(use_cookies=False)
    with client.open(path, method=method, json=None if method in ("GET", "HEAD") else body, headers=headers) as answer:
        status: int = answer.status_code
        assert status < 500, answer.data
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert ("Set-Cookie" in answer.headers) <= (path in ("/login", "/logout"))
    return status if status in (303, 401, 403, 421) else IN


def handlers(app: Flask) -> set[str]:
    return set(app.extensions["sockets"]._io.server.handlers["/"])


def test_every_route_and_every_message_has_a_row(app: Flask) -> None:
    found = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert found == set(ROUTES)
    assert handlers(app) == set(EVENTS)
    assert set(CREDENTIALS) == set(OUTCOMES)


@pytest.mark.parametrize("route", ROUTES)
def test_route_lets_in_whom_its_row_says(app: Flask, route: str) -> None:
    method, _, rule = route.partition(" ")
    path = re.sub(r"<(path:)?(\w+)>", lambda match: {"filename": "icon.svg", "id_": "0" * 24}.get(match[2], "u1"), rule)
    for credential, headers in CREDENTIALS.items():
        expected, sent = OUTCOMES[credential][CLASSES.index(ROUTES[route])], headers(app)
        for asked in {"GET": ("GET", "HEAD")}.get(method, (method,)):
            assert outcome(app, asked, path, sent) == expected, f"{asked} {path} with {credential}"
        options = outcome(app, "OPTIONS", path, sent)
        assert options == (421 if credential == "foreign host" else IN), "OPTIONS only lists the methods"


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_socket_lets_in_whom_its_row_says(app: Flask, credential: str) -> None:
    """A message needs no check of its own: it comes through a connection, and no message changes the cluster."""
    headers = CREDENTIALS[credential](app)
    assert outcome(app, "GET", "/socket.io/?EIO=4&transport=websocket", headers) == OUTCOMES[credential][-1]
