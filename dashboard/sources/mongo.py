"""The MongoDB source: a collection's newest documents and size, the operation rate and the volume's usage.

The change stream is only a signal: after a change, the newest documents and the collection's size are read, at most
once per READ_SECONDS. No change is missed: after a lost stream (even one whose resume point has left the oplog), a new
one is opened and a read follows. However many changes there are, they cost at most ten small reads a second.
Documents over LARGEST_FETCHED_BYTES stay in the database.
"""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any

import orjson
from bson import ObjectId, json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from msgspec.structs import replace
from pymongo import MongoClient, monitoring
from pymongo.errors import ExecutionTimeout, OperationFailure, PyMongoError

from dashboard.clock import now
from dashboard.core import events
from dashboard.core.events import Emit
from dashboard.core.quantity import LARGEST_SAFE_INTEGER, MOST_BYTES
from dashboard.core.timestamps import rfc3339

NEWEST_DOCUMENTS = 20
LARGEST_SHOWN_BYTES = 4096  # of a document's JSON
LARGEST_FETCHED_BYTES = 32 << 10  # of its BSON, which can be several times as large as its JSON
LARGEST_ID_BYTES = 1024  # of the BSON of its _id, which can be as large as a document
LONGEST_ID = 1024  # characters
READ_SECONDS = 0.1  # between the starts of two reads, at least
OPERATIONS_SECONDS = 1.0
SIZES_SECONDS = 10.0
COUNT_MS = 3000  # for counting the documents: a collection that takes longer keeps MongoDB's own figures
RETRY_SECONDS = 0.5
SELECTION_MS = 2000
HEARTBEAT_MS = 1000
SOCKET_MS = 5000
AWAIT_MS = 1000  # how long the server holds a getMore without changes: must be less than SOCKET_MS
UNREADABLE = {"…": "This document can't be shown."}
OPERATIONS = ("insert", "query", "update", "delete")  # without "command": heartbeats and this source's reads
CHANGES = ("insert", "update", "replace", "delete", "drop", "rename", "dropDatabase", "invalidate")
LONG_SECTIONS = ("locks", "metrics", "repl", "tcmalloc", "transactions", "wiredTiger")  # of serverStatus
UNAUTHORIZED = (13, 18)  # error codes: Unauthorized, AuthenticationFailed

log = logging.getLogger(__name__)


