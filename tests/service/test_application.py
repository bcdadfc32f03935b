"""What surrounds each request, without MongoDB."""

from __future__ import annotations

import time

import pytest
from flask import Response
from flask.testing import FlaskClient

from service import errors
from service.application import Application, JsonResponse, current_request
from webserver.channel import ARRIVED


class Recorder:
    """Instruments that keep what they were told."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.began: list[float] = []
        self.requests: list[tuple[str, str | None, int]] = []

    def begin(self) -> None:
        self.in_flight += 1

    def end(self) -> None:
        self.in_flight -= 1

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.requests.append((method, route, status))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(recorder: Recorder) -> FlaskClient:
    app = Application("tests", recorder, frozenset({"known.example"}), recorder.began.append)
    errors.register(app)

    @app.get("/things")
    @app.get("/deep/things")
    def things() -> Response:
        return JsonResponse(b"[]")

    @app.get("/failing")
    def failing() -> Response:
        assert recorder.in_flight == 1
        raise RuntimeError("as every program may")

    @app.get("/id")
    def id() -> str:
        return current_request().id

    return app.test_client()


def test_time_of_a_request_runs_since_it_arrived(client: FlaskClient, recorder: Recorder) -> None:
    before = time.monotonic()
    client.get("/things")
    client.get("/things", environ_overrides={ARRIVED: before - 5})
    assert before <= recorder.began[0] <= time.monotonic()
    assert recorder.began[1] == before - 5


def test_failing_request_is_a_problem_counted_and_no_longer_in_flight(client: FlaskClient, recorder: Recorder) -> None:
    response = client.get("/failing")
    assert (response.status_code, response.content_type) == (500, "application/problem+json")
    assert response.json and response.json["request_id"] == response.headers["X-Request-Id"]
    assert (recorder.in_flight, recorder.requests) == (0, [("GET", "/failing", 500)])


@pytest.mark.parametrize(("path", "status", "route"), [("/things", 200, "/things"), ("/other", 404, None)])
def test_requests_are_counted_by_route(
    client: FlaskClient, recorder: Recorder, path: str, status: int, route: str | None
) -> None:
    assert client.get(path).status_code == status
    assert recorder.requests == [("GET", route, status)]


@pytest.mark.parametrize(("host", "status"), [("known.example", 200), ("other.example", 421), ("a b", 421)])
def test_only_own_names_are_answered(client: FlaskClient, host: str, status: int) -> None:
    response = client.get("/things", headers={"Host": host})
    assert (response.status_code, "X-Request-Id" in response.headers) == (status, True)


def test_head_has_the_headers_of_get_and_no_body(client: FlaskClient) -> None:
    response = client.head("/things")
    assert (response.data, response.headers["Content-Length"]) == (b"", "2")


def test_slashes_that_are_doubled_redirect_to_the_host_that_was_asked(client: FlaskClient) -> None:
    response = client.get("/deep//things", headers={"Host": "known.example:5000"})
    assert (response.status_code, response.headers["Location"]) == (308, "http://known.example:5000/deep/things")


def test_two_requests_have_two_ids_and_a_given_one_is_kept(client: FlaskClient) -> None:
    given = client.get("/id", headers={"X-Request-Id": "mine"})
    assert (given.text, given.headers["X-Request-Id"]) == ("mine", "mine")
    assert client.get("/id").text != client.get("/id").text
    assert client.get("/id", headers={"X-Request-Id": "with a space"}).text != "with a space"
