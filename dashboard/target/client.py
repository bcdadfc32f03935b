"""A client of a service under proof, which keeps to its contract."""

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import msgspec
import orjson

from dashboard.dataservice.http_client import WITHOUT_BODY, HttpAnswer, HttpClient, expect_own
from dashboard.dataservice.protocol import AnswerTooLarge, DataServiceError, UnexpectedAnswer
from dashboard.target import template
from dashboard.target.contract import Contract, Delete, List, Write, includes, matches
from dashboard.target.pointer import MISSING, find
from dashboard.target.service import DocumentPage, FoundDocument, WriteRoute, Written
from dashboard.target.template import Value

DETAIL_LENGTH = 200  # characters of the service's error
OK = 200

# A Link header's values (RFC 8288): each an address with parameters, such as rel="next".
_PARAMETER = r"""\s*;\s*[\w!#$&+.^`|~*-]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",;]+))?"""
_LINK = re.compile(rf"<([^<>]*)>((?:{_PARAMETER})*)")
_REL = re.compile(r""";\s*rel\s*=\s*("[^"]*"|[^\s",;]+)""", re.IGNORECASE)


class ServiceClient:
    """A client of one service (implements DocumentService). It is thread-safe."""

    def __init__(self, contract: Contract, http: HttpClient, url: str, secrets: Mapping[str, str]) -> None:
        """`url` is the service's address; raise KeyError with the name of a secret that is missing."""
        self.contract = contract
        self._http = http
        self._url = url.rstrip("/")
        self._media_types = frozenset(contract.media_types)
        self._headers = {
            name: {
                each.lower(): template.header(value, secrets)
                for each, value in (*contract.headers.items(), *route.headers.items())
            }
            for name, route in contract.routes().items()
        }

    def write(self, route: WriteRoute, values: Mapping[str, Value]) -> Written:
        wanted: Write | Delete | None = getattr(self.contract, route)
        if wanted is None:
            raise ValueError(route)
        content = orjson.dumps(template.body(wanted.body, values)) if isinstance(wanted, Write) else None
        try:
            answer = self._request(route, wanted.method, template.path(wanted.path, values), content)
        except DataServiceError as error:
            return Written("unknown", str(error))
        status, body = answer.status, _json(answer)
        if any(matches(rule, status, answer.media_type, body) for rule in wanted.not_applied):
            return Written("failed", _error(status, body), status)
        if includes(wanted.acknowledged, status):
            return Written("acknowledged", status=status)
        return Written("unknown", _error(status, body), status)

    def read(self, id_: str) -> FoundDocument | None:
        route = self.contract.read
        answer = self._request("read", "GET", template.path(route.path, {"id": id_}))
        body = _json(answer)
        if matches(route.absent, answer.status, answer.media_type, body):
            return None
        if answer.status != OK:
            raise UnexpectedAnswer(_error(answer.status, body))
        if body is MISSING:
            raise UnexpectedAnswer("The answer is not a document.")
        return FoundDocument(id_ if route.id is None else _id(route.id, body), _value(route.payload, body))

    def newest(self) -> DocumentPage:
        return self._page("list", template.path(self.contract.routes()["list"].path, {}))

    def search(self, run: str, path: str | None = None) -> DocumentPage:
        return self._page("search", path or template.path(self.contract.routes()["search"].path, {"run": run}))

    def _page(self, name: Literal["list", "search"], path: str) -> DocumentPage:
        route: List = getattr(self.contract, name)
        answer = self._request(name, "GET", path)
        body = _json(answer)
        if answer.status != OK:
            raise UnexpectedAnswer(_error(answer.status, body))
        items = find(route.items, body)
        if not isinstance(items, list):
            raise UnexpectedAnswer(f"The answer has no list at {route.items or 'its top'}.")
        return DocumentPage(
            [_document(route, each) for each in items], self._next(answer, path) if route.next else None
        )

    def _next(self, answer: HttpAnswer, path: str) -> str | None:
        """Return the next page's path. It is asked for at the service's own address, which a service behind a proxy may
        not know. Raise UnexpectedAnswer for a path outside of that."""
        link = _next_of(answer.headers.get("link", ""))
        if link is None:
            return None
        address: SplitResult = urlsplit(urljoin(self._url + path, link))
        here = urlsplit(self._url)
        leaves = {".", ".."} & {*unquote(address.path).split("/")}
        if leaves or address.scheme not in ("http", "https") or not address.path.startswith(f"{here.path}/"):
            raise UnexpectedAnswer("The next page is at another address than the service's.")
        query = f"?{address.query}" if address.query else ""
        return address.path.removeprefix(here.path) + query

    def _request(self, name: str, method: str, path: str, body: bytes | None = None) -> HttpAnswer:
        """Return the service's own answer. Raise a DataServiceError."""
        content_type = {"content-type": "application/json"} if body is not None else {}
        headers = {
            "accept": ", ".join(each for each in self.contract.media_types if each != WITHOUT_BODY),
            **content_type,
            **self._headers[name],
        }
        answer = self._http.request(method, self._url + path, headers, body)
        expect_own(answer, self._media_types)
        if not answer.is_whole:
            raise AnswerTooLarge("The service's answer is too large.")
        return answer


def _next_of(header: str) -> str | None:
    """Return the address of the next page in a Link header."""
    for address, parameters in _LINK.findall(header):
        rel = _REL.search(parameters)
        if rel and "next" in rel[1].strip('"').lower().split():
            return str(address)
    return None


def _document(route: List, item: Any) -> FoundDocument:
    """Return an item of a list. Raise UnexpectedAnswer if it has no id."""
    run = None if route.run is None else str(_value(route.run, item))
    return FoundDocument(_id(route.id, item), _value(route.payload, item), run)


def _id(at: str, document: Any) -> str:
    found = find(at, document)
    if not isinstance(found, str | int):
        raise UnexpectedAnswer(f"The answer has a document without an id at {at}.")
    return str(found)


def _value(at: str, document: Any) -> Any:
    """Return the value at the pointer, None if there is none."""
    value = find(at, document)
    return None if value is MISSING else value


def _json(answer: HttpAnswer) -> Any:
    """Return the answer's JSON, MISSING if it has none. Numbers are as Python has them: nothing is compared with them
    but what a contract names."""
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return MISSING


def _error(status: int, body: Any) -> str:
    detail = find("/detail", body)
    shown = detail[:DETAIL_LENGTH] if isinstance(detail, str) else ""
    return f"The service answered {status}: {shown}".rstrip(": ")
