"""The client of the data service's documents, at the configured address."""

import re
from collections.abc import Mapping
from json import JSONDecoder
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import structs

from dashboard.dataservice.http_client import HttpAnswer, HttpClient, expect_own
from dashboard.dataservice.protocol import LARGEST_ANSWER, PARAMETERS, AnswerTooLarge, DataServiceAnswer, query

DEADLINE_SECONDS = 25.0  # for one response: longer than the service's own deadline, whose error says more
AT_ONCE = 4  # concurrent reads, and as many writes: a service that hangs must not block all of the web server's threads
PAGE_BEGINS = b'[{"_id":'
JSON = frozenset({"application/json", "application/problem+json"})

_ID = re.compile(r"[0-9a-fA-F]{24}")
_ETAG = re.compile(r'"[!#-~]{1,128}"')
_NEXT = re.compile(r'<([^<>]*)>; rel="next"')


class DataServiceClient:
    """A client of the service (implements DataService). It is thread-safe."""

    def __init__(self, url: str, deadline: float = DEADLINE_SECONDS) -> None:
        """`deadline`: seconds for one response."""
        self._documents = f"{url.rstrip('/')}/data"
        self._http = HttpClient(deadline, AT_ONCE)

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        known = {name: parameters[name] for name in PARAMETERS if name in parameters}
        try:
            return self._page(known)
        except AnswerTooLarge:
            return self._page_of_one(known)

    def document(self, id_: str) -> DataServiceAnswer:
        return self._request("GET", self._document(id_))

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        return self._request("POST", self._documents, body, Content_Type=content_type)

    def replace(self, id_: str, body: bytes, content_type: str, if_match: str = "") -> DataServiceAnswer:
        return self._request("PUT", self._document(id_), body, Content_Type=content_type, If_Match=if_match)

    def delete(self, id_: str, if_match: str = "") -> DataServiceAnswer:
        return self._request("DELETE", self._document(id_), If_Match=if_match)

    def _page_of_one(self, known: Mapping[str, str]) -> DataServiceAnswer:
        """Return the first document of a page that is too large; of a document that is too large itself, its id."""
        try:
            answer = self._page({**known, "limit": "1"})
        except AnswerTooLarge as error:
            if error.beginning is None or (id_ := _first_id(error.beginning.body)) is None:
                raise
            page = [{"_id": id_, "$tooLarge": str(error)}]
            answer = structs.replace(error.beginning, body=msgspec.json.encode(page))
        if answer.next is None:
            return answer
        following = {name: value for name, value in answer.next.items() if name != "limit"}
        limit = {"limit": known["limit"]} if "limit" in known else {}  # the next page is as long as this one should be
        return structs.replace(answer, next=following | limit)

    def _page(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        return self._request("GET", f"{self._documents}?{query(parameters)}")

    def _document(self, id_: str) -> str:
        if not _ID.fullmatch(id_):
            raise ValueError(id_)
        return f"{self._documents}/{id_}"

    def _request(self, method: str, url: str, body: bytes | None = None, **given: str) -> DataServiceAnswer:
        headers = {"Accept": "application/json"}
        headers |= {name.replace("_", "-"): value for name, value in given.items() if value}
        response = self._http.request(method, url, headers, body)
        answer = _answer(response)
        if not response.is_whole:
            raise AnswerTooLarge(_too_large(), answer)
        return answer


def _answer(response: HttpAnswer) -> DataServiceAnswer:
    """Return the answer. Raise UnexpectedAnswer for HTML: a browser would run its scripts in the dashboard's origin."""
    expect_own(response, JSON)
    return DataServiceAnswer(
        status=response.status,
        body=response.body,
        content_type=response.headers.get("content-type", ""),
        next=_next(response.headers.get("link", "")),
        id=_document_id(response.headers.get("location", "")),
        retry_after=_seconds(response.headers.get("retry-after", "")),
        etag=_entity_tag(response.headers.get("etag", "")),
    )


def _next(link: str) -> dict[str, str] | None:
    """Return the known parameters of a Link to the next page."""
    found = _NEXT.fullmatch(link)
    if not found:
        return None
    return {name: value for name, value in parse_qsl(urlsplit(found[1]).query) if name in PARAMETERS}


def _document_id(location: str) -> str | None:
    last = location.rpartition("/")[2]
    return last if _ID.fullmatch(last) else None


def _seconds(retry_after: str) -> str | None:
    return retry_after if retry_after.isdecimal() else None


def _entity_tag(etag: str) -> str | None:
    return etag if _ETAG.fullmatch(etag) else None


def _first_id(page: bytes) -> object | None:
    """Return the id of a page's first document, where it begins as the service's pages do."""
    if not page.startswith(PAGE_BEGINS):
        return None
    try:
        id_: object = JSONDecoder().raw_decode(page.decode(errors="ignore"), len(PAGE_BEGINS))[0]
    except (ValueError, RecursionError):
        return None
    return id_


def _too_large() -> str:
    most = f"{LARGEST_ANSWER >> 20} MiB, the most that the dashboard takes"
    return f"The service's answer exceeds {most}: ask the service itself."
