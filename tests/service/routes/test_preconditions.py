"""Conditional requests, on a real MongoDB: a document is changed only in the version that was seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import bson
import pytest
import requests
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient
from pymongo.collection import Collection
from werkzeug.test import TestResponse

from service.app import create_app
from service.config import ServiceConfig
from service.store import collection as collections
from service.store.collection import Collection as Stored
from tests.service.conftest import DATABASE
from tests.service.interceptor import Interceptor
from tests.service.process import ServiceProcess
from tests.service.routes.test_documents import FOREIGN, ID
from tools.local.mongod import Mongod

Documents = Collection[dict[str, Any]]
PATH = f"/data/{ID}"
KEY = ObjectId(ID)
UNSEEN = '"0123456789abcdef0123456789abcdef"'
WRITERS, ROUNDS = 6, 15


@pytest.fixture
def commands(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the commands that the service sends from now on."""
    sent: list[str] = []
    metrics = app.extensions["service"].metrics
    monkeypatch.setattr(metrics, "command", lambda name, outcome, seconds: sent.append(name))
    return sent


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service with a defect: it reads, compares, and then writes whatever is there."""
    monkeypatch.setattr(Stored, "_unchanged", lambda self, found: {"_id": found.key})


def put(client: FlaskClient, document: object, if_match: str | None = None, path: str = PATH) -> TestResponse:
    return client.put(path, json=document, headers={"If-Match": if_match} if if_match else {})


def etag(client: FlaskClient, path: str = PATH) -> str:
    return client.get(path).headers["ETag"]


@pytest.mark.parametrize("name", ["data", "proofs"])
def test_every_answer_with_a_document_has_its_etag(client: FlaskClient, name: str) -> None:
    path = f"/{name}/{ID}"
    posted, again = (client.post(f"/{name}", json={"_id": ID, "n": 1}) for _ in range(2))
    assert (posted.status_code, again.status_code) == (201, 200)
    replaced = client.put(path, json={"n": 2})
    assert posted.headers["ETag"] == again.headers["ETag"] != replaced.headers["ETag"]
    assert replaced.headers["ETag"] == etag(client, path) == client.head(path).headers["ETag"]
    assert client.put(path, json={"n": 1}).headers["ETag"] == posted.headers["ETag"]  # it names the content
    assert "ETag" not in client.get(f"/{name}").headers
    assert "ETag" not in client.delete(path).headers


def test_etag_differs_with_types_names_and_their_order(client: FlaskClient) -> None:
    client.post("/data", json={"_id": ID})
    bodies = ['{"n":1}', '{"n":1.0}', '{"n":true}', '{"n":"1"}', '{"n":[1]}', '{"a":1,"n":1}', '{"n":1,"a":1}', "{}"]
    bodies += ['{"n":4294967296}', '{"n":4294967296.0}', '{"n":0.0}', '{"n":-0.0}']
    tags = [client.put(PATH, data=body, content_type="application/json").headers["ETag"] for body in bodies]
    assert len(set(tags)) == len(bodies)


@pytest.mark.parametrize("name", ["data", "proofs"])
def test_repeated_post_has_the_etag_of_what_is_stored(client: FlaskClient, name: str) -> None:
    path = f"/{name}/{ID}"
    client.post(f"/{name}", data=f'{{"_id":"{ID}","a":1,"b":{{"c":2,"d":3}}}}', content_type="application/json")
    again = f'{{"b":{{"d":3,"c":2}},"_id":"{ID}","a":1}}'
    response = client.post(f"/{name}", data=again, content_type="application/json")
    assert (response.status_code, response.headers["ETag"]) == (200, etag(client, path))
    assert client.put(path, json={}, headers={"If-Match": response.headers["ETag"]}).status_code == 200


@pytest.mark.parametrize("if_match", [None, "SEEN"])
@pytest.mark.parametrize("name", ["data", "proofs"])
@pytest.mark.parametrize("key", [ID, ID.upper()])
def test_put_on_a_text_id_has_the_etag_of_what_is_stored(
    client: FlaskClient, outside: MongoClient[dict[str, Any]], name: str, key: str, if_match: str | None
) -> None:
    outside[DATABASE][name].insert_one({"_id": key, "n": 1})
    path = f"/{name}/{key}"
    if_match = if_match and etag(client, path)
    response = put(client, {"b": [2], "a": {}}, if_match, path)
    assert (response.status_code, response.headers["ETag"]) == (200, etag(client, path))
    assert response.get_json() == {"id": key}
    assert client.get(path).get_json() == {"_id": client.get(f"/{name}").get_json()[0]["_id"], "b": [2], "a": {}}
    assert outside[DATABASE][name].find_one({}, {"_id": True}) == {"_id": key}
    assert client.delete(path, headers={"If-Match": response.headers["ETag"]}).status_code == 204


def test_put_with_the_etag_that_was_seen_replaces(client: FlaskClient) -> None:
    client.post("/data", json={"_id": ID, "n": 1})
    response = put(client, {"n": 2}, etag(client))
    assert (response.status_code, response.headers["ETag"]) == (200, etag(client))
    assert client.get(PATH).get_json() == {"_id": ID, "n": 2}


def test_late_put_and_delete_are_412_with_the_present_etag_and_change_nothing(
    client: FlaskClient, commands: list[str]
) -> None:
    client.post("/data", json={"_id": ID, "n": 1})
    seen = etag(client)
    assert put(client, {"n": 2}, seen).status_code == 200
    now = etag(client)
    commands.clear()
    for response in (put(client, {"n": 3}, seen), client.delete(PATH, headers={"If-Match": seen})):
        assert (response.status_code, response.headers["ETag"]) == (412, now)
        assert response.content_type == "application/problem+json"
    assert commands == ["find", "find"]
    assert client.get(PATH).get_json() == {"_id": ID, "n": 2}
    assert client.delete(PATH, headers={"If-Match": now}).status_code == 204
    assert client.get(PATH).status_code == 404


def test_write_of_another_program_is_not_overwritten(client: FlaskClient, collection: Documents) -> None:
    client.post("/data", json={"_id": ID, "n": 1})
    seen = etag(client)
    collection.update_one({"_id": KEY}, {"$set": {"theirs": True}})
    assert put(client, {"n": 2}, seen).status_code == 412
    collection.update_one({"_id": KEY}, {"$unset": {"theirs": ""}})
    assert put(client, {"n": 2}, seen).status_code == 200  # the content is again what was seen


@pytest.mark.parametrize(
    ("headers", "get", "write"),
    [
        ({"If-Match": "*"}, 200, 200),
        ({"If-Match": "SEEN"}, 200, 200),
        ({"If-Match": f"{UNSEEN},, SEEN"}, 200, 200),
        ({"If-Match": "W/SEEN"}, 412, 412),
        ({"If-Match": UNSEEN}, 412, 412),
        ({"If-None-Match": "*"}, 304, 412),
        ({"If-None-Match": "W/SEEN"}, 304, 412),
        ({"If-None-Match": f"{UNSEEN}, SEEN"}, 304, 412),
        ({"If-None-Match": UNSEEN}, 200, 200),
        ({"If-Match": "SEEN", "If-None-Match": "SEEN"}, 304, 412),
        ({"If-Match": UNSEEN, "If-None-Match": "SEEN"}, 412, 412),
    ],
)
def test_both_headers_take_lists_weak_tags_and_the_asterisk(
    client: FlaskClient, headers: dict[str, str], get: int, write: int
) -> None:
    seen = client.post("/data", json={"_id": ID, "n": 1}).headers["ETag"]
    headers = {name: value.replace("SEEN", seen) for name, value in headers.items()}
    for method in (client.get, client.head):
        response = method(PATH, headers=headers)
        assert (response.status_code, response.headers["ETag"]) == (get, seen)
        assert response.status_code != 304 or not response.data
    assert client.delete(PATH, headers=headers).status_code == (204 if write == 200 else write)
    client.post("/data", json={"_id": ID, "n": 1})
    assert client.put(PATH, json={"n": 2}, headers=headers).status_code == write
    assert client.get(PATH).get_json()["n"] == (2 if write == 200 else 1)


@pytest.mark.parametrize("headers", [{"If-Match": "*"}, {"If-Match": UNSEEN}, {"If-None-Match": "*"}])
def test_precondition_about_no_document_is_404_and_creates_none(
    client: FlaskClient, collection: Documents, headers: dict[str, str]
) -> None:
    for path in (PATH, "/data/x"):
        assert client.get(path, headers=headers).status_code == 404
        assert client.put(path, json={"n": 1}, headers=headers).status_code == 404
        assert client.delete(path, headers=headers).status_code == 404
    assert list(collection.find()) == []


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["", "abc", '"a', "*, *", '"a" "b"'])
def test_malformed_header_is_400_and_asks_mongodb_nothing(
    client: FlaskClient, commands: list[str], name: str, value: str
) -> None:
    headers = {name: value}
    for response in (
        client.get(PATH, headers=headers),
        client.put(PATH, json={"n": 2}, headers=headers),
        client.delete(PATH, headers=headers),
    ):
        assert response.status_code == 400 and name in response.get_json()["detail"]
    assert commands == []


def test_several_headers_of_a_name_are_one_list(served: ServiceProcess) -> None:
    posted = requests.post(f"{served.url}/data", json={"n": 1}, timeout=30)
    url = f"{served.url}{posted.headers['Location']}"
    with requests.Session() as session:
        # A 304 has no body that the next answer on the connection could be taken for.
        for _ in range(3):
            unchanged = session.get(url, headers={"If-None-Match": posted.headers["ETag"]}, timeout=30)
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert "Content-Type" not in unchanged.headers
        several = {"If-Match": f"{UNSEEN}, {posted.headers['ETag']}"}
        assert session.put(url, json={"n": 2}, headers=several, timeout=30).status_code == 200
        assert session.delete(url, headers=several, timeout=30).status_code == 412
        assert session.delete(url, timeout=30).status_code == 204


def test_request_without_the_headers_is_one_command(client: FlaskClient, commands: list[str]) -> None:
    client.post("/data", json={"_id": ID})
    client.get(PATH)
    put(client, {"n": 1})
    put(client, {"n": 2}, "*")
    client.delete(PATH)
    assert commands == ["insert", "find", "update", "update", "delete"]


def test_request_with_them_is_one_command_more(client: FlaskClient, commands: list[str]) -> None:
    seen = client.post("/data", json={"_id": ID}).headers["ETag"]
    seen = put(client, {"n": 1}, seen).headers["ETag"]
    client.get(PATH, headers={"If-Match": seen})
    client.delete(PATH, headers={"If-Match": seen})
    assert commands == ["insert", "find", "update", "find", "find", "delete"]


@pytest.mark.parametrize("name", ["data", "proofs"])
def test_put_of_the_same_content_restarts_the_hour_and_keeps_the_etag(
    client: FlaskClient, outside: MongoClient[dict[str, Any]], name: str
) -> None:
    path, documents = f"/{name}/{ID}", outside[DATABASE][name]
    seen = client.post(f"/{name}", json={"_id": ID, "n": 1}).headers["ETag"]
    first = documents.find_one({"_id": KEY})
    assert put(client, {"n": 1}, seen, path).headers["ETag"] == seen
    assert (documents.find_one({"_id": KEY}) == first) is (name == "data")
    assert put(client, {"n": 2}, seen, path).status_code == 200
    assert put(client, {"n": 3}, seen, path).status_code == 412


def test_document_of_any_bson_types_and_names_is_compared(client: FlaskClient, collection: Documents) -> None:
    names = {"$set": {"$inc": 1}, "a.b": "$$ROOT", "": None, "$ref": "x", "$id": 1}
    collection.insert_one({"_id": KEY})
    raw = RawBSONDocument(bson.encode({"_id": KEY, **FOREIGN, **names}))
    collection.update_one({"_id": KEY}, [{"$replaceWith": {"$literal": raw}}])
    assert put(client, {"n": 1}, UNSEEN).status_code == 412
    assert put(client, {"n": 1}, etag(client)).status_code == 200


@pytest.mark.parametrize("write", ["put", "delete"])
def test_document_with_a_text_id_of_24_digits_is_compared(
    client: FlaskClient, collection: Documents, write: str
) -> None:
    collection.insert_one({"_id": ID, "n": 1})
    seen = etag(client)
    method: Callable[..., TestResponse] = getattr(client, write)
    body = {"json": {"n": 2}} if write == "put" else {}
    assert method(PATH, headers={"If-Match": UNSEEN}, **body).status_code == 412
    assert method(PATH, headers={"If-Match": seen}, **body).status_code in (200, 204)
    assert collection.find_one({"_id": ID}) == ({"_id": ID, "n": 2} if write == "put" else None)


def test_document_that_is_too_large_to_be_compared_is_422(
    client: FlaskClient, collection: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real one is too much for a busy mongod's cache.
    monkeypatch.setattr(collections, "LARGEST_COMPARED_BYTES", 1000)
    collection.insert_one({"_id": KEY, "text": "x" * 1000})
    seen = etag(client)
    assert put(client, {}, UNSEEN).status_code == 412
    for response in (put(client, {}, seen), client.delete(PATH, headers={"If-Match": seen})):
        assert response.status_code == 422
    assert put(client, {}).status_code == 200


def test_largest_document_of_the_service_is_compared(client: FlaskClient) -> None:
    body = b'{"a":[' + b"1," * ((1 << 19) - 5) + b"1]}"  # 6 MB of BSON, twice in one command
    seen = client.post("/data", data=body, content_type="application/json")
    path = seen.headers["Location"]
    headers = {"If-Match": seen.headers["ETag"]}
    assert client.put(path, data=body, content_type="application/json", headers=headers).status_code == 200
    assert client.delete(path, headers=headers).status_code == 204


def write_between(monkeypatch: pytest.MonkeyPatch, collection: Documents, change: dict[str, Any]) -> None:
    """Let another program write once between the service's comparison and its command."""
    right, changes = Stored._unchanged, [change]

    def unchanged(self: Stored, found: Any) -> Any:
        if changes:
            collection.update_one({"_id": KEY}, changes.pop())
        return right(self, found)

    monkeypatch.setattr(Stored, "_unchanged", unchanged)


