"""Templates of a contract: text, and JSON of texts, with placeholders such as {id}. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
# A key of our own Secret, or of another one, by Kubernetes' names for them.
SECRET = re.compile(r"\{secret:((?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9_-][A-Za-z0-9._-]*)\}")
LEGAL = "!$%&'()*+,-./:;=?@_~"  # in an address' path and query (RFC 3986); other characters are percent-encoded

Value = str | int


def path(template: str, values: Mapping[str, Value]) -> str:
    """Return the path and query. The values are percent-encoded, whatever they contain."""
    return quote(PLACEHOLDER.sub(lambda found: quote(str(values[found[1]]), safe=""), template), safe=LEGAL)


def body(template: Any, values: Mapping[str, Value]) -> Any:
    """Return the JSON. A text that is one placeholder alone becomes the value itself, a number where it is one."""
    match template:
        case str():
            alone = PLACEHOLDER.fullmatch(template)
            return values[alone[1]] if alone else PLACEHOLDER.sub(lambda found: str(values[found[1]]), template)
        case dict():
            return {name: body(each, values) for name, each in template.items()}
        case list():
            return [body(each, values) for each in template]
    return template


def header(template: str, secrets: Mapping[str, str]) -> str:
    """Return the header's value. Raise KeyError with the name of a secret that is missing."""
    return SECRET.sub(lambda found: secrets[found[1]], template)


def placeholders(template: Any) -> Iterator[str]:
    """Yield the names of all placeholders."""
    for text in texts(template):
        yield from PLACEHOLDER.findall(text)


def texts(template: Any) -> Iterator[str]:
    """Yield all texts but the names of a JSON object's members."""
    match template:
        case str():
            yield template
        case dict():
            for each in template.values():
                yield from texts(each)
        case list():
            for each in template:
                yield from texts(each)


def secrets(template: str) -> list[str]:
    """Return the names of all secrets."""
    return SECRET.findall(template)
