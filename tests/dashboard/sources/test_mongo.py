"""The MongoDB source, against a mongod that is killed and restarted."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Code, Decimal128, Int64, ObjectId, encode
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from dashboard.core import events
from dashboard.sources import mongo
from dashboard.sources.mongo import NEWEST_DOCUMENTS, Correction, MongoSource, plain, shown
from tests.dashboard.stubs import Emitted
from tools.local.mongod import Mongod


@pytest.fixture
def collection(own_mongod: Mongod, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A new collection for each test."""
    with MongoClient[dict[str, Any]](own_mongod.uri) as client:
        yield client["dashboard_tests"][request.node.name[:60]]


@pytest.fixture
def source(
    own_mongod: Mongod, collection: Any, emitted: Emitted, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MongoSource]:
    monkeypatch.setattr(mongo, "AWAIT_MS", 100)  # how long `stop` waits
    mongo_source = MongoSource(own_mongod.uri, "dashboard_tests", collection.name, emitted)
    mongo_source.start()
    emitted.wait(lambda emitted: emitted.of(events.CollectionRead))
    yield mongo_source
    mongo_source.stop()


def last_read(emitted: Emitted) -> events.CollectionRead:
    read: events.CollectionRead = emitted.of(events.CollectionRead)[-1]
    return read


def keys(emitted: Emitted) -> list[Any]:
    """Return the `key` of each of the newest documents."""
    return [document.document.get("key") for document in last_read(emitted).newest]


def test_missing_collection_is_empty(source: MongoSource, emitted: Emitted) -> None:
    read = emitted.of(events.CollectionRead)[0]
    assert (read.count, read.size_bytes, read.newest) == (0, 0, [])
    assert read.version.startswith("6.0")


def test_inserted_document_is_emitted(source: MongoSource, collection: Any, emitted: Emitted) -> None:
    for number in range(5):
        inserted = collection.insert_one({"key": number}).inserted_id
        emitted.wait(lambda emitted, number=number: keys(emitted)[:1] == [number])
    newest = last_read(emitted).newest[0]
    assert (newest.id, newest.document, newest.truncated) == (str(inserted), {"key": 4}, False)
    assert newest.inserted.startswith(inserted.generation_time.strftime("%Y-%m-%dT%H:%M:%S"))
    assert last_read(emitted).count == 5


def test_newest_documents_come_first_up_to_the_limit(source: MongoSource, collection: Any, emitted: Emitted) -> None:
    collection.insert_many([{"key": number} for number in range(30)])
    emitted.wait(lambda emitted: keys(emitted) == list(range(29, 29 - NEWEST_DOCUMENTS, -1)))
    assert last_read(emitted).count == 30


def test_updates_deletions_and_a_drop_are_emitted(source: MongoSource, collection: Any, emitted: Emitted) -> None:
    ids = collection.insert_many([{"key": "a"}, {"key": "b"}]).inserted_ids
    emitted.wait(lambda emitted: keys(emitted) == ["b", "a"])
    collection.update_one({"_id": ids[0]}, {"$set": {"key": "c"}})
    emitted.wait(lambda emitted: keys(emitted) == ["b", "c"])
    collection.delete_one({"_id": ids[1]})
    emitted.wait(lambda emitted: keys(emitted) == ["c"])
    collection.drop()
    emitted.wait(lambda emitted: keys(emitted) == [])
    collection.insert_one({"key": "after the drop"})
    emitted.wait(lambda emitted: keys(emitted) == ["after the drop"])


def test_many_insertions_cause_few_events(source: MongoSource, collection: Any, emitted: Emitted) -> None:
    before, deadline, inserted = len(emitted), time.monotonic() + 1, 0
    while time.monotonic() < deadline:
        collection.insert_many([{"key": inserted + offset} for offset in range(200)])
        inserted += 200
    emitted.wait(lambda emitted: last_read(emitted).count == inserted)
    assert len(emitted) - before < inserted / 20


def test_operation_rate_does_not_count_the_sources_own_reads(
    source: MongoSource, collection: Any, emitted: Emitted
) -> None:
    emitted.wait(lambda emitted: emitted.of(events.OperationRate))
    assert emitted.of(events.OperationRate)[-1].per_second < 5
    collection.insert_many([{} for _ in range(300)])
    emitted.wait(lambda emitted: any(rate.per_second > 100 for rate in emitted.of(events.OperationRate)))


def test_volume_usage_is_emitted_repeatedly_after_the_first_read(
    own_mongod: Mongod, collection: Any, emitted: Emitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo, "SIZES_SECONDS", 0.05)
    source = MongoSource(own_mongod.uri, "dashboard_tests", collection.name, emitted)
    source.start()
    usage = emitted.wait(lambda emitted: emitted.of(events.VolumeUsage)[2:])[0]
    source.stop()
    assert 0 < usage.used_bytes < usage.total_bytes
    kinds = [type(event) for event in emitted]
    assert kinds.index(events.CollectionRead) < kinds.index(events.VolumeUsage)


