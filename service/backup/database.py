"""The database's side of a backup: a read of one moment, and the restoration.

All reads of a backup are of one snapshot session: they see the moment of the first one, whatever is written meanwhile.
MongoDB keeps a moment for five minutes (minSnapshotHistoryWindowInSeconds); a longer backup ends with an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import MongoClient, monitoring
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from service.backup import archive
from service.backup.archive import BackupError, Content, Manifest, Tally, Writer

REACH_MS = 20_000  # to find a primary, as after an election
BATCH_DOCUMENTS, BATCH_BYTES = 10_000, 8 << 20  # of an insert

_SNAPSHOT_GONE = {239, 246}  # SnapshotTooOld, SnapshotUnavailable
_RAW = CodecOptions(document_class=RawBSONDocument)

Client = MongoClient[dict[str, Any]]


class _Moment(monitoring.CommandListener):
    """Remembers the cluster time at which a snapshot session reads: it names it in each command after the first."""

    def __init__(self) -> None:
        self.time = Timestamp(0, 0)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.time = event.command.get("readConcern", {}).get("atClusterTime", self.time)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


class Database:
    """One database, whose collections are copied to and from backups."""

    def __init__(self, uri: str, name: str) -> None:
        self._moment = _Moment()
        with _named_errors():
            self._client: Client = MongoClient(
                uri, appname="backup", w="majority", journal=True, serverSelectionTimeoutMS=REACH_MS,
                event_listeners=[self._moment],
            )  # fmt: skip
        self._database = self._client[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def backup(self, collections: tuple[str, ...], writer: Writer) -> Manifest:
        """Write the collections as they are at one moment. Raise BackupError.

        MongoDB's own count of the same moment must be what was written.
        """
        with _named_errors(), self._client.start_session(snapshot=True) as session:
            expected = {name: self._count(name, session) for name in collections}
            contents = {}
            for name in collections:
                with writer.collection(name) as file:
                    contents[name] = self._read(name, session, file.write)
                if contents[name].documents != expected[name]:
                    raise BackupError(
                        f"{contents[name].documents:,} documents of {name} were read, and MongoDB counts "
                        f"{expected[name]:,} at that moment."
                    )
        time = self._moment.time
        moment = datetime.fromtimestamp(time.time, UTC).isoformat().replace("+00:00", "Z")
        manifest = Manifest(self._database.name, moment, (time.time, time.inc), contents)
        writer.finish(manifest)
        return manifest

    def restore(self, backup: Path, *, replace: bool) -> Manifest:
        """Insert a backup's documents, after its check, and compare the database with it. Raise BackupError.

        A collection that has documents is refused, or emptied with `replace`. What was inserted before an error stays.
        """
        manifest = archive.check(backup)
        with _named_errors():
            for name in manifest.collections:
                if self._database[name].find_one({}, {"_id": True}) is None:
                    continue
                if not replace:
                    raise BackupError(f"{self._database.name}.{name} has documents: --replace deletes them first.")
                self._database[name].delete_many({})
            for name in manifest.collections:
                self._insert(name, archive.documents(backup, name))
            self._compare(manifest)
        return manifest

    def _compare(self, manifest: Manifest) -> None:
        with self._client.start_session(snapshot=True) as session:
            for name, expected in manifest.collections.items():
                found = self._read(name, session, lambda batch: None)
                archive.require(expected, found, f"{self._database.name}.{name}, once restored,")

    def _count(self, name: str, session: ClientSession) -> int:
        found = list(self._database[name].aggregate([{"$count": "documents"}], session=session))
        return int(found[0]["documents"]) if found else 0

    def _read(self, name: str, session: ClientSession, write: Callable[[bytes], Any]) -> Content:
        tally = Tally()
        batch: Any  # bytes of whole documents, which the driver's types do not say
        for batch in self._database[name].find_raw_batches({}, sort=[("_id", 1)], session=session):
            tally.add(batch)
            write(batch)
        return tally.content()

    def _insert(self, name: str, documents: Iterator[bytes]) -> None:
        collection: Any = self._database.get_collection(name, codec_options=_RAW)
        batch: list[RawBSONDocument] = []
        size = 0
        for document in documents:
            if batch and (len(batch) == BATCH_DOCUMENTS or size + len(document) > BATCH_BYTES):
                collection.insert_many(batch, ordered=False)
                batch, size = [], 0
            batch.append(RawBSONDocument(document))
            size += len(document)
        if batch:
            collection.insert_many(batch, ordered=False)


@contextmanager
def _named_errors() -> Iterator[None]:
    """Turn the driver's errors into BackupErrors."""
    try:
        yield
    except BulkWriteError as error:
        details = error.details or {}
        if refused := details.get("writeErrors"):
            raise BackupError(f"MongoDB refuses a document: {refused[0].get('errmsg', error)}") from error
        unconfirmed = (details.get("writeConcernErrors") or [{}])[0].get("errmsg", error)
        raise BackupError(f"MongoDB does not confirm the documents: {unconfirmed}") from error
    except OperationFailure as error:
        if error.code in _SNAPSHOT_GONE:
            detail = "MongoDB no longer has that moment: raise its parameter minSnapshotHistoryWindowInSeconds (300)."
            raise BackupError(detail) from error
        raise BackupError(f"MongoDB refuses: {error.details.get('errmsg') if error.details else error}") from error
    except PyMongoError as error:
        raise BackupError(f"MongoDB does not answer: {type(error).__name__}: {str(error).partition(',')[0]}") from error
