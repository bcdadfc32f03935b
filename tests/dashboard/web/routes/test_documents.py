"""The documents of the data service through the dashboard: authorization, unchanged bodies, and errors."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.dataservice.protocol import (
    LARGEST_DOCUMENT,
    AnswerTooLarge,
    DataServiceAnswer,
    DataServiceBusy,
    DataServiceError,
    DataServiceTimeout,
    DataServiceUnavailable,
    UnexpectedAnswer,
)
from tests.dashboard.stubs import AS_OPERATOR, AS_VIEWER, OPERATOR, VIEWER
from tests.dashboard.web.test_auth import ORIGIN, problem, sign_in

ID = "0123456789abcdef01234567"
JSON = "application/json"
REQUEST_LINE = 8_190  # bytes, of the service's and the dashboard's


class StubDataService:
    """A data service with one answer or error, which records its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.answer: DataServiceAnswer | DataServiceError = DataServiceAnswer(200, b"[]")

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        return self._answer(dict(parameters))

    def document(self, id_: str) -> DataServiceAnswer:
        return self._answer(id_)

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        return self._answer((body, content_type))

    def replace(self, id_: str, body: bytes, content_type: str, if_match: str = "") -> DataServiceAnswer:
        return self._answer((id_, body, content_type, if_match))

    def delete(self, id_: str, if_match: str = "") -> DataServiceAnswer:
        return self._answer((id_, if_match))

    def _answer(self, call: Any) -> DataServiceAnswer:
        self.calls.append(call)
        if isinstance(self.answer, DataServiceError):
            raise self.answer
        return self.answer


@pytest.fixture
def service(app: Flask) -> StubDataService:
    stub = app.extensions["data_service"] = StubDataService()
    return stub


def post(client: FlaskClient, body: bytes = b'{"a":1}', **headers: str) -> TestResponse:
    return client.post("/api/documents", data=body, content_type=JSON, headers=headers)


def test_page_of_documents_is_passed_unchanged(client: FlaskClient, service: StubDataService) -> None:
    body = b'[ {"_id":"x" , "n":9007199254740993,"whole":1.0} ]'
    service.answer = DataServiceAnswer(200, body, next={"limit": "1", "before": "~a+b", "filter": '{"a":"&"}'})
    query = {"limit": "1", "before": ID, "filter": '{"a": "ä&b=c"}'}
    answer = client.get("/api/documents", query_string=query, headers=AS_VIEWER)
    assert (answer.status_code, answer.content_type, answer.data) == (200, JSON, body)
    assert service.calls == [query]
    link, _, relation = answer.headers["Link"].partition(">; ")
    assert relation == 'rel="next"'
    following = urlsplit(link.removeprefix("<"))
    assert following.path == "documents"
    assert parse_qs(following.query) == {"limit": ["1"], "before": ["~a+b"], "filter": ['{"a":"&"}']}


@pytest.mark.parametrize("text", [":" * 3_900, "/,?" * 1_300, "\u00e4" * 1_300])
def test_link_of_a_long_filter_is_no_longer_than_what_is_accepted(
    client: FlaskClient, service: StubDataService, text: str
) -> None:
    filter_ = orjson.dumps({"a": text}).decode()
    service.answer = DataServiceAnswer(200, b"[]", next={"limit": "1000", "before": ID, "filter": filter_})
    answer = client.get("/api/documents", query_string={"filter": filter_}, headers=AS_VIEWER)
    link = answer.headers["Link"].removeprefix("<").partition(">")[0]
    assert len(f"GET /api/{link} HTTP/1.1") <= REQUEST_LINE
    assert client.get(f"/api/{link}", headers=AS_VIEWER).status_code == 200
    assert service.calls[1] == {"limit": "1000", "before": ID, "filter": filter_}


def test_filter_too_long_for_the_address_of_a_next_page_is_414(client: FlaskClient, service: StubDataService) -> None:
    for text, status in (('"' * 2_660, 200), ('"' * 2_670, 414), ("\u00e4" * 1_340, 414)):
        assert client.get("/api/documents", query_string={"filter": text}, headers=AS_VIEWER).status_code == status
    assert len(service.calls) == 1, "what is refused is not sent to the service"


