"""The dashboard behind proxies: prefixes, TLS, other addresses and other names, and several on one host."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from dashboard.web.auth import COOKIES, FAILURES
from tests.dashboard.stubs import OPERATOR, VIEWER
from webserver.forwarded import Environ, Wsgi, networks

KUBECTL = "/api/v1/namespaces/flask-mongodb/services/dashboard:http/proxy"
ORIGIN = {"Origin": "http://localhost"}
PROXY = networks("127.0.0.1")  # the address of a test client's requests


def proxy(app: Flask, prefix: str, strips: bool = True, **headers: str) -> Wsgi:
    """A proxy that passes requests under the prefix on to the dashboard, with these headers."""

    def forward(environ: Environ, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        assert f"{path}/".startswith(f"{prefix}/"), "no other path belongs to the dashboard"
        environ["REMOTE_ADDR"] = "127.0.0.1"
        environ["PATH_INFO"] = (path.removeprefix(prefix) or "/") if strips else path
        environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        answer: Iterable[bytes] = app(environ, start_response)
        return answer

    return forward


def told(app: Flask, **changes: Any) -> Flask:
    """The same dashboard, with another configuration."""
    return create_app(replace(app.config["DASHBOARD"], **changes))


PROXIES: dict[str, tuple[str, Callable[[Flask, str], Wsgi]]] = {
    "none": ("", lambda app, prefix: proxy(app, prefix)),
    "one that says nothing": ("/dash", lambda app, prefix: proxy(app, prefix)),
    "kubectl's": (KUBECTL, lambda app, prefix: proxy(app, prefix, host="10.0.0.1:6443", sec_fetch_site="same-origin")),
    "a named one": (
        "/a/dash",
        lambda app, prefix: proxy(told(app, trusted_proxies=PROXY), prefix, x_forwarded_prefix=prefix),
    ),
    "a named one that strips nothing": (
        "/dash",
        lambda app, prefix: proxy(told(app, trusted_proxies=PROXY), prefix, strips=False, x_forwarded_prefix=prefix),
    ),
    "one that strips nothing": (
        "/dash",
        lambda app, prefix: proxy(told(app, path_prefix=prefix), prefix, strips=False),
    ),
}


def addresses(page: TestResponse, at: str) -> set[str]:
    """Where the page's links, files and forms lead."""
    found = re.findall(r'<(?:link|script|img|form|a)\b[^>]*?\b(?:href|src|action)="([^"#][^"]*)"', page.text)
    assert found
    return {urljoin(at, address) for address in found}


def location(answer: TestResponse, at: str) -> str:
    """The path of a redirect, or of what was made."""
    return urlsplit(urljoin(f"http://localhost{at}", answer.headers["Location"])).path


@pytest.mark.parametrize("kind", PROXIES)
def test_dashboard_is_complete_under_a_proxys_prefix(app: Flask, kind: str) -> None:
    prefix, make = PROXIES[kind]
    client = Client(make(app, prefix))
    first = client.get(f"{prefix}/")
    assert (first.status_code, location(first, f"{prefix}/")) == (303, f"{prefix}/login")
    form = client.get(f"{prefix}/login")
    assert f"{prefix}/login" in addresses(form, f"{prefix}/login")
    signed_in = client.post(f"{prefix}/login", data={"token": OPERATOR}, headers=ORIGIN)
    assert (signed_in.status_code, location(signed_in, f"{prefix}/login")) == (303, f"{prefix}/")
    assert "Path" not in signed_in.headers["Set-Cookie"], "the browser takes the directory of /login"
    page = client.get(f"{prefix}/")
    assert page.status_code == 200 and f"{prefix}/logout" in addresses(page, f"{prefix}/")
    for address in addresses(page, f"{prefix}/") | addresses(form, f"{prefix}/login"):
        assert address.startswith(f"{prefix}/")
        if "/static-" in address:
            with client.get(address) as file:
                assert file.status_code == 200, address
    csrf = re.search('name="csrf-token" content="([^"]+)"', page.text)
    assert csrf
    own = ORIGIN | {"X-CSRF-Token": csrf[1]}
    client.post(f"{prefix}/api/documents", json={"a": 0}, headers=own)
    document = client.post(f"{prefix}/api/documents", json={"a": 1}, headers=own)
    assert document.status_code == 201
    assert client.get(location(document, f"{prefix}/api/documents")).json == {"_id": document.json["id"], "a": 1}
    link = client.get(f"{prefix}/api/documents?limit=1").headers["Link"]
    following = urljoin(f"{prefix}/api/documents", link[1 : link.index(">")])
    assert following.startswith(f"{prefix}/api/documents?") and client.get(following).status_code == 200
    assert client.get(f"{prefix}/socket.io/?EIO=4&transport=websocket", headers=own).status_code == 426
    signed_out = client.post(f"{prefix}/logout", headers=own)
    assert (signed_out.status_code, location(signed_out, f"{prefix}/logout")) == (303, f"{prefix}/login")
    assert client.get(f"{prefix}/").status_code == 303
    assert not list(client._cookies or ()), "the browser has no cookie left"