CHANGES = [{"$set": {"n": 2}}, {"$set": {"n": 1.0}}, {"$set": {"m": 1}}, {"$rename": {"n": "m"}}, {"$set": {"n": [1]}}]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("write", ["put", "delete"])
def test_write_between_comparison_and_command_is_seen(
    client: FlaskClient, collection: Documents, monkeypatch: pytest.MonkeyPatch, write: str, change: dict[str, Any]
) -> None:
    seen = client.post("/data", json={"_id": ID, "n": 1}).headers["ETag"]
    write_between(monkeypatch, collection, change)
    headers = {"If-Match": seen}
    response = put(client, {"n": 3}, seen) if write == "put" else client.delete(PATH, headers=headers)
    assert (response.status_code, response.headers["ETag"]) == (412, etag(client))
    assert etag(client) != seen
    assert collection.count_documents({"n": 3}) == 0


def test_comparison_before_the_command_alone_would_overwrite(
    client: FlaskClient, collection: Documents, monkeypatch: pytest.MonkeyPatch, blind: None
) -> None:
    """The test above can fail."""
    seen = client.post("/data", json={"_id": ID, "n": 1}).headers["ETag"]
    write_between(monkeypatch, collection, {"$set": {"n": 2}})
    assert put(client, {"n": 3}, seen).status_code == 200


