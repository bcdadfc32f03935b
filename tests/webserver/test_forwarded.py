"""What counts of a proxy's headers, and from whom."""

from __future__ import annotations

from typing import Any

import pytest

from webserver.forwarded import Environ, Forwarded, networks, prefix

PROXIES = networks("10.0.0.0/8, 192.0.2.7, 2001:db8::/32")
CLAIMS = {"For": "203.0.113.5", "Proto": "https", "Host": "dash.example", "Prefix": "/dash"}


def seen(proxies: Any = PROXIES, peer: str = "10.1.2.3", path: str = "/", own: str = "", **told: str) -> Environ:
    """The environment behind the middleware, of a request with these X-Forwarded headers."""
    environ: Environ = {"REMOTE_ADDR": peer, "HTTP_HOST": "pod", "wsgi.url_scheme": "http", "PATH_INFO": path}
    environ |= {f"HTTP_X_FORWARDED_{name.upper()}": value for name, value in told.items()}
    reached: list[Environ] = []

    def inner(environ: Environ, _: Any) -> list[bytes]:
        reached.append(environ)
        return []

    Forwarded(inner, proxies, own)(environ, None)
    return reached[0]


def believed(environ: Environ) -> tuple[str, ...]:
    return tuple(
        environ.get(name, "") for name in ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO")
    )


def test_named_proxy_is_believed() -> None:
    assert believed(seen(**CLAIMS)) == ("203.0.113.5", "https", "dash.example", "/dash", "/")


@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.1", "::1", "192.0.2.8", "", "nonsense"])
def test_anybody_else_is_not(peer: str) -> None:
    assert believed(seen(peer=peer, **CLAIMS)) == (peer, "http", "pod", "", "/")


def test_nobody_is_believed_by_default() -> None:
    assert believed(seen(proxies=networks(""), **CLAIMS)) == ("10.1.2.3", "http", "pod", "", "/")


@pytest.mark.parametrize("peer", ["192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3"])
def test_addresses_and_networks_of_both_versions_name_proxies(peer: str) -> None:
    assert seen(peer=peer, **CLAIMS)["REMOTE_ADDR"] == "203.0.113.5"


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ("198.51.100.1, 203.0.113.5", "203.0.113.5"),  # the first is the client's invention
        ("198.51.100.1, 203.0.113.5, 10.9.9.9", "203.0.113.5"),  # through two named proxies
        ("10.4.4.4, 10.9.9.9", "10.4.4.4"),  # a client in the proxies' own network
        ("2001:DB8:1::1, 2a00::1", "2a00::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("", "10.1.2.3"),
        ("unknown", "10.1.2.3"),
        ("203.0.113.5:4711", "10.1.2.3"),
        ("203.0.113.5, <script>", "10.1.2.3"),
    ],
)
def test_client_is_the_last_address_that_is_no_named_proxy(told: str, client: str) -> None:
    assert seen(For=told)["REMOTE_ADDR"] == client


@pytest.mark.parametrize(
    ("told", "scheme"), [("http, https", "https"), ("HTTPS", "https"), ("wss", "http"), ("", "http")]
)
def test_scheme_is_the_nearest_proxys_if_it_is_one(told: str, scheme: str) -> None:
    assert seen(Proto=told)["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize(
    "told", ["//evil.example", "/a//b", "https://evil.example", "/a b", "/a\nb", "dash", "/<b>", "/"]
)
def test_prefix_that_is_no_plain_path_is_ignored(told: str) -> None:
    assert "SCRIPT_NAME" not in seen(Prefix=told)


@pytest.mark.parametrize(
    ("path", "left"),
    [("/dash/api/state", "/api/state"), ("/api/state", "/api/state"), ("/dash", "/"), ("/dashboard", "/dashboard")],
)
def test_prefix_is_taken_off_the_path_where_the_proxy_has_left_it(path: str, left: str) -> None:
    for environ in (seen(path=path, Prefix="/dash/"), seen(path=path, own="/dash", peer="203.0.113.9")):
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/dash", left)


def test_proxys_prefix_goes_before_the_configured_one() -> None:
    assert seen(own="/other", Prefix="/dash")["SCRIPT_NAME"] == "/dash"
    assert seen(own="/other", Prefix="//evil.example")["SCRIPT_NAME"] == "/other"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example", "10.0.0.0/33", "10.0.0.0/8 10.1.1.1"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="addresses"):
        networks(text)


@pytest.mark.parametrize("text", ["dash", "//dash", "/a//b", "/da sh", "https://dash.example"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        prefix(text)


def test_prefix_loses_its_last_slash() -> None:
    assert [prefix(text) for text in ("", "/", "/dash", "/dash/")] == ["", "", "/dash", "/dash"]
