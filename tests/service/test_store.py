"""Inserts that share a command, on a real MongoDB: each document has its own outcome."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import bson
import pytest
from bson.objectid import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient
from pymongo import collection as driver
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
)
from werkzeug.test import TestResponse

from service import health
from service.app import create_app
from service.config import ServiceConfig
from service.store.client import Store
from service.store.collection import LARGEST_INSERT_BYTES, Collection, EncodedDocument
from service.store.outcomes import Rejected, Replaced, StoreError
from tests.service.conftest import DATABASE
from tests.service.interceptor import Interceptor
from tests.service.process import wait_until
from tools.local.mongod import Mongod

Documents = driver.Collection[dict[str, Any]]
SECONDS = 30.0
VALIDATOR = {"forbidden": {"$exists": False}}


class Together:
    """Makes inserts share a command: they wait while another one is held back."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        self._app = app
        self.store = app.extensions["service"].store
        self.collection: Collection = self.store._collections[0]
        self.batches: list[int] = []  # documents of each execution
        self.insert_all = self.collection._insert_all
        self.before: Callable[[int], object] = lambda number: None  # is called before the first execution, the second …
        self._held = threading.Event()
        monkeypatch.setattr(self.collection._inserts, "_patience", SECONDS)
        monkeypatch.setattr(self.collection, "_insert_all", self._execute)

    def post(self, *documents: object) -> list[TestResponse]:
        """Post each document from a thread of its own."""

        def post(document: object) -> TestResponse:
            return self._app.test_client().post("/data", json=document)

        return self.do(post, *documents)

    def do(self, write: Callable[[Any], Any], *arguments: Any) -> list[Any]:
        """Return what `write` returns for each argument."""
        self.batches.clear()
        self._held.clear()
        with ThreadPoolExecutor(len(arguments) + 1) as pool:
            first = pool.submit(self._app.test_client().post, "/data", json={"first": True})
            wait_until(lambda: len(self.batches) == 1, SECONDS)
            self.waiting = self.collection._inserts._queues["insert"]._waiting
            writes: list[Future[Any]] = []
            for each in arguments:
                writes.append(pool.submit(write, each))
                wait_until(lambda: len(self.waiting) == len(writes), SECONDS)
            self._held.set()
            assert first.result(SECONDS).status_code == 201
            return [each.result(SECONDS) for each in writes]

    def _execute(self, insertions: Sequence[Any], seconds: float) -> Any:
        self.batches.append(len(insertions))
        number = len(self.batches)
        assert self._held.wait(SECONDS)
        self.before(number)
        return self.insert_all(insertions, seconds)