@pytest.mark.parametrize("method", ["kill", "terminate"])
def test_source_recovers_with_the_database(
    method: str, own_mongod: Mongod, source: MongoSource, collection: Any, emitted: Emitted
) -> None:
    collection.insert_one({"key": "before"})
    emitted.wait(lambda emitted: keys(emitted) == ["before"])
    getattr(own_mongod, method)()
    emitted.wait(lambda emitted: isinstance(emitted[-1], events.MongoUnavailable))
    time.sleep(0.5)
    assert isinstance(emitted[-1], events.MongoUnavailable)
    before = len(emitted)  # the source may recover before start() returns
    own_mongod.start()
    emitted.wait(lambda emitted: any(isinstance(event, events.CollectionRead) for event in emitted[before:]))
    collection.insert_one({"key": "after"})
    emitted.wait(lambda emitted: keys(emitted) == ["after", "before"])


@pytest.mark.slow
def test_unreachable_database_is_down_and_stop_does_not_hang(emitted: Emitted) -> None:
    source = MongoSource("mongodb://127.0.0.1:9/?replicaSet=rs0", "none", "data", emitted)
    source.start()
    unavailable = emitted.wait(lambda emitted: emitted.of(events.MongoUnavailable))[0]
    assert "ServerSelectionTimeoutError" in unavailable.error
    stopped_at = time.monotonic()
    source.stop()
    assert time.monotonic() - stopped_at < 30
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mongo ")]


def test_large_documents_are_truncated(source: MongoSource, collection: Any, emitted: Emitted) -> None:
    collection.insert_one({"key": "x" * 5000})
    collection.insert_one({"key": "x" * 100_000})
    collection.insert_one({"key": "x" * 4000})
    emitted.wait(lambda emitted: len(last_read(emitted).newest) == 3)
    small, larger, large = last_read(emitted).newest
    assert (small.truncated, larger.truncated, large.truncated) == (False, True, True)
    assert large.document == {"…": "5010 bytes, too large to show"}
    assert "too large to show" in larger.document["…"]


def test_large_id_does_not_hide_the_other_documents(source: MongoSource, collection: Any, emitted: Emitted) -> None:
    collection.insert_many([{"_id": "x" * 3_000_000}, {"_id": {"x": "y" * 2_000}}, {"key": "small"}])
    emitted.wait(lambda emitted: len(last_read(emitted).newest) == 3)
    newest = last_read(emitted).newest
    assert [document.id for document in newest[1:]] == ['"…"', '"…" (2)']
    assert newest[0].document == {"key": "small"} and newest[2].truncated


# A binary of the deprecated subtype 2 repeats its length, which servers do not check.
UNDECODABLE = b"\x07\x00\x00\x00\x02\x63\x00\x00\x00abc"


def test_document_that_the_driver_cannot_decode_does_not_hide_the_others(
    source: MongoSource, collection: Any, emitted: Emitted
) -> None:
    undecodable_id = b"\x05_id\x00" + UNDECODABLE
    undecodable_field = b"\x07_id\x00" + ObjectId().binary + b"\x05key\x00" + UNDECODABLE
    for body in (undecodable_id, undecodable_field):
        collection.insert_one(RawBSONDocument((len(body) + 5).to_bytes(4, "little") + body + b"\x00"))
    good = collection.insert_one({"key": "good"}).inserted_id
    emitted.wait(lambda emitted: len(last_read(emitted).newest) == 3)
    newest = last_read(emitted).newest
    assert newest[0].id == str(good) and newest[0].document == {"key": "good"}
    assert newest[1].document == newest[2].document == {"…": "This document can't be shown."}
    assert not emitted.of(events.MongoUnavailable)


def test_values_without_a_json_type_are_extended_json() -> None:
    date = datetime(2026, 11, 24, 12, 0, 0, 500_000, UTC)
    document = {
        "date": date, "decimal": Decimal128("1.10"), "binary": b"\x00\x01", "id": ObjectId("a" * 24),
        "nan": float("nan"), "infinite": [float("inf"), float("-inf")], "long": Int64(2**53), "safe": Int64(5),
        "nested": {"$odd.key": None}, "code": [Code("a"), Code("b", {"c": 1})],
    }  # fmt: skip
    assert plain(document) == {
        "date": {"$date": "2026-11-24T12:00:00.500Z"}, "decimal": {"$numberDecimal": "1.10"},
        "binary": {"$binary": {"base64": "AAE=", "subType": "00"}}, "id": {"$oid": "a" * 24},
        "nan": {"$numberDouble": "NaN"}, "infinite": [{"$numberDouble": "Infinity"}, {"$numberDouble": "-Infinity"}],
        "long": 9007199254740992, "safe": 5, "nested": {"$odd.key": None},
        "code": [{"$code": "a"}, {"$code": "b", "$scope": {"c": 1}}],
    }  # fmt: skip


