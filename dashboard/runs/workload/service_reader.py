"""Reads a run's documents back through the service: by its search, or each by its id where there is none."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from dashboard.core.errors import ExternalError
from dashboard.dataservice.protocol import DataServiceError
from dashboard.runs.workload.document import digest
from dashboard.runs.workload.ledger import LARGEST
from dashboard.target.service import DocumentPage, DocumentService, FoundDocument

READERS = 8  # concurrent reads by id
TRY_SECONDS = 30.0  # for all tries of one read
RETRY_SECONDS = 0.5

T = TypeVar("T")


class ServiceReader:
    """Each read is tried again for TRY_SECONDS. `cancelled` ends the reading, with an `ExternalError`."""

    def __init__(self, service: DocumentService, cancelled: Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._cancelled = cancelled
        self._clock = clock

    def read(self, run: str, written: Iterable[str], expected: Collection[str]) -> Mapping[str, str]:
        """Return the documents: id → sha256, computed from the received payload. `written` are the ids that the run has
        written, `expected` those of them that were acknowledged and not deleted. Raise `ExternalError`."""
        if not self._service.contract.search:
            return _digests(self._each(written))
        found = _digests(self._search(run))
        self._confirm({*expected} - found.keys())
        return found

    def _confirm(self, lacking: Iterable[str]) -> None:
        """Raise `ExternalError` if a document that the search lacks can be read: then the search is not complete, or
        its pages were not followed, and nothing is lost."""
        if there := next(self._each(lacking), None):
            raise ExternalError(f"The search of the service lacks the document {there.id}, which can be read.")

    def _search(self, run: str) -> Iterator[FoundDocument]:
        ids, path = set[str](), None
        while True:
            page = self._page(run, path)
            before = len(ids)
            ids |= {each.id for each in page.documents}
            yield from page.documents
            if len(ids) > LARGEST:
                raise ExternalError(f"The service has more than {LARGEST:,} documents of this run.")
            if page.next is None:
                return
            if len(ids) == before:
                raise ExternalError("The service's pages do not end: one brought no new documents and has a next one.")
            path = page.next

    def _page(self, run: str, path: str | None) -> DocumentPage:
        return self._tried(lambda: self._service.search(run, path))

    def _each(self, written: Iterable[str]) -> Iterator[FoundDocument]:
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(lambda id_: self._tried(lambda: self._service.read(id_)), written)
            yield from (each for each in found if each)

    def _tried(self, ask: Callable[[], T]) -> T:
        until = self._clock() + TRY_SECONDS
        while not self._cancelled.is_set():
            try:
                return ask()
            except DataServiceError as error:
                if self._clock() > until:
                    raise ExternalError(f"The documents could not be read from the service: {error}") from error
            self._cancelled.wait(RETRY_SECONDS)
        raise ExternalError("Reading the documents was cancelled.")


def _digests(found: Iterable[FoundDocument]) -> dict[str, str]:
    return {each.id: digest(each.payload) for each in found}
