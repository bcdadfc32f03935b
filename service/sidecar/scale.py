"""The StatefulSet's scale, which says how many members are wanted: one object, read from the Kubernetes API.

The DNS cannot say it: the name of a pod that is being replaced is missing too. A variable of the pod cannot either: it
would restart every member to change.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # token and ca.crt, which the kubelet renews
TIMEOUT_SECONDS = 3.0
LARGEST_ANSWER = 64 << 10  # bytes


class ScaleUnknown(Exception):
    """The scale is not known now. The message is one sentence for the operator."""


@dataclass(frozen=True)
class Replicas:
    """How many pods the StatefulSet should have, and how many it has."""

    wanted: int  # at least 1: the last member is never removed
    existing: int


class Scale:
    """The scale subresource at an address. With https it shows the pod's token."""

    def __init__(self, url: str, account: Path = ACCOUNT) -> None:
        self._url = urlsplit(url)
        self._account = account

    def read(self) -> Replicas:
        """Ask for it. Raise ScaleUnknown."""
        try:
            with contextlib.closing(self._connection()) as connection:
                connection.request("GET", self._url.path, headers=self._headers())
                answer = connection.getresponse()
                body = answer.read(LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise ScaleUnknown(f"The scale can't be read: {type(error).__name__}: {error}") from error
        if answer.status != http.HTTPStatus.OK:
            raise ScaleUnknown(f"The scale can't be read: the API server answers {answer.status}.")
        try:
            scale = orjson.loads(body)
            wanted, existing = scale["spec"].get("replicas", 0), scale["status"].get("replicas", 0)
            return Replicas(max(1, int(wanted)), int(existing))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ScaleUnknown("The scale can't be read: the answer is no Scale.") from error

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, self._url.port, timeout=TIMEOUT_SECONDS)
        context = ssl.create_default_context(cafile=str(self._account / "ca.crt"))
        return http.client.HTTPSConnection(host, self._url.port, timeout=TIMEOUT_SECONDS, context=context)

    def _headers(self) -> dict[str, str]:
        token = {} if self._url.scheme == "http" else {"Authorization": f"Bearer {self._token()}"}
        return {"Accept": "application/json", **token}

    def _token(self) -> str:
        return (self._account / "token").read_text().strip()