def test_last_page_has_no_link(client: FlaskClient, service: StubDataService) -> None:
    assert "Link" not in client.get("/api/documents", headers=AS_VIEWER).headers


def test_document_is_passed_unchanged(client: FlaskClient, service: StubDataService) -> None:
    service.answer = DataServiceAnswer(200, b'{"n":1.0}')
    assert client.get(f"/api/documents/{ID}", headers=AS_VIEWER).data == b'{"n":1.0}'
    assert service.calls == [ID]


@pytest.mark.parametrize("id_", ["x", "..", f"{ID}0", f"{ID}%0A", f"{ID}%2Fx", "%2e%2e%2fmetrics", "%C3%A9" * 24])
def test_invalid_id_is_not_sent_to_the_service(client: FlaskClient, service: StubDataService, id_: str) -> None:
    assert problem(client.get(f"/api/documents/{id_}", headers=AS_VIEWER)) == 404
    assert service.calls == []


@pytest.mark.parametrize("query", ["url=http://evil.example", "limit=1&limit=2", "filter[$ne]=1", "Limit=1"])
def test_unknown_parameter_is_400_and_not_sent_to_the_service(
    client: FlaskClient, service: StubDataService, query: str
) -> None:
    assert problem(client.get(f"/api/documents?{query}", headers=AS_VIEWER)) == 400
    assert problem(client.get(f"/api/documents/{ID}?a=1", headers=AS_VIEWER)) == 400
    assert problem(client.post("/api/documents?a=1", json={}, headers=AS_OPERATOR)) == 400
    assert service.calls == []


def test_problem_of_the_service_is_passed_with_its_status(client: FlaskClient, service: StubDataService) -> None:
    body = orjson.dumps({"status": 503, "title": "x", "detail": "MongoDB did not answer.", "outcome": "not-applied"})
    service.answer = DataServiceAnswer(503, body, "application/problem+json", retry_after="2")
    for answer in (client.get("/api/documents", headers=AS_VIEWER), post(client, **AS_OPERATOR)):
        assert problem(answer) == 503
        assert (answer.data, answer.headers["Retry-After"]) == (body, "2")


def test_inserted_document_and_its_response_are_passed_unchanged(client: FlaskClient, service: StubDataService) -> None:
    service.answer = DataServiceAnswer(201, b'{"id":"x"}', id=ID)
    body = b'{ "n" : 9007199254740993, "whole": 1.0 }'
    kind = "application/json; charset=utf-8"
    answer = client.post("/api/documents", data=body, content_type=kind, headers=AS_OPERATOR)
    assert (answer.status_code, answer.data) == (201, b'{"id":"x"}')
    assert answer.headers["Location"] == f"documents/{ID}"
    assert service.calls == [(body, kind)]


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip"])
def test_compressed_document_is_415(client: FlaskClient, service: StubDataService, coding: str) -> None:
    assert problem(post(client, **AS_OPERATOR, Content_Encoding=coding)) == 415
    assert service.calls == []


def test_only_an_operator_with_a_token_or_csrf_token_inserts(client: FlaskClient, service: StubDataService) -> None:
    assert problem(post(client)) == 401
    assert problem(post(client, **AS_VIEWER)) == 403
    assert problem(client.get("/api/documents")) == problem(client.get(f"/api/documents/{ID}")) == 401
    csrf = sign_in(client, VIEWER)
    assert problem(post(client, **ORIGIN, **{"X-CSRF-Token": csrf})) == 403
    assert client.get("/api/documents").status_code == 200
    csrf = sign_in(client, OPERATOR)
    assert problem(post(client, **ORIGIN)) == 403
    assert problem(post(client, **ORIGIN, **{"X-CSRF-Token": "wrong"})) == 403
    assert problem(post(client, Origin="http://evil.example", **{"X-CSRF-Token": csrf})) == 403
    assert service.calls == [{}]
    assert post(client, **ORIGIN, **{"X-CSRF-Token": csrf}).status_code == 200
    assert post(client, **AS_OPERATOR).status_code == 200
    assert len(service.calls) == 3