class MongoSource:
    """Emits the events of one collection, from three threads: the change stream, the reads, the sizes."""

    sources = ("mongo",)

    def __init__(self, uri: str, database: str, collection: str, emit: Emit) -> None:
        self._uri = uri
        self._names = (database, collection)
        self._emit = emit
        self._stopped = threading.Event()
        self._changed = threading.Event()
        self._known = threading.Event()  # set after the first read
        self._client: MongoClient[dict[str, Any]] | None = None
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for run, name in (
                (self._listen, "mongo changes"),
                (self._read, "mongo reads"),
                (self._measure_sizes, "mongo sizes"),
            )
        ]
        self._operations = OperationCounter()
        self._correction = Correction()
        self._wrong_size = threading.Event()
        self._version = ""

    def start(self) -> None:
        """Connect and start. The client is created here, because it does not survive a fork."""
        self._client = MongoClient(
            self._uri,
            appname="dashboard",
            serverSelectionTimeoutMS=SELECTION_MS,
            heartbeatFrequencyMS=HEARTBEAT_MS,
            connectTimeoutMS=SELECTION_MS,
            socketTimeoutMS=SOCKET_MS,
            event_listeners=[ServerListener(self._primary_changed)],
        )
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._changed.set()
        self._wrong_size.set()
        self._known.set()
        if self._client:
            self._client.close()
        for thread in self._threads:
            thread.join(SELECTION_MS / 1000 + 1)

    @property
    def _collection(self) -> Any:
        database, collection = self._names
        assert self._client is not None  # noqa: S101 - started
        return self._client.get_database(database, codec_options=RAW).get_collection(collection)

    def _listen(self) -> None:
        """Set `_changed` at each change, and when a stream is opened, as changes before that were not seen."""
        pipeline = [{"$match": {"operationType": {"$in": CHANGES}}}, {"$project": {"operationType": 1}}]
        while not self._stopped.is_set():
            try:
                with self._collection.watch(pipeline, max_await_time_ms=AWAIT_MS, batch_size=1000) as stream:
                    self._changed.set()
                    while stream.alive and not self._stopped.is_set():
                        if stream.try_next() is not None:
                            self._changed.set()
            except PyMongoError as error:
                log.info("change stream ended: %s", error)
            except Exception:
                if not self._stopped.is_set():  # a closed client may raise any exception
                    log.exception("change stream failed")
            self._stopped.wait(RETRY_SECONDS)

    def _read(self) -> None:
        """Read the collection after a change, and the operation rate each second, which also detects an outage."""
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                if changed := self._changed.is_set():
                    self._changed.clear()  # before the read: a change during it causes another
                    self._emit(self._contents())
                    self._known.set()
                if (rate := self._operations.per_second(self._status)) is not None:
                    self._emit(events.OperationRate(at=now(), per_second=rate))
            except Exception as error:
                if self._stopped.is_set():
                    return
                if not isinstance(error, PyMongoError):
                    log.exception("could not read the database")
                self._fail(error)
            if changed:
                self._stopped.wait(max(0.0, READ_SECONDS - (time.monotonic() - began)))
            self._changed.wait(self._operations.due())

    def _measure_sizes(self) -> None:
        """Emit the volume's usage and correct the collection's, after the first read. Errors are only logged: the reads
        report an outage.

        It has a thread of its own: mongod asks the file system, and a slow one must not delay the reads.
        """
        self._known.wait()
        while not self._stopped.is_set():
            self._wrong_size.clear()
            try:
                self._emit(self._volume())
                self._correction.check(self._validations)
                if self._correction.measure(self._collection):
                    self._changed.set()
            except PyMongoError as error:
                log.info("could not measure the sizes: %s", error)
            except Exception:
                if not self._stopped.is_set():  # a closed client may raise any exception
                    log.exception("could not measure the sizes")
            self._stopped.wait(self._correction.pause)
            self._wrong_size.wait(SIZES_SECONDS)

    def _fail(self, error: Exception) -> None:
        """Report an outage, and have the next round read, as changes may have been missed."""
        self._changed.set()
        self._operations.reset()
        self._emit(events.MongoUnavailable(at=now(), error=_message(error), forbidden=_forbidden(error)))
        self._stopped.wait(RETRY_SECONDS)

    def _primary_changed(self, writable: bool) -> None:
        """Report a lost primary, read when there is one again. The driver's monitor notices before a read does."""
        if writable:
            self._correction.reset()
            self._changed.set()
            self._wrong_size.set()
        elif not self._stopped.is_set():
            self._emit(events.MongoUnavailable(at=now(), error="the database has no primary"))

    def _contents(self) -> events.CollectionRead:
        collection = self._collection
        rows = list(collection.aggregate(NEWEST, maxTimeMS=SOCKET_MS))
        count, size = self._correction.applied(_stats(collection))
        if self._correction.is_due:
            self._wrong_size.set()
        self._version = self._version or str(collection.database.client.server_info()["version"])
        return events.CollectionRead(
            at=now(),
            version=self._version,
            count=count,
            size_bytes=size,
            newest=distinct([shown(row) for row in rows]),
        )

    def _volume(self) -> events.VolumeUsage:
        stats = self._collection.database.command("dbStats")
        used, total = (min(int(stats[name]), MOST_BYTES) for name in ("fsUsedSize", "fsTotalSize"))
        return events.VolumeUsage(at=now(), used_bytes=used, total_bytes=total)

    def _validations(self) -> int:
        """Return how often a `validate` has run since mongod's start."""
        admin = self._collection.database.client.admin
        without = [name for name in LONG_SECTIONS if name != "metrics"]
        status = admin.command("serverStatus", **dict.fromkeys(without, 0))
        return int(status["metrics"]["commands"]["validate"]["total"])

    def _status(self) -> Mapping[str, Any]:
        """Return serverStatus without its long sections. Update the version: an outage may have been an upgrade."""
        admin = self._collection.database.client.admin
        status: Mapping[str, Any] = admin.command("serverStatus", **dict.fromkeys(LONG_SECTIONS, 0))
        self._version = str(status["version"])
        return status


