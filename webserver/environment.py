"""Typed values from a program's environment, for both applications' configurations."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

Value = TypeVar("Value")


class ConfigError(Exception):
    """A setting is missing or invalid. The message is one sentence for the operator."""


def integer(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Return a whole number from `least` to `most`, or the default. Raise ConfigError."""
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise ConfigError(f"{name} is {text!r}: it must be a whole number from {least} to {most}.")
    return int(text)


def parsed(environ: Mapping[str, str], name: str, parse: Callable[[str], Value]) -> Value:
    """Return what `parse` makes of the text. Raise ConfigError with the message of its ValueError."""
    text = environ.get(name, "")
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigError(f"{name} is {text!r}: {error}") from None


def authority(environ: Mapping[str, str], name: str) -> Path | None:
    """Return the file with certificate authorities that a variable names, or None. Raise ConfigError."""
    if not (text := environ.get(name)):
        return None
    try:
        ssl.create_default_context(cafile=text)
    except OSError as error:
        reason = error.strerror if error.errno else "it has no certificate in PEM"
        raise ConfigError(f"{name} is {text!r}, which can't be read: {reason}.") from None
    return Path(text)


def with_tls(uri: str, authority: Path | None) -> str:
    """Return a MongoDB connection string by which MongoDB must show a certificate, for the host's name, that this
    authority has signed. Without an authority it stays as it is. Pure.
    """
    if not uri or authority is None:
        return uri
    before = "&" if "?" in uri else "?" if "/" in uri.partition("://")[2] else "/?"
    return f"{uri}{before}tls=true&tlsCAFile={quote(str(authority), safe='')}"


def with_credentials(uri: str, user: str, password: str) -> str:
    """Return a MongoDB connection string that signs in by this user, unless it names one or none is given.

    A password may have any characters: those with a meaning in a URI (@ : / %) are escaped, also where a manifest has
    put this user and password into the string as they are. Pure.
    """
    scheme, separator, rest = uri.partition("://")
    rest = rest.removeprefix(f"{user}:{password}@")
    hosts = rest.partition("/")[0].partition("?")[0]
    if not user or "@" in hosts:
        return uri
    return f"{scheme}{separator}{quote(user, safe='')}:{quote(password, safe='')}@{rest}"