def test_deletion_between_comparison_and_command_is_404(
    client: FlaskClient, collection: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = client.post("/data", json={"_id": ID, "n": 1}).headers["ETag"]
    right = Stored._unchanged

    def unchanged(self: Stored, found: Any) -> Any:
        collection.delete_one({"_id": KEY})
        return right(self, found)

    monkeypatch.setattr(Stored, "_unchanged", unchanged)
    assert put(client, {"n": 3}, seen).status_code == 404
    assert list(collection.find()) == []


def test_allowed_write_is_tried_again_after_another_that_is_allowed_too(
    client: FlaskClient, collection: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/data", json={"_id": ID, "n": 1})
    write_between(monkeypatch, collection, {"$set": {"n": 2}})
    response = client.put(PATH, json={"n": 3}, headers={"If-None-Match": UNSEEN})
    assert (response.status_code, client.get(PATH).get_json()["n"]) == (200, 3)


def winners_of_each_round(app: Flask) -> list[int]:
    """Let writers replace one document at once, each round with the ETag that all have seen. Return how many did."""
    client = app.test_client()
    client.post("/data", json={"_id": ID})
    together = threading.Barrier(WRITERS)

    def write(writer: int, number: int, seen: str) -> tuple[int, int]:
        together.wait(30)
        return put(app.test_client(), {"round": number, "writer": writer}, seen).status_code, writer

    winners = []
    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(ROUNDS):
            seen = etag(client)
            answers = list(pool.map(write, range(WRITERS), [number] * WRITERS, [seen] * WRITERS))
            won = [writer for status, writer in answers if status == 200]
            assert {status for status, _ in answers} <= {200, 412}
            assert client.get(PATH).get_json()["writer"] in won
            winners.append(len(won))
    return winners


def test_exactly_one_of_several_concurrent_writers_wins(app: Flask, client: FlaskClient) -> None:
    assert winners_of_each_round(app) == [1] * ROUNDS


def test_more_than_one_would_win_without_the_comparison_in_the_command(
    app: Flask, client: FlaskClient, blind: None
) -> None:
    """The test above can fail."""
    assert max(winners_of_each_round(app)) > 1


def test_no_increment_of_concurrent_writers_is_lost(app: Flask, client: FlaskClient) -> None:
    client.post("/data", json={"_id": ID, "n": 0})

    def increment(times: int) -> None:
        own = app.test_client()
        while times:
            found = own.get(PATH)
            response = put(own, {"n": found.get_json()["n"] + 1}, found.headers["ETag"])
            assert response.status_code in (200, 412)
            times -= response.status_code == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(increment, [10] * 4))
    assert client.get(PATH).get_json() == {"_id": ID, "n": 40}


@pytest.fixture
def intercepted(mongod: Mongod, client: FlaskClient) -> Iterator[Callable[[str], tuple[FlaskClient, Interceptor]]]:
    """Return an application whose connection breaks, once armed, when MongoDB has applied this command."""
    opened: list[Any] = []

    def connect(command: str) -> tuple[FlaskClient, Interceptor]:
        interceptor = Interceptor(mongod.port, command.encode()).__enter__()
        app = create_app(ServiceConfig(f"mongodb://127.0.0.1:{interceptor.port}/?directConnection=true", DATABASE))
        opened.extend((app.extensions["service"].store.close, interceptor.__exit__))
        return app.test_client(), interceptor

    yield connect
    for close in opened:
        close()


@pytest.mark.parametrize("name", ["data", "proofs"])
def test_write_that_the_driver_repeats_is_its_own_success(
    intercepted: Callable[[str], tuple[FlaskClient, Interceptor]], client: FlaskClient, name: str
) -> None:
    path = f"/{name}/{ID}"
    seen = client.post(f"/{name}", json={"_id": ID, "n": 1}).headers["ETag"]
    breaking, interceptor = intercepted("update")
    assert breaking.get(path).status_code == 200
    interceptor.armed.set()
    response = put(breaking, {"n": 2}, seen, path)
    assert not interceptor.armed.is_set()
    assert (response.status_code, response.headers["ETag"]) == (200, etag(client, path))
    breaking, interceptor = intercepted("delete")
    assert breaking.get(path).status_code == 200
    interceptor.armed.set()
    assert breaking.delete(path, headers={"If-Match": etag(client, path)}).status_code == 204
    assert not interceptor.armed.is_set()
    assert client.get(path).status_code == 404


class Forgetful:
    """A driver's collection whose MongoDB has applied the first attempt, and knows nothing of it at the second."""

    def __init__(self, app: Flask, real: Any) -> None:
        self._attempts = app.extensions["service"].store.attempts
        self._real = real

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        return partial(self._twice, real) if name in ("update_one", "replace_one", "delete_one") else real

    def _twice(self, write: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        write(*arguments, **named)
        self._attempts.sent = 1
        return write(*arguments, **named)


@pytest.mark.parametrize("name", ["n", "$n"])
def test_repeated_write_that_may_have_been_applied_is_unknown(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    collection: Any = app.extensions["service"].store._collections[0]
    monkeypatch.setattr(collection, "_collection", Forgetful(app, collection._collection))
    seen = client.post("/data", json={"_id": ID, "n": 1}).headers["ETag"]
    response = put(client, {name: 2}, seen)
    assert (response.status_code, response.get_json()["outcome"], response.get_json()["id"]) == (504, "unknown", ID)
    assert client.get(PATH).get_json()[name] == 2
    assert client.delete(PATH, headers={"If-Match": etag(client)}).status_code == 204


@pytest.mark.slow
def test_write_is_not_applied_when_mongodb_cannot_be_asked_for_the_version() -> None:
    app = create_app(ServiceConfig("mongodb://127.0.0.1:1/", request_deadline=0.3))
    client = app.test_client()
    for response in (put(client, {}, UNSEEN), client.delete(PATH, headers={"If-Match": UNSEEN})):
        assert (response.status_code, response.get_json()["outcome"]) == (503, "not-applied")
    app.extensions["service"].store.close()