def _stats(collection: Any) -> tuple[int, int]:
    """Return MongoDB's figures of the collection: the number of documents, and their bytes."""
    stats = collection.database.command("collStats", collection.name)
    return int(stats["count"]), int(stats["size"])


class Correction:
    """The error of MongoDB's figures of the collection, which are wrong from a crash of mongod on, until a `validate`.

    It stays the same until the next crash or `validate`, or until deletions bring the figures to zero, below which they
    do not go. So the documents are counted after each of these, until the figures before and after the count are the
    same: then no write came between.
    """

    def __init__(self) -> None:
        self._lack = (0, 0)
        self._validations = 0
        self.is_due = True
        self.pause = 0.0  # seconds after a count: the counts take a tenth of the time at most

    def reset(self) -> None:
        """Measure again: there is a new primary."""
        self.is_due = True

    def check(self, validations: Callable[[], int]) -> None:
        """Measure again if there is an error to correct and `validations()`, since mongod's start, has changed."""
        if self._lack == (0, 0):
            return
        counted = validations()
        self.is_due = self.is_due or counted != self._validations
        self._validations = counted

    def applied(self, stats: tuple[int, int]) -> tuple[int, int]:
        """Return the number of documents and their bytes."""
        if 0 in stats and self._lack != (0, 0):
            self.is_due = True
        count, size = (min(max(0, of + lack), MOST_BYTES) for of, lack in zip(stats, self._lack, strict=True))
        return count, size

    def measure(self, collection: Any) -> bool:
        """Count the documents if that is due. Return whether the correction changed. Raise PyMongoError."""
        self.pause = 0.0
        if not self.is_due:
            return False
        self.is_due = False
        began, before = time.monotonic(), _stats(collection)
        try:
            counted = next(iter(collection.aggregate(COUNTED, maxTimeMS=COUNT_MS)), {"count": 0, "bytes": 0})
        except ExecutionTimeout:
            log.info("the collection is too large to be counted")
            return False
        finally:
            self.pause = max(1.0, 10 * (time.monotonic() - began))
        after = _stats(collection)
        self.is_due = self.is_due or before != after
        count = int(counted["count"])
        fewest, most = sorted((before[0], after[0]))
        if fewest + self._lack[0] <= count <= most + self._lack[0]:
            return False  # writes between the readings explain the difference, if there is one
        self._lack = (count - after[0], int(counted["bytes"]) - after[1])
        return True


RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    tz_aware=True,
    tzinfo=UTC,
    document_class=RawBSONDocument,  # decoded one by one, and nothing in it becomes a DBRef
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,  # a date after the year 9999 would raise
    unicode_decode_error_handler="replace",
)

COUNTED: list[Mapping[str, Any]] = [
    {"$group": {"_id": None, "count": {"$sum": 1}, "bytes": {"$sum": {"$bsonSize": "$$ROOT"}}}},
]

NEWEST: list[Mapping[str, Any]] = [
    {"$sort": {"_id": -1}},
    {"$limit": NEWEST_DOCUMENTS},
    {"$project": {"size": {"$bsonSize": "$$ROOT"}, "id_size": {"$bsonSize": {"_id": "$_id"}}, "root": "$$ROOT"}},
    {
        "$project": {
            "_id": {"$cond": [{"$lte": ["$id_size", LARGEST_ID_BYTES]}, "$_id", "…"]},
            "size": 1,
            "root": {"$cond": [{"$lte": ["$size", LARGEST_FETCHED_BYTES]}, "$root", None]},
        }
    },
]


