"""Documents on their way through the dashboard: who may, what passes, and what is said when the service is away."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.dataservice.contract import (
    LARGEST_DOCUMENT,
    AnswerTooLarge,
    DataServiceAnswer,
    DataServiceBusy,
    DataServiceError,
    DataServiceTimeout,
    DataServiceUnavailable,
    UnexpectedAnswer,
)
from tests.dashboard.stubs import OPERATOR, VIEWER
from tests.dashboard.web.test_auth import ORIGIN, problem, sign_in

ID = "0123456789abcdef01234567"
AS_OPERATOR = {"Authorization": f"Bearer {OPERATOR}"}
AS_VIEWER = {"Authorization": f"Bearer {VIEWER}"}
JSON = "application/json"


class Recorder:
    """A service that answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.outcome: DataServiceAnswer | DataServiceError = DataServiceAnswer(200, b"[]")

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        return self._answer(dict(parameters))

    def document(self, id_: str) -> DataServiceAnswer:
        return self._answer(id_)

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        return self._answer((body, content_type))

    def _answer(self, asked: Any) -> DataServiceAnswer:
        self.asked.append(asked)
        if isinstance(self.outcome, DataServiceError):
            raise self.outcome
        return self.outcome


@pytest.fixture
def service(app: Flask) -> Recorder:
    recorder = app.extensions["service"] = Recorder()
    return recorder


def post(client: FlaskClient, body: bytes = b'{"a":1}', **headers: str) -> TestResponse:
    return client.post("/api/documents", data=body, content_type=JSON, headers=headers)


def test_page_passes_as_the_bytes_it_came(client: FlaskClient, service: Recorder) -> None:
    body = b'[ {"_id":"x" , "n":9007199254740993,"whole":1.0} ]'
    service.outcome = DataServiceAnswer(200, body, next={"limit": "1", "before": "~a+b", "filter": '{"a":"&"}'})
    query = {"limit": "1", "before": ID, "filter": '{"a": "ä&b=c"}'}
    answer = client.get("/api/documents", query_string=query, headers=AS_VIEWER)
    assert (answer.status_code, answer.content_type, answer.data) == (200, JSON, body)
    assert service.asked == [query]
    link, _, relation = answer.headers["Link"].partition(">; ")
    assert relation == 'rel="next"'
    following = urlsplit(link.removeprefix("<"))
    assert following.path == "documents"
    assert parse_qs(following.query) == {"limit": ["1"], "before": ["~a+b"], "filter": ['{"a":"&"}']}


def test_last_page_has_no_link(client: FlaskClient, service: Recorder) -> None:
    assert "Link" not in client.get("/api/documents", headers=AS_VIEWER).headers


def test_one_document_passes_too(client: FlaskClient, service: Recorder) -> None:
    service.outcome = DataServiceAnswer(200, b'{"n":1.0}')
    assert client.get(f"/api/documents/{ID}", headers=AS_VIEWER).data == b'{"n":1.0}'
    assert service.asked == [ID]


@pytest.mark.parametrize("id_", ["x", "..", f"{ID}0", f"{ID}%0A", f"{ID}%2Fx", "%2e%2e%2fmetrics", "%C3%A9" * 24])
def test_invalid_id_is_not_sent_to_the_service(client: FlaskClient, service: Recorder, id_: str) -> None:
    assert problem(client.get(f"/api/documents/{id_}", headers=AS_VIEWER)) == 404
    assert service.asked == []


@pytest.mark.parametrize("query", ["url=http://evil.example", "limit=1&limit=2", "filter[$ne]=1", "Limit=1"])
def test_unknown_parameter_reaches_no_service(client: FlaskClient, service: Recorder, query: str) -> None:
    answer = client.get(f"/api/documents?{query}", headers=AS_VIEWER)
    assert problem(answer) == 400 and "query parameter" in answer.json["detail"]  # type: ignore[index]
    assert problem(client.get(f"/api/documents/{ID}?a=1", headers=AS_VIEWER)) == 400
    assert problem(client.post("/api/documents?a=1", json={}, headers=AS_OPERATOR)) == 400
    assert service.asked == []


