"""What scripts and the page ask over HTTP."""

import gzip
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.core import events
from dashboard.core.timestamps import rfc3339
from dashboard.web.hub import Hub
from dashboard.web.response_cache import KEPT, ResponseCache
from tests.dashboard.stubs import VIEWER

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
T0 = START.timestamp()
SIGNED_IN = {"Authorization": f"Bearer {VIEWER}"}


@pytest.fixture
def record(app: Flask) -> Callable[[int, int], None]:
    """Has the hub hear of some seconds of traffic, as if its loop had run."""
    hub: Hub = app.extensions["hub"]

    def record(seconds: int, first: int = 0) -> None:
        for second in range(first, first + seconds):
            counters = events.Counters(requests=second * 100, errors=second, buckets=())
            hub._apply(
                events.CountersScraped(at=rfc3339(START + timedelta(seconds=second)), pods={"flask-1": counters})
            )

    return record


def ask(client: FlaskClient, query: str = "", **headers: str) -> TestResponse:
    return client.get(f"/api/history{query}", headers={**SIGNED_IN, **headers})


def history(answer: TestResponse) -> dict[str, Any]:
    assert answer.status_code == 200 and answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    data = gzip.decompress(answer.data) if answer.content_encoding == "gzip" else answer.data
    found: dict[str, Any] = orjson.loads(data)
    return found


def test_history_needs_a_session(client: FlaskClient) -> None:
    answer = client.get("/api/history")
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")


def test_without_a_since_all_of_the_history_is_told(client: FlaskClient, record: Any) -> None:
    record(4)
    told = history(ask(client))
    assert set(told) == {"epoch", "as_of", "tables", "pods"}
    assert told["tables"]["traffic"] == {
        "at": [T0 + 1, T0 + 2, T0 + 3],
        "requests": [100.0] * 3,
        "errors": [1.0] * 3,
        "p50_ms": [None] * 3,
        "p99_ms": [None] * 3,
    }
    assert {len(column) for name in ("load", "cpu", "replicas") for column in told["tables"][name].values()} == {0}


def test_only_points_after_since_are_told_down_to_the_millisecond(client: FlaskClient, record: Any) -> None:
    record(4)
    assert history(ask(client, f"?since={T0 + 2}"))["tables"]["traffic"]["at"] == [T0 + 3]
    assert history(ask(client, f"?since={T0 + 1.999}"))["tables"]["traffic"]["at"] == [T0 + 2, T0 + 3]


def test_point_that_came_this_moment_is_in_the_next_answer(client: FlaskClient, record: Any) -> None:
    for seconds in range(2, 9):
        record(1, seconds - 1)
        assert len(history(ask(client))["tables"]["traffic"]["at"]) == seconds - 2


@pytest.mark.parametrize("since", ["", "yesterday", "nan", "inf", "-inf", "1e999", "0x10", "1,5"])
def test_since_that_is_no_number_is_refused(client: FlaskClient, since: str) -> None:
    answer = ask(client, f"?since={since}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert answer.json and "since" in answer.json["detail"]


def test_large_response_is_gzipped_if_accepted(client: FlaskClient, record: Any) -> None:
    record(1000)
    plain = ask(client)
    packed = ask(client, **{"Accept-Encoding": "br, gzip"})
    assert not plain.content_encoding and packed.content_encoding == "gzip"
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert len(packed.data) < len(plain.data) / 4 and packed.content_length == len(packed.data)
    assert history(packed)["tables"] == history(plain)["tables"]


@pytest.mark.parametrize("accepted", ["br", "gzip;q=0", "identity"])
def test_nothing_is_packed_for_others(client: FlaskClient, record: Any, accepted: str) -> None:
    record(1000)
    assert not ask(client, **{"Accept-Encoding": accepted}).content_encoding


def test_small_answer_is_not_packed(client: FlaskClient, record: Any) -> None:
    record(2)
    assert not ask(client, **{"Accept-Encoding": "gzip"}).content_encoding


def test_pages_that_come_back_together_share_one_answer(app: Flask, record: Any, monkeypatch: Any) -> None:
    record(3000)
    hub: Hub = app.extensions["hub"]
    made: list[float] = []
    make = hub.history

    def count_and_make(since: float) -> bytes:
        made.append(since)
        return make(since)

    monkeypatch.setattr(hub, "history", count_and_make)
    answers: list[TestResponse] = []
    pages = [
        threading.Thread(target=lambda: answers.append(ask(app.test_client(), **{"Accept-Encoding": "gzip"})))
        for _ in range(100)
    ]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    assert {len(history(answer)["tables"]["traffic"]["at"]) for answer in answers} == {2999}
    assert len(answers) == 100 and len(made) < 50  # one for each second that it took


def test_few_answers_are_kept() -> None:
    answers = ResponseCache()
    for key in range(100):
        assert answers.get(key, lambda: b"new") == b"new"
    assert len(answers._kept) == KEPT
    assert answers.get(99, lambda: b"newer") == b"new"
    assert answers.get(0, lambda: b"newer") == b"newer"


def test_answer_that_could_not_be_made_is_made_again() -> None:
    def fail() -> bytes:
        raise OSError

    answers = ResponseCache()
    with pytest.raises(OSError):
        answers.get("key", fail)
    assert answers.get("key", lambda: b"made") == b"made"
