"""Access to MongoDB. In the data service only this module imports pymongo and bson; the sidecar and the backup are
programs of their own.

Writes are majority-acknowledged, journaled and retried by the driver until the request's deadline: a restart of MongoDB
delays a writer and fails no write. Concurrent inserts share a command. An uncertain outcome is never reported as a
failure:

    StoreError
    ├── Unavailable   the command was not sent: not applied
    │   ├── Refused   MongoDB refuses the service's user
    │   └── Replaced  another, empty replica set has the place of the former one
    ├── Unknown       sent and not answered in time: it may or may not be applied, now or later
    ├── Conflict      another document has this _id
    ├── PreconditionFailed       the document does not meet the request's preconditions: not applied
    ├── TooLarge      MongoDB can't compare a document so large: not applied
    ├── Reserved      the document uses a name that is reserved in its collection
    ├── BadCursor     the paging position is invalid
    ├── Unfinished    a search was stopped at the deadline
    └── Rejected      MongoDB answered with an error: not applied
"""

from __future__ import annotations

import binascii
import contextlib
import math
import random
import struct
import threading
import time
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, TypeVar

import bson
import pymongo
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.errors import BSONError
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import monitoring
from pymongo.errors import (
    BulkWriteError,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
)

from service import document as documents
from service import filter as filters
from service.coalescer import Coalescer, StillExecuting, TimedOut
from service.document import Document
from service.filter import Filter
from service.preconditions import Preconditions, tag_of
from webserver.channel import Allowance

REACH_SECONDS = 2.0  # timeout of one attempt to reach MongoDB at start-up
LARGEST_PAGE_BYTES = 4 << 20  # aimed at; a page takes three times its BSON while it is converted to JSON
CONCURRENT_PAGES = 4
LARGE_BYTES = 64 << 10  # what is larger has to wait for its turn
LARGE_BODIES_BYTES = 2 << 20  # of those that are stored at a time: one takes forty times its size meanwhile
WAITING_LARGE_BODIES = 16  # threads: the others stay free
CONCURRENT_READS = 4  # of one document each, whose size is not known before; MongoDB's own limit is 16 MB
CONCURRENT_COMPARISONS = 1  # of large documents in expressions, which take MongoDB thirty times their size
CONCURRENT_CONVERSIONS = 2  # of large BSON to JSON, which takes ten times its size
PAGE_PATIENCE_SECONDS = 0.5  # a reader waits so long for another's page, which may hang on a vanished member
INSERT_PATIENCE_SECONDS = 0.002  # a document waits so long at most to share a command: MongoDB may be far away
MOST_INSERTED = 500  # documents of a command
LARGEST_INSERT_BYTES = 4 << 20  # of its documents; a larger document has a command of its own
CONCURRENT_SEARCHES = 2  # of those pages; a filter may scan the whole collection and must leave slots to other reads
CONNECT_MS = 2000  # packets to a replaced pod's old address are dropped: the driver must give up on it soon
HEARTBEAT_MS = 3000  # bounds how long a silently vanished member goes unnoticed
LARGEST_COMPARED_BYTES = (16 << 20) - (64 << 10)  # of a document and its replacement: MongoDB's limit for a command
REFUSED_SECONDS = 0.1  # until a command or a document is sent again that a former or a new primary refused
MARK = "_expires_from"  # field that holds the date from which a document expires; never shown

# AuthenticationFailed; what interrupts a command, which may have stored some of its documents: ExceededTimeLimit,
# ClientDisconnect, TransactionExceededLifetimeLimitSeconds, a killed operation, a shutdown and a stepdown (three).
# Then NotWritablePrimary, NotPrimaryNoSecondaryOk and PrimarySteppedDown, with which one document alone is refused.
_NOT_PRIMARY = {10107, 13435, 189}
_KEY_NOT_FOUND = 211  # a MongoDB that has just started can't verify the driver's cluster time yet, and executes nothing
_TRANSIENT = {18, 91, 262, 279, 290, 11600, 11601, 11602, _KEY_NOT_FOUND, *_NOT_PRIMARY}
_DUPLICATE_KEY = 11000
_REFUSALS = {13, 18}  # Unauthorized, AuthenticationFailed
_OTHER_LIFETIME = 85  # IndexOptionsConflict: the index exists with another lifetime
_WRITES = {"insert", "update", "delete"}
_FOREIGN = "~"  # prefix of a paging position whose _id is not an ObjectId


Context = contextlib.AbstractContextManager[object]
Result = TypeVar("Result")


