"""Writers that write through the service like its users, readers that read meanwhile, and the read-back.

Each writer sends one write at a time and waits for its answer longer than MongoDB takes to restart, so it goes on
through an outage. Without an answer the outcome is unknown. No write is sent twice: the run has to find out whether the
first request was applied. A document belongs to the writer that posted it, and one whose last write was not
acknowledged is not changed again. Every third posted document may be replaced or deleted later, by the oldest first, so
that some from before an outage are changed after it; the others stay as they were posted.
"""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import count
from sys import intern
from threading import Event

from dashboard.dataservice.protocol import DataServiceError
from dashboard.runs.workload.document import digest, document
from dashboard.runs.workload.ledger import Full, Ledger
from dashboard.runs.workload.operation import Kind, Operation
from dashboard.runs.workload.service_reader import ServiceReader
from dashboard.target.ids import ids
from dashboard.target.service import DocumentService, FoundDocument, WriteRoute
from dashboard.target.trial import ContractTrial

WRITERS = 8
PER_SECOND = 20.0  # writes of each writer, if the service is fast enough; together they need 100
CYCLE: Sequence[Kind] = ("post", "post", "put", "post", "post", "post", "delete", "post")  # of a writer's writes
CHANGEABLE = (0, 4)  # the posts of a cycle whose documents are replaced or deleted later
AGAIN = 3  # each third change is of a document that was replaced before
GETS_PER_SECOND = 10.0  # with the lists 7 % of all requests: the writes must not fall
LISTS_PER_SECOND = 1.0
DEADLINE_SECONDS = 30.0  # for one request; the service's own deadline is 20, which is longer than a restart of MongoDB
AT_ONCE = WRITERS + 1  # concurrent writes, and reads: the last document may overlap with another one
PAYLOAD_BYTES = 48  # random

ROUTES: Mapping[Kind, WriteRoute] = {"post": "write", "put": "replace", "delete": "delete"}

log = logging.getLogger(__name__)


class ServiceWriters:
    """One run's writers and readers. `service` is a client with DEADLINE_SECONDS and AT_ONCE requests. Without a
    replacement, a deletion or a list in its contract there is none in the run."""

    def __init__(
        self,
        service: DocumentService,
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
        self.kinds: Collection[Kind] = {kind for kind, route in ROUTES.items() if route in service.contract.routes()}
        self._ids = ids(service.contract.id)
        self._numbers = count()
        self._stopped = threading.Event()
        self._last = writers  # the number of the writer of the last document
        self._posted: list[str] = []  # acknowledged documents
        self._written = set[str]()  # the ids of all documents
        self._newest: str | None = None  # the document of the newest acknowledged write
        pause = 1 / per_second
        self._threads = [
            self._thread(f"writer {each}", self._writer(each), pause, pause * each / writers) for each in range(writers)
        ]
        self._threads.append(self._thread("reader 0", self._getter(0), 1 / GETS_PER_SECOND))
        if service.contract.list:
            self._threads.append(self._thread("reader 1", lambda: self._list(1), 1 / LISTS_PER_SECOND))

    def obstacle(self, cancelled: Event) -> str | None:
        return ContractTrial(self._service).obstacle(cancelled)

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
        operations = self.ledger.operations()
        written = [each.id for each in operations if each.kind == "post" and each.id]
        expected = {*self._posted} - {each.id for each in operations if each.kind == "delete"}
        return ServiceReader(self._service, cancelled, self._clock).read(self._run, written, expected)

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
            if kind not in self.kinds or kind == "post" or not posted:
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
        values = document(id_, self._run, writer, next(self._numbers), secrets.token_hex(PAYLOAD_BYTES), version)
        stored = (None, None) if kind == "delete" else (version, intern(str(values["sha256"])))
        operation = self.ledger.begin(writer, kind, id_, self._clock(), *stored)
        self._written.add(id_)
        written = self._service.write(ROUTES[kind], values)
        self.ledger.end(operation, self._clock(), written.outcome, written.error)
        if written.outcome != "acknowledged":
            return False
        self._newest = id_
        if kind == "post":
            self._posted.append(id_)
        return True

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
            self._see(read, lambda: filter(None, [self._service.read(id_)]))

        return act

    def _list(self, number: int) -> None:
        """Read the newest documents, of all users, as a user does, and keep the run's."""
        read = self.ledger.begin(number, "list", None, self._clock())
        self._see(read, lambda: filter(self._is_own, self._service.newest().documents))

    def _is_own(self, found: FoundDocument) -> bool:
        """Return whether a document is of this run: by its run, or where the contract does not say where that is, by
        its id."""
        return found.run == self._run if found.run is not None else found.id in self._written

    def _see(self, read: Operation, ask: Callable[[], Iterable[FoundDocument]]) -> None:
        """Do one read. Only the service's own answers count as seen. Each text is kept once."""
        try:
            found = ask()
            at = self._clock()
        except DataServiceError:
            self.ledger.end(read, self._clock(), "failed")
            return
        self.ledger.see(read, at, {intern(each.id): intern(digest(each.payload)) for each in found})
