"""Writes through the service as its users do, keeps a ledger of what they were told, and reads all back the same way.

Each writer has one document under way at a time and waits for its answer, longer than MongoDB takes to restart: so it
goes on through an outage. What becomes of a document is told by an answer alone; without one, nobody knows. No
document is sent twice: whether the first try was stored is what a proof wants to find out.
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
PER_SECOND = 20.0  # of each, while the service is fast enough: 100 a second are wanted of all
DEADLINE_SECONDS = 30.0  # for one document: over the service's own deadline of 20, which is over a restart of MongoDB
AT_ONCE = WRITERS + 1  # requests: the last document may be written beside another's end
PAYLOAD_BYTES = 48  # at random, so that no two documents are alike
PAGE = 1000  # documents, the most that the service gives at once
PAGE_SECONDS = 30.0  # that one page is tried for
RETRY_SECONDS = 0.5
JSON = "application/json"
WORDS = 200  # characters of the service's own

NOT_APPLIED = "not-applied"  # the service's word
UNTOLD = 408  # the one 4xx that an intermediary gives of a request that it may have passed on

log = logging.getLogger(__name__)


class Stored(msgspec.Struct):
    """What is read of a document. The payload may have become anything."""

    id: str = msgspec.field(name="_id")
    payload: object = None


class Problem(msgspec.Struct):
    outcome: str = ""
    detail: str = ""


class Writers:
    """One run's. `service` is a client of the collection for proofs, with DEADLINE_SECONDS and AT_ONCE places."""

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
                raise ExternalError("The service's pages lead nowhere: one that is not the last brought nothing new.")
            parameters = page.next
        return read

    def _write_on(self, writer: int, offset: float) -> None:
        """One document after another, at even distances; what an outage held up is not made up for. The writers begin
        one after another within one distance."""
        due = self._clock() + offset * self._pause
        while not self._stopped.wait(max(0.0, due - self._clock())):
            due = max(due, self._clock()) + self._pause
            try:
                self._write(writer)
            except Full:
                log.warning("writer %d ends: the ledger is full", writer)
                return
            except Exception:
                log.exception("writer %d failed", writer)  # the document stays open in the ledger, which is: unknown

    def _write(self, writer: int) -> bool:
        """One document; whether it was acknowledged."""
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
        end(id_, at, _trouble(answer))
        return False

    def _page(self, parameters: Mapping[str, str], cancelled: Event) -> DataServiceAnswer:
        """One page, tried again while the service can't give it."""
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
        raise ExternalError("Reading back was ended.")


class Ids:
    """Ids as MongoDB's own: they sort by the second of their making, and no two makers give the same."""

    def __init__(self) -> None:
        self._maker = os.urandom(5).hex()
        self._numbers = count(secrets.randbelow(1 << 24))

    def new(self) -> str:
        return f"{int(time.time()):08x}{self._maker}{next(self._numbers) % (1 << 24):06x}"


def _not_applied(answer: DataServiceAnswer) -> bool:
    """Does the answer say for certain that nothing was stored?"""
    if 400 <= answer.status < 500:
        return answer.status != UNTOLD
    return _problem(answer).outcome == NOT_APPLIED


def _trouble(answer: DataServiceAnswer) -> str:
    """What the service said in the place of an acknowledgement."""
    return f"The service answered {answer.status}: {_problem(answer).detail[:WORDS]}".rstrip(": ")


def _problem(answer: DataServiceAnswer) -> Problem:
    """What is told of an error; of anything else, nothing."""
    try:
        return msgspec.json.decode(answer.body, type=Problem)
    except (msgspec.DecodeError, RecursionError):
        return Problem()


def _decoded(page: DataServiceAnswer) -> list[Stored]:
    try:
        return msgspec.json.decode(page.body, type=list[Stored])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ExternalError("What the service gives back is no list of documents.") from error