def test_services_own_problems_pass_with_their_status(client: FlaskClient, service: Recorder) -> None:
    body = orjson.dumps({"status": 503, "title": "x", "detail": "MongoDB did not answer.", "outcome": "not-applied"})
    service.outcome = DataServiceAnswer(503, body, "application/problem+json", retry_after="2")
    for answer in (client.get("/api/documents", headers=AS_VIEWER), post(client, **AS_OPERATOR)):
        assert problem(answer) == 503
        assert (answer.data, answer.headers["Retry-After"]) == (body, "2")


def test_insertion_passes_unchanged_both_ways(client: FlaskClient, service: Recorder) -> None:
    service.outcome = DataServiceAnswer(201, b'{"id":"x"}', id=ID)
    body = b'{ "n" : 9007199254740993, "whole": 1.0 }'
    kind = "application/json; charset=utf-8"
    answer = client.post("/api/documents", data=body, content_type=kind, headers=AS_OPERATOR)
    assert (answer.status_code, answer.data) == (201, b'{"id":"x"}')
    assert answer.headers["Location"] == f"documents/{ID}"
    assert service.asked == [(body, kind)]


def test_only_an_operator_of_this_page_or_with_a_token_inserts(client: FlaskClient, service: Recorder) -> None:
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
    assert service.asked == [{}]
    assert post(client, **ORIGIN, **{"X-CSRF-Token": csrf}).status_code == 200
    assert post(client, **AS_OPERATOR).status_code == 200
    assert len(service.asked) == 3


def test_document_may_have_a_mebibyte_and_no_more(client: FlaskClient, service: Recorder) -> None:
    assert post(client, b"x" * LARGEST_DOCUMENT, **AS_OPERATOR).status_code == 200
    assert problem(post(client, b"x" * (LARGEST_DOCUMENT + 1), **AS_OPERATOR)) == 413
    assert [len(body) for body, _ in service.asked] == [LARGEST_DOCUMENT]
    assert problem(client.post("/login", data={"token": "x" * 100_000}, headers=ORIGIN)) == 413


def test_no_part_of_a_body_is_taken_for_the_whole(client: FlaskClient, service: Recorder) -> None:
    def streamed(size: int, **environ: Any) -> TestResponse:
        sent = {"wsgi.input_terminated": True, "CONTENT_TYPE": JSON, **environ}
        body = BytesIO(b" " * size)
        return client.post("/api/documents", input_stream=body, environ_overrides=sent, headers=AS_OPERATOR)

    assert problem(streamed(2 * LARGEST_DOCUMENT)) == 413
    assert problem(streamed(10, CONTENT_LENGTH="20")) == 400
    assert service.asked == []
    assert streamed(LARGEST_DOCUMENT).status_code == 200
    assert service.asked == [(b" " * LARGEST_DOCUMENT, JSON)]


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
def test_unreachable_service_is_a_problem_with_the_known_outcome(
    client: FlaskClient, service: Recorder, error: DataServiceError, status: int, outcome: str
) -> None:
    service.outcome = error
    read = client.get("/api/documents", headers=AS_VIEWER)
    assert problem(read) == problem(client.get(f"/api/documents/{ID}", headers=AS_VIEWER)) == status
    assert read.json and read.json["detail"] == str(error) and "outcome" not in read.json
    written = post(client, **AS_OPERATOR)
    assert problem(written) == status
    assert written.json and written.json["outcome"] == outcome
    assert ("unknown whether" in written.json["detail"]) == (outcome == "unknown")


def test_in_the_mock_an_insertion_is_a_document_of_the_story(app: Flask, client: FlaskClient) -> None:
    [mock] = app.extensions["sources"]
    assert app.extensions["service"] is mock.service
    inserted = post(client, b'{"mine":true}', **AS_OPERATOR).json
    found = client.get("/api/documents?limit=1", headers=AS_VIEWER).json
    assert found == [{"_id": inserted["id"], "mine": True}]  # type: ignore[index]
