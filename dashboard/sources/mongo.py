"""What the database holds, pushed by a change stream: the only importer of `pymongo` and `bson`.

The stream is a signal, not the data: it says that something changed, and the newest documents and the collection's size
are then read, every READ_SECONDS at most, however many thousand changes a second there are. So nothing can be missed,
a lost stream (even one whose history is gone) is opened anew and followed by a read, and a flood costs the same
ten small reads a second. Documents too large to show never leave the database.
"""

import logging
import math
import threading
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import orjson
from bson import ObjectId, json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient, monitoring
from pymongo.errors import OperationFailure, PyMongoError

from dashboard.clock import now
from dashboard.core import events
from dashboard.core.events import Emit
from dashboard.core.timestamps import rfc3339

NEWEST_DOCUMENTS = 20
LARGEST_SHOWN_BYTES = 4096  # of a document's JSON
LARGEST_FETCHED_BYTES = 32 << 10  # of its BSON, which for small numbers is several times its JSON
READ_SECONDS = 0.1  # at least between two reads
OPERATIONS_SECONDS = 1.0
VOLUME_SECONDS = 10.0
RETRY_SECONDS = 0.5
SELECTION_MS = 2000
HEARTBEAT_MS = 1000
SOCKET_MS = 5000
AWAIT_MS = 1000  # how long the server holds a stream that has no news: it must be less than SOCKET_MS
LARGEST_SAFE_INTEGER = 2**53 - 1  # beyond this a browser's numbers are no longer exact
COUNTED = ("insert", "query", "update", "delete")  # not commands: heartbeats and this module's own reads are those
NEWS = ("insert", "update", "replace", "delete", "drop", "rename", "dropDatabase", "invalidate")
QUIET_SECTIONS = ("locks", "metrics", "repl", "tcmalloc", "transactions", "wiredTiger")  # of serverStatus, long ones
UNAUTHORIZED = (13, 18)

log = logging.getLogger(__name__)


class MongoSource:
    """Tells what the collection holds. `start` and `stop` are the mock's, too."""

    sources = ("mongo",)

    def __init__(self, uri: str, database: str, collection: str, emit: Emit) -> None:
        self._uri = uri
        self._names = (database, collection)
        self._emit = emit
        self._stopped = threading.Event()
        self._changed = threading.Event()
        self._known = threading.Event()  # the contents were told once
        self._client: MongoClient[dict[str, Any]] | None = None
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for run, name in (
                (self._listen, "mongo changes"),
                (self._read_on, "mongo reads"),
                (self._measure, "mongo volume"),
            )
        ]
        self._operations = OperationCounter()
        self._version = ""

    def start(self) -> None:
        """Connects and starts. Not before: a client does not survive a fork."""
        self._client = MongoClient(
            self._uri,
            appname="dashboard",
            serverSelectionTimeoutMS=SELECTION_MS,
            heartbeatFrequencyMS=HEARTBEAT_MS,
            connectTimeoutMS=SELECTION_MS,
            socketTimeoutMS=SOCKET_MS,
            event_listeners=[ServerListener(self._changed_hands)],
        )
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._changed.set()
        self._known.set()
        if self._client:
            self._client.close()
        for thread in self._threads:
            thread.join(SELECTION_MS / 1000 + 1)

    @property
    def _collection(self) -> Any:
        database, collection = self._names
        assert self._client is not None  # noqa: S101 - started
        options: CodecOptions[dict[str, Any]] = CodecOptions(
            tz_aware=True,
            tzinfo=UTC,
            datetime_conversion=DatetimeConversion.DATETIME_AUTO,  # a date beyond the year 9999 is still shown
            unicode_decode_error_handler="replace",
        )
        return self._client.get_database(database, codec_options=options).get_collection(collection)

    def _listen(self) -> None:
        """Signals every change, and too when a stream is opened: nobody listened until then."""
        pipeline = [{"$match": {"operationType": {"$in": NEWS}}}, {"$project": {"operationType": 1}}]
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
                if not self._stopped.is_set():  # a closed client raises what it likes
                    log.exception("change stream failed")
            self._stopped.wait(RETRY_SECONDS)

    def _read_on(self) -> None:
        """Reads when something changed, and counts operations each second: that is the sign of life, too."""
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                if rang := self._changed.is_set():
                    self._changed.clear()  # before the read: what changes during it signals again
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
            if rang:
                self._stopped.wait(max(0.0, READ_SECONDS - (time.monotonic() - began)))
            self._changed.wait(self._operations.due())

    def _measure(self) -> None:
        """Tells how full the volume is, as soon as the contents are told. A thread of its own, for it asks the file
        system, and a slow one must not keep the reads waiting. Whether the database answers is theirs to say."""
        self._known.wait()
        while not self._stopped.is_set():
            try:
                self._emit(self._volume())
            except PyMongoError as error:
                log.info("could not measure the volume: %s", error)
            except Exception:
                if not self._stopped.is_set():  # a closed client raises what it likes
                    log.exception("could not measure the volume")
            self._stopped.wait(VOLUME_SECONDS)

    def _fail(self, error: Exception) -> None:
        """Says so, and has the next round read: what came meanwhile is not known."""
        self._changed.set()
        self._operations.reset()
        self._emit(events.MongoUnavailable(at=now(), error=_sentence(error), forbidden=_forbidden(error)))
        self._stopped.wait(RETRY_SECONDS)

    def _changed_hands(self, writable: bool) -> None:
        """The driver's monitor lost the primary, or has it again: both are known here before any read knows."""
        if writable:
            self._changed.set()
        elif not self._stopped.is_set():
            self._emit(events.MongoUnavailable(at=now(), error="the database has no primary"))

    def _contents(self) -> events.CollectionRead:
        collection = self._collection
        rows = list(collection.aggregate(NEWEST, maxTimeMS=SOCKET_MS))
        stats = collection.database.command("collStats", collection.name)
        self._version = self._version or str(collection.database.client.server_info()["version"])
        return events.CollectionRead(
            at=now(),
            version=self._version,
            count=int(stats["count"]),
            size_bytes=int(stats["size"]),
            newest=[shown(row) for row in rows],
        )

    def _volume(self) -> events.VolumeUsage:
        stats = self._collection.database.command("dbStats")
        return events.VolumeUsage(at=now(), used_bytes=int(stats["fsUsedSize"]), total_bytes=int(stats["fsTotalSize"]))

    def _status(self) -> Mapping[str, Any]:
        """serverStatus without its long sections. The version may have changed while the database was away."""
        admin = self._collection.database.client.admin
        status: Mapping[str, Any] = admin.command("serverStatus", **dict.fromkeys(QUIET_SECTIONS, 0))
        self._version = str(status["version"])
        return status


