"""Typed values from a program's environment, for both applications' configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