@pytest.fixture
def together(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Together:
    return Together(app, monkeypatch)


@pytest.fixture
def validated(collection: Documents) -> Iterator[Documents]:
    """The collection, whose validator refuses documents with the name `forbidden`."""
    collection.insert_one({})
    collection.database.command("collMod", collection.name, validator=VALIDATOR)
    yield collection
    collection.database.command("collMod", collection.name, validator={})


def check_outcomes(together: Together, collection: Documents) -> None:
    """Post documents of every kind in one command, and assert that each gets its own answer."""
    kept, twice, again = (ObjectId() for _ in range(3))
    collection.insert_one({"_id": kept, "a": 1})
    sent: list[tuple[dict[str, Any], int, str | None]] = [
        ({"new": 1}, 201, None),
        ({"forbidden": 1}, 500, "not-applied"),
        ({"_id": str(kept), "a": 1}, 200, None),
        ({"_id": str(kept), "a": 2}, 409, None),
        ({"_id": str(twice), "b": 1}, 201, None),
        ({"_id": str(twice), "b": 1}, 200, None),
        ({"_id": str(again), "c": 1}, 201, None),
        ({"_id": str(again), "c": 2}, 409, None),
        ({"new": 2}, 201, None),
    ]
    responses = together.post(*(document for document, _, _ in sent))
    assert together.batches == [1, len(sent)]
    assert [each.status_code for each in responses] == [status for _, status, _ in sent]
    assert [each.get_json().get("outcome") for each in responses] == [outcome for _, _, outcome in sent]
    for (document, status, _), response in zip(sent, responses, strict=True):
        if status in (200, 201):
            identity = response.get_json()["id"]
            assert document.get("_id", identity) == identity
            stored = collection.find_one({"_id": ObjectId(identity)}, {"_id": False})
            assert stored == {name: value for name, value in document.items() if name != "_id"}
    assert collection.count_documents({"forbidden": {"$exists": True}}) == 0
    assert collection.count_documents({"a": 2}) == collection.count_documents({"c": 2}) == 0


def test_each_document_of_a_command_has_its_own_outcome(together: Together, validated: Documents) -> None:
    check_outcomes(together, validated)


@pytest.mark.parametrize("wrong", ["all are stored", "in another order", "the first error is everyone's"])
def test_wrong_outcomes_are_noticed(together: Together, validated: Documents, wrong: str) -> None:
    """The check above can fail."""
    right = together.insert_all

    def insert_all(insertions: Sequence[Any], seconds: float) -> list[Any]:
        results = right(insertions, seconds)
        if wrong == "all are stored":
            return [None] * len(results)
        if wrong == "in another order":
            return results[::-1]
        return [next(filter(None, results), None)] * len(results)

    together.insert_all = insert_all
    with pytest.raises(AssertionError):
        check_outcomes(together, validated)


def test_too_large_document_fails_no_other(
    together: Together, collection: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No body becomes so large. MongoDB takes 16 MiB, and a little more from the driver."""

    def insert(size: int) -> object:
        identity = ObjectId()
        try:
            content = bson.encode({"_id": identity, "text": "x" * size})
            return together.collection.insert(EncodedDocument(str(identity), content)).is_new
        except (StoreError, DocumentTooLarge) as error:
            return type(error)

    sizes = (10, (16 << 20) + 100, 10, 17 << 20, 10)
    for largest, batches in ((LARGEST_INSERT_BYTES, [1, 1, 1, 1, 1, 1]), (1 << 30, [1, 5, 1, 1, 1, 1, 1])):
        monkeypatch.setattr(together.collection._inserts, "_bounds", (100, largest))
        assert together.do(insert, *sizes) == [True, Rejected, True, DocumentTooLarge, True]
        assert together.batches == batches
    assert collection.count_documents({"text": {"$exists": True}}) == 6


def test_command_that_the_driver_retries_stores_each_document_once(
    mongod: Mongod, outside: MongoClient[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = f"retried_{ObjectId()}"
    identity = ObjectId()
    documents = outside[database].data
    documents.insert_one({"_id": identity, "a": 1})
    with Interceptor(mongod.port) as interceptor:
        app = create_app(ServiceConfig(f"mongodb://127.0.0.1:{interceptor.port}/?directConnection=true", database))
        try:
            together = Together(app, monkeypatch)
            together.before = lambda number: number == 2 and interceptor.armed.set()
            responses = together.post({"_id": str(identity), "a": 2}, *({"number": number} for number in range(5)))
        finally:
            app.extensions["service"].store.close()
    assert together.batches == [1, 6]
    assert not interceptor.armed.is_set()
    assert [each.status_code for each in responses] == [409, *[201] * 5]
    assert documents.count_documents({"number": {"$exists": True}}) == 5
    assert documents.find_one({"_id": identity}) == {"_id": identity, "a": 1}


class Failing:
    """A driver's collection that sends each command once, with these errors."""

    def __init__(self, store: Store, several: PyMongoError, one: PyMongoError) -> None:
        self._store = store
        self._several = several
        self._one = one

    def insert_one(self, document: object) -> None:
        self._store.attempts.sent += 1
        raise self._one

    def insert_many(self, documents: list[object], ordered: bool) -> None:
        self._store.attempts.sent += 1
        raise self._several


REFUSED = {"index": 0, "code": 121, "errmsg": "Document failed validation"}
CONCERN = {"code": 100, "errmsg": "Not enough data-bearing nodes"}


@pytest.mark.parametrize(
    ("several", "one", "status", "outcome"),
    [
        (
            BulkWriteError({"writeErrors": [REFUSED], "writeConcernErrors": [CONCERN]}),
            WriteConcernError("Not enough data-bearing nodes", 100),
            504,
            "unknown",
        ),
        (OperationFailure("not authorized", 13), OperationFailure("not authorized", 13), 500, "not-applied"),
        (OperationFailure("operation was interrupted", 11601), OperationFailure("not authorized", 13), 504, "unknown"),
        (AutoReconnect("connection closed"), OperationFailure("not authorized", 13), 504, "unknown"),
    ],
)
def test_outcome_of_a_command_that_fails_as_a_whole(
    together: Together, several: PyMongoError, one: PyMongoError, status: int, outcome: str
) -> None:
    real: Any = together.collection._collection
    failing: Any = Failing(together.store, several, one)

    def before(number: int) -> None:
        together.collection._collection = failing if number > 1 else real

    together.before = before
    try:
        responses = together.post({}, {}, {})
    finally:
        together.collection._collection = real
    assert together.batches == [1, 3, 1, 1, 1]
    assert [(each.status_code, each.get_json()["outcome"]) for each in responses] == [(status, outcome)] * 3
    assert len({each.get_json().get("id") for each in responses}) == (3 if outcome == "unknown" else 1)


class SteppingDown:
    """The driver's collection, whose primary refuses documents one by one for a while, as when it steps down."""

    def __init__(self, store: Any, real: Any, times: int) -> None:
        self._store = store
        self._real = real
        self._times = times

    def __getattr__(self, name: str) -> Any:
        write = getattr(self._real, name)
        if name not in ("insert_one", "insert_many", "update_one", "delete_one"):
            return write

        def refuse(*arguments: Any, **options: Any) -> Any:
            if self._times == 0:
                return write(*arguments, **options)
            self._times -= 1
            self._store.attempts.sent += 1
            if name != "insert_many":
                raise WriteError(NOT_PRIMARY["errmsg"], 10107)
            first, *others = arguments[0]
            self._real.insert_one(first)
            errors = [NOT_PRIMARY | {"index": number + 1} for number in range(len(others))]
            raise BulkWriteError({"writeErrors": errors, "writeConcernErrors": []})

        return refuse


NOT_PRIMARY: dict[str, Any] = {"index": 0, "code": 10107, "errmsg": "Not primary while writing to flask_db.data"}


def test_documents_that_a_former_primary_refuses_one_by_one_are_sent_again(
    together: Together, collection: Documents
) -> None:
    real: Any = together.collection._collection
    stepping: Any = SteppingDown(together.store, real, times=2)

    def before(number: int) -> None:
        together.collection._collection = stepping if number > 1 else real

    together.before = before
    try:
        responses = together.post({"n": 1}, {"n": 2}, {"n": 3}, {"n": 4})
    finally:
        together.collection._collection = real
    assert [each.status_code for each in responses] == [201] * 4
    assert sorted(each["n"] for each in collection.find({"n": {"$exists": True}})) == [1, 2, 3, 4]


def test_single_writes_that_a_former_primary_refuses_are_sent_again(together: Together, client: FlaskClient) -> None:
    real: Any = together.collection._collection
    together._held.set()
    identity = str(ObjectId())
    try:
        for write, status in ((client.post, 201), (client.put, 200), (client.delete, 204)):
            together.collection._collection = SteppingDown(together.store, real, times=2)
            path = "/data" if status == 201 else f"/data/{identity}"
            response = write(path, json=None if status == 204 else {"_id": identity})
            assert response.status_code == status
    finally:
        together.collection._collection = real


class Interrupting:
    """The driver's collection, whose first insertions of one document end in these errors. `stores`: those that are no
    refusals are stored nevertheless."""

    def __init__(self, store: Any, real: Any, *errors: PyMongoError, stores: bool = False) -> None:
        self._store = store
        self._real = real
        self._errors = [*errors]
        self._stores = stores

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def insert_one(self, document: Any) -> Any:
        if not self._errors:
            return self._real.insert_one(document)
        error = self._errors.pop(0)
        if self._stores and not isinstance(error, WriteError):
            self._real.insert_one(document)
        else:
            self._store.attempts.sent += 1
        raise error


@pytest.mark.parametrize(
    ("errors", "stores"),
    [
        ([WriteError(NOT_PRIMARY["errmsg"], 10107), OperationFailure("Cache Reader No keys found", 211)], False),
        ([WriteError(NOT_PRIMARY["errmsg"], 10107), WriteConcernError("interrupted", 11602)], False),
        ([WriteError(NOT_PRIMARY["errmsg"], 10107), *[AutoReconnect("connection closed")] * 2], False),
        ([WriteError(NOT_PRIMARY["errmsg"], 10107), WriteConcernError("Replication is being shut down", 91)], True),
    ],
)
def test_document_that_a_change_of_the_primary_interrupts_is_stored_once(
    together: Together, client: FlaskClient, collection: Documents, errors: list[PyMongoError], stores: bool
) -> None:
    real: Any = together.collection._collection
    together._held.set()
    together.collection._collection = Interrupting(together.store, real, *errors, stores=stores)
    try:
        response = client.post("/data", json={"interrupted": len(errors)})
    finally:
        together.collection._collection = real
    assert response.status_code == 201
    assert collection.count_documents({"interrupted": len(errors)}) == 1


def test_document_that_is_rejected_after_a_refusal_is_not_sent_again(together: Together, client: FlaskClient) -> None:
    real: Any = together.collection._collection
    together._held.set()
    errors = [WriteError(NOT_PRIMARY["errmsg"], 10107), OperationFailure("not authorized", 13)]
    together.collection._collection = Interrupting(together.store, real, *errors)
    try:
        response = client.post("/data", json={})
    finally:
        together.collection._collection = real
    assert response.status_code == 504 and response.get_json()["outcome"] == "unknown"


def test_document_that_was_replaced_after_a_try_without_an_answer_is_no_conflict(
    together: Together, client: FlaskClient, collection: Documents
) -> None:
    real: Any = together.collection._collection
    together._held.set()
    key = ObjectId()
    refused, lost = WriteError(NOT_PRIMARY["errmsg"], 10107), AutoReconnect("connection closed")

    class Replaced(Interrupting):
        def insert_one(self, document: Any) -> Any:
            try:
                return super().insert_one(document)
            finally:
                if self._errors == []:  # the last try was stored
                    self._real.replace_one({"_id": key}, {"n": 2})

    together.collection._collection = Replaced(together.store, real, refused, lost, stores=True)
    try:
        response = client.post("/data", json={"_id": str(key), "n": 1})
    finally:
        together.collection._collection = real
    assert response.status_code == 504 and response.get_json()["outcome"] == "unknown"
    assert collection.find_one({"_id": key}) == {"_id": key, "n": 2}


QUIESCE = NotPrimaryError("The server is in quiesce mode and will shut down", {"code": 91, "ok": 0})


class ShuttingDown:
    """The driver's collection, which can't open a connection to the primary for a while, and so sends nothing."""

    def __init__(self, real: Any, times: int) -> None:
        self._real = real
        self._times = times

    def __getattr__(self, name: str) -> Any:
        write = getattr(self._real, name)

        def refuse(*arguments: Any, **options: Any) -> Any:
            if self._times == 0:
                return write(*arguments, **options)
            self._times -= 1
            raise QUIESCE

        return refuse if name in ("insert_one", "replace_one", "delete_one") else write


def test_writes_are_sent_again_while_the_primary_shuts_down(together: Together, client: FlaskClient) -> None:
    real: Any = together.collection._collection
    together._held.set()
    identity = str(ObjectId())
    try:
        for write, status in ((client.post, 201), (client.put, 200), (client.delete, 204)):
            together.collection._collection = ShuttingDown(real, times=2)
            path = "/data" if status == 201 else f"/data/{identity}"
            response = write(path, json=None if status == 204 else {"_id": identity})
            assert response.status_code == status
    finally:
        together.collection._collection = real


def test_former_primary_that_stays_one_ends_in_an_unknown_outcome(hurried: Together) -> None:
    real: Any = hurried.collection._collection
    hurried._held.set()
    hurried.collection._collection = SteppingDown(hurried.store, real, times=10_000)
    try:
        response = hurried._app.test_client().post("/data", json={})
    finally:
        hurried.collection._collection = real
    assert response.status_code == 504 and response.get_json()["outcome"] == "unknown"


class FailingMongod(Mongod):
    """A mongod that fails commands on request."""

    def _command(self) -> list[str]:
        return [*super()._command(), "--setParameter", "enableTestCommands=1"]

    def fail(self, times: int, *commands: str) -> None:
        """Refuse the service's next commands as one that has just started does, and can't verify the cluster time."""
        data = {"errorCode": 211, "failCommands": commands, "appName": "flask-mongodb"}
        with MongoClient[dict[str, Any]](self.uri) as client:
            client.admin.command("configureFailPoint", "failCommand", mode={"times": times}, data=data)


@pytest.fixture(scope="module")
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FailingMongod]:
    with FailingMongod(tmp_path_factory.mktemp("starting")) as mongod:
        yield mongod


@pytest.mark.slow
def test_commands_that_a_starting_mongodb_refuses_are_sent_again(starting: FailingMongod) -> None:
    app = create_app(ServiceConfig(starting.uri))
    client = app.test_client()
    identity = str(ObjectId())
    path, document = f"/data/{identity}", {"_id": identity, "n": 1}

    def ask(method: str, url: str, *commands: str, json: Any = None, headers: Any = None) -> TestResponse:
        starting.fail(3, *commands)
        return client.open(url, method=method, json=json, headers=headers)

    assert ask("POST", "/data", "insert", json=document).status_code == 201
    assert ask("POST", "/data", "insert", "find", json=document).status_code == 200
    found = ask("GET", path, "find")
    assert found.get_json() == document
    assert ask("GET", "/data", "find").get_json() == [document]
    changed = ask("PUT", path, "find", "update", json={"n": 2}, headers={"If-Match": found.headers["ETag"]})
    assert changed.status_code == 200
    assert ask("PUT", path, "update", json={"$n": 3}).status_code == 200
    assert ask("DELETE", path, "delete").status_code == 204
    app.extensions["service"].store.close()


@pytest.mark.slow
def test_mongodb_that_does_not_finish_its_start_is_not_available(
    starting: FailingMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.collection.LEAST_SECONDS", 4.0)
    app = create_app(ServiceConfig(starting.uri, request_deadline=5.0))
    client = app.test_client()
    starting.fail(10_000, "insert", "find", "update", "delete")
    path = f"/data/{ObjectId()}"
    answers = [
        client.post("/data", json={}), client.put(path, json={}), client.delete(path), client.get(path),
        client.get("/data"),
    ]  # fmt: skip
    starting.fail(1, "none")
    assert [(each.status_code, each.get_json()["outcome"]) for each in answers] == [(503, "not-applied")] * 5
    assert client.post("/data", json={}).status_code == 201
    app.extensions["service"].store.close()


@pytest.fixture
def hurried(mongod: Mongod, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Together]:
    """An application on the same collection, with a short deadline."""
    app = create_app(ServiceConfig(mongod.uri, DATABASE, request_deadline=2.0))
    yield Together(app, monkeypatch)
    app.extensions["service"].store.close()


@pytest.mark.slow
def test_document_whose_time_is_over_before_its_turn_is_never_sent(hurried: Together, collection: Documents) -> None:
    hurried.before = lambda number: wait_until(lambda: not hurried.waiting, SECONDS)
    responses = hurried.post({"late": 1}, {"late": 2})
    assert hurried.batches == [1]
    assert [(each.status_code, each.get_json()["outcome"]) for each in responses] == [(503, "not-applied")] * 2
    assert [each for each in collection.find({}, {"_id": False})] == [{"first": True}]


@pytest.mark.slow
def test_outcome_is_unknown_while_the_shared_command_is_under_way(hurried: Together, collection: Documents) -> None:
    hurried.before = lambda number: number == 2 and time.sleep(3)
    leader, member = hurried.post({"slow": 1}, {"slow": 2})
    assert leader.status_code == 201
    assert (member.status_code, member.get_json()["outcome"]) == (504, "unknown")
    assert collection.find_one({"_id": ObjectId(member.get_json()["id"])}, {"_id": False}) == {"slow": 2}


@pytest.mark.slow
def test_service_goes_on_with_a_database_in_place_of_the_former_one(
    own_mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "REPLACED_SECONDS", 1.0)
    for _ in range(3):  # each start is an election
        own_mongod.kill()
        own_mongod.start()
    app = create_app(ServiceConfig(own_mongod.uri, request_deadline=2.0))
    client, parts = app.test_client(), app.extensions["service"]
    parts.health.reach(parts.store)
    assert client.post("/data", json={}).status_code == 201
    own_mongod.kill()
    shutil.rmtree(own_mongod.directory)
    own_mongod.start()
    assert client.post("/data", json={}).status_code == 503

    def is_replaced() -> bool:
        try:
            parts.store.reach()
        except StoreError as error:
            return isinstance(error, Replaced)
        return False

    def is_stored() -> bool:
        parts.health.check(parts.store)
        return client.post("/proofs", json={}).status_code == 201

    wait_until(is_replaced, 20)
    wait_until(is_stored, 30)
    assert len(client.get("/proofs").get_json()) == 1
    parts.store.close()


@pytest.mark.slow
def test_outcomes_are_true_while_mongodb_stalls_and_restarts(own_mongod: Mongod) -> None:
    """A document is stored if the answer was 201, and is not, then or later, if it was `not-applied`."""
    app = create_app(ServiceConfig(own_mongod.uri, request_deadline=1.0))
    outcomes: dict[str, str] = {}
    stop = threading.Event()

    def write() -> None:
        client = app.test_client()
        while not stop.is_set():
            identity = str(ObjectId())
            response = client.post("/data", json={"_id": identity})
            outcomes[identity] = "stored" if response.status_code == 201 else response.get_json()["outcome"]

    def wait_for(outcome: str, before: int) -> None:
        """Wait for an answer with this outcome after so many answers."""
        wait_until(lambda: outcome in [*outcomes.values()][before:], SECONDS)

    with ThreadPoolExecutor(16) as pool:
        writers = [pool.submit(write) for _ in range(16)]
        try:
            for _ in range(4):
                wait_for("stored", len(outcomes))
                assert own_mongod.pid
                before = len(outcomes)
                os.kill(own_mongod.pid, signal.SIGSTOP)
                wait_for("unknown", before)
                os.kill(own_mongod.pid, signal.SIGCONT)
                time.sleep(0.3)
                own_mongod.kill()
                wait_for("not-applied", len(outcomes))
                own_mongod.start()
        finally:
            stop.set()
        for writer in writers:
            writer.result(SECONDS)
    app.extensions["service"].store.close()
    assert {*outcomes.values()} == {"stored", "not-applied", "unknown"}
    with MongoClient[dict[str, Any]](own_mongod.uri) as client:
        stored = {str(each["_id"]) for each in client.flask_db.data.find({}, {"_id": True})}
    assert {each for each, outcome in outcomes.items() if outcome == "stored"} <= stored
    assert not {each for each, outcome in outcomes.items() if outcome == "not-applied"} & stored
