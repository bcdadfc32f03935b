"""Writers that write through the service like its users, record each outcome in a ledger, and read everything back.

Each writer sends one document at a time and waits for its answer longer than MongoDB takes to restart, so it goes on
through an outage. Without an answer the outcome is unknown. No document is sent twice: the run has to find out whether
the first request was stored.
"""

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from itertools import count
from threading import Event

import msgspec

from dashboard.core.errors import ExternalError
from dashboard.dataservice.contract import DataService, DataServiceAnswer, DataServiceError
from dashboard.runs.demos.persistence.document import digest, document
from dashboard.runs.demos.persistence.ledger import LARGEST, Full, Ledger

WRITERS = 8
PER_SECOND = 20.0  # documents of each writer, if the service is fast enough; together they need 100
DEADLINE_SECONDS = 30.0  # for one document; the service's own deadline is 20, which is longer than a restart of MongoDB
AT_ONCE = WRITERS + 1  # concurrent requests: the last document may overlap with another one
PAYLOAD_BYTES = 48  # random
PAGE = 1000  # documents, the service's maximum
PAGE_SECONDS = 30.0  # for all tries of one page
RETRY_SECONDS = 0.5
JSON = "application/json"
DETAIL_LENGTH = 200  # characters of the service's error

NOT_APPLIED = "not-applied"  # the service's `outcome`
REQUEST_TIMEOUT = 408  # the only 4xx that a proxy may send for a request that it has passed on

log = logging.getLogger(__name__)


class Stored(msgspec.Struct):
    """The fields that are read of a document. A corrupt payload may have any type."""

    id: str = msgspec.field(name="_id")
    payload: object = None


class Problem(msgspec.Struct):
    outcome: str = ""
    detail: str = ""


class ServiceWriters:
    """One run's writers. `service` is a client of the proofs collection with DEADLINE_SECONDS and AT_ONCE requests."""

    def __init__(
        self,
        service: DataService,
        run: str,
        *,
        writers: int = WRITERS,
        per_second: float = PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ledger = Ledger()
        self._service = service
        self._run = run
        self._pause = 1 / per_second
        self._clock = clock
        self._ids = Ids()
        self._numbers = count()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._write_on, args=(each, each / writers), name=f"writer {each}", daemon=True)
            for each in range(writers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def write(self) -> bool:
        try:
            return self._write(len(self._threads))
        except Full:
            return False

    def read(self, cancelled: Event) -> Mapping[str, str]:
        parameters: Mapping[str, str] | None = {"filter": json.dumps({"run": self._run}), "limit": str(PAGE)}
        read: dict[str, str] = {}
        while parameters:
            page = self._page(parameters, cancelled)
            before = len(read)
            read |= {each.id: digest(each.payload) for each in _decoded(page)}
            if len(read) > LARGEST:
                raise ExternalError(f"The service has more than {LARGEST:,} documents of this run.")
            if page.next and len(read) == before:
                raise ExternalError("The service's pages do not end: one brought no new documents and has a next one.")
            parameters = page.next
        return read

    def _write_on(self, writer: int, offset: float) -> None:
        """Write one document after another at a fixed interval, without catching up after an outage. `offset` is the
        start within the first interval, so that the writers are spread over it."""
        due = self._clock() + offset * self._pause
        while not self._stopped.wait(max(0.0, due - self._clock())):
            due = max(due, self._clock()) + self._pause
            try:
                self._write(writer)
            except Full:
                log.warning("writer %d ends: the ledger is full", writer)
                return
            except Exception:
                log.exception("writer %d failed", writer)  # the document stays open in the ledger: unknown

    def _write(self, writer: int) -> bool:
        """Write one document. Return whether it was acknowledged."""
        made = document(self._ids.new(), self._run, writer, next(self._numbers), secrets.token_hex(PAYLOAD_BYTES))
        id_, body = made["_id"], json.dumps(made).encode()
        self.ledger.attempt(id_, made["sha256"], self._clock())
        try:
            answer = self._service.insert(body, JSON)
        except DataServiceError as error:
            self.ledger.leave(id_, self._clock(), str(error))
            return False
        at = self._clock()
        if 200 <= answer.status < 300:
            self.ledger.acknowledge(id_, at)
            return True
        end = self.ledger.fail if _not_applied(answer) else self.ledger.leave
        end(id_, at, _error(answer))
        return False

    def _page(self, parameters: Mapping[str, str], cancelled: Event) -> DataServiceAnswer:
        """Read one page, with retries for PAGE_SECONDS."""
        until = self._clock() + PAGE_SECONDS
        while not cancelled.is_set():
            try:
                answer = self._service.newest(parameters)
                if answer.status == 200:
                    return answer
                reason = f"it answers {answer.status}"
            except DataServiceError as error:
                reason = str(error)
            if self._clock() > until:
                raise ExternalError(f"The documents could not be read from the service: {reason}")
            cancelled.wait(RETRY_SECONDS)
        raise ExternalError("Reading the documents was cancelled.")


class Ids:
    """Makes ids like MongoDB's ObjectId: the time in seconds, a random part for this instance, and a counter."""

    def __init__(self) -> None:
        self._random = os.urandom(5).hex()
        self._numbers = count(secrets.randbelow(1 << 24))

    def new(self) -> str:
        return f"{int(time.time()):08x}{self._random}{next(self._numbers) % (1 << 24):06x}"


def _not_applied(answer: DataServiceAnswer) -> bool:
    """Return whether the answer says for certain that nothing was stored."""
    if 400 <= answer.status < 500:
        return answer.status != REQUEST_TIMEOUT
    return _problem(answer).outcome == NOT_APPLIED


def _error(answer: DataServiceAnswer) -> str:
    return f"The service answered {answer.status}: {_problem(answer).detail[:DETAIL_LENGTH]}".rstrip(": ")


def _problem(answer: DataServiceAnswer) -> Problem:
    """Decode an error's body; an empty Problem if it is none."""
    try:
        return msgspec.json.decode(answer.body, type=Problem)
    except (msgspec.DecodeError, RecursionError):
        return Problem()


def _decoded(page: DataServiceAnswer) -> list[Stored]:
    try:
        return msgspec.json.decode(page.body, type=list[Stored])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ExternalError("The service's answer is not a list of documents.") from error
