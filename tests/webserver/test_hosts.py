"""The Host names that a program accepts."""

from __future__ import annotations

import pytest

from webserver.hosts import is_own, names

ALLOWED = names("dash.example, flask.flask-mongodb")


@pytest.mark.parametrize(
    "host",
    [
        "",  # an HTTP/1.0 request of a load balancer; browsers always send Host
        "localhost:5000",
        "LOCALHOST",
        "127.0.0.1:8080",
        "192.168.49.2:30500",
        "[::1]:8080",
        "[2001:db8::1]",
        "flask:5000",
        "flask-mongodb-node",
        "flask.flask-mongodb:5000",
        "flask.flask-mongodb.svc:5000",
        "flask.flask-mongodb.svc.cluster.local",
        "flask.flask-mongodb.svc.cluster.local.:5000",
        "dash.example",
        "Dash.Example:443",
    ],
)
def test_own_name_is_accepted(host: str) -> None:
    assert is_own(host, ALLOWED)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:5000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "flask.flask-mongodb.svc.evil.example",
        "notdash.example",
        "sub.dash.example",
        "dash.example.evil.example",
        "dash.example@evil.example",
        "evil.example#.svc",
        "evil.example/.svc",
        "a,b",
        "localhost evil.example",
        "[evil.example]",
        "[::1",
        "::1",
        "localhost:port",
        "flask\u00e9.svc",
        ".",
    ],
)
def test_foreign_name_is_refused(host: str) -> None:
    assert not is_own(host, ALLOWED)


def test_name_without_svc_must_be_allowed() -> None:
    assert not is_own("flask.flask-mongodb", names(""))


@pytest.mark.parametrize("text", ["dash.example:443", "https://dash.example", "*.example", "dash example", ".example"])
def test_invalid_host_name_raises(text: str) -> None:
    with pytest.raises(ValueError, match="host names"):
        names(text)