def test_prefix_without_its_last_slash_is_right_if_the_proxy_names_it(app: Flask) -> None:
    for kind in ("a named one", "a named one that strips nothing", "one that strips nothing"):
        prefix, make = PROXIES[kind]
        client = Client(make(app, prefix))
        first = client.get(prefix)
        assert (first.status_code, location(first, prefix)) == (303, f"{prefix}/login")
        client.post(f"{prefix}/login", data={"token": VIEWER})
        assert all(address.startswith(f"{prefix}/") for address in addresses(client.get(prefix), prefix))


def test_dashboard_with_a_prefix_answers_without_it_too(app: Flask) -> None:
    client = told(app, path_prefix="/dash").test_client()
    assert client.get("/").location == "/dash/login"
    assert client.get("/dash/login").status_code == client.get("/login").status_code == 200


@pytest.mark.parametrize("prefixes", [("", ""), ("/a", "/b"), ("", "/b")])
def test_two_dashboards_of_one_host_keep_their_sessions_apart(app: Flask, prefixes: tuple[str, str]) -> None:
    apps = app, told(app, session_key="Ot7-mc3Hy9Jd5Wq1Ke8F")
    clients = [Client(proxy(each, prefix)) for each, prefix in zip(apps, prefixes, strict=True)]
    jar: dict[Any, Any] = {}
    for client, prefix in zip(clients, prefixes, strict=True):
        client._cookies = jar  # one browser; cookies know no ports
        assert client.post(f"{prefix}/login", json={"token": OPERATOR}).status_code == 204
    for client, prefix in zip(clients, prefixes, strict=True):
        assert client.get(f"{prefix}/api/state").status_code == 200
    assert len(jar) == 2


def test_session_of_another_dashboard_is_none(app: Flask) -> None:
    first, second = app.test_client(), told(app, session_key="Ot7-mc3Hy9Jd5Wq1Ke8F").test_client()
    first.post("/login", json={"token": OPERATOR})
    second._cookies = first._cookies
    assert second.get("/api/state").status_code == 401


def test_replica_with_the_same_key_shares_the_session(app: Flask) -> None:
    first, second = app.test_client(), told(app, name="dashboard-2").test_client()
    first.post("/login", json={"token": OPERATOR})
    second._cookies = first._cookies
    assert second.get("/api/state").status_code == 200


def test_browser_does_not_collect_the_cookies_of_dashboards_that_are_gone(config: DashboardConfig) -> None:
    jar: dict[Any, Any] = {}
    for number in range(COOKIES + 5):
        client = create_app(replace(config, session_key=f"Ot7-mc3Hy9Jd5Wq1Ke8F{number}")).test_client()
        client._cookies = jar
        assert client.post("/login", json={"token": OPERATOR}).status_code == 204
        assert client.get("/api/state").status_code == 200
    assert len(jar) == COOKIES


def cookie(answer: TestResponse) -> tuple[str, set[str]]:
    """The name of the response's cookie, and its attributes."""
    pair, *attributes = answer.headers["Set-Cookie"].split("; ")
    return pair.partition("=")[0], {each.partition("=")[0] for each in attributes}


def test_cookie_is_secure_if_the_request_came_by_tls(app: Flask) -> None:
    name = app.config["SESSION_COOKIE_NAME"]
    named = told(app, trusted_proxies=PROXY).test_client()
    by_proxy = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost"}
    for client, options in ((app.test_client(), {"base_url": "https://localhost"}), (named, {"headers": by_proxy})):
        answer = client.post("/login", json={"token": OPERATOR}, **options)
        assert cookie(answer) == (f"__Secure-{name}", {"Secure", "HttpOnly", "SameSite", "Expires"})
        client.set_cookie(*answer.headers["Set-Cookie"].partition(";")[0].split("=", 1))
        assert client.get("/api/state", **options).status_code == 200
        assert client.get("/api/state").status_code == 401, "it belongs to requests by TLS"


