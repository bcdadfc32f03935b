"""The service has no authentication: each route and method ignores credentials. Only Host is checked.

A route or a method that is missing in ROUTES fails a test: whoever adds a route must decide whether it is public.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

import pytest
from flask import Flask

from service.app import create_app
from service.config import ServiceConfig
from service.store.collection import Collection
from service.store.outcomes import Unavailable
from webserver.forwarded import networks

ROUTES = {
    "/": "GET",
    "/data": "GET POST",
    "/data/<id>": "GET PUT DELETE",
    "/proofs": "GET POST",
    "/proofs/<id>": "GET PUT DELETE",
    "/metrics": "GET",
    "/healthz": "GET",
    "/readyz": "GET",
    "/openapi.json": "GET",
}
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
CREDENTIALS = {
    "a token": {"Authorization": "Bearer Op9-kq3Zr7Lw2Xv8Tn5B"},
    "a wrong token": {"Authorization": "Bearer wrong"},
    "a proxy's password": {"Authorization": "Basic YTpi"},
    "a session": {"Cookie": "dashboard=eyJyb2xlIjoib3BlcmF0b3IifQ.x.y", "X-CSRF-Token": "x"},
    "a foreign origin": {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
    "an opaque origin": {"Origin": "null"},
    "forged headers of a proxy": {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "evil.example"},
}


def unavailable(*_: object) -> NoReturn:
    raise Unavailable


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    """The application without MongoDB. A route that needs it answers 503 at once."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("newest", "insert", "get", "replace", "delete"):
            patched.setattr(Collection, name, unavailable)
        made = create_app(ServiceConfig("mongodb://127.0.0.1:1/"))
        yield made
        made.extensions["service"].store.close()


def status(app: Flask, method: str, path: str, headers: dict[str, str]) -> int:
    body = {} if method in ("POST", "PUT", "PATCH") else None
    response = app.test_client().open(path, method=method, json=body, headers=headers)
    for name in ("Set-Cookie", "WWW-Authenticate", "Access-Control-Allow-Origin"):
        assert name not in response.headers
    return response.status_code


def test_table_has_every_route(app: Flask) -> None:
    found: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        found.setdefault(rule.rule, set()).update((rule.methods or set()) - {"HEAD", "OPTIONS"})
    assert found == {rule: set(methods.split()) for rule, methods in ROUTES.items()}


@pytest.mark.parametrize("route", ROUTES)
def test_route_ignores_credentials(app: Flask, route: str) -> None:
    path = route.replace("<id>", "0" * 24)
    for method in METHODS:
        anonymous = status(app, method, path, {})
        assert (anonymous == 405) == (method not in ("HEAD", "OPTIONS", *ROUTES[route].split())), f"{method} {route}"
        assert anonymous not in (401, 403)
        for credential, headers in CREDENTIALS.items():
            assert status(app, method, path, headers) == anonymous, f"{method} {route} with {credential}"
        assert status(app, method, path, {"Host": "evil.example"}) == 421


def test_configured_host_is_accepted(app: Flask) -> None:
    assert app.test_client().get("/", headers={"Host": "data.example"}).status_code == 421
    allowed = create_app(ServiceConfig("mongodb://127.0.0.1:1/", allowed_hosts=frozenset({"data.example"})))
    assert allowed.test_client().get("/", headers={"Host": "data.example:5000"}).status_code == 200
    allowed.extensions["service"].store.close()


@pytest.mark.parametrize(("trusted", "address"), [("127.0.0.1", "203.0.113.5"), ("", "127.0.0.1")])
def test_log_has_the_forwarded_address_of_a_trusted_proxy(
    trusted: str, address: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    app = create_app(ServiceConfig("mongodb://127.0.0.1:1/", trusted_proxies=networks(trusted)))
    app.test_client().get("/", headers={"X-Forwarded-For": "203.0.113.5"})
    app.extensions["service"].store.close()
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [line["address"] for line in lines if line["event"] == "request"] == [address]
