"""Reads a run's documents from MongoDB directly, without the service.

It reads from the primary with majority read concern: such documents survive a failover.
"""

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import pymongo
from bson import ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient, ReadPreference
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from dashboard.core.errors import ExternalError
from dashboard.runs.workload.document import COLLECTION, digest
from dashboard.runs.workload.ledger import LARGEST
from dashboard.runs.workload.primary import Primary, primary_of

HELLO_SECONDS = 1.0  # the timeout of a `hello`
RECONNECT_SECONDS = 5.0  # without an answer, after which the client is replaced
READ_SECONDS = 30.0  # the timeout for all documents of a run
HEARTBEAT_MS = 500  # the driver's minimum, to find the new mongod soon
CONNECT_MS = 1000  # the old address of a replaced pod drops packets
PAGE = 1000  # documents

log = logging.getLogger(__name__)


class MongoReader:
    """The dashboard's own connection, made at its first use and shared by threads.

    If an empty database has replaced the old one, the driver takes its elections for old ones and never selects it, so
    that the loss would not be found. So a client without answers is replaced.
    """

    reads = True
    database = "mongodb"
    place: str | None = None
    note: str | None = None
    problem = ""

    def __init__(self, uri: str, database: str) -> None:
        self._uri = uri
        self._name = database
        self._made: MongoClient[dict[str, Any]] | None = None
        self._lock = threading.Lock()
        self._answered = time.monotonic()  # when the client last answered, or was made

    def primary(self) -> Primary | None:
        return primary_of(self._hello())

    def _hello(self) -> Mapping[str, Any]:
        """Return what the primary says of itself and of its set; nothing if no primary answers in time."""
        try:
            with pymongo.timeout(HELLO_SECONDS):
                hello: Mapping[str, Any] = self._client.admin.command("hello")
            self._answered = time.monotonic()
            return hello
        except PyMongoError as error:
            log.debug("no answer to hello: %s", error)
            if time.monotonic() - self._answered > RECONNECT_SECONDS:
                self.close()
            return {}

    def read(self, run: str) -> Mapping[str, str]:
        options: CodecOptions[dict[str, Any]] = CodecOptions(
            unicode_decode_error_handler="replace",  # so that a corrupt payload is counted
            datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        )
        database = self._client.get_database(self._name, codec_options=options)
        proofs = database.get_collection(
            COLLECTION, read_concern=ReadConcern("majority"), read_preference=ReadPreference.PRIMARY
        )
        try:
            with (
                pymongo.timeout(READ_SECONDS),
                proofs.find({"run": run}, {"payload": True}, batch_size=PAGE, limit=LARGEST + 1) as found,
            ):
                read = {_id(each["_id"]): digest(each.get("payload")) for each in found}
        except PyMongoError as error:
            reason = f"The documents could not be read from the database: {type(error).__name__}."
            raise ExternalError(reason) from error
        if len(read) > LARGEST:
            raise ExternalError(f"The database has more than {LARGEST:,} documents of this run.")
        return read

    def close(self) -> None:
        with self._lock:
            if self._made:
                self._made.close()
            self._made = None

    @property
    def _client(self) -> MongoClient[dict[str, Any]]:
        """The client, made at its first use: it does not survive a fork."""
        with self._lock:
            if self._made is None:
                self._answered = time.monotonic()
                self._made = MongoClient(
                    self._uri,
                    appname="dashboard-proofs",
                    connectTimeoutMS=CONNECT_MS,
                    heartbeatFrequencyMS=HEARTBEAT_MS,
                    maxPoolSize=4,
                )
            return self._made


def _id(value: Any) -> str:
    return str(value) if isinstance(value, ObjectId) else repr(value)
