"""The middleware for X-Forwarded headers: only trusted proxies may set them."""

from __future__ import annotations

from typing import Any

import pytest

from webserver.forwarded import Environ, Forwarded, networks, prefix

PROXIES = networks("10.0.0.0/8, 192.0.2.7, 2001:db8::/32")
HEADERS = {"For": "203.0.113.5", "Proto": "https", "Host": "dash.example", "Prefix": "/dash"}


def forwarded(
    proxies: Any = PROXIES, peer: str = "10.1.2.3", path: str = "/", own: str = "", **headers: str
) -> Environ:
    """Return the environment that the application gets for a request with these X-Forwarded headers."""
    environ: Environ = {"REMOTE_ADDR": peer, "HTTP_HOST": "pod", "wsgi.url_scheme": "http", "PATH_INFO": path}
    environ |= {f"HTTP_X_FORWARDED_{name.upper()}": value for name, value in headers.items()}
    environments: list[Environ] = []

    def application(environ: Environ, _: Any) -> list[bytes]:
        environments.append(environ)
        return []

    Forwarded(application, proxies, own)(environ, None)
    return environments[0]


def fields(environ: Environ) -> tuple[str, ...]:
    return tuple(
        environ.get(name, "") for name in ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO")
    )


def test_headers_of_a_trusted_proxy_count() -> None:
    assert fields(forwarded(**HEADERS)) == ("203.0.113.5", "https", "dash.example", "/dash", "/")


@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.1", "::1", "192.0.2.8", "", "nonsense"])
def test_headers_of_other_peers_are_ignored(peer: str) -> None:
    assert fields(forwarded(peer=peer, **HEADERS)) == (peer, "http", "pod", "", "/")


def test_no_proxy_is_trusted_by_default() -> None:
    assert fields(forwarded(proxies=networks(""), **HEADERS)) == ("10.1.2.3", "http", "pod", "", "/")


@pytest.mark.parametrize("peer", ["192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3"])
def test_proxies_are_addresses_and_networks_of_both_ip_versions(peer: str) -> None:
    assert forwarded(peer=peer, **HEADERS)["REMOTE_ADDR"] == "203.0.113.5"


@pytest.mark.parametrize(
    ("addresses", "client"),
    [
        ("198.51.100.1, 203.0.113.5", "203.0.113.5"),  # the client has set the first
        ("198.51.100.1, 203.0.113.5, 10.9.9.9", "203.0.113.5"),  # through two trusted proxies
        ("10.4.4.4, 10.9.9.9", "10.4.4.4"),  # a client in the proxies' own network
        ("2001:DB8:1::1, 2a00::1", "2a00::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("", "10.1.2.3"),
        ("unknown", "10.1.2.3"),
        ("203.0.113.5:4711", "10.1.2.3"),
        ("203.0.113.5, <script>", "10.1.2.3"),
    ],
)
def test_client_is_the_last_address_that_is_no_trusted_proxy(addresses: str, client: str) -> None:
    assert forwarded(For=addresses)["REMOTE_ADDR"] == client


@pytest.mark.parametrize(
    ("proto", "scheme"), [("http, https", "https"), ("HTTPS", "https"), ("wss", "http"), ("", "http")]
)
def test_scheme_is_the_nearest_proxys_if_it_is_valid(proto: str, scheme: str) -> None:
    assert forwarded(Proto=proto)["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize(
    "given", ["//evil.example", "/a//b", "https://evil.example", "/a b", "/a\nb", "dash", "/<b>", "/"]
)
def test_invalid_prefix_is_ignored(given: str) -> None:
    assert "SCRIPT_NAME" not in forwarded(Prefix=given)


@pytest.mark.parametrize(
    ("path", "rest"),
    [("/dash/api/state", "/api/state"), ("/api/state", "/api/state"), ("/dash", "/"), ("/dashboard", "/dashboard")],
)
def test_prefix_is_removed_from_the_path_if_the_proxy_has_kept_it(path: str, rest: str) -> None:
    for environ in (forwarded(path=path, Prefix="/dash/"), forwarded(path=path, own="/dash", peer="203.0.113.9")):
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/dash", rest)


def test_prefix_of_the_proxy_replaces_the_configured_one() -> None:
    assert forwarded(own="/other", Prefix="/dash")["SCRIPT_NAME"] == "/dash"
    assert forwarded(own="/other", Prefix="//evil.example")["SCRIPT_NAME"] == "/other"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example", "10.0.0.0/33", "10.0.0.0/8 10.1.1.1"])
def test_invalid_network_raises(text: str) -> None:
    with pytest.raises(ValueError, match="addresses"):
        networks(text)


@pytest.mark.parametrize("text", ["dash", "//dash", "/a//b", "/da sh", "https://dash.example"])
def test_invalid_prefix_raises(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        prefix(text)


def test_prefix_loses_its_trailing_slash() -> None:
    assert [prefix(text) for text in ("", "/", "/dash", "/dash/")] == ["", "", "/dash", "/dash"]
