"""Which names in Host are a program's own.

A foreign site can point a name of its own at any address (DNS rebinding). The browser then takes the program for that
site, lets its scripts read the answers, and sends the site's name in Host. So a name counts only if no foreign site can
have it: an address, a name of one label (localhost, a Service's), a name in a cluster, or one from the configuration.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address

CLUSTER = (".svc", ".svc.cluster.local")  # top-level domains that the public DNS does not have

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_HOST = re.compile(rf"((?P<name>{_NAME.pattern})\.?|\[(?P<address>[0-9a-f:.]+)\])(:[0-9]{{1,5}})?")


def names(text: str) -> frozenset[str]:
    """Parse host names without ports, separated by commas. Raise ValueError."""
    given = [each.strip().lower() for each in text.split(",") if each.strip()]
    if not all(map(_NAME.fullmatch, given)):
        raise ValueError("it must be host names without ports, separated by commas.")
    return frozenset(given)


@lru_cache(64)
def is_own(host: str, allowed: frozenset[str]) -> bool:
    """Return whether a request with this Host may be answered. Without Host it may: every browser sends one."""
    if not host:
        return True
    match = _HOST.fullmatch(host.lower())
    if not match:
        return False
    name = match["name"]
    if not name:
        return _is_address(match["address"])
    return "." not in name or name in allowed or name.endswith(CLUSTER) or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
