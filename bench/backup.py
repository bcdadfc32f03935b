"""A backup's rate beside a plain loop over `find`, and the restoration's, on a mongod of its own without Kubernetes.

While the backup is made, a writer inserts at a fixed rate.
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bson.objectid import ObjectId
from pymongo import MongoClient

from bench.fake_pods import Say
from service.backup import archive
from service.backup.archive import Writer
from service.backup.database import Database
from tools.local.mongod import Mongod

DOCUMENTS = 1_000_000
BATCH = 10_000
WRITES = 200.0  # a second
NAMES = ("data",)
LOOP, BACKUP, CHECK, RESTORE = "a plain loop over `find`", "the backup", "its check", "the restoration"


@dataclass
class BackupResult:
    seconds: dict[str, float] = field(default_factory=dict)
    documents: int = 0
    bytes: int = 0  # of BSON
    packed: int = 0  # bytes on disk
    writes: int = 0  # while the backup was made


def measure(say: Say) -> BackupResult:
    result = BackupResult()
    with (
        tempfile.TemporaryDirectory() as directory,
        Mongod(Path(directory) / "mongod") as mongod,
        MongoClient[dict[str, Any]](mongod.uri, w="majority") as client,
    ):
        say(f"{DOCUMENTS:,} documents are inserted")
        for start in range(0, DOCUMENTS, BATCH):
            client.bench.data.insert_many(_document(start + number) for number in range(BATCH))
        say("they are read, backed up, checked and restored")
        with _timed(result, LOOP):
            for _ in client.bench.data.find():
                pass
        _copy(result, mongod, client, Path(directory) / "backups")
    return result


def report(result: BackupResult) -> str:
    rows = ["| | seconds | documents a second | MB of BSON a second |", "| --- | --- | --- | --- |"]
    for name, seconds in result.seconds.items():
        rate, volume = result.documents / seconds, result.bytes / seconds / 1e6
        rows.append(f"| {name} | {seconds:.1f} | {rate:,.0f} | {volume:.1f} |")
    return "\n".join([
        *rows, "",
        f"{result.documents:,} documents, {result.bytes / 1e6:.0f} MB of BSON, {result.packed / 1e6:.0f} MB as a "
        f"backup. {result.writes:,} documents were written while it was made. The restoration checks the backup, and "
        "compares the database with it at its end. `mongodump` was not at hand.",
    ])  # fmt: skip


def _copy(result: BackupResult, mongod: Mongod, client: MongoClient[dict[str, Any]], root: Path) -> None:
    with (
        Database(mongod.uri, "bench") as database,
        Writer(root, "backup") as writer,
        _writing(result, client),
        _timed(result, BACKUP),
    ):
        content = database.backup(NAMES, writer).collections["data"]
    result.documents, result.bytes = content.documents, content.bytes
    result.packed = (writer.path / "data.bson.gz").stat().st_size
    with _timed(result, CHECK):
        archive.check(writer.path)
    with Database(mongod.uri, "restored") as database, _timed(result, RESTORE):
        database.restore(writer.path, replace=False)


@contextmanager
def _timed(result: BackupResult, name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    result.seconds[name] = time.monotonic() - began


@contextmanager
def _writing(result: BackupResult, client: MongoClient[dict[str, Any]]) -> Iterator[None]:
    stop = threading.Event()

    def write() -> None:
        due = time.monotonic()
        while not stop.wait(max(due - time.monotonic(), 0)):
            client.bench.data.insert_one(_document(result.writes))
            result.writes += 1
            due += 1 / WRITES

    thread = threading.Thread(target=write)
    thread.start()
    yield
    stop.set()
    thread.join()


def _document(number: int) -> dict[str, Any]:
    return {"_id": ObjectId(), "sensor": f"greenhouse-{number % 97}", "value": number / 7, "unit": "C", "ok": True}
