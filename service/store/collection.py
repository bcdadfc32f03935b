"""Writes and reads of one collection, each under the deadline of its request."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import bson
import pymongo
from bson.errors import BSONError
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import (
    BulkWriteError,
    DuplicateKeyError,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
)

from service import document as documents
from service import filter as filters
from service.coalescer import Coalescer, StillExecuting, TimedOut
from service.filter import Filter
from service.preconditions import Preconditions, tag_of
from service.store import keys
from service.store.codec import RAW_CODEC, beginning, canonical, decode, extended_json, joined, without_key
from service.store.keys import Key
from service.store.limits import LARGE_BYTES, Limits, hold
from service.store.listeners import Attempts
from service.store.outcomes import (
    NOT_PRIMARY,
    Conflict,
    PreconditionFailed,
    Reserved,
    TooLarge,
    Unavailable,
    Unknown,
    is_malformed,
    is_rejection,
    is_unexecuted,
    outcome,
    read_errors,
    reason,
    refusal_of,
)
from service.store.paging import cursor_after, position

LARGEST_PAGE_BYTES = 4 << 20  # of BSON; a page takes three times its BSON while it is converted to JSON
PAGE_PATIENCE_SECONDS = 0.5  # a reader waits so long for another's page, which may hang on a vanished member
INSERT_PATIENCE_SECONDS = 0.002  # a document waits so long at most to share a command: MongoDB may be far away
MOST_INSERTED = 500  # documents of a command
LARGEST_INSERT_BYTES = 4 << 20  # of its documents; a larger document has a command of its own
LARGEST_COMPARED_BYTES = (16 << 20) - (64 << 10)  # of a document and its replacement: MongoDB's limit for a command
REFUSED_SECONDS = 0.1  # until a command or a document is sent again that a former or a new primary refused
LEAST_SECONDS = 0.6  # left to send it again and get its answer: a refusal is certain, no answer in time is not
MARK = "_expires_from"  # field that holds the date from which a document expires; never shown

_NO_KEY = ObjectId(bytes(12))  # of a replacement for a document whose _id is not an ObjectId
_OTHER_LIFETIME = 85  # IndexOptionsConflict: the index exists with another lifetime

Context = contextlib.AbstractContextManager[object]
Result = TypeVar("Result")


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
    """A stored document: its BSON without the mark."""

    bson: bytes

    @property
    def key(self) -> Key:
        """Its _id in MongoDB."""
        return keys.key_of(self.bson)

    @property
    def tag(self) -> str:
        """The entity tag."""
        return tag_of(self.bson)

    def json(self) -> bytes:
        (document,) = keys.identified(self.bson, decode(self.bson))
        return documents.encode(document, extended_json)


class Collection:
    """One MongoDB collection. Its callers see ids as hexadecimal text and documents as JSON."""

    def __init__(self, limits: Limits, attempts: Attempts, name: str, lifetime: int | None) -> None:
        self._limits = limits
        self._attempts = attempts
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
        return self._limits.share(len(body))

    def reading(self) -> Context:
        """Get a document and convert it within this context, for the same reason. Raise Unavailable."""
        return hold(self._limits.reads, self._limits.deadline, "Too many documents are being read.")

    def json(self, found: Found) -> bytes:
        """Return the document's JSON."""
        with self._converting(len(found.bson)):
            return found.json()

    def parse(self, body: bytes, identity: str | None = None) -> EncodedDocument:
        """Return the record of a JSON document. Its id is `identity`, else the document's own, else a new one.

        Raise Malformed, BadId if the document has another id than `identity`, or Reserved.
        """
        document = documents.decode(body)
        if identity and document.get("_id") == identity:  # which may be one of another program
            del document["_id"]
        own = documents.take_id(document)
        if identity and own not in (None, identity.lower()):
            raise documents.BadId(f"The document's _id is {own}, and the path's is {identity}.")
        if self._lifetime and MARK in document:
            raise Reserved(f"The name {MARK} is reserved here.")
        identity = identity or own or documents.new_id(time.time_ns(), random.getrandbits(40))
        has_dollar = any(name.startswith("$") for name in document)
        key = ObjectId(identity) if documents.is_id(identity) else _NO_KEY
        return EncodedDocument(identity, bson.encode({"_id": key, **document}), has_dollar)

    def insert(self, record: EncodedDocument) -> Stored:
        """Store the record, unless an equal document was stored before: by a client's earlier try."""
        end = time.monotonic() + self._limits.deadline
        insertion = _Insertion(self._marked(record.bson))
        try:
            refusal = self._inserts.do(
                "insert", insertion, self._insert_all, self._limits.deadline, size=len(record.bson)
            )
        except StillExecuting as error:
            raise Unknown(str(error), record.identity) from error
        except (PyMongoError, TimedOut) as error:
            raise outcome(error, insertion.sent, record.identity) from error
        if refusal is None:
            return Stored(record.identity, tag_of(record.bson), is_new=True)
        if not isinstance(refusal, DuplicateKeyError):
            raise outcome(refusal, insertion.sent, record.identity)
        with _timeout(end - time.monotonic()):
            if same := self._same(record):
                # If it was sent twice, the stored document may come from the first attempt.
                return Stored(record.identity, same.tag, is_new=insertion.sent > 1)
        if insertion.unanswered:  # it may be stored, and replaced since then
            raise Unknown("Another document has this _id, and an earlier try had no answer.", record.identity)
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
            change = partial(self._collection.replace_one, replacement=self._marked(without_key(record.bson)))

        def write(condition: Mapping[str, Any]) -> int:
            return int(self._repeated(partial(change, condition)).matched_count)

        with self._writing(record.identity) as attempts:
            if preconditions:
                with self.reading():
                    key = self._write_if(preconditions, record.identity, attempts, write, len(record.bson))
            else:
                with self._comparing(len(record.bson) if record.has_dollar else 0, self._limits.deadline):
                    key = next((each for each in self._keys(record.identity) if _with_key(each, write, 0)), None)
        return (
            None
            if key is None
            else Stored(
                str(key) if isinstance(key, ObjectId) else record.identity, tag_of(keys.keyed(record.bson, key))
            )
        )

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
            for each in keys.keys(identity):
                attempts.sent = 0
                if _with_key(each, write, 0) or attempts.sent > 1:
                    return True
            return False

    def get(self, identity: str) -> Found | None:
        """Return the document with this id; None if there is none."""
        with pymongo.timeout(self._limits.deadline), read_errors():
            return self._find(identity)

    def newest(self, limit: int, before: str | None, condition: Filter | None = None) -> Page:
        """Return up to `limit` documents by descending _id, only those below `before` that meet the condition.

        One command and one reply: a page of large documents ends early, at LARGEST_PAGE_BYTES of BSON. Only a single
        document may have more, up to MongoDB's own 16 MB. MongoDB ends the command at the deadline (maxTimeMS), so no
        abandoned search goes on.
        """
        if condition:
            return self._newest(limit, before, condition, self._limits.deadline)

        def execute(readers: Sequence[None], seconds: float) -> list[Page]:
            return [self._newest(limit, before, None, seconds)] * len(readers)

        try:
            return self._pages.do((limit, before), None, execute, self._limits.deadline)
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
            query |= {"max": position(before), "hint": [("_id", 1)]}
        foreign = before is not None and before.startswith(keys.FOREIGN)
        with (
            self._paging(searching, seconds) as remaining,
            _timeout(remaining),
            read_errors(searching, foreign),
        ):
            fitting = limit + 1
            if self._sizes.may_exceed(LARGEST_PAGE_BYTES, limit):
                fitting = self._repeated(partial(self._fitting, query))
            reply, more = self._repeated(partial(self._reply, **query | {"limit": fitting}))
            if len(reply) > LARGEST_PAGE_BYTES:  # the estimate was wrong, or they have grown since
                first = beginning(reply, LARGEST_PAGE_BYTES)
                reply, more = first, more or len(first) < len(reply)
            with self._converting(len(reply)):
                found = decode(reply)
                more = more or len(found) > limit or len(found) == fitting
                self._sizes.learn(len(reply), len(found))
                del found[limit:]
                following = cursor_after(reply, found) if more and found else None
                return Page(documents.encode(keys.identified(reply, found), extended_json), following)

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
            if searching:
                with self._limits.patience(seconds) as patience:
                    slots.enter_context(hold(self._limits.searches, patience, "Too many concurrent searches."))
            slots.enter_context(hold(self._limits.pages, end - time.monotonic(), "Too many concurrent page requests."))
            yield end - time.monotonic()

    def _comparing(self, size: int, seconds: float) -> Context:
        """Let MongoDB take documents of this size in expressions within this context. Raise Unavailable."""
        if size <= LARGE_BYTES:
            return contextlib.nullcontext()
        return hold(self._limits.comparisons, seconds, "Too many large documents are being compared.")

    def _converting(self, size: int) -> Context:
        """Convert BSON of this size within this context. It waits for what takes a processor only, so not for long."""
        return self._limits.conversions if size > LARGE_BYTES else contextlib.nullcontext()

    @contextlib.contextmanager
    def _writing(self, identity: str) -> Iterator[Attempts]:
        """Run one write under the request's deadline and count its attempts. Raise a StoreError with the outcome."""
        attempts = self._attempts
        attempts.sent = 0
        with pymongo.timeout(self._limits.deadline):
            try:
                yield attempts
            except PyMongoError as error:
                raise outcome(error, attempts.sent, identity) from error

    def _write_if(
        self,
        preconditions: Preconditions,
        identity: str,
        attempts: Attempts,
        write: Callable[[Mapping[str, Any]], int],
        size: int = 0,
    ) -> Key | None:
        """Write the document if it meets the preconditions. Return its key, or None if there is none.

        Raise PreconditionFailed if it does not meet them.
        The write's own filter has the content that met them, so it finds nothing once another write came between; then
        the majority has that write, and the next read sees it. A write that the driver sent twice and that found
        nothing may have been applied the first time: `attempts.sent` stays above 1.
        """
        end = time.monotonic() + self._limits.deadline
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
        same = {"$eq": [content, {"$literal": RawBSONDocument(found.bson, RAW_CODEC)}]}
        return {
            **keys.condition(found.key),
            "$expr": {"$and": [{"$eq": [{"$bsonSize": content}, len(found.bson)]}, same]},
        }

    def _insert_all(self, insertions: Sequence[_Insertion], seconds: float) -> list[WriteError | None]:
        """Send one command. Return each document's refusal, or None if it is stored. Raise if MongoDB says less.

        A member that ceases to be primary within a command refuses the rest of its documents one by one. The driver
        repeats only whole commands, so these documents are sent again here.
        """
        end = time.monotonic() + seconds
        refusals = self._repeated(lambda: self._send(insertions, end - time.monotonic()))
        while again := [place for place, each in enumerate(refusals) if each and each.code in NOT_PRIMARY]:
            if end - time.monotonic() < LEAST_SECONDS:
                break
            time.sleep(REFUSED_SECONDS)
            try:
                repeated = self._send([insertions[place] for place in again], end - time.monotonic())
            except PyMongoError as error:
                if is_rejection(error):
                    break
                continue  # MongoDB stores a document once, by its _id
            for place, refusal in zip(again, repeated, strict=True):
                refusals[place] = refusal
        return refusals

    def _send(self, insertions: Sequence[_Insertion], seconds: float) -> list[WriteError | None]:
        attempts = self._attempts
        attempts.sent = 0
        answered = True
        try:
            with _timeout(seconds):
                if len(insertions) == 1:  # in the driver, this costs less than a list of one
                    self._collection.insert_one(insertions[0].document)
                else:
                    self._collection.insert_many([each.document for each in insertions], ordered=False)
        except WriteError as error:
            answered = attempts.sent < 2 or error.code not in NOT_PRIMARY  # the driver repeats what had no answer
            return [error]
        except BulkWriteError as error:
            if concerns := error.details["writeConcernErrors"]:
                answered = False
                raise WriteConcernError(concerns[-1]["errmsg"], concerns[-1]["code"]) from error
            refusals = {each["index"]: refusal_of(each) for each in error.details["writeErrors"]}
            return [refusals.get(place) for place in range(len(insertions))]
        except PyMongoError as error:
            answered = False
            again = isinstance(error, OperationFailure) and (
                is_unexecuted(error) or (len(insertions) > 1 and is_rejection(error))  # then each goes alone
            )
            if again and attempts.sent == 1:
                attempts.sent = 0  # none of them is applied
            raise
        finally:
            for each in insertions:
                each.sent += attempts.sent
                each.unanswered = each.unanswered or (attempts.sent > 0 and not answered)
        return [None] * len(insertions)

    def _repeated(self, call: Callable[[], Result]) -> Result:
        """Call the driver again while MongoDB refuses and executes nothing, and time is left for another answer.

        The driver does not repeat a command that a new primary refuses, nor a document that a former one does, nor a
        write for which it had to open a connection to a primary that is shutting down.
        """
        end = time.monotonic() + self._limits.deadline
        while True:
            try:
                return call()
            except NotPrimaryError:
                if end - time.monotonic() < LEAST_SECONDS:
                    raise
            except OperationFailure as error:
                if not is_unexecuted(error):
                    raise
                if self._attempts.sent == 1:
                    self._attempts.sent = 0
                if end - time.monotonic() < LEAST_SECONDS:
                    raise
            time.sleep(REFUSED_SECONDS)

    def _marked(self, document: bytes) -> RawBSONDocument:
        """Return the document as it is sent: where documents expire, with the mark."""
        mark = bson.encode({MARK: datetime.now(UTC)}) if self._lifetime else None
        return RawBSONDocument(joined(document, mark) if mark else document, RAW_CODEC)

    def _same(self, record: EncodedDocument) -> Found | None:
        """Return the stored document if it equals this one. MongoDB reports a duplicate key once the majority has the
        document, so a majority read sees it."""
        key = ObjectId(record.identity)
        try:
            with self.reading():
                found = Found(self._raw(key))
                if not found.bson:
                    return None
                with self._converting(max(len(found.bson), len(record.bson))):
                    stored, sent = (canonical(each) for each in (found.bson, record.bson))
                    return found if stored == sent else None
        except Unavailable as error:
            raise Unknown(str(error), record.identity) from error
        except PyMongoError as error:
            raise Unknown(reason(error), record.identity) from error

    def _keys(self, identity: str) -> Sequence[Key]:
        """Return the keys that an id names. MongoDB takes equal numbers of two types for one _id: of these, the stored
        one."""
        if documents.is_id(identity) or not (found := self._find(identity)):
            return keys.keys(identity)
        return [found.key]

    def _find(self, identity: str) -> Found | None:
        found = (Found(self._raw(each)) for each in keys.keys(identity))
        return next((each for each in found if each.bson), None)

    def _raw(self, key: Key) -> bytes:
        """Return a document's BSON; empty if there is none."""

        def read(condition: Mapping[str, Any]) -> bytes:
            return self._repeated(partial(self._reply, filter=condition, limit=-1))[0]

        return _with_key(key, read, b"")

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


def _with_key(key: Key, call: Callable[[Mapping[str, Any]], Result], absent: Result) -> Result:
    """Call with the filter that finds a key's document. Return `absent` if MongoDB takes no such key: an id that a
    client made up can be malformed within, or nested too deep."""
    try:
        return call(keys.condition(key))
    except (BSONError, OperationFailure) as error:
        if isinstance(key, RawBSONDocument) and is_malformed(error):
            return absent
        raise


@contextlib.contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Limit the driver's time. To the driver, 0 is no limit."""
    with pymongo.timeout(max(seconds, 0.001)):
        yield


@dataclass(slots=True)
class _Insertion:
    """A document to insert, and how often it was sent, perhaps together with others; and whether one of these commands
    had no answer, so that it may be stored."""

    document: RawBSONDocument
    sent: int = 0
    unanswered: bool = False
