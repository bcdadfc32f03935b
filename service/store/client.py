"""The driver's client, and the collections that it serves."""

from __future__ import annotations

from functools import partial

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from service.document import Document
from service.store.codec import CODEC
from service.store.collection import Collection
from service.store.limits import Limits
from service.store.listeners import Attempts, Commands, Observer, Topology
from service.store.outcomes import Refused, Replaced, Unavailable, reason

REACH_SECONDS = 2.0  # timeout of one attempt to reach MongoDB at start-up
CONNECT_MS = 2000  # packets to a replaced pod's old address are dropped: the driver must give up on it soon
HEARTBEAT_MS = 3000  # bounds how long a silently vanished member goes unnoticed

_REFUSALS = {13, 18}  # Unauthorized, AuthenticationFailed


class Store:
    """One MongoDB client, shared by the threads of one process. Created after the fork."""

    def __init__(self, uri: str, database: str, deadline: float, observer: Observer, threads: int = 16) -> None:
        self._observer = observer
        self.limits = Limits(deadline, threads)
        self.attempts = Attempts()
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
            maxPoolSize=threads + 4,
            connectTimeoutMS=CONNECT_MS,
            heartbeatFrequencyMS=HEARTBEAT_MS,
            serverSelectionTimeoutMS=int(deadline * 1000),
            event_listeners=[Commands(observer, self.attempts), Topology(observer)],
        )
        self._client: pymongo.MongoClient[Document] = self._connect()
        self._database = self._client.get_database(database, codec_options=CODEC)

    def collection(self, name: str, lifetime: int | None = None) -> Collection:
        """Return the collection of this name. With a lifetime in seconds, documents expire that long after a write."""
        created = Collection(self.limits, self.attempts, name, lifetime)
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
            raise kind(reason(error)) from error

    def reconnect(self) -> None:
        """Begin anew with the replica set that is there now. Requests that wait for the former one fail."""
        former, self._client = self._client, self._connect()
        self._database = self._client.get_database(self._database.name, codec_options=CODEC)
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
