"""MongoDB, for documents: the only importer of pymongo and bson in the service (the sidecar is a program of its own).

Durability is the point. Writes are majority-acknowledged, journaled and retried by the driver until the request's
deadline, so that a restart of MongoDB costs a writer some time and no error. What can't be answered for certain is
never called a failure:

    StoreError
    ├── Unavailable   nothing was sent: nothing was applied
    ├── Unknown       sent and not answered in time: applied, or not, or yet to be
    ├── Conflict      another document has this _id
    ├── Reserved      the document uses a name that this collection keeps for itself
    ├── BadCursor     the paging position is not one
    ├── Unfinished    MongoDB looked for documents until the deadline, and was told to stop
    └── Rejected      MongoDB answered no; not applied
"""

from __future__ import annotations

import binascii
import contextlib
import math
import os
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import bson
import pymongo
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.errors import BSONError
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import monitoring
from pymongo.errors import (
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from service import document as documents
from service import filter as filters
from service.document import Document
from service.filter import Filter
from service.single_flight import SingleFlight

REACH_SECONDS = 2.0  # one try to reach MongoDB before the first request
CONCURRENT_PAGES = 4  # a page can hold 16 MB of BSON, three times over while it is turned into JSON
CONCURRENT_SEARCHES = 2  # of those pages: a filter may read the whole collection, and leaves the others their places
CONNECT_MS = 2000  # a replaced pod's old address swallows packets: the driver must give up on it soon
HEARTBEAT_MS = 3000  # how soon a member that vanished without a word is noticed
MARK = "_expires_from"  # where a collection whose documents expire keeps their date; never shown

_PASSING = {18, 91, 11600, 11602}  # AuthenticationFailed, and three that come with a shutdown or a stepdown
_WRITES = {"insert", "update", "delete"}
_FOREIGN = "~"  # starts the position of a document whose _id is no ObjectId


class StoreError(Exception):
    """What went wrong with a document, in the service's own words."""


class Unavailable(StoreError):
    """MongoDB could not be asked; nothing was applied."""


class Unknown(StoreError):
    """MongoDB was asked and did not answer in time. What was to change is the document under this id."""

    def __init__(self, reason: str, identity: str) -> None:
        super().__init__(reason)
        self.identity = identity


class Conflict(StoreError):
    """A different document has this _id."""


class Reserved(StoreError):
    """The document uses a name that its collection keeps for itself."""


class BadCursor(StoreError):
    """The paging position is neither an id nor one that a page gave."""


class Unfinished(StoreError):
    """The deadline came before as many documents were found as were asked for."""


class Rejected(StoreError):
    """MongoDB answered that it won't."""


class Observer(Protocol):
    """Who wants to know about commands and the connection (metrics)."""

    def command(self, name: str, outcome: str, seconds: float) -> None: ...

    def mongodb(self, up: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Page:
    """A JSON array of documents, newest first, and where the next page starts (None at the end)."""

    json: bytes
    next: str | None


class Store:
    """One client, shared by the threads of one process; made after the fork."""

    def __init__(self, uri: str, database: str, deadline: float, observer: Observer, pool: int = 32) -> None:
        self.deadline = deadline
        self._observer = observer
        self.attempts = _Attempts()
        self.pages = threading.BoundedSemaphore(CONCURRENT_PAGES)
        self.searches = threading.BoundedSemaphore(CONCURRENT_SEARCHES)
        self._collections: list[Collection] = []
        self._client: pymongo.MongoClient[Document] = pymongo.MongoClient(
            uri,
            appname="flask-mongodb",
            w="majority",
            journal=True,
            readConcernLevel="majority",
            retryWrites=True,
            retryReads=True,
            maxPoolSize=pool,
            connectTimeoutMS=CONNECT_MS,
            heartbeatFrequencyMS=HEARTBEAT_MS,
            serverSelectionTimeoutMS=int(deadline * 1000),
            event_listeners=[_Commands(observer, self.attempts), _Topology(observer)],
        )
        self._database = self._client.get_database(database, codec_options=_CODEC)

    def collection(self, name: str, lifetime: int | None = None) -> Collection:
        """The documents under this name; with a lifetime in seconds, they expire that long after they were stored."""
        made = Collection(self, self._database[name], lifetime)
        self._collections.append(made)
        return made

    def reach(self) -> None:
        """Asks the primary for a sign of life, and makes what indices are missing; StoreError if it doesn't answer.

        Every pod does this, whenever it starts: MongoDB takes the same index twice without complaint.
        """
        try:
            with pymongo.timeout(REACH_SECONDS):
                self._client.admin.command("ping")
                self._observer.mongodb(True)  # the driver's own event of this comes up to a second later
                for each in self._collections:
                    each.prepare()
        except PyMongoError as error:
            raise Unavailable(_reason(error)) from error

    def close(self) -> None:
        self._client.close()


class Collection:
    """Documents of one kind. Outside of here, ids are the hexadecimal text of ObjectIds, and what is read is JSON."""

    def __init__(self, store: Store, collection: Any, lifetime: int | None) -> None:
        self._store = store
        self._collection = collection
        self._lifetime = lifetime
        self._projection = {MARK: False} if lifetime else None
        self._pages: SingleFlight[Page] = SingleFlight()

    def prepare(self) -> None:
        if self._lifetime:
            self._collection.create_index(MARK, expireAfterSeconds=self._lifetime)

    def insert(self, document: Document, identity: str | None) -> tuple[str, bool]:
        """Stores it under this id, or a new one; returns the id and whether it was stored now.

        False means that this very document was there already: a client's safe retry.
        """
        identity = identity or documents.new_id(time.time_ns(), os.urandom(5))
        record = self._record(identity, document)
        with self._writing(identity) as attempts:
            return identity, self._insert(record, document, attempts)

    def replace(self, identity: str, document: Document) -> bool:
        """Puts it in the place of the document with this id, to expire as if it were new; False if there is none.

        To be sent twice does no harm: had the first try been applied, the second would find the document too.
        """
        # No replace_one: MongoDB takes names that start with $ for operators there, and here it looks at none.
        change = [{"$replaceWith": {"$literal": self._record(identity, document)}}]
        with self._writing(identity):
            found: int = self._collection.update_one({"_id": ObjectId(identity)}, change).matched_count
            return found > 0

    def delete(self, identity: str) -> bool:
        """Deletes the document with this id; False if there was none.

        MongoDB remembers what a retryable write did, and answers the driver's retry with it. Where it does not (the
        first try found nothing, so there was nothing to remember; or the memory is lost) the retry finds nothing, and
        nobody can tell whether the first try deleted. True is right then: the document is gone, for the majority too,
        and "there was none" may be wrong.
        """
        with self._writing(identity) as attempts:
            deleted: int = self._collection.delete_one({"_id": ObjectId(identity)}).deleted_count
            return deleted > 0 or attempts.sent > 1

    def get(self, identity: str) -> bytes | None:
        """The document with this id."""
        with pymongo.timeout(self._store.deadline), _reading():
            found = self._one(ObjectId(identity))
        return documents.encode(_shown(found), extended_json) if found else None

    def newest(self, limit: int, before: str | None, condition: Filter | None = None) -> Page:
        """Up to `limit` documents by descending _id, those under `before` and that meet the condition only.

        One command, one answer: a page ends early where MongoDB's answer would exceed its 16 MB. MongoDB itself ends
        the command at the deadline, so that nothing goes on looking for an answer that nobody waits for.
        """
        if condition:
            return self._newest(limit, before, condition, self._store.deadline)
        return self._pages.ask(
            (limit, before), lambda seconds: self._newest(limit, before, None, seconds), self._store.deadline
        )

    def _newest(self, limit: int, before: str | None, condition: Filter | None, seconds: float) -> Page:
        bounds: dict[str, Any] = {}
        if before is not None:
            # max() and not $lt: $lt would leave out whatever _id is of another type.
            bounds = {"max": {"_id": _position(before)}, "hint": [("_id", 1)]}
        searching = bool(condition)
        with self._turn(searching, seconds) as remaining, pymongo.timeout(remaining), _reading(searching):
            cursor = self._collection.find_raw_batches(
                filters.with_ids(condition or {}, ObjectId),
                projection=self._projection,
                sort=[("_id", -1)],
                limit=limit + 1,  # the one too many tells that there is a next page
                batch_size=limit + 1,
                **bounds,
            )
            with cursor:
                found = _decode(next(cursor, b""))
                more = len(found) > limit or cursor.alive
            del found[limit:]
            following = _cursor(found[-1]["_id"]) if more and found else None
            return Page(documents.encode([_shown(each) for each in found], extended_json), following)

    @contextlib.contextmanager
    def _turn(self, searching: bool, seconds: float) -> Iterator[float]:
        """Waits until few enough pages are being made, or for all of these seconds; gives what is left of them."""
        end = time.monotonic() + seconds
        with contextlib.ExitStack() as turns:
            for turn in (self._store.searches, self._store.pages) if searching else (self._store.pages,):
                if not turn.acquire(timeout=max(end - time.monotonic(), 0)):
                    raise Unavailable("Too many pages were asked for at once.")
                turns.callback(turn.release)
            yield max(end - time.monotonic(), 0.001)

    def _record(self, identity: str, document: Document) -> Document:
        """What is stored of it."""
        if not self._lifetime:
            return {"_id": ObjectId(identity), **document}
        if MARK in document:
            raise Reserved(f"The name {MARK} is reserved here.")
        return {"_id": ObjectId(identity), **document, MARK: datetime.now(UTC)}

    @contextlib.contextmanager
    def _writing(self, identity: str) -> Iterator[_Attempts]:
        """One write, with the request's deadline and its tries counted; an error says what became of the document."""
        attempts = self._store.attempts
        attempts.sent = 0
        with pymongo.timeout(self._store.deadline):
            try:
                yield attempts
            except PyMongoError as error:
                raise _outcome(error, attempts.sent, identity) from error

    def _insert(self, record: Document, document: Document, attempts: _Attempts) -> bool:
        try:
            self._collection.insert_one(record)
            return True
        except DuplicateKeyError:
            # After a retry of the driver's own, the document in the way may be what its first attempt stored.
            retried = attempts.sent > 1
        if self._same(record["_id"], document):
            return retried
        raise Conflict(f"Another document has the _id {record['_id']}.")

    def _same(self, identity: ObjectId, document: Document) -> bool:
        """MongoDB's answer that the id is taken has waited for the majority, so a majority read sees the document."""
        try:
            found = self._one(identity)
        except PyMongoError as error:
            raise Unknown(_reason(error), str(identity)) from error
        if not found:
            return False
        del found["_id"]
        return documents.canonical(found, extended_json) == documents.canonical(document)

    def _one(self, identity: ObjectId) -> Document | None:
        with self._collection.find_raw_batches({"_id": identity}, self._projection, limit=-1) as cursor:
            return next(iter(_decode(next(cursor, b""))), None)


def extended_json(value: Any) -> Any:
    """Shows a BSON type that JSON lacks, written by someone else, as relaxed Extended JSON."""
    return json_util.default(value, json_util.RELAXED_JSON_OPTIONS)


@contextlib.contextmanager
def _reading(searching: bool = False) -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        if searching and isinstance(error, (ExecutionTimeout, NetworkTimeout)):  # whichever clock was first
            raise Unfinished(_reason(error)) from error
        raise (Rejected if _is_refusal(error) else Unavailable)(_reason(error)) from error


def _outcome(error: PyMongoError, sent: int, identity: str) -> StoreError:
    """What an error says about the document, given how often the write was sent."""
    if sent == 0:
        return Unavailable(_reason(error))
    if sent == 1 and _is_refusal(error):
        return Rejected(_reason(error))
    return Unknown(_reason(error), identity)


def _is_refusal(error: PyMongoError) -> bool:
    """Whether MongoDB answered, and for good: no timeout, no shutdown, no user that the sidecar is yet to make."""
    return (
        isinstance(error, OperationFailure)
        and not isinstance(error, WriteConcernError)
        and not error.timeout
        and not error.has_error_label("RetryableWriteError")
        and error.code not in _PASSING
    )


def _reason(error: PyMongoError) -> str:
    """The driver's words without the topology that it appends to them."""
    return f"{type(error).__name__}: {str(error).partition(', full error')[0].partition(', Timeout:')[0]}"


def _decode(batch: bytes) -> list[Document]:
    """The documents of one answer, as they were stored.

    The driver takes {"$ref": …, "$id": …} for a reference and drops parts of it, even a whole document when it decodes
    the answer itself; so answers come raw, and those with such a name are taken apart level by level.
    """
    if b"$ref\0" in batch:
        return [_plain(each) for each in bson.decode_all(batch, _RAW_CODEC)]
    return bson.decode_all(batch, _CODEC)


def _plain(value: Any) -> Any:
    if isinstance(value, RawBSONDocument):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _shown(found: Document) -> Document:
    identity = found["_id"]
    if isinstance(identity, ObjectId):
        found["_id"] = str(identity)
    elif not isinstance(identity, str):
        found["_id"] = documents.encode(identity, extended_json).decode()
    return found


def _cursor(identity: Any) -> str:
    if isinstance(identity, ObjectId):
        return str(identity)
    return _FOREIGN + urlsafe_b64encode(bson.encode({"": identity})).decode()


def _position(cursor: str) -> Any:
    if documents.is_id(cursor):
        return ObjectId(cursor)
    if cursor.startswith(_FOREIGN):
        try:
            return bson.decode(urlsafe_b64decode(cursor.removeprefix(_FOREIGN)))[""]
        except (binascii.Error, ValueError, BSONError, KeyError):
            pass
    raise BadCursor("before must be an id of 24 hexadecimal digits.")


class _Doubles(TypeDecoder):
    """JSON has no NaN and no infinity; orjson would show them as null."""

    bson_type = float

    def transform_bson(self, value: float) -> Any:
        return value if math.isfinite(value) else extended_json(value)


class _Codes(TypeDecoder):
    """A kind of str, which orjson would show as one."""

    bson_type = bson.Code

    def transform_bson(self, value: bson.Code) -> Any:
        return extended_json(value)


# Others may have stored dates beyond Python's years and text that is no UTF-8: shown, and never an error.
_CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    type_registry=TypeRegistry([_Doubles(), _Codes()]),
)
_RAW_CODEC: CodecOptions[RawBSONDocument] = _CODEC.with_options(document_class=RawBSONDocument)


class _Attempts(threading.local):
    """How often this thread's current write was sent. The driver retries out of sight, in the caller's thread."""

    sent: int = 0


class _Commands(monitoring.CommandListener):
    def __init__(self, observer: Observer, attempts: _Attempts) -> None:
        self._observer = observer
        self._attempts = attempts

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in _WRITES:
            self._attempts.sent += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._observer.command(event.command_name, "success", event.duration_micros / 1e6)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._observer.command(event.command_name, "failure", event.duration_micros / 1e6)


class _Topology(monitoring.TopologyListener):
    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def opened(self, event: monitoring.TopologyOpenedEvent) -> None:
        self._observer.mongodb(False)

    def description_changed(self, event: monitoring.TopologyDescriptionChangedEvent) -> None:
        self._observer.mongodb(event.new_description.has_writable_server())

    def closed(self, event: monitoring.TopologyClosedEvent) -> None:
        self._observer.mongodb(False)