class OperationCounter:
    """The rate of document reads and writes, from two readings of the server's counters."""

    def __init__(self) -> None:
        self._previous: tuple[float, int] | None = None

    def due(self) -> float:
        """Return the seconds until the next reading."""
        if self._previous is None:
            return 0.0
        return max(0.0, self._previous[0] + OPERATIONS_SECONDS - time.monotonic())

    def reset(self) -> None:
        self._previous = None

    def per_second(self, status: Callable[[], Mapping[str, Any]]) -> float | None:
        """Return the rate since the last reading; None if no reading is due, or at the first one.

        A restarted server counts from zero: the rate is never negative.
        """
        if self.due() > 0:
            return None
        total = sum(int(status()["opcounters"][name]) for name in OPERATIONS)
        at, previous = time.monotonic(), self._previous
        self._previous = (at, total)
        if previous is None:
            return None
        return round(max(0, total - previous[1]) / (at - previous[0]), 1)


class ServerListener(monitoring.TopologyListener):
    """Calls `changed(writable)` when the driver's monitor loses the primary or finds one."""

    def __init__(self, changed: Callable[[bool], None]) -> None:
        self._changed = changed

    def opened(self, event: monitoring.TopologyOpenedEvent) -> None:
        """Ignored: no server is known yet."""

    def closed(self, event: monitoring.TopologyClosedEvent) -> None:
        """Ignored: it says nothing about the database."""

    def description_changed(self, event: monitoring.TopologyDescriptionChangedEvent) -> None:
        writable = event.new_description.has_writable_server()
        if writable != event.previous_description.has_writable_server():
            self._changed(writable)


def shown(row: Mapping[str, Any]) -> events.Document:
    """Return a row of NEWEST as the page shows it.

    An ObjectId is shown in hex and gives the time of insertion; any other id is shown as JSON.
    """
    document: dict[str, Any] | None = None
    try:
        id_, root, size = row["_id"], row["root"], row["size"]
        is_object_id = isinstance(id_, ObjectId)
        name = str(id_) if is_object_id else orjson.dumps(plain(id_)).decode()
        name = name if len(name) <= LONGEST_ID else f"{name[:LONGEST_ID]}…"
        inserted = rfc3339(id_.generation_time) if is_object_id else None
    except Exception as error:
        log.info("could not decode the _id of a document: %s", error)
        return events.Document("…", UNREADABLE, None)
    if root is not None:
        try:
            document = {key: plain(value) for key, value in root.items() if key != "_id"}
            size = len(orjson.dumps(document))
        except Exception as error:  # one document that can't be decoded must not hide the others
            log.info("could not decode a document: %s", error)
            return events.Document(name, UNREADABLE, inserted)
    if document is None or size > LARGEST_SHOWN_BYTES:
        return events.Document(name, {"…": f"{size} bytes, too large to show"}, inserted, truncated=True)
    text = orjson.dumps(document).decode() if _rounds(document) else None
    return events.Document(name, document, inserted, text=text)


def distinct(documents: Sequence[events.Document]) -> list[events.Document]:
    """Number the documents of equal ids: _ids of different types may be shown alike."""
    seen: Counter[str] = Counter()
    numbered = []
    for document in documents:
        seen[document.id] += 1
        number = seen[document.id]
        numbered.append(document if number == 1 else replace(document, id=f"{document.id} ({number})"))
    return numbered


def plain(value: Any) -> Any:
    """Return the value as relaxed extended JSON: a value that was inserted as JSON is unchanged."""
    if value is None or isinstance(value, bool) or type(value) is str:  # not Code, which is a str, too
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$numberDouble": _not_finite(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return orjson.loads(json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS))


def _rounds(value: Any) -> bool:
    """Return whether JavaScript would round a number in the value, or write 1.0 as 1."""
    if isinstance(value, dict):
        return any(_rounds(item) for item in value.values())
    if isinstance(value, list):
        return any(_rounds(item) for item in value)
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and abs(value) > LARGEST_SAFE_INTEGER


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _forbidden(error: Exception) -> bool:
    return isinstance(error, OperationFailure) and error.code in UNAUTHORIZED


def _message(error: Exception) -> str:
    """Return a message with the error's name only: the driver's text has addresses and changes at each attempt."""
    if _forbidden(error):
        return "the database refuses the dashboard's user"
    return f"the database can't be reached: {type(error).__name__}"
