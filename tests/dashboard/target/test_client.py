"""The client of a service under proof: what an answer means, by the contract of the project's own service."""

import json
from collections.abc import Mapping

import pytest

from dashboard.dataservice.http_client import HttpAnswer, HttpClient
from dashboard.dataservice.protocol import (
    DataServiceError,
    DataServiceTimeout,
    DataServiceUnavailable,
    UnexpectedAnswer,
)
from dashboard.target.client import ServiceClient
from dashboard.target.own import own
from dashboard.target.service import DocumentPage, FoundDocument, WriteRoute, Written
from dashboard.target.template import Value

JSON, PROBLEM = "application/json", "application/problem+json; charset=utf-8"
ID = "0123456789abcdef01234567"
VALUES: dict[str, Value] = {"id": ID, "run": "r", "writer": 0, "number": 1, "version": 1, "payload": "p", "sha256": "s"}


class ScriptedHttp(HttpClient):
    """Gives one answer to all requests, and keeps them."""

    def __init__(self, answer: HttpAnswer | DataServiceError) -> None:
        self.answer = answer
        self.requests: list[tuple[str, str, bytes | None]] = []

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> HttpAnswer:
        self.requests.append((method, url, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def answer(status: int, body: object = None, type_: str = JSON, **headers: str) -> HttpAnswer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, content, {"content-type": type_, **headers})


def client(given: HttpAnswer | DataServiceError, url: str = "http://service:5000") -> ServiceClient:
    return ServiceClient(own(), ScriptedHttp(given), url, {})


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (answer(201, {}), "acknowledged"),
        (answer(200, {}), "acknowledged"),
        (answer(400, {}), "failed"),
        (answer(404, {}), "failed"),
        (answer(409, {}), "failed"),
        (answer(422, {}), "failed"),
        (answer(429, {}), "failed"),
        (answer(503, {"outcome": "not-applied"}, PROBLEM), "failed"),
        (answer(500, {"outcome": "not-applied"}, PROBLEM), "failed"),
        (answer(503, {"outcome": "unknown"}, PROBLEM), "unknown"),
        (answer(503, {}), "unknown"),
        (answer(503, b"<html>"), "unknown"),
        (answer(503, b"[" * 9000), "unknown"),
        (answer(503, ["not-applied"]), "unknown"),
        (answer(504, {"outcome": "unknown"}), "unknown"),
        (answer(502, b""), "unknown"),
        (answer(500, {}), "unknown"),
        (answer(408, {}), "unknown"),
        (answer(302, {}), "unknown"),
        (answer(204, b"", ""), "unknown"),
        (answer(201, {}, "text/html"), "unknown"),
        (answer(400, {}, "text/html"), "unknown"),
        (HttpAnswer(201, b"{", {"content-type": JSON}, is_whole=False), "unknown"),
        (DataServiceTimeout("…"), "unknown"),
        (UnexpectedAnswer("…"), "unknown"),
        (DataServiceUnavailable("…"), "unknown"),
    ],
)
def test_outcome_of_a_write_is_unknown_in_doubt(given: HttpAnswer | DataServiceError, outcome: str) -> None:
    assert client(given).write("write", VALUES).outcome == outcome


@pytest.mark.parametrize(
    ("route", "status", "outcome"),
    [
        ("replace", 200, "acknowledged"),
        ("replace", 201, "unknown"),
        ("replace", 404, "failed"),
        ("delete", 204, "acknowledged"),
        ("delete", 404, "unknown"),
        ("delete", 503, "unknown"),
        ("delete", 409, "failed"),
    ],
)
def test_each_write_has_its_own_rules(route: WriteRoute, status: int, outcome: str) -> None:
    assert client(answer(status, {})).write(route, VALUES).outcome == outcome


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(422, {"detail": "It is too deep."}, PROBLEM), "The service answered 422: It is too deep."),
        (answer(422, {"detail": "x" * 999}, PROBLEM), f"The service answered 422: {'x' * 200}"),
        (answer(502, b"<html>"), "The service answered 502"),
        (DataServiceUnavailable("Nothing is there."), "Nothing is there."),
        (answer(201, {}), None),
    ],
)
def test_error_says_what_the_service_says(given: HttpAnswer | DataServiceError, error: str | None) -> None:
    assert client(given).write("write", VALUES).error == error


