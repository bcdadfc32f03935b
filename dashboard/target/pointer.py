"""JSON Pointers (RFC 6901): where in an answer a value is. Pure."""

import re
from typing import Any

VALID = re.compile(r"(/([^~/]|~[01])*)*")
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")

MISSING = object()  # what `find` returns where there is nothing


def is_valid(pointer: str) -> bool:
    return VALID.fullmatch(pointer) is not None


def keys(pointer: str) -> list[str]:
    """Return the keys of a valid pointer, in the order in which they lead to the value."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def find(pointer: str, document: Any) -> Any:
    """Return the value at a valid pointer, MISSING if there is none."""
    for key in keys(pointer):
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and INDEX.fullmatch(key) and int(key) < len(document):
            document = document[int(key)]
        else:
            return MISSING
    return document
