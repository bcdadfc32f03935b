"""Writers that write through the service like its users, readers that read meanwhile, and the read-back.

Each writer sends one write at a time and waits for its answer longer than MongoDB takes to restart, so it goes on
through an outage. Without an answer the outcome is unknown. No write is sent twice: the run has to find out whether the
first request was applied. A document belongs to the writer that posted it, and one whose last write was not
acknowledged is not changed again. Every third posted document may be replaced or deleted later, by the oldest first, so
that some from before an outage are changed after it; the others stay as they were posted.
"""

import json
import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from sys import intern
from threading import Event

import msgspec

from dashboard.core.errors import ExternalError
from dashboard.dataservice.contract import DataService, DataServiceAnswer, DataServiceError
from dashboard.runs.workload.document import digest, document
from dashboard.runs.workload.ledger import LARGEST, Full, Ledger
from dashboard.runs.workload.operation import Kind, Operation

WRITERS = 8
PER_SECOND = 20.0  # writes of each writer, if the service is fast enough; together they need 100
CYCLE: Sequence[Kind] = ("post", "post", "put", "post", "post", "post", "delete", "post")  # of a writer's writes
CHANGEABLE = (0, 4)  # the posts of a cycle whose documents are replaced or deleted later
AGAIN = 3  # each third change is of a document that was replaced before
GETS_PER_SECOND = 10.0  # with the lists 7 % of all requests: the writes must not fall
LISTS_PER_SECOND = 1.0
LISTED = 200  # documents of a list: nearly all that are posted between two lists
DEADLINE_SECONDS = 30.0  # for one request; the service's own deadline is 20, which is longer than a restart of MongoDB
AT_ONCE = WRITERS + 1  # concurrent writes, and reads: the last document may overlap with another one
PAYLOAD_BYTES = 48  # random
PAGE = 1000  # documents, the service's maximum
PAGE_SECONDS = 30.0  # for all tries of one page
RETRY_SECONDS = 0.5
JSON = "application/json"
DETAIL_LENGTH = 200  # characters of the service's error

SUCCESS: Mapping[Kind, Sequence[int]] = {"post": (200, 201), "put": (200,), "delete": (204,)}
NOT_FOUND = 404
NOT_APPLIED = "not-applied"  # the service's `outcome`
PROBLEM = "application/problem+json"
REQUEST_TIMEOUT = 408  # the only 4xx that a proxy may send for a request that it has passed on

log = logging.getLogger(__name__)


class StoredDocument(msgspec.Struct):
    """The fields that are read of a document. A corrupt payload may have any type."""

    id: str = msgspec.field(name="_id")
    run: object = None
    payload: object = None


class WriteProblem(msgspec.Struct):
    outcome: str = ""
    detail: str = ""


