"""Backups of a real MongoDB while it is written to, and what becomes of damaged ones."""

from __future__ import annotations

import errno
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.timestamp import Timestamp
from pymongo import MongoClient
from pymongo.database import Database as MongoDatabase
from pymongo.errors import BulkWriteError

from service.backup import archive
from service.backup.__main__ import main
from service.backup.archive import BackupError, Manifest, Writer
from service.backup.database import Database, _named_errors
from tests.service.sidecar.stateful_set import SECRET, scaled
from tools.local.mongod import Mongod

COLLECTIONS = ("data", "other")
KINDS: list[Any] = [{"a": 1}, {"a": 1.5, "b": [None, True]}, {"a": bson.Decimal128("1.10")}, {"a": b"\0", "": {}}]

Contents = dict[str, dict[Any, Any]]  # {collection: {_id: document}}


@pytest.fixture
def client(mongod: Mongod) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongod.uri, w="majority") as opened:
        for name in ("backed_up", "restored"):
            opened.drop_database(name)
        yield opened


@pytest.fixture
def environment(mongod: Mongod, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def put(**values: str) -> None:
        for name, value in {"MONGODB_URI": mongod.uri, "COLLECTIONS": ",".join(COLLECTIONS), **values}.items():
            monkeypatch.setenv(name, value)

    put(MONGODB_DATABASE="backed_up")
    return put


class Writing:
    """One writer, whose every operation depends on the one before: any moment is a number of operations."""

    def __init__(self, database: MongoDatabase[dict[str, Any]]) -> None:
        self._database = database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.operations = 0

    def __enter__(self) -> Writing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._stop.is_set():
            for collection, change, argument in operation(self.operations):
                getattr(self._database[collection], change)(*argument)
            self.operations += 1


def operation(number: int) -> list[tuple[str, str, tuple[Any, ...]]]:
    """Return the changes of one operation: the newest first in one collection, then in the other."""
    return [
        ("other", "insert_one", ({"_id": number, **KINDS[number % len(KINDS)]},)),
        ("data", "insert_one", ({"_id": -number},)),
        ("other", "update_one", ({"_id": number // 2}, {"$set": {"seen": number}})),
        ("data", "delete_one", ({"_id": -(number // 3)},)),
    ]


def moments(most: int) -> Iterator[Contents]:
    """Yield the contents after each change, from the first operation on."""
    contents: Contents = {name: {} for name in COLLECTIONS}
    for number in range(most + 1):
        for collection, change, argument in operation(number):
            found = contents[collection]
            if change == "insert_one":
                found[argument[0]["_id"]] = dict(argument[0])
            elif change == "update_one":
                found[argument[0]["_id"]] |= argument[1]["$set"]
            else:
                found.pop(argument[0]["_id"], None)
            yield contents


def contents_of(database: MongoDatabase[dict[str, Any]]) -> Contents:
    return {name: {each["_id"]: each for each in database[name].find()} for name in COLLECTIONS}


def in_backup(backup: Path) -> Contents:
    return {
        name: {each["_id"]: each for each in map(bson.decode, archive.documents(backup, name))} for name in COLLECTIONS
    }


def fill(database: MongoDatabase[dict[str, Any]], count: int = 20_000) -> None:
    """Insert documents that are read for a while."""
    database.data.insert_many({"_id": f"filling {number}", "text": "x" * 500} for number in range(count))


def without_filling(contents: Contents) -> Contents:
    return {
        name: {key: value for key, value in found.items() if not isinstance(key, str)}
        for name, found in contents.items()
    }


def test_backup_under_writers_is_of_one_moment_and_its_restoration_equals_it(
    client: MongoClient[dict[str, Any]], environment: Callable[..., None], tmp_path: Path
) -> None:
    fill(client.backed_up)
    with Writing(client.backed_up) as writing:
        wait(lambda: writing.operations > 50)
        before = writing.operations
        main(["create", str(tmp_path)])
        after = writing.operations
        backup = archive.find(tmp_path)
        manifest = archive.read_manifest(backup)
        at_the_moment = snapshot(client, manifest)
    assert after > before  # it was written to meanwhile
    main(["check", str(backup)])
    stored = in_backup(backup)
    assert stored == at_the_moment  # as MongoDB itself still shows that moment
    assert any(without_filling(stored) == each for each in moments(after))
    environment(MONGODB_DATABASE="restored")
    main(["restore", str(backup)])
    assert contents_of(client.restored) == stored
    assert raw(client.restored) == {name: list(archive.documents(backup, name)) for name in COLLECTIONS}


def test_plain_reads_under_writers_are_of_no_moment(client: MongoClient[dict[str, Any]]) -> None:
    """The negative control: what one `find` after the other copies fails the same comparison."""
    with Writing(client.backed_up) as writing:
        wait(lambda: writing.operations > 50)
        data = contents_of(client.backed_up)["data"]
        before = writing.operations
        wait(lambda: writing.operations > before + 2)
        copied = {"data": data, "other": contents_of(client.backed_up)["other"]}
    assert not any(copied == each for each in moments(writing.operations))


def test_backup_with_one_document_removed_is_refused(
    client: MongoClient[dict[str, Any]], environment: Callable[..., None], tmp_path: Path
) -> None:
    client.backed_up.data.insert_many({"_id": number} for number in range(100))
    main(["create", str(tmp_path)])
    backup = archive.find(tmp_path)
    kept = [each for each in archive.documents(backup, "data") if bson.decode(each)["_id"] != 42]
    (backup / "data.bson.gz").write_bytes(gzip.compress(b"".join(kept)))
    environment(MONGODB_DATABASE="restored")
    for command in ("check", "restore"):
        with pytest.raises(SystemExit, match=r"99 documents, .* 100"):
            main([command, str(backup)])
    assert client.restored.data.count_documents({}) == 0


@pytest.mark.parametrize("damage", ["other document", "cut off", "flipped", "missing", "no manifest", "other format"])
def test_damaged_backup_is_refused(
    damage: str, client: MongoClient[dict[str, Any]], environment: Callable[..., None], tmp_path: Path
) -> None:
    client.backed_up.data.insert_many({"_id": number} for number in range(100))
    main(["create", str(tmp_path)])
    backup = archive.find(tmp_path)
    file, manifest = backup / "data.bson.gz", backup / archive.MANIFEST
    packed = file.read_bytes()
    if damage == "other document":
        unpacked = gzip.decompress(packed)
        file.write_bytes(gzip.compress(unpacked.replace(bson.encode({"_id": 7}), bson.encode({"_id": 700}))))
    elif damage == "cut off":
        file.write_bytes(packed[: len(packed) // 2])
    elif damage == "flipped":
        file.write_bytes(packed[:40] + bytes([packed[40] ^ 1]) + packed[41:])
    elif damage == "missing":
        file.unlink()
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 2}))
    with pytest.raises(SystemExit, match=r"^backup: "):
        main(["check", str(backup)])


def test_restoration_into_a_database_with_documents_needs_to_be_told(
    client: MongoClient[dict[str, Any]], environment: Callable[..., None], tmp_path: Path
) -> None:
    client.backed_up.data.insert_one({"_id": 1})
    main(["create", str(tmp_path)])
    client.restored.data.insert_many([{"_id": 1, "other": True}, {"_id": 2}])
    environment(MONGODB_DATABASE="restored")
    with pytest.raises(SystemExit, match="--replace"):
        main(["restore", str(tmp_path)])
    assert client.restored.data.count_documents({}) == 2
    main(["restore", "--replace", str(tmp_path)])
    assert list(client.restored.data.find()) == [{"_id": 1}]


def test_restoration_that_is_written_into_meanwhile_is_an_error(
    client: MongoClient[dict[str, Any]], environment: Callable[..., None], tmp_path: Path, monkeypatch: Any
) -> None:
    client.backed_up.data.insert_one({"_id": 1})
    main(["create", str(tmp_path)])
    environment(MONGODB_DATABASE="restored")
    insert = Database._insert

    def beside_a_writer(self: Database, name: str, documents: Iterator[bytes]) -> None:
        insert(self, name, documents)
        client.restored[name].insert_one({"_id": "mine"})

    monkeypatch.setattr(Database, "_insert", beside_a_writer)
    with pytest.raises(SystemExit, match="2 documents"):
        main(["restore", str(tmp_path)])


def test_empty_database_has_an_empty_backup(
    client: MongoClient[dict[str, Any]], environment: Callable[..., None], tmp_path: Path
) -> None:
    main(["create", str(tmp_path)])
    manifest = archive.check(archive.find(tmp_path))
    assert {content.documents for content in manifest.collections.values()} == {0}
    main(["restore", str(tmp_path)])


def test_interrupted_backup_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Writer(tmp_path, "one") as writer:
        with writer.collection("data") as file:
            file.write(bson.encode({}))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_backup_left_is_no_backup_and_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "one.partial").mkdir()
    (tmp_path / "one.partial" / archive.MANIFEST).write_text("{}")
    with pytest.raises(BackupError):
        archive.find(tmp_path)
    with Writer(tmp_path, "two") as writer:
        writer.finish(Manifest("db", "2026-11-28T02:00:00Z", (1, 1), {}))
    assert archive.backups(tmp_path) == list(tmp_path.iterdir()) == [tmp_path / "two"]


def test_two_backups_into_one_directory_at_once_are_refused(tmp_path: Path) -> None:
    with Writer(tmp_path, "one"), pytest.raises(BackupError), Writer(tmp_path, "two"):
        pass


def test_oldest_backups_are_removed(
    client: MongoClient[dict[str, Any]], environment: Callable[..., None], tmp_path: Path
) -> None:
    store(tmp_path, 4)
    environment(KEEP="2")
    main(["create", str(tmp_path)])
    assert len(archive.backups(tmp_path)) == 2
    assert (tmp_path / "2026-11-04").exists()


def test_surplus_backups_and_unfinished_ones_make_room_before_a_backup(
    environment: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, 4)
    (tmp_path / "one.partial").mkdir()
    seen: list[str] = []

    def fails(*_: object) -> Manifest:
        seen.extend(sorted(each.name for each in tmp_path.iterdir()))
        raise BackupError("no")

    monkeypatch.setattr(Database, "backup", fails)
    environment(KEEP="2")
    with pytest.raises(SystemExit):
        main(["create", str(tmp_path)])
    assert seen == ["2026-11-03", "2026-11-04"]  # nothing of its own yet either, which needs space


@pytest.mark.parametrize(("keep", "stay"), [("3", ["2026-11-02", "2026-11-03"]), ("1", ["2026-11-03"])])
@pytest.mark.parametrize("full", [errno.ENOSPC, errno.EDQUOT])
def test_full_volume_gets_room_for_the_next_backup_and_the_newest_one_stays(
    client: MongoClient[dict[str, Any]], environment: Callable[..., None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, keep: str, stay: list[str], full: int,
) -> None:  # fmt: skip
    def fails(_: object) -> None:
        raise OSError(full, "full")

    store(tmp_path, 3)
    monkeypatch.setattr(archive, "_sync", fails)
    environment(KEEP=keep)
    for _ in range(3):  # each night again: no more is removed
        with pytest.raises(SystemExit, match=r"^backup: [^\n]* full[^\n]*larger[^\n]*KEEP[^\n]*\.$"):
            main(["create", str(tmp_path)])
        assert sorted(each.name for each in tmp_path.iterdir()) == stay


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"writeErrors": [{"errmsg": "too large"}], "writeConcernErrors": []}, "too large"),
        ({"writeErrors": [], "writeConcernErrors": [{"errmsg": "waiting timed out"}]}, "waiting timed out"),
        ({"writeErrors": [], "writeConcernErrors": []}, "batch op errors occurred"),
        ({}, "batch op errors occurred"),
    ],
)
def test_refused_batch_is_named(details: dict[str, Any], said: str) -> None:
    with pytest.raises(BackupError, match=said), _named_errors():
        raise BulkWriteError(details)


@pytest.mark.parametrize(
    ("name", "value"), [("MONGODB_URI", ""), ("COLLECTIONS", "../x"), ("KEEP", "0"), ("MONGODB_URI", "mongodb://")]
)
def test_invalid_setting_is_one_line(name: str, value: str, environment: Callable[..., None], tmp_path: Path) -> None:
    environment(**{name: value})
    with pytest.raises(SystemExit, match=r"^backup: [^\n]+$"):
        main(["create", str(tmp_path)])


def test_unreachable_mongodb_is_one_line(
    environment: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(MONGODB_URI="mongodb://127.0.0.1:1/?replicaSet=rs0")
    monkeypatch.setattr("service.backup.database.REACH_MS", 300)
    with pytest.raises(SystemExit, match=r"^backup: [^\n]+$"):
        main(["create", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_deployments_users_may_back_up_and_restore(environment: Callable[..., None], tmp_path: Path) -> None:
    """The dashboard's user reads, the service's writes: neither needs more for it."""
    with scaled(tmp_path / "set", 1) as stateful_set:
        mongodb = f"127.0.0.1:{stateful_set.pods[0].mongod.port}/?directConnection=true&authSource=admin"
        with stateful_set.client("service") as service:
            service.flask_db.data.insert_one({"_id": 1})
            reader = f"mongodb://dashboard:{SECRET['dashboard-password']}@{mongodb}"
            environment(MONGODB_URI=reader, MONGODB_DATABASE="flask_db", COLLECTIONS="data,proofs")
            main(["create", str(tmp_path / "backups")])
            with pytest.raises(SystemExit, match="not authorized"):
                main(["restore", "--replace", str(tmp_path / "backups")])
            service.flask_db.data.update_one({"_id": 1}, {"$set": {"later": True}})
            writer = f"mongodb://service:{SECRET['service-password']}@{mongodb}"
            environment(MONGODB_URI=writer, MONGODB_DATABASE="flask_db")
            main(["restore", "--replace", str(tmp_path / "backups")])
            assert list(service.flask_db.data.find()) == [{"_id": 1}]


def store(root: Path, days: int) -> None:
    """Make empty backups of these days."""
    for day in range(1, days + 1):
        with Writer(root, f"2026-11-0{day}") as writer:
            writer.finish(Manifest("db", "2026-11-28T02:00:00Z", (1, 1), {}))


def snapshot(client: MongoClient[dict[str, Any]], manifest: Manifest) -> Contents:
    """Return what MongoDB shows of the manifest's moment, by a command of its own."""
    concern = {"level": "snapshot", "atClusterTime": Timestamp(*manifest.cluster_time)}
    found: Contents = {}
    for name in COLLECTIONS:
        answer = client.backed_up.command("find", name, batchSize=1_000_000, readConcern=concern)
        assert answer["cursor"]["id"] == 0
        found[name] = {each["_id"]: each for each in answer["cursor"]["firstBatch"]}
    return found


def raw(database: MongoDatabase[dict[str, Any]]) -> dict[str, list[bytes]]:
    codec = bson.codec_options.CodecOptions(document_class=bson.raw_bson.RawBSONDocument)
    return {
        name: [bytes(each.raw) for each in database.get_collection(name, codec).find().sort("_id", 1)]  # type: ignore[attr-defined]
        for name in COLLECTIONS
    }


def wait(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("not in time")