class StoreError(Exception):
    """Base class of the store's errors."""


class Unavailable(StoreError):
    """MongoDB could not be reached in time. Nothing was applied."""


class Refused(Unavailable):
    """MongoDB refuses the service's user. Nothing was applied."""


class Replaced(Unavailable):
    """The primary is of another replica set than before, as after its volume was replaced. Nothing was applied."""


class Unknown(StoreError):
    """MongoDB did not answer a write in time. `identity` is the id of the document to change."""

    def __init__(self, reason: str, identity: str) -> None:
        super().__init__(reason)
        self.identity = identity


class Conflict(StoreError):
    """A different document has this _id."""


class PreconditionFailed(StoreError):
    """The document does not meet the request's preconditions. Nothing was applied. `tag` is its present entity tag."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"The document has changed: its ETag is {tag} now.")
        self.tag = tag


class TooLarge(StoreError):
    """The stored document and its replacement exceed one command of MongoDB, in which they are compared."""


class Reserved(StoreError):
    """The document uses a name that is reserved in its collection."""


class BadCursor(StoreError):
    """The paging position is neither an id nor a position from a previous page."""


class Unfinished(StoreError):
    """The deadline passed before a search found the requested number of documents."""


class Rejected(StoreError):
    """MongoDB answered with an error. Nothing was applied."""


class Observer(Protocol):
    """Receives command durations and the connection's state (implemented by Metrics)."""

    def command(self, name: str, outcome: str, seconds: float) -> None: ...

    def mongodb(self, up: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Page:
    """A JSON array of documents, newest first, and the position of the next page (None at the end)."""

    json: bytes
    next: str | None


@dataclass(frozen=True, slots=True)
class EncodedDocument:
    """A document to store, in BSON, which takes a tenth of the memory of Python's objects. `bson` lacks the mark.

    `has_dollar` says that a field's name begins with $, which in a replacement MongoDB takes for an operator.
    """

    identity: str
    bson: bytes
    has_dollar: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A document after a write: its id, the entity tag that a read gives, and whether the write created it."""

    identity: str
    tag: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A stored document: its _id in MongoDB, and its BSON without the mark."""

    key: ObjectId | str
    bson: bytes

    @property
    def tag(self) -> str:
        """The entity tag."""
        return tag_of(self.bson)

    def json(self) -> bytes:
        return documents.encode(_shown(*_decode(self.bson)), extended_json)


class Store:
    """One MongoDB client, shared by the threads of one process. Created after the fork."""

    def __init__(self, uri: str, database: str, deadline: float, observer: Observer, pool: int = 32) -> None:
        self._clock = _Clock(deadline)
        self._observer = observer
        self.attempts = _Attempts()
        self.pages = threading.BoundedSemaphore(CONCURRENT_PAGES)
        self.searches = threading.BoundedSemaphore(CONCURRENT_SEARCHES)
        self.reads = threading.BoundedSemaphore(CONCURRENT_READS)
        self.comparisons = threading.BoundedSemaphore(CONCURRENT_COMPARISONS)
        self.conversions = threading.BoundedSemaphore(CONCURRENT_CONVERSIONS)
        self.large_bodies = Allowance(LARGE_BODIES_BYTES, WAITING_LARGE_BODIES)
        self._collections: list[Collection] = []
        self._connect = partial(
            pymongo.MongoClient,
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
        self._client: pymongo.MongoClient[Document] = self._connect()
        self._database = self._client.get_database(database, codec_options=_CODEC)

    def begin(self, arrived: float) -> None:
        """Begin a request on this thread that arrived at this `time.monotonic()`: its time has run since then."""
        self._clock.end = arrived + self._clock.seconds

    @property
    def deadline(self) -> float:
        """The seconds that this thread's request may still take: above 0, which to the driver is no limit."""
        return self._clock.seconds if self._clock.end is None else max(self._clock.end - time.monotonic(), 0.001)

    def collection(self, name: str, lifetime: int | None = None) -> Collection:
        """Return the collection of this name. With a lifetime in seconds, documents expire that long after a write."""
        created = Collection(self, name, lifetime)
        created.use(self._database)
        self._collections.append(created)
        return created

    def reach(self) -> None:
        """Ping the primary and create missing indices. Raise StoreError if it does not answer.

        Every pod does this at start-up: creating an existing index is a no-op.
        """
        try:
            with pymongo.timeout(REACH_SECONDS):
                self._client.admin.command("ping")
                self._observer.mongodb(True)  # the driver's own event comes up to a second later
                for each in self._collections:
                    each.prepare()
        except PyMongoError as error:
            refused = isinstance(error, OperationFailure) and error.code in _REFUSALS
            kind = Refused if refused else Replaced if self._is_stale() else Unavailable
            raise kind(_reason(error)) from error

    def reconnect(self) -> None:
        """Begin anew with the replica set that is there now. Requests that wait for the former one fail."""
        former, self._client = self._client, self._connect()
        self._database = self._client.get_database(self._database.name, codec_options=_CODEC)
        for each in self._collections:
            each.use(self._database)
        former.close()

    def _is_stale(self) -> bool:
        """Return whether the driver ignores the primary because it knows of a later election. A new replica set counts
        its elections from 1."""
        servers = self._client.topology_description.server_descriptions().values()
        return any("stale due to electionId" in str(server.error) for server in servers)

    def close(self) -> None:
        self._client.close()


class Collection:
    """One MongoDB collection. Its callers see ids as hexadecimal text and documents as JSON."""

    def __init__(self, store: Store, name: str, lifetime: int | None) -> None:
        self._store = store
        self._name = name
        self._lifetime = lifetime
        self._projection = {MARK: False} if lifetime else None
        self._pages: Coalescer[None, Page] = Coalescer(PAGE_PATIENCE_SECONDS)
        self._inserts: Coalescer[_Insertion, WriteError | None] = Coalescer(
            INSERT_PATIENCE_SECONDS, MOST_INSERTED, LARGEST_INSERT_BYTES
        )
        self._sizes = DocumentSizes()

    def use(self, database: Any) -> None:
        self._collection: Any = database[self._name]

    def prepare(self) -> None:
        """Create the index by which documents expire, or change its lifetime."""
        if not self._lifetime:
            return
        try:
            self._collection.create_index(MARK, expireAfterSeconds=self._lifetime)
        except OperationFailure as error:
            if error.code != _OTHER_LIFETIME:
                raise
            index = {"keyPattern": {MARK: 1}, "expireAfterSeconds": self._lifetime}
            self._collection.database.command("collMod", self._collection.name, index=index)

    def storing(self, body: bytes) -> Context:
        """Parse and store a body within this context: many large ones at a time would not fit in memory.

        Raise Unavailable if too many are stored until the deadline.
        """
        if len(body) <= LARGE_BYTES:
            return contextlib.nullcontext()
        return _share(self._store.large_bodies, len(body), self._store.deadline)

    def reading(self) -> Context:
        """Get a document and convert it within this context, for the same reason. Raise Unavailable."""
        return _slot(self._store.reads, self._store.deadline, "Too many documents are being read.")

    def json(self, found: Found) -> bytes:
        """Return the document's JSON."""
        with self._converting(len(found.bson)):
            return found.json()

    def parse(self, body: bytes, identity: str | None = None) -> EncodedDocument:
        """Return the record of a JSON document. Its id is `identity`, else the document's own, else a new one.

        Raise Malformed, BadId if the document has another id than `identity`, or Reserved.
        """
        document = documents.decode(body)
        own = documents.take_id(document)
        if identity and own not in (None, identity.lower()):
            raise documents.BadId(f"The document's _id is {own}, and the path's is {identity}.")
        if self._lifetime and MARK in document:
            raise Reserved(f"The name {MARK} is reserved here.")
        identity = identity or own or documents.new_id(time.time_ns(), random.getrandbits(40))
        has_dollar = any(name.startswith("$") for name in document)
        return EncodedDocument(identity, bson.encode({"_id": ObjectId(identity), **document}), has_dollar)

    def insert(self, record: EncodedDocument) -> Stored:
        """Store the record, unless an equal document was stored before: by a client's earlier try."""
        end = time.monotonic() + self._store.deadline
        insertion = _Insertion(self._marked(record.bson))
        try:
            refusal = self._inserts.do(
                "insert", insertion, self._insert_all, self._store.deadline, size=len(record.bson)
            )
        except StillExecuting as error:
            raise Unknown(str(error), record.identity) from error
        except (PyMongoError, TimedOut) as error:
            raise _outcome(error, insertion.sent, record.identity) from error
        if refusal is None:
            return Stored(record.identity, tag_of(record.bson), is_new=True)
        if not isinstance(refusal, DuplicateKeyError):
            raise _outcome(refusal, insertion.sent, record.identity)
        with _timeout(end - time.monotonic()):
            if same := self._same(record):
                # If it was sent twice, the stored document may come from the first attempt.
                return Stored(record.identity, same.tag, is_new=insertion.sent > 1)
        raise Conflict(f"Another document has the _id {record.identity}.")

    def replace(self, record: EncodedDocument, preconditions: Preconditions | None = None) -> Stored | None:
        """Replace the document with the record's id, and restart its lifetime. Return None if there is none.

        A retry is safe: if the first attempt was applied, the second one finds the document too. With preconditions it
        does not, but MongoDB then repeats the first one's result.
        """
        change: Callable[[Mapping[str, Any]], Any]
        if record.has_dollar:  # $literal takes such names as data, and far more of MongoDB's memory
            replacement = {"$literal": self._marked(record.bson)}
            pipeline = [{"$replaceWith": {"$mergeObjects": [replacement, {"_id": "$_id"}]}}]
            change = partial(self._collection.update_one, update=pipeline)
        else:
            change = partial(self._collection.replace_one, replacement=self._marked(_without_key(record.bson)))

        def write(condition: Mapping[str, Any]) -> int:
            return int(self._repeated(partial(change, condition)).matched_count)

        with self._writing(record.identity) as attempts:
            if preconditions:
                with self.reading():
                    key = self._write_if(preconditions, record.identity, attempts, write, len(record.bson))
            else:
                with self._comparing(len(record.bson) if record.has_dollar else 0, self._store.deadline):
                    key = next((each for each in _stored_as(record.identity) if write({"_id": each})), None)
        return None if key is None else Stored(str(key), tag_of(_keyed(record.bson, key)))

    def delete(self, identity: str, preconditions: Preconditions | None = None) -> bool:
        """Delete the document with this id. Return False if there was none.

        MongoDB records the result of a retryable write and repeats it for the driver's retry. Without such a record
        (the first attempt found nothing, or the record is lost) the retry finds nothing, and it is unknown whether the
        first attempt deleted the document. Return True then: the document is gone, for the majority too.
        """

        def write(condition: Mapping[str, Any]) -> int:
            return int(self._repeated(partial(self._collection.delete_one, condition)).deleted_count)

        with self._writing(identity) as attempts:
            if preconditions:
                with self.reading():
                    return self._write_if(preconditions, identity, attempts, write) is not None or attempts.sent > 1
            for each in _stored_as(identity):
                attempts.sent = 0
                if write({"_id": each}) or attempts.sent > 1:
                    return True
            return False

    def get(self, identity: str) -> Found | None:
        """Return the document with this id; None if there is none."""
        with pymongo.timeout(self._store.deadline), _reading():
            return self._find(identity)

    def newest(self, limit: int, before: str | None, condition: Filter | None = None) -> Page:
        """Return up to `limit` documents by descending _id, only those below `before` that meet the condition.

        One command and one reply: a page of large documents ends early, at about LARGEST_PAGE_BYTES, and never exceeds
        MongoDB's own 16 MB. MongoDB ends the command at the deadline (maxTimeMS), so no abandoned search goes on.
        """
        if condition:
            return self._newest(limit, before, condition, self._store.deadline)

        def execute(readers: Sequence[None], seconds: float) -> list[Page]:
            return [self._newest(limit, before, None, seconds)] * len(readers)

        try:
            return self._pages.do((limit, before), None, execute, self._store.deadline)
        except TimedOut as error:
            raise Unavailable(str(error)) from error

    def _newest(self, limit: int, before: str | None, condition: Filter | None, seconds: float) -> Page:
        searching = bool(condition)
        query: dict[str, Any] = {
            "filter": filters.with_ids(condition or {}, ObjectId),
            "sort": [("_id", -1)],
            "limit": limit + 1,  # one more shows whether there is a next page
            "batch_size": limit + 1,
        }
        if before is not None:
            # max() and not $lt: $lt would skip every _id of another type.
            query |= {"max": _position(before), "hint": [("_id", 1)]}
        foreign = before is not None and before.startswith(_FOREIGN)
        with (
            self._paging(searching, seconds) as remaining,
            _timeout(remaining),
            _reading(searching, foreign),
        ):
            fitting = limit + 1
            if self._sizes.may_exceed(LARGEST_PAGE_BYTES, limit):
                fitting = self._repeated(partial(self._fitting, query))
            reply, more = self._repeated(partial(self._reply, **query | {"limit": fitting}))
            with self._converting(len(reply)):
                found = _decode(reply)
                more = more or len(found) > limit or len(found) == fitting
                self._sizes.learn(len(reply), len(found))
                del found[limit:]
                following = _following(reply, found) if more and found else None
                return Page(documents.encode([_shown(each) for each in found], extended_json), following)

    def _fitting(self, query: dict[str, Any]) -> int:
        """Return how many of the query's documents make a page: at least one, and as many as asked for if all fit."""
        left = LARGEST_PAGE_BYTES
        sizes = self._collection.find(**query, projection={"_id": False, "size": {"$bsonSize": "$$ROOT"}})
        for count, each in enumerate(sizes):
            left -= each["size"]
            if count and left < 0:
                return count
        return int(query["limit"])

    @contextlib.contextmanager
    def _paging(self, searching: bool, seconds: float) -> Iterator[float]:
        """Wait up to `seconds` for a slot to make a page. Yield the seconds that are left."""
        end = time.monotonic() + seconds
        with contextlib.ExitStack() as slots:
            for slot in (self._store.searches, self._store.pages) if searching else (self._store.pages,):
                slots.enter_context(_slot(slot, end - time.monotonic(), "Too many concurrent page requests."))
            yield end - time.monotonic()

    def _comparing(self, size: int, seconds: float) -> Context:
        """Let MongoDB take documents of this size in expressions within this context. Raise Unavailable."""
        if size <= LARGE_BYTES:
            return contextlib.nullcontext()
        return _slot(self._store.comparisons, seconds, "Too many large documents are being compared.")

    def _converting(self, size: int) -> Context:
        """Convert BSON of this size within this context. It waits for what takes a processor only, so not for long."""
        return self._store.conversions if size > LARGE_BYTES else contextlib.nullcontext()

    @contextlib.contextmanager
    def _writing(self, identity: str) -> Iterator[_Attempts]:
        """Run one write under the request's deadline and count its attempts. Raise a StoreError with the outcome."""
        attempts = self._store.attempts
        attempts.sent = 0
        with pymongo.timeout(self._store.deadline):
            try:
                yield attempts
            except PyMongoError as error:
                raise _outcome(error, attempts.sent, identity) from error

    def _write_if(
        self,
        preconditions: Preconditions,
        identity: str,
        attempts: _Attempts,
        write: Callable[[Mapping[str, Any]], int],
        size: int = 0,
    ) -> ObjectId | str | None:
        """Write the document if it meets the preconditions. Return its key, or None if there is none.

        Raise PreconditionFailed if it does not meet them.
        The write's own filter has the content that met them, so it finds nothing once another write came between; then
        the majority has that write, and the next read sees it. A write that the driver sent twice and that found
        nothing may have been applied the first time: `attempts.sent` stays above 1.
        """
        end = time.monotonic() + self._store.deadline
        while found := self._find(identity):
            if not preconditions.allow(found.tag):
                if attempts.sent:
                    raise Unknown("The driver sent a conditional write twice, and the document has changed.", identity)
                raise PreconditionFailed(found.tag)
            if len(found.bson) + size > LARGEST_COMPARED_BYTES:
                raise TooLarge(f"The stored document has {len(found.bson):,} bytes, too many to be compared.")
            try:
                with self._comparing(len(found.bson) + size, end - time.monotonic()):
                    if write(self._unchanged(found)):
                        return found.key
            except Unavailable as error:
                if attempts.sent:
                    raise Unknown(str(error), identity) from error
                raise
            if attempts.sent == 1:
                attempts.sent = 0
        return None

    def _unchanged(self, found: Found) -> dict[str, Any]:
        """Return the filter that finds the document while its content is the same.

        MongoDB compares names, their order and all values, but takes numbers of two types for one if they are equal.
        The size tells most of those apart.
        """
        content = {"$unsetField": {"field": MARK, "input": "$$ROOT"}} if self._lifetime else "$$ROOT"
        same = {"$eq": [content, {"$literal": RawBSONDocument(found.bson, _RAW_CODEC)}]}
        return {"_id": found.key, "$expr": {"$and": [{"$eq": [{"$bsonSize": content}, len(found.bson)]}, same]}}

    def _insert_all(self, insertions: Sequence[_Insertion], seconds: float) -> list[WriteError | None]:
        """Send one command. Return each document's refusal, or None if it is stored. Raise if MongoDB says less.

        A member that ceases to be primary within a command refuses the rest of its documents one by one. The driver
        repeats only whole commands, so these documents are sent again here.
        """
        end = time.monotonic() + seconds
        refusals = self._repeated(lambda: self._send(insertions, end - time.monotonic()))
        while again := [place for place, each in enumerate(refusals) if each and each.code in _NOT_PRIMARY]:
            if time.monotonic() > end:
                break
            time.sleep(REFUSED_SECONDS)
            try:
                repeated = self._send([insertions[place] for place in again], end - time.monotonic())
            except PyMongoError:
                break
            for place, refusal in zip(again, repeated, strict=True):
                refusals[place] = refusal
        return refusals

    def _send(self, insertions: Sequence[_Insertion], seconds: float) -> list[WriteError | None]:
        attempts = self._store.attempts
        attempts.sent = 0
        try:
            with _timeout(seconds):
                if len(insertions) == 1:  # in the driver, this costs less than a list of one
                    self._collection.insert_one(insertions[0].document)
                else:
                    self._collection.insert_many([each.document for each in insertions], ordered=False)
        except WriteError as error:
            return [error]
        except BulkWriteError as error:
            if concerns := error.details["writeConcernErrors"]:
                raise WriteConcernError(concerns[-1]["errmsg"], concerns[-1]["code"]) from error
            refusals = {each["index"]: _refusal(each) for each in error.details["writeErrors"]}
            return [refusals.get(place) for place in range(len(insertions))]
        except OperationFailure as error:
            again = _is_unexecuted(error) or (len(insertions) > 1 and _is_rejection(error))  # then each goes alone
            if again and attempts.sent == 1:
                attempts.sent = 0  # none of them is applied
            raise
        finally:
            for each in insertions:
                each.sent += attempts.sent
        return [None] * len(insertions)

    def _repeated(self, call: Callable[[], Result]) -> Result:
        """Call the driver again while MongoDB refuses and executes nothing, until the request's deadline.

        The driver does not repeat a command that a new primary refuses, nor a document that a former one does.
        """
        end = time.monotonic() + self._store.deadline
        while True:
            try:
                return call()
            except OperationFailure as error:
                if not _is_unexecuted(error) or time.monotonic() > end:
                    raise
            if self._store.attempts.sent == 1:
                self._store.attempts.sent = 0
            time.sleep(REFUSED_SECONDS)

    def _marked(self, document: bytes) -> RawBSONDocument:
        """Return the document as it is sent: where documents expire, with the mark."""
        mark = bson.encode({MARK: datetime.now(UTC)}) if self._lifetime else None
        return RawBSONDocument(_joined(document, mark) if mark else document, _RAW_CODEC)

    def _same(self, record: EncodedDocument) -> Found | None:
        """Return the stored document if it equals this one. MongoDB reports a duplicate key once the majority has the
        document, so a majority read sees it."""
        key = ObjectId(record.identity)
        try:
            with self.reading():
                found = Found(key, self._raw(key))
                if not found.bson:
                    return None
                with self._converting(max(len(found.bson), len(record.bson))):
                    stored, sent = (_canonical(each) for each in (found.bson, record.bson))
                    return found if stored == sent else None
        except Unavailable as error:
            raise Unknown(str(error), record.identity) from error
        except PyMongoError as error:
            raise Unknown(_reason(error), record.identity) from error

    def _find(self, identity: str) -> Found | None:
        found = (Found(each, self._raw(each)) for each in _stored_as(identity))
        return next((each for each in found if each.bson), None)

    def _raw(self, key: ObjectId | str) -> bytes:
        """Return a document's BSON; empty if there is none."""
        return self._repeated(partial(self._reply, filter={"_id": key}, limit=-1))[0]

    def _reply(self, **query: Any) -> tuple[bytes, bool]:
        """Return the documents of the first reply, and whether there are more."""
        with self._collection.find_raw_batches(**query, projection=self._projection) as cursor:
            return bytes(next(cursor, b"")), cursor.alive


class DocumentSizes:
    """An estimate of the size of a collection's documents, from the replies so far: large ones count at once."""

    def __init__(self) -> None:
        self._mean = 0.0  # bytes

    def may_exceed(self, size: int, count: int) -> bool:
        return self._mean * count > size

    def learn(self, size: int, count: int) -> None:
        mean = size / max(count, 1)
        self._mean = max(mean, (self._mean + mean) / 2)


def extended_json(value: Any) -> Any:
    """Return a BSON value that JSON lacks, written by another program, as relaxed Extended JSON."""
    return json_util.default(value, json_util.RELAXED_JSON_OPTIONS)


@contextlib.contextmanager
def _share(bodies: Allowance, size: int, seconds: float) -> Iterator[None]:
    """Hold so many bytes. Raise Unavailable if there are too few within `seconds`."""
    if not bodies.take(size, seconds):
        raise Unavailable("Too many large documents are being stored.")
    try:
        yield
    finally:
        bodies.give_back(size)


@contextlib.contextmanager
def _slot(slot: threading.Semaphore, seconds: float, refusal: str) -> Iterator[None]:
    """Hold a slot. Raise Unavailable if none is free within `seconds`."""
    if not slot.acquire(timeout=max(seconds, 0)):
        raise Unavailable(refusal)
    try:
        yield
    finally:
        slot.release()


@contextlib.contextmanager
def _reading(searching: bool = False, foreign: bool = False) -> Iterator[None]:
    """Convert the driver's errors. MongoDB refuses a `foreign` position that it did not make."""
    try:
        yield
    except PyMongoError as error:
        if foreign and _is_rejection(error):
            raise _bad_cursor() from error
        if searching and isinstance(error, (ExecutionTimeout, NetworkTimeout)):  # MongoDB's timeout or the driver's
            raise Unfinished(_reason(error)) from error
        raise (Rejected if _is_rejection(error) else Unavailable)(_reason(error)) from error


@contextlib.contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Limit the driver's time. To the driver, 0 is no limit."""
    with pymongo.timeout(max(seconds, 0.001)):
        yield


def _refusal(error: Mapping[str, Any]) -> WriteError:
    """Return the error of one document of a command."""
    kind = DuplicateKeyError if error["code"] == _DUPLICATE_KEY else WriteError
    return kind(error["errmsg"], error["code"])


def _outcome(error: PyMongoError | TimedOut, sent: int, identity: str) -> StoreError:
    """Return the StoreError for a failed write that was sent `sent` times."""
    if sent == 0:
        return Unavailable(_reason(error))
    if sent == 1 and _is_rejection(error):
        return Rejected(_reason(error))
    return Unknown(_reason(error), identity)


def _is_rejection(error: PyMongoError | TimedOut) -> bool:
    """Return whether MongoDB answered with a permanent error: not a timeout, a shutdown or a user yet to be created."""
    return (
        isinstance(error, OperationFailure)
        and not isinstance(error, WriteConcernError)
        and not error.timeout
        and not error.has_error_label("RetryableWriteError")
        and error.code not in _TRANSIENT
    )


def _is_unexecuted(error: OperationFailure) -> bool:
    """Return whether MongoDB refuses for now, and has executed nothing."""
    return error.code == _KEY_NOT_FOUND or (isinstance(error, WriteError) and error.code in _NOT_PRIMARY)


def _reason(error: PyMongoError | TimedOut) -> str:
    """Return the driver's message without the topology that it appends."""
    return f"{type(error).__name__}: {str(error).partition(', full error')[0].partition(', Timeout:')[0]}"


def _decode(batch: bytes) -> list[Document]:
    """Decode the documents of one reply, exactly as they were stored.

    The driver takes {"$ref": …, "$id": …} for a DBRef and drops parts of it, even a whole document if it decodes the
    reply itself. So replies are fetched raw, and those with such a name are decoded level by level.
    """
    if b"$ref\0" not in batch:
        with contextlib.suppress(BSONError):
            return bson.decode_all(batch, _CODEC)
    return [_decoded(each) for each in bson.decode_all(batch, _RAW_CODEC)]


def _canonical(document: bytes) -> bytes:
    (decoded,) = _decode(document)
    return documents.canonical(decoded, extended_json)


def _decoded(raw: RawBSONDocument) -> Document:
    """Decode a document. One that can't be, since another program wrote it, must not hide the others: it is shown with
    its BSON. MongoDB stores its _id first."""
    try:
        return {name: _plain(value) for name, value in raw.items()}
    except BSONError:
        data = bytes(raw.raw)
        identity = ObjectId(data[9:21]) if data[4:9] == b"\x07_id\0" else "…"
        return {"_id": identity, "$undecodable": b64encode(data).decode()}


def _plain(value: Any) -> Any:
    if isinstance(value, RawBSONDocument):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


_KEY_END = 4 + 1 + 4 + 12  # bytes: a document's length, the type and name of its _id, and an ObjectId


def _joined(first: bytes, second: bytes) -> bytes:
    """Return the BSON document with the elements of both: their bytes between the length and the last NUL."""
    return struct.pack("<i", len(first) + len(second) - 5) + first[4:-1] + second[4:]


def _shown(found: Document) -> Document:
    identity = found["_id"]
    if isinstance(identity, ObjectId):
        found["_id"] = str(identity)
    elif not isinstance(identity, str):
        found["_id"] = documents.encode(identity, extended_json).decode()
    return found


def _keyed(document: bytes, key: ObjectId | str) -> bytes:
    """Return a document that begins with an ObjectId as it is stored under this key."""
    if isinstance(key, ObjectId):
        return document
    return _joined(bson.encode({"_id": key}), _without_key(document))


def _without_key(document: bytes) -> bytes:
    """Return a document that begins with an ObjectId without that."""
    return struct.pack("<i", len(document) - _KEY_END + 4) + document[_KEY_END:]


def _stored_as(identity: str) -> Sequence[ObjectId | str]:
    """Return the values of _id that are shown as this id: other programs may have stored text of 24 digits, perhaps
    in upper case."""
    return list(dict.fromkeys((ObjectId(identity), identity, identity.lower())))


def _following(reply: bytes, found: list[Document]) -> str:
    """Return the position behind the last of the documents found: its _id as it is stored, which may be one of another
    program that can't be decoded."""
    last = found[-1]["_id"]
    if isinstance(last, ObjectId):
        return str(last)
    raw = bson.decode_all(reply, _RAW_CODEC)[len(found) - 1].raw
    return _FOREIGN + urlsafe_b64encode(_identity(bytes(raw))).decode()


def _position(cursor: str) -> Mapping[str, Any]:
    """Return the position for a command's max."""
    if documents.is_id(cursor):
        return {"_id": ObjectId(cursor)}
    if cursor.startswith(_FOREIGN):
        with contextlib.suppress(binascii.Error, ValueError, BSONError, struct.error):
            identity = urlsafe_b64decode(cursor.removeprefix(_FOREIGN))
            document = struct.pack("<i", len(identity) + 5) + identity + b"\0"
            if _identity(document) == identity:
                return RawBSONDocument(document, _RAW_CODEC)
    raise _bad_cursor()


def _bad_cursor() -> BadCursor:
    return BadCursor("before must be an _id of 24 hexadecimal digits, or the value that a page's Link header gives.")


def _identity(document: bytes) -> bytes:
    """Return the BSON element of a document's _id, which MongoDB stores first. Raise `struct.error` or `ValueError` if
    it has none."""
    type_ = document[4]
    if document[5:9] != b"_id\0":
        raise ValueError("The document does not begin with an _id.")
    if type_ in _LENGTH_BESIDE:
        length = struct.unpack_from("<I", document, 9)[0] + _LENGTH_BESIDE[type_]
    elif type_ in _LENGTHS:
        length = _LENGTHS[type_]
    else:
        raise ValueError(f"No _id has type {type_}.")
    return document[4 : 9 + length]


# Bytes of a BSON value by its type (https://bsonspec.org/spec.html): all of them, or those that its length leaves out.
# MongoDB takes no array, regular expression or undefined for an _id.
_LENGTHS = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_LENGTH_BESIDE = {0x02: 4, 0x03: 0, 0x05: 5, 0x0C: 16, 0x0D: 4, 0x0E: 4, 0x0F: 0}


class _Doubles(TypeDecoder):
    """Converts NaN and infinities, which JSON lacks and orjson would write as null."""

    bson_type = float

    def transform_bson(self, value: float) -> Any:
        return value if math.isfinite(value) else extended_json(value)


class _Codes(TypeDecoder):
    """Converts Code, a subclass of str, which orjson would write as a plain string."""

    bson_type = bson.Code

    def transform_bson(self, value: bson.Code) -> Any:
        return extended_json(value)


# Other programs may have stored dates outside Python's range or invalid UTF-8: these must not raise.
_CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    type_registry=TypeRegistry([_Doubles(), _Codes()]),
)
_RAW_CODEC: CodecOptions[RawBSONDocument] = _CODEC.with_options(document_class=RawBSONDocument)


@dataclass(slots=True)
class _Insertion:
    """A document to insert, and how often it was sent, perhaps together with others."""

    document: RawBSONDocument
    sent: int = 0


class _Clock(threading.local):
    """When this thread's request has to be answered. `end` is a `time.monotonic()`; None before its first request."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds  # of a request
        self.end: float | None = None


class _Attempts(threading.local):
    """Number of times this thread's current write was sent. The driver retries invisibly, on the caller's thread."""

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