NEWEST: list[Mapping[str, Any]] = [
    {"$sort": {"_id": -1}},
    {"$limit": NEWEST_DOCUMENTS},
    {"$project": {"size": {"$bsonSize": "$$ROOT"}, "root": "$$ROOT"}},
    {"$project": {"size": 1, "root": {"$cond": [{"$lte": ["$size", LARGEST_FETCHED_BYTES]}, "$root", None]}}},
]


class OperationCounter:
    """Documents' reads and writes per second, from two readings of the server's counters."""

    def __init__(self) -> None:
        self._previous: tuple[float, int] | None = None

    def due(self) -> float:
        """Seconds until the next reading."""
        if self._previous is None:
            return 0.0
        return max(0.0, self._previous[0] + OPERATIONS_SECONDS - time.monotonic())

    def reset(self) -> None:
        self._previous = None

    def per_second(self, status: Any) -> float | None:
        """The rate since the last reading, if one is due and there was one. A restarted server counts from zero."""
        if self.due() > 0:
            return None
        total = sum(int(status()["opcounters"][name]) for name in COUNTED)
        at, previous = time.monotonic(), self._previous
        self._previous = (at, total)
        if previous is None:
            return None
        return round(max(0, total - previous[1]) / (at - previous[0]), 1)


class ServerListener(monitoring.TopologyListener):
    """Hears from the driver's monitor when the primary goes, and when there is one again."""

    def __init__(self, changed: Any) -> None:
        self._changed = changed
        self._writable: bool | None = None

    def opened(self, event: monitoring.TopologyOpenedEvent) -> None:
        """Nothing is known yet."""

    def closed(self, event: monitoring.TopologyClosedEvent) -> None:
        """The client is closed, which is no news of the database."""

    def description_changed(self, event: monitoring.TopologyDescriptionChangedEvent) -> None:
        writable = event.new_description.has_writable_server()
        if writable != event.previous_description.has_writable_server():
            self._changed(writable)


def shown(row: Mapping[str, Any]) -> events.Document:
    """A document as the page shows it. An ObjectId is its hex and tells the time; any other id is its JSON."""
    id_, root, size = row["_id"], row["root"], row["size"]
    is_object_id = isinstance(id_, ObjectId)
    document: dict[str, Any] | None = None
    if root is not None:
        document = {key: plain(value) for key, value in root.items() if key != "_id"}
        size = len(orjson.dumps(document))
    truncated = document is None or size > LARGEST_SHOWN_BYTES
    exact = document is None or truncated or not _rounds(document)
    return events.Document(
        id=str(id_) if is_object_id else orjson.dumps(plain(id_)).decode(),
        document={"…": f"{size} bytes, too large to show"} if document is None or truncated else document,
        inserted=rfc3339(id_.generation_time) if is_object_id else None,
        truncated=truncated,
        text=None if exact else orjson.dumps(document).decode(),
    )


def plain(value: Any) -> Any:
    """The value as relaxed extended JSON: what came in as JSON is shown as it came."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$numberDouble": _not_finite(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return orjson.loads(json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS))


def _rounds(value: Any) -> bool:
    """Would a browser read another number than is written, or write 1.0 as 1?"""
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


def _sentence(error: Exception) -> str:
    """The error's name, and no more: the driver's own words carry addresses, and change with every try."""
    if _forbidden(error):
        return "the database refuses the dashboard's user"
    return f"the database can't be reached: {type(error).__name__}"
