"""The metrics history over HTTP."""

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
from tests.dashboard.stubs import AS_VIEWER

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
T0 = START.timestamp()


@pytest.fixture
def record(app: Flask) -> Callable[[int, int], None]:
    """A function that has the hub apply some seconds of traffic. Its thread does not run."""
    hub: Hub = app.extensions["hub"]

    def record(seconds: int, first: int = 0) -> None:
        for second in range(first, first + seconds):
            counters = events.Counters(requests=second * 100, errors=second, buckets=())
            hub._apply(
                events.CountersScraped(at=rfc3339(START + timedelta(seconds=second)), pods={"flask-1": counters})
            )

    return record


def request(client: FlaskClient, query: str = "", **headers: str) -> TestResponse:
    return client.get(f"/api/history{query}", headers={**AS_VIEWER, **headers})


def history(answer: TestResponse) -> dict[str, Any]:
    assert answer.status_code == 200 and answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    data = gzip.decompress(answer.data) if answer.content_encoding == "gzip" else answer.data
    json: dict[str, Any] = orjson.loads(data)
    return json


def test_history_without_a_session_is_401(client: FlaskClient) -> None:
    answer = client.get("/api/history")
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")


def test_default_is_the_whole_history(client: FlaskClient, record: Any) -> None:
    record(4)
    json = history(request(client))
    assert set(json) == {"epoch", "as_of", "began", "tables", "pods"}
    assert json["tables"]["traffic"] == {
        "at": [T0 + 1, T0 + 2, T0 + 3],
        "requests": [100.0] * 3,
        "errors": [1.0] * 3,
        "p50_ms": [None] * 3,
        "p99_ms": [None] * 3,
    }
    assert {len(column) for name in ("load", "cpu", "replicas") for column in json["tables"][name].values()} == {0}


def test_since_selects_later_points_to_the_millisecond(client: FlaskClient, record: Any) -> None:
    record(4)
    assert history(request(client, f"?since={T0 + 2}"))["tables"]["traffic"]["at"] == [T0 + 3]
    assert history(request(client, f"?since={T0 + 1.999}"))["tables"]["traffic"]["at"] == [T0 + 2, T0 + 3]


def test_new_point_is_in_the_next_response(client: FlaskClient, record: Any) -> None:
    for seconds in range(2, 9):
        record(1, seconds - 1)
        assert len(history(request(client))["tables"]["traffic"]["at"]) == seconds - 2


@pytest.mark.parametrize("since", ["", "yesterday", "nan", "inf", "-inf", "1e999", "0x10", "1,5", "1_000", "\u0661"])
def test_invalid_since_is_400(client: FlaskClient, since: str) -> None:
    answer = request(client, f"?since={since}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert answer.json and "since" in answer.json["detail"]


def test_large_response_is_gzipped_if_accepted(client: FlaskClient, record: Any) -> None:
    record(1000)
    plain = request(client)
    gzipped = request(client, **{"Accept-Encoding": "br, gzip"})
    assert not plain.content_encoding and gzipped.content_encoding == "gzip"
    assert plain.headers["Vary"] == gzipped.headers["Vary"] == "Accept-Encoding"
    assert len(gzipped.data) < len(plain.data) / 4 and gzipped.content_length == len(gzipped.data)
    assert history(gzipped)["tables"] == history(plain)["tables"]


@pytest.mark.parametrize("accepted", ["br", "gzip;q=0", "identity"])
def test_response_is_not_gzipped_if_not_accepted(client: FlaskClient, record: Any, accepted: str) -> None:
    record(1000)
    assert not request(client, **{"Accept-Encoding": accepted}).content_encoding


def test_small_response_is_not_gzipped(client: FlaskClient, record: Any) -> None:
    record(2)
    assert not request(client, **{"Accept-Encoding": "gzip"}).content_encoding


def test_concurrent_requests_share_a_response(app: Flask, record: Any, monkeypatch: Any) -> None:
    record(3000)
    hub: Hub = app.extensions["hub"]
    calls: list[float] = []
    read = hub.history

    def count_and_read(since: float) -> bytes:
        calls.append(since)
        return read(since)

    monkeypatch.setattr(hub, "history", count_and_read)
    responses: list[TestResponse] = []
    clients = [
        threading.Thread(target=lambda: responses.append(request(app.test_client(), **{"Accept-Encoding": "gzip"})))
        for _ in range(100)
    ]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert {len(history(answer)["tables"]["traffic"]["at"]) for answer in responses} == {2999}
    assert len(responses) == 100 and len(calls) < 50  # one for each second


def test_cache_keeps_the_newest_responses() -> None:
    cache = ResponseCache()
    for key in range(100):
        assert cache.get(key, lambda: b"new") == b"new"
    assert len(cache._kept) == KEPT
    assert cache.get(99, lambda: b"newer") == b"new"
    assert cache.get(0, lambda: b"newer") == b"newer"


def test_cache_does_not_keep_failures() -> None:
    def fail() -> bytes:
        raise OSError

    cache = ResponseCache()
    with pytest.raises(OSError):
        cache.get("key", fail)
    assert cache.get("key", lambda: b"made") == b"made"
