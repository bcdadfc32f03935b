"""The merged logs over HTTP, of the mock's pods."""

from typing import Any

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.mock.cluster.pod_reader import MockPodReader
from dashboard.web.log_streams import MOST_OF_A_VIEWER, LogStreams
from tests.dashboard.stubs import AS_VIEWER, TARGETS
from tests.dashboard.web.routes.test_pods import NOW, view

FLASK = view(name="flask-1", uid="uid-2", app="flask", restarts=0)


@pytest.fixture(autouse=True)
def pods(app: Flask) -> list[dict[str, Any]]:
    found = [view(), FLASK]
    app.extensions["hub"].pods = lambda: found
    app.extensions["pod_reader"] = MockPodReader(TARGETS, lambda: NOW)
    return found


def get(client: FlaskClient, query: str) -> TestResponse:
    return client.get(f"/api/logs?{query}", headers=AS_VIEWER)


def sources(client: FlaskClient, query: str) -> set[str]:
    answer = get(client, query)
    assert answer.content_type == "application/x-ndjson; charset=utf-8"
    records = [msgspec.json.decode(each) for each in answer.get_data().splitlines()]
    return {f"{each['pod']} {each['container']}" for each in records if "container" in each}


DATABASE = {"mongodb-0 mongod", "mongodb-0 sidecar", "mongodb-0 crash"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", DATABASE | {"flask-1 flask"}),
        ("app=flask", {"flask-1 flask"}),
        ("pod=uid-1", DATABASE),
        ("pod=uid-1&container=prepare", {"mongodb-0 prepare"}),
        ("pod=uid-1&container=mongod&previous=true", {"mongodb-0 mongod"}),
        ("app=nothing-yet", set()),
    ],
)
def test_query_chooses_the_sources(client: FlaskClient, query: str, expected: set[str]) -> None:
    assert sources(client, f"{query}&tail=5") == expected


def test_unknown_pod_is_404(client: FlaskClient) -> None:
    assert get(client, "pod=uid-9").status_code == 404


@pytest.mark.parametrize("query", ["tail=0", "tail=2001", "follow=1", "previous=x", "n=5", "app=a&app=b"])
def test_invalid_parameter_is_400(client: FlaskClient, query: str) -> None:
    assert get(client, query).status_code == 400


def test_logs_without_a_session_are_401(client: FlaskClient) -> None:
    assert client.get("/api/logs").status_code == 401


def test_viewer_has_a_maximum_of_streams_and_leaves_some_to_others(client: FlaskClient) -> None:
    answers = [get(client, "follow=true") for _ in range(MOST_OF_A_VIEWER)]
    refused = get(client, "follow=true")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    other = client.get("/api/logs?tail=5", headers=AS_VIEWER, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert other.status_code == 200
    for answer in answers:
        answer.close()
    assert get(client, "tail=5").status_code == 200


def test_too_many_streams_in_all_are_503(app: Flask, client: FlaskClient) -> None:
    app.extensions["log_streams"] = LogStreams(0)
    assert get(client, "").status_code == 503
