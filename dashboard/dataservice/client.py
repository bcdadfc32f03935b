"""The data service, over HTTP, at the one address that the configuration names.

Each request takes a connection of its own: kept ones would tie the dashboard to one pod, and a pod that leaves while a
document is on its way would leave its fate unknown.
"""

import re
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from urllib.parse import parse_qsl, urlencode, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from dashboard.dataservice.contract import (
    LARGEST_ANSWER,
    PARAMETERS,
    AnswerTooLarge,
    DataServiceAnswer,
    DataServiceBusy,
    DataServiceTimeout,
    DataServiceUnavailable,
    UnexpectedAnswer,
)

CONNECT_SECONDS = 3.0
DEADLINE_SECONDS = 25.0  # for one answer: longer than the service's own deadline, which gives the better answer
AT_ONCE = 4  # readers, and as many writers: if the service hangs, the server's threads must not all hang with it
CHUNK = 64 << 10
JSON = frozenset({"application/json", "application/problem+json"})

_ID = re.compile(r"[0-9a-fA-F]{24}")
_NEXT = re.compile(r'<([^<>]*)>; rel="next"')


class DataServiceClient:
    """A client of the data service, for one of its collections; `at_once` are its places where AT_ONCE are too few."""

    def __init__(
        self, url: str, deadline: float = DEADLINE_SECONDS, *, collection: str = "data", at_once: int = 0
    ) -> None:
        self._documents = f"{url.rstrip('/')}/{collection}"
        self._deadline = deadline
        self._places = {method: threading.BoundedSemaphore(at_once or AT_ONCE) for method in ("GET", "POST")}
        self._timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, deadline), read=deadline)

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        query = urlencode({name: parameters[name] for name in PARAMETERS if name in parameters})
        return self._ask("GET", f"{self._documents}?{query}")

    def document(self, id_: str) -> DataServiceAnswer:
        if not _ID.fullmatch(id_):
            raise ValueError(id_)
        return self._ask("GET", f"{self._documents}/{id_}")

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        return self._ask("POST", self._documents, body, content_type)

    def _ask(
        self, method: str, url: str, body: bytes | None = None, content_type: str | None = None
    ) -> DataServiceAnswer:
        place = self._places[method]
        if not place.acquire(blocking=False):
            raise DataServiceBusy("The service is slow, and enough requests wait for it.")
        headers = {"Accept": "application/json", "Connection": "close"}
        if content_type:
            headers["Content-Type"] = content_type
        end = time.monotonic() + self._deadline
        try:
            with urllib3.PoolManager(retries=False, timeout=self._timeout) as http:
                answer = http.request(
                    method, url, body=body, headers=headers, redirect=False, preload_content=False, decode_content=False
                )
                with closing(answer):
                    return _answer(answer, _read(answer, end))
        except (NewConnectionError, ConnectTimeoutError):
            raise DataServiceUnavailable("The service does not answer: there is nothing at its address.") from None
        except (HTTPError, OSError):
            raise DataServiceTimeout("The service did not answer in time, or its answer broke off.") from None
        finally:
            place.release()


def _read(answer: urllib3.BaseHTTPResponse, end: float) -> bytes:
    """The body, if it is small enough and all there by the end."""
    declared = answer.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > LARGEST_ANSWER:
        raise AnswerTooLarge(_too_large())
    body = bytearray()
    while chunk := answer.read1(CHUNK):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise AnswerTooLarge(_too_large())
        if time.monotonic() > end:
            raise DataServiceTimeout("The service's answer did not end in time.")
    return bytes(body)


def _answer(answer: urllib3.BaseHTTPResponse, body: bytes) -> DataServiceAnswer:
    """Only JSON is passed on: under the dashboard's own address, a browser would run what a page of HTML holds."""
    content_type = answer.headers.get("Content-Type", "")
    if content_type.partition(";")[0].strip().lower() not in JSON or 300 <= answer.status < 400:
        raise UnexpectedAnswer("What answers at the service's address is not the service.")
    return DataServiceAnswer(
        status=answer.status,
        body=body,
        content_type=content_type,
        next=_next(answer.headers.get("Link", "")),
        id=_identity(answer.headers.get("Location", "")),
        retry_after=_seconds(answer.headers.get("Retry-After", "")),
    )


def _next(link: str) -> dict[str, str] | None:
    """The parameters in a Link to the next page."""
    found = _NEXT.fullmatch(link)
    if not found:
        return None
    return {name: value for name, value in parse_qsl(urlsplit(found[1]).query) if name in PARAMETERS}


def _identity(location: str) -> str | None:
    last = location.rpartition("/")[2]
    return last if _ID.fullmatch(last) else None


def _seconds(retry_after: str) -> str | None:
    return retry_after if retry_after.isdecimal() else None


def _too_large() -> str:
    return (
        f"The service's answer is over {LARGEST_ANSWER >> 20} MB, more than this page takes. Ask for fewer documents"
        " at once, with a smaller limit, or ask the service itself: curl 'http://localhost:5000/data?limit=1'."
    )