def test_cookie_is_not_secure_without_tls_nor_by_a_stranger_s_word(app: Flask) -> None:
    client = app.test_client()
    for headers in ({}, {"X-Forwarded-Proto": "https"}):
        answer = client.post("/login", json={"token": OPERATOR}, headers=headers)
        name, attributes = cookie(answer)
        assert name == app.config["SESSION_COOKIE_NAME"] and "Secure" not in attributes


def test_wrong_tokens_are_counted_by_the_address_that_a_named_proxy_tells(app: Flask) -> None:
    client = told(app, trusted_proxies=PROXY).test_client()
    one, other = {"X-Forwarded-For": "203.0.113.5"}, {"X-Forwarded-For": "203.0.113.6"}
    for _ in range(FAILURES):
        assert client.post("/login", json={"token": "guess"}, headers=one).status_code == 401
    assert client.post("/login", json={"token": "guess"}, headers=one).status_code == 429
    assert client.post("/login", json={"token": "guess"}, headers=other).status_code == 401


@pytest.mark.parametrize(("named", "address"), [(PROXY, "203.0.113.5"), ((), "127.0.0.1")])
def test_audit_has_the_address_that_a_named_proxy_tells(app: Flask, named: Any, address: str) -> None:
    client = told(app, trusted_proxies=named).test_client()
    headers = {"Authorization": f"Bearer {OPERATOR}", "X-Forwarded-For": "198.51.100.1, 203.0.113.5"}
    assert client.put("/api/load", json={"rate": -1}, headers=headers).status_code == 422
    [line] = client.get("/api/audit", headers=headers).json
    assert line["by"] == f"operator (token, {address})"


REWRITTEN = {"Host": "10.0.0.1:6443"}  # as `kubectl proxy` does
AT_8001 = REWRITTEN | {"Origin": "http://127.0.0.1:8001"}


def test_session_belongs_to_the_origin_that_signed_in(app: Flask) -> None:
    """So a WebSocket enters behind a proxy that changes Host: a browser may send no Sec-Fetch-Site with it."""
    client = app.test_client()
    token = {"token": OPERATOR}
    assert client.post("/login", json=token, headers=AT_8001).status_code == 403
    assert client.post("/login", json=token, headers=AT_8001 | {"Sec-Fetch-Site": "same-site"}).status_code == 403
    assert client.post("/login", json=token, headers=AT_8001 | {"Sec-Fetch-Site": "same-origin"}).status_code == 204
    with client.session_transaction(base_url="http://10.0.0.1:6443") as session:
        csrf = {"X-CSRF-Token": session["csrf"]}
    socket = "/socket.io/?EIO=4&transport=websocket"
    for other in ("http://127.0.0.1:8002", "http://evil.example", "null"):
        assert client.get(socket, headers=REWRITTEN | {"Origin": other}).status_code == 403
        assert client.post("/logout", json={}, headers=REWRITTEN | csrf | {"Origin": other}).status_code == 403
    assert client.get(socket, headers=AT_8001).status_code == 426, "it may enter with an Upgrade"
    assert client.post("/logout", json={}, headers=AT_8001).status_code == 403, "CSRF token and all"
    assert client.post("/logout", json={}, headers=AT_8001 | csrf).status_code == 204


def test_named_proxys_host_is_compared_with_origin(app: Flask) -> None:
    client = told(app, trusted_proxies=PROXY, allowed_hosts=frozenset({"dash.example"})).test_client()
    headers = {"Host": "dashboard:8080", "X-Forwarded-Host": "dash.example", "Origin": "https://dash.example"}
    assert client.get("/login", headers=headers | {"X-Forwarded-Host": "evil.example"}).status_code == 421
    assert client.post("/login", json={"token": OPERATOR}, headers=headers).status_code == 204
    assert app.test_client().post("/login", json={"token": OPERATOR}, headers=headers).status_code == 403


def test_host_from_the_configuration_is_answered(app: Flask) -> None:
    headers = {"Host": "dash.example:8443"}
    refused = app.test_client().get("/login", headers=headers)
    assert (refused.status_code, refused.content_type) == (421, "application/problem+json")
    allowed = told(app, allowed_hosts=frozenset({"dash.example"})).test_client()
    assert allowed.get("/login", headers=headers).status_code == 200
