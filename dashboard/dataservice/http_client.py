"""Requests to the service that is proved, one connection each.

Keep-alive would tie the dashboard to one pod, and a write on a connection that the pod has just closed would have an
unknown outcome.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import closing

import msgspec
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from dashboard.dataservice.protocol import (
    LARGEST_ANSWER,
    DataServiceBusy,
    DataServiceTimeout,
    DataServiceUnavailable,
    UnexpectedAnswer,
)

CONNECT_SECONDS = 3.0
CHUNK = 64 << 10  # bytes
NO_CONTENT = 204
WITHOUT_BODY = "none"  # stands among media types for answers without one


class HttpAnswer(msgspec.Struct, frozen=True):
    """An answer; of one larger than LARGEST_ANSWER, the beginning of its body. The headers' names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    is_whole: bool = True

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpClient:
    """It is thread-safe. `deadline`: seconds for one answer; `at_once`: concurrent reads, and as many writes."""

    def __init__(self, deadline: float, at_once: int) -> None:
        self._deadline = deadline
        self._reads, self._writes = (threading.BoundedSemaphore(at_once) for _ in range(2))
        self._timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, deadline), read=deadline)

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> HttpAnswer:
        """Return the answer, whatever its status. Raise DataServiceBusy, DataServiceUnavailable, DataServiceTimeout."""
        slot = self._reads if method == "GET" else self._writes
        if not slot.acquire(blocking=False):
            raise DataServiceBusy("The service is slow, and too many requests wait for it.")
        deadline = time.monotonic() + self._deadline
        sent = {"Connection": "close", **headers}
        try:
            with urllib3.PoolManager(retries=False, timeout=self._timeout) as http:
                response = http.request(
                    method, url, body=body, headers=sent, redirect=False, preload_content=False, decode_content=False
                )
                with closing(response):
                    content, is_whole = _read(response, deadline)
                    headers_ = {name.lower(): response.headers[name] for name in response.headers}
                    return HttpAnswer(response.status, content, headers_, is_whole)
        except (NewConnectionError, ConnectTimeoutError):
            raise DataServiceUnavailable("The service does not answer: there is nothing at its address.") from None
        except (HTTPError, OSError):
            raise DataServiceTimeout("The service did not answer in time, or closed the connection early.") from None
        finally:
            slot.release()


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> tuple[bytes, bool]:
    """Return the body and whether that is all of it: of one that is too large, the beginning. Raise
    DataServiceTimeout."""
    length = response.length_remaining or 0
    body = bytearray()
    while chunk := response.read1(CHUNK):
        body += chunk
        if len(body) > LARGEST_ANSWER or (length > LARGEST_ANSWER and len(body) >= CHUNK):
            return bytes(body), False
        if time.monotonic() > deadline:
            raise DataServiceTimeout("The service did not complete its response in time.")
    return bytes(body), True


def expect_own(answer: HttpAnswer, media_types: frozenset[str]) -> None:
    """Raise UnexpectedAnswer if the answer is a redirect, or neither of these media types nor without content (204)."""
    is_empty = answer.status == NO_CONTENT or (
        WITHOUT_BODY in media_types and not answer.media_type and not answer.body
    )
    if 300 <= answer.status < 400:
        raise UnexpectedAnswer(f"The response is not the service's: it is a redirect ({answer.status}).")
    if answer.media_type not in media_types and not is_empty:
        type_ = f"of the type {answer.media_type[:80]}" if answer.media_type else "without a type"
        known = " or ".join(sorted(media_types))
        raise UnexpectedAnswer(f"The response ({answer.status}) is not the service's: it is {type_}, and not {known}.")