class ServiceWriters:
    """One run's writers and readers. `service` is a client of the proofs collection with DEADLINE_SECONDS and AT_ONCE
    requests."""

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
        self._clock = clock
        self._ids = Ids()
        self._numbers = count()
        self._stopped = threading.Event()
        self._last = writers  # the number of the writer of the last document
        self._posted: list[str] = []  # acknowledged documents
        self._newest: str | None = None  # the document of the newest acknowledged write
        pause = 1 / per_second
        self._threads = [
            self._thread(f"writer {each}", self._writer(each), pause, pause * each / writers) for each in range(writers)
        ]
        self._threads += [
            self._thread("reader 0", self._getter(0), 1 / GETS_PER_SECOND),
            self._thread("reader 1", lambda: self._list(1), 1 / LISTS_PER_SECOND),
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
            return self._write(self._last, "post", self._ids.new(), 1)
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

    def _thread(self, name: str, act: Callable[[], object], pause: float, offset: float = 0.0) -> threading.Thread:
        return threading.Thread(target=self._repeat, args=(name, act, pause, offset), name=name, daemon=True)

    def _repeat(self, name: str, act: Callable[[], object], pause: float, offset: float) -> None:
        """Act at a fixed interval, without catching up after an outage. `offset` is the start within the first
        interval, so that the writers are spread over it."""
        due = self._clock() + offset
        while not self._stopped.wait(max(0.0, due - self._clock())):
            due = max(due, self._clock()) + pause
            try:
                act()
            except Full:
                log.warning("%s ends: the ledger is full", name)
                return
            except Exception:
                log.exception("%s failed", name)  # the operation stays open in the ledger: unknown

    # Writing

    def _writer(self, number: int) -> Callable[[], None]:
        """Return the function that does one writer's next write."""
        turns, changes = count(), count(1)
        posted, replaced = deque[tuple[str, int]](), deque[tuple[str, int]]()  # ids and versions that may be changed

        def act() -> None:
            turn = next(turns) % len(CYCLE)
            kind = CYCLE[turn]
            if kind == "post" or not posted:
                id_ = self._ids.new()
                if self._write(number, "post", id_, 1) and turn in CHANGEABLE:
                    posted.append((id_, 1))
                return
            id_, version = (replaced if next(changes) % AGAIN == 0 and replaced else posted).popleft()
            if self._write(number, kind, id_, version + 1) and kind == "put":
                replaced.append((id_, version + 1))

        return act

    def _write(self, writer: int, kind: Kind, id_: str, version: int) -> bool:
        """Do one write. Return whether it was acknowledged."""
        made = document(id_, self._run, writer, next(self._numbers), secrets.token_hex(PAYLOAD_BYTES), version)
        stored = (None, None) if kind == "delete" else (version, intern(made["sha256"]))
        operation = self.ledger.begin(writer, kind, id_, self._clock(), *stored)
        try:
            answer = self._send(kind, id_, json.dumps(made).encode())
        except DataServiceError as error:
            self.ledger.end(operation, self._clock(), "unknown", str(error))
            return False
        at = self._clock()
        if answer.status not in SUCCESS[kind]:
            self.ledger.end(operation, at, "failed" if _not_applied(kind, answer) else "unknown", _error(answer))
            return False
        self.ledger.end(operation, at, "acknowledged")
        self._newest = id_
        if kind == "post":
            self._posted.append(id_)
        return True

    def _send(self, kind: Kind, id_: str, body: bytes) -> DataServiceAnswer:
        if kind == "post":
            return self._service.insert(body, JSON)
        return self._service.replace(id_, body, JSON) if kind == "put" else self._service.delete(id_)

    # Reading

    def _getter(self, number: int) -> Callable[[], None]:
        """Return the function that does one reader's next read: of the document that was written last, and of all in
        turn, alternately."""
        turns = count()

        def act() -> None:
            turn = next(turns)
            id_ = self._posted[turn // 2 % len(self._posted)] if turn % 2 and self._posted else self._newest
            if id_ is None:
                return
            read = self.ledger.begin(number, "get", id_, self._clock())
            self._see(read, lambda: self._service.document(id_))

        return act

    def _list(self, number: int) -> None:
        """Read the newest documents, of all users, as a user does."""
        read = self.ledger.begin(number, "list", None, self._clock())
        self._see(read, lambda: self._service.newest({"limit": str(LISTED)}))

    def _see(self, read: Operation, ask: Callable[[], DataServiceAnswer]) -> None:
        """Do one read. Only the service's own answers count as seen."""
        try:
            answer = ask()
            at = self._clock()
            seen = self._seen(read, answer)
        except (DataServiceError, ExternalError):
            at, seen = self._clock(), None
        if seen is None:
            self.ledger.end(read, at, "failed")
        else:
            self.ledger.see(read, at, seen)

    def _seen(self, read: Operation, answer: DataServiceAnswer) -> dict[str, str] | None:
        """Return the run's documents in the answer; None if it has none of the service's."""
        if answer.status == 200:
            found = _decoded(answer) if read.kind == "list" else [_decoded_one(answer)]
            mine = [each for each in found if each.run == self._run or each.id == read.id]
            return {intern(each.id): intern(digest(each.payload)) for each in mine}  # so that each text is kept once
        absent = answer.status == NOT_FOUND and answer.content_type.partition(";")[0].strip().lower() == PROBLEM
        return {} if absent and read.kind == "get" else None

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
        return intern(f"{int(time.time()):08x}{self._random}{next(self._numbers) % (1 << 24):06x}")


def _not_applied(kind: Kind, answer: DataServiceAnswer) -> bool:
    """Return whether the answer says for certain that nothing was applied. A 404 may follow on a deletion that was
    applied, if a proxy sent it twice."""
    if 400 <= answer.status < 500:
        return answer.status != REQUEST_TIMEOUT and (kind, answer.status) != ("delete", NOT_FOUND)
    return _problem(answer).outcome == NOT_APPLIED


def _error(answer: DataServiceAnswer) -> str:
    return f"The service answered {answer.status}: {_problem(answer).detail[:DETAIL_LENGTH]}".rstrip(": ")


def _problem(answer: DataServiceAnswer) -> WriteProblem:
    """Decode an error's body; an empty WriteProblem if it is none."""
    try:
        return msgspec.json.decode(answer.body, type=WriteProblem)
    except (msgspec.DecodeError, RecursionError):
        return WriteProblem()


def _decoded(page: DataServiceAnswer) -> list[StoredDocument]:
    try:
        return msgspec.json.decode(page.body, type=list[StoredDocument])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ExternalError("The service's answer is not a list of documents.") from error


def _decoded_one(answer: DataServiceAnswer) -> StoredDocument:
    try:
        return msgspec.json.decode(answer.body, type=StoredDocument)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ExternalError("The service's answer is not a document.") from error