def test_document_over_a_mebibyte_is_413(client: FlaskClient, service: StubDataService) -> None:
    assert post(client, b"x" * LARGEST_DOCUMENT, **AS_OPERATOR).status_code == 200
    assert problem(post(client, b"x" * (LARGEST_DOCUMENT + 1), **AS_OPERATOR)) == 413
    assert [len(body) for body, _ in service.calls] == [LARGEST_DOCUMENT]
    assert problem(client.post("/login", data={"token": "x" * 100_000}, headers=ORIGIN)) == 413


def test_incomplete_body_is_not_sent_to_the_service(client: FlaskClient, service: StubDataService) -> None:
    def post_stream(size: int, **environ: Any) -> TestResponse:
        environ = {"wsgi.input_terminated": True, "CONTENT_TYPE": JSON, **environ}
        body = BytesIO(b" " * size)
        return client.post("/api/documents", input_stream=body, environ_overrides=environ, headers=AS_OPERATOR)

    assert problem(post_stream(2 * LARGEST_DOCUMENT)) == 413
    assert problem(post_stream(10, CONTENT_LENGTH="20")) == 400
    assert service.calls == []
    assert post_stream(LARGEST_DOCUMENT).status_code == 200
    assert service.calls == [(b" " * LARGEST_DOCUMENT, JSON)]


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (DataServiceBusy("Busy."), 503, "not-applied"),
        (DataServiceUnavailable("The service does not answer."), 502, "not-applied"),
        (DataServiceTimeout("The service did not answer in time."), 504, "unknown"),
        (AnswerTooLarge("Too large."), 502, "unknown"),
        (UnexpectedAnswer("Strange."), 502, "unknown"),
    ],
)
def test_error_of_the_client_is_a_problem_with_the_outcome_of_the_write(
    client: FlaskClient, service: StubDataService, error: DataServiceError, status: int, outcome: str
) -> None:
    service.answer = error
    read = client.get("/api/documents", headers=AS_VIEWER)
    assert problem(read) == problem(client.get(f"/api/documents/{ID}", headers=AS_VIEWER)) == status
    assert read.json and read.json["detail"] == str(error) and "outcome" not in read.json
    written = post(client, **AS_OPERATOR)
    assert problem(written) == status
    assert written.json and written.json["outcome"] == outcome


def test_document_inserted_into_the_mock_is_returned(app: Flask, client: FlaskClient) -> None:
    [mock] = app.extensions["sources"]
    assert app.extensions["data_service"] is mock.service
    inserted = post(client, b'{"mine":true}', **AS_OPERATOR).json
    found = client.get("/api/documents?limit=1", headers=AS_VIEWER).json
    assert found == [{"_id": inserted["id"], "mine": True}]  # type: ignore[index]


ETAG, NOW = '"0123abcd"', '"4567cdef"'
SEEN = {"If-Match": ETAG}


def put(client: FlaskClient, body: bytes = b"{}", id_: str = ID, **headers: str) -> TestResponse:
    return client.put(f"/api/documents/{id_}", data=body, content_type=JSON, headers=headers)


def delete(client: FlaskClient, id_: str = ID, **headers: str) -> TestResponse:
    return client.delete(f"/api/documents/{id_}", headers=headers)


def audited(app: Flask) -> list[tuple[str, str, Any]]:
    return [(line["action"], line["outcome"], line["object"]) for line in app.extensions["audit"].newest()]


def test_etag_of_the_service_is_passed(client: FlaskClient, service: StubDataService) -> None:
    service.answer = DataServiceAnswer(200, b"{}", etag=ETAG)
    assert client.get(f"/api/documents/{ID}", headers=AS_VIEWER).headers["ETag"] == ETAG
    assert put(client, **AS_OPERATOR, **SEEN).headers["ETag"] == ETAG


