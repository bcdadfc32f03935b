"""Kubernetes objects, decoded like those of a watch."""

import json
from typing import Any

import msgspec

from dashboard.core import objects

Json = dict[str, Any]


def decoded(kind: str, object_: Json) -> Any:
    return msgspec.json.decode(json.dumps(object_), type=objects.KINDS[kind])