ACKNOWLEDGED = Written("acknowledged", status=201)


def test_write_sends_the_contracts_body() -> None:
    http = ScriptedHttp(answer(201, {}))
    assert ServiceClient(own(), http, "http://service:5000/base/", {}).write("write", VALUES) == ACKNOWLEDGED
    ((method, url, body),) = http.requests
    assert (method, url) == ("POST", "http://service:5000/base/proofs")
    expected = {"_id": ID, "run": "r", "writer": 0, "seq": 1, "version": 1, "payload": "p", "sha256": "s"}
    assert body and json.loads(body) == expected


class TestReads:
    @pytest.mark.parametrize(
        ("given", "found"),
        [
            (answer(200, {"_id": ID, "payload": "p"}), FoundDocument(ID, "p")),
            (answer(200, {"_id": ID, "payload": ["p"]}), FoundDocument(ID, ["p"])),
            (answer(200, {"_id": ID}), FoundDocument(ID, None)),
            (answer(200, {"_id": "another", "payload": "p"}), FoundDocument("another", "p")),
            (answer(404, {}, PROBLEM), None),
        ],
    )
    def test_only_the_services_own_answer_counts(self, given: HttpAnswer, found: FoundDocument | None) -> None:
        assert client(given).read(ID) == found

    @pytest.mark.parametrize(
        "given",
        [
            answer(404, {}),  # not a problem of the service's
            answer(404, {}, "text/html"),
            answer(503, {}, PROBLEM),
            answer(200, []),
            answer(200, {}),
            answer(200, {"payload": "p"}),
            answer(200, b"{"),
            answer(206, {"payload": "p"}),
            DataServiceTimeout("…"),
        ],
    )
    def test_everything_else_is_no_answer(self, given: HttpAnswer | DataServiceError) -> None:
        with pytest.raises(DataServiceError):
            client(given).read(ID)

    def test_page_has_its_documents_and_the_next_ones_path(self) -> None:
        given = answer(
            200, [{"_id": ID, "payload": "p", "run": "r"}, {"_id": 7}], link='</proofs?before=1>; rel="next"'
        )
        page = client(given).search("r")
        assert page == DocumentPage([FoundDocument(ID, "p", "r"), FoundDocument("7", None, "None")], "/proofs?before=1")

    @pytest.mark.parametrize(
        ("link", "path"),
        [
            ('</base/proofs?before=1>; rel="next"', "/proofs?before=1"),
            ("<?before=1>; rel=next", "/proofs?before=1"),
            ('<?before=1>; title="a, b"; REL="prev NEXT"', "/proofs?before=1"),
            ('<?a=1>; rel=first, <?before=1>; rel=next; type="x"', "/proofs?before=1"),
            ("<http://SERVICE:5000/base/proofs?before=1>; rel=next", "/proofs?before=1"),
            ("<?before=1>; rel=nextpage", None),
            ('<http://service:5000/base/proofs?before=1>; rel="next"', "/proofs?before=1"),
            ('<http://inside:80/base/proofs?a=1>; rel="next"', "/proofs?a=1"),
            ('<//other/base/proofs>; rel="next"', "/proofs"),
            ('</base/proofs>; rel="prev"', None),
            ("", None),
        ],
    )
    def test_next_page_is_asked_for_under_the_services_address(self, link: str, path: str | None) -> None:
        assert client(answer(200, [], link=link), "http://service:5000/base").search("r").next == path

    @pytest.mark.parametrize(
        "link",
        [
            "</elsewhere>", "</based>", "<http://other/elsewhere>", "<ftp://service/base/x>",
            "<http://service:5000/base/../admin>", "<http://service:5000/base/%2e%2e/admin>",
        ],
    )  # fmt: skip
    def test_next_page_elsewhere_is_refused(self, link: str) -> None:
        with pytest.raises(UnexpectedAnswer):
            client(answer(200, [], link=f"{link}; rel=next"), "http://service:5000/base").search("r")

    @pytest.mark.parametrize("body", [b"{}", b"[1]", b"", b'[{"_id": null}]', b'[{"_id": []}]', b"[" * 9000])
    def test_what_is_no_list_of_documents_is_no_answer(self, body: bytes) -> None:
        with pytest.raises(UnexpectedAnswer):
            client(answer(200, body)).newest()
