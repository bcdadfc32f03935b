"""A proxy's headers about the client's request: X-Forwarded-For, -Proto, -Host and -Prefix.

Any client can send these headers, so they count only from proxies that the configuration names. For both applications.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
Networks = tuple[IPv4Network | IPv6Network, ...]

_PREFIX = re.compile(r"(/[A-Za-z0-9._~:-]+)*")  # never two slashes: they would begin another host's address


def networks(text: str) -> Networks:
    """Parse addresses and networks, separated by commas. Raise ValueError."""
    try:
        return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())
    except ValueError:
        raise ValueError("it must be addresses and networks such as 10.0.0.0/8, separated by commas.") from None


def prefix(text: str) -> str:
    """Parse a path prefix, and drop the slash at its end. Raise ValueError."""
    if not _PREFIX.fullmatch(text.rstrip("/")):
        raise ValueError("it must be a path such as /dashboard.")
    return text.rstrip("/")


class Forwarded:
    """WSGI middleware: puts what a named proxy says into the environment, and the prefix into SCRIPT_NAME.

    A proxy's prefix replaces the configured one. Both count whether the proxy has removed them from the path or not.
    """

    def __init__(self, inner: Wsgi, proxies: Networks, prefix: str = "") -> None:
        self._inner = inner
        self._proxies = proxies
        self._prefix = prefix

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        mounted = self._prefix
        if self._is_proxy(environ.get("REMOTE_ADDR", "")):
            environ["REMOTE_ADDR"] = self._client(environ)
            if (scheme := _last(environ, "PROTO").lower()) in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
            if host := _last(environ, "HOST"):
                environ["HTTP_HOST"] = host
            given = _last(environ, "PREFIX").rstrip("/")
            if given and _PREFIX.fullmatch(given):
                mounted = given
        if mounted:
            environ["SCRIPT_NAME"] = mounted
            path = environ.get("PATH_INFO", "")
            if f"{path}/".startswith(f"{mounted}/"):
                environ["PATH_INFO"] = path.removeprefix(mounted) or "/"
        return self._inner(environ, start_response)

    def _client(self, environ: Environ) -> str:
        """Return the last address that is no named proxy's. Each proxy adds the address that it was asked from; what
        stands before may be the client's invention."""
        client: str = environ["REMOTE_ADDR"]
        for text in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            address = _address(text)
            if address is None or not self._is_proxy(client):
                break
            client = str(address)
        return client

    def _is_proxy(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._proxies)


def _last(environ: Environ, name: str) -> str:
    """Return the value that the nearest proxy has written."""
    value: str = environ.get(f"HTTP_X_FORWARDED_{name}", "")
    return value.rpartition(",")[2].strip()


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