def test_change_is_passed_with_the_version_that_was_seen(client: FlaskClient, service: StubDataService) -> None:
    body = b'{ "n" : 9007199254740993, "whole": 1.0 }'
    assert put(client, body, **AS_OPERATOR, **SEEN).status_code == 200
    service.answer = DataServiceAnswer(204, b"", "")
    deleted = delete(client, **AS_OPERATOR, **SEEN)
    assert (deleted.status_code, deleted.data) == (204, b"")
    assert service.calls == [(ID, body, JSON, ETAG), (ID, ETAG)]


def test_change_without_if_match_is_428_and_not_sent(client: FlaskClient, service: StubDataService) -> None:
    assert problem(put(client, **AS_OPERATOR)) == problem(delete(client, **AS_OPERATOR)) == 428
    assert problem(put(client, **AS_OPERATOR, **{"If-Match": ""})) == 428
    assert service.calls == []
    assert put(client, **AS_OPERATOR, **{"If-Match": "*"}).status_code == 200


def test_change_of_an_invalid_id_or_a_large_body_is_not_sent(client: FlaskClient, service: StubDataService) -> None:
    for id_ in ("x", f"{ID}0", f"{ID}%0A", "%2e%2e%2fmetrics"):
        assert problem(put(client, id_=id_, **AS_OPERATOR, **SEEN)) == 404
        assert problem(delete(client, id_, **AS_OPERATOR, **SEEN)) == 404
    assert problem(put(client, b"x" * (LARGEST_DOCUMENT + 1), **AS_OPERATOR, **SEEN)) == 413
    assert problem(delete(client, f"{ID}?a=1", **AS_OPERATOR, **SEEN)) == 400
    assert service.calls == []


def test_late_change_is_412_with_the_present_etag(app: Flask, client: FlaskClient, service: StubDataService) -> None:
    body = orjson.dumps({"status": 412, "title": "x", "detail": "The document has changed."})
    service.answer = DataServiceAnswer(412, body, "application/problem+json", etag=NOW)
    for late in (put(client, **AS_OPERATOR, **SEEN), delete(client, **AS_OPERATOR, **SEEN)):
        assert (problem(late), late.data, late.headers["ETag"]) == (412, body, NOW)
    assert {outcome for _, outcome, _ in audited(app)} == {"refused: 412 The document has changed."}


def test_each_change_is_audited_about_the_database(app: Flask, client: FlaskClient, service: StubDataService) -> None:
    recorded: list[Any] = []
    app.extensions["audit"]._record = lambda *event: recorded.append(event)
    put(client, **AS_OPERATOR, **SEEN)
    delete(client, **AS_OPERATOR, **SEEN)
    service.answer = DataServiceAnswer(201, b"{}", id=ID)
    assert post(client, **AS_OPERATOR).status_code == 201
    about = {"kind": "Pod", "name": "mongodb-0", "uid": ""}
    expected = [(f"{action} the document {ID}", "done", about) for action in ("insert", "delete", "replace")]
    assert audited(app) == expected
    app.extensions["audit"].start()
    app.extensions["audit"].stop()
    assert len(recorded) == 3  # one Event each
    assert client.get(f"/api/documents/{ID}", headers=AS_VIEWER).status_code == 201
    assert audited(app) == expected


def test_viewer_changes_nothing_and_that_is_audited(app: Flask, client: FlaskClient, service: StubDataService) -> None:
    assert problem(put(client, **AS_VIEWER, **SEEN)) == problem(delete(client, **AS_VIEWER, **SEEN)) == 403
    assert problem(put(client, **SEEN)) == 401
    assert service.calls == []
    assert len(audited(app)) == 3


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [(DataServiceUnavailable("Away."), 502, "not-applied"), (DataServiceTimeout("Late."), 504, "unknown")],
)
def test_failed_change_has_its_outcome(
    app: Flask,
    client: FlaskClient,
    service: StubDataService,
    error: DataServiceError,
    status: int,
    outcome: str,
) -> None:
    service.answer = error
    for answer in (put(client, **AS_OPERATOR, **SEEN), delete(client, **AS_OPERATOR, **SEEN)):
        assert problem(answer) == status
        assert answer.json and answer.json["outcome"] == outcome
    assert all(each[1].startswith("failed: ") for each in audited(app))