def test_document_with_a_number_that_javascript_would_round_has_text() -> None:
    def text(**document: Any) -> str | None:
        return shown({"_id": 1, "size": 30, "root": {"_id": 1} | document}).text

    assert text(n=2**53 + 1, exact=True) == '{"n":9007199254740993,"exact":true}'
    assert text(list=[{"whole": 1.0}]) == '{"list":[{"whole":1.0}]}'
    assert text(n=2**53 - 1, half=0.5, flag=True) is None


@pytest.mark.parametrize(("id_", "expected"), [("a" * 24, f'"{"a" * 24}"'), (7, "7"), ({"a": 1}, '{"a":1}')])
def test_id_of_another_type_is_json_without_a_time(id_: Any, expected: str) -> None:
    document = shown({"_id": id_, "size": 30, "root": {"_id": id_, "key": 1}})
    assert (document.id, document.inserted, document.document) == (expected, None, {"key": 1})


def test_count_is_exact_after_a_crash(
    own_mongod: Mongod, source: MongoSource, collection: Any, emitted: Emitted
) -> None:
    documents = [{"key": number, "text": "x" * 100} for number in range(500)]
    collection.insert_many(documents)
    emitted.wait(lambda emitted: last_read(emitted).count == 500)
    size = last_read(emitted).size_bytes
    own_mongod.kill()
    emitted.wait(lambda emitted: isinstance(emitted[-1], events.MongoUnavailable))
    before = len(emitted)
    own_mongod.start()
    emitted.wait(lambda emitted: any(isinstance(event, events.CollectionRead) for event in emitted[before:]))
    reads = emitted.wait(lambda emitted: [read for read in emitted.of(events.CollectionRead) if read.count == 500][-1:])
    assert reads[-1].size_bytes == size
    collection.delete_many({"key": {"$lt": 100}})
    emitted.wait(lambda emitted: last_read(emitted).count == 400)
    collection.delete_many({"key": {"$lt": 499}})  # more than MongoDB's own count, which the crash has made too low
    emitted.wait(lambda emitted: last_read(emitted).count == 1)
    collection.insert_many([{"text": "x" * 100} for _ in range(9)])
    emitted.wait(lambda emitted: last_read(emitted).count == 10)


class Miscounted:
    """A collection of 5 documents of 10 bytes, of which MongoDB's own figures say `figures`."""

    name = "data"
    figures = (2, 20)

    @property
    def database(self) -> "Miscounted":
        return self

    def command(self, *_: str) -> dict[str, int]:
        return dict(zip(("count", "size"), self.figures, strict=True))

    def aggregate(self, *_: Any, **__: Any) -> Iterator[dict[str, int]]:
        yield {"count": 5, "bytes": 50}


def test_documents_are_counted_again_after_a_validation() -> None:
    collection, correction = Miscounted(), Correction()
    correction.check(lambda: pytest.fail("there is nothing to correct"))
    assert correction.measure(collection) and correction.applied((2, 20)) == (5, 50)
    correction.check(lambda: 0)
    assert not correction.measure(collection)
    collection.figures = (5, 50)
    correction.check(lambda: 1)
    assert correction.measure(collection) and correction.applied((5, 50)) == (5, 50)


def test_validations_are_counted(source: MongoSource, collection: Any) -> None:
    collection.insert_one({})
    before = source._validations()
    collection.database.command("validate", collection.name)
    assert source._validations() == before + 1


LOOKALIKES: list[dict[str, Any]] = [
    {"$ref": "a", "$id": 1},
    {"a": {"$ref": "x", "$id": None, "$db": None, "b": {}}},
    {"a": [{"$ref": "x", "$id": {"$ref": "y", "$id": 2}}]},
    {"$ref": 7},
    {"$date": "never", "$oid": "1", "$numberLong": "x"},
    {"a.b": {"$set": {"": None}}},
]


def test_documents_that_look_like_references_or_extended_json_are_shown_unchanged(
    source: MongoSource, collection: Any, emitted: Emitted
) -> None:
    for document in LOOKALIKES:
        encoded = RawBSONDocument(encode({"_id": ObjectId(), **document}))
        collection.insert_one(encoded)
        emitted.wait(
            lambda emitted, document=document: (last_read(emitted).newest or [None])[0]
            and last_read(emitted).newest[0].document == document
        )
    assert not emitted.of(events.MongoUnavailable)


def test_document_that_cannot_be_decoded_does_not_hide_the_others(
    source: MongoSource, collection: Any, emitted: Emitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_on_poison(value: Any) -> Any:
        if value == "poison":
            raise ValueError("cannot be decoded")
        return original(value)

    original = plain
    monkeypatch.setattr(mongo, "plain", fail_on_poison)
    collection.insert_many([{"key": "good"}, {"key": "poison"}])
    emitted.wait(lambda emitted: keys(emitted) == [None, "good"])
    assert not emitted.of(events.MongoUnavailable)
