"""Tries a contract on the running service, before any fault: what it says must hold, or a verdict would mean nothing.

It writes two documents, and deletes the second one where the contract has a deletion.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from threading import Event
from typing import Any, Literal

from msgspec import Struct

from dashboard.dataservice.protocol import DataServiceError
from dashboard.target.ids import ids
from dashboard.target.service import DocumentPage, DocumentService, FoundDocument, Written
from dashboard.target.template import Value

PAYLOAD_BYTES = 48  # random
PAGES = 100  # of a search, at most
LATE_SECONDS = 2.0  # a write that is applied after its answer is waited for
PASSING = frozenset({401, 403, 408, 423, 425, 429})  # refusals that may have another reason than the repetition
POLL_SECONDS = 0.1


class Checked(Struct, frozen=True):
    """One sentence about the service, and why it does not hold; None if it does."""

    claim: str
    problem: str | None


class Skipped(Exception):
    """The service's state does not let this be tried now."""


class ContractTrial:
    def __init__(self, service: DocumentService) -> None:
        self._service = service
        self._contract = service.contract
        made = ids(service.contract.id)
        # The greater id is written first: a list that is sorted by the time of creation has another order.
        self._run, self._absent, self._second, self._first = (made.new() for _ in range(4))
        self._written: dict[str, dict[str, Value]] = {}  # id → the values of its last write

    def checks(self) -> Iterator[Checked]:
        """Check each claim in turn; without a write that can be read there are no more."""
        for claim, check in (
            ("A document that nobody wrote is absent.", self._absences),
            ("A write is acknowledged.", lambda: self._write("write", self._first, 1)),
            ("What was written is read.", lambda: self._reading(self._first)),
        ):
            checked = _checked(claim, check)
            yield checked
            if checked.problem:
                return
        for claim, check in self._more():
            yield _checked(claim, check)

    def obstacle(self, cancelled: Event) -> str | None:
        """Return why a run can't judge the service by this contract, as a sentence, or None: the documents stand
        elsewhere than it says, a write may not be sent twice, or the list has another order. Whatever else is wrong is
        for a run to judge. Writes two documents; `cancelled` ends the waiting."""
        try:
            return self._misplaced(cancelled) or self._repeated(cancelled) or self._unsorted()
        except (DataServiceError, Skipped):
            return None

    def _misplaced(self, cancelled: Event) -> str | None:
        """Write a document and read it. Return what is not where the contract says. Raise Skipped without it."""
        if self._write("write", self._first, 1):
            raise Skipped
        found = self._settled(cancelled)
        if found.payload is None:
            return (
                f"A document is there and has nothing at read.payload: correct {self._contract.read.payload} in the"
                " contract."
            )
        if problem := _other_id(found, self._first):
            return f"{problem} Correct read.id in the contract, or leave it out."
        if found.payload != self._written[self._first]["payload"]:
            raise Skipped
        return None

    def _repeated(self, cancelled: Event) -> str | None:
        """Send the write again. Return what that has changed. Raise Skipped if the service does not take it now."""
        again = self._service.write("write", self._written[self._first])
        if again.outcome == "failed" and 400 <= again.status < 500 and again.status not in PASSING:
            wrong = str(again.error)
        elif again.outcome == "acknowledged":
            found, payload = self._settled(cancelled), self._written[self._first]["payload"]
            wrong = _difference(found.payload, payload) if found.payload != payload else ""
        else:
            raise Skipped
        broken = "The service breaks its contract: the same write twice is not the same as once."
        return f"{broken} {wrong}" if wrong else None

    def _unsorted(self) -> str | None:
        """Return that the list has the run's two documents in another order. Others' may have ids of another kind."""
        if self._contract.list:
            self._write("write", self._second, 1)
            ours = [each for each in self._service.newest().documents if each.id in (self._first, self._second)]
            if problem := _disorder(ours):
                return f"The service breaks its contract, by its list. {problem} Correct it, or leave list out."
        return None

    def _settled(self, cancelled: Event) -> FoundDocument:
        """Return the first document once it is as it was written, or as it is after LATE_SECONDS. Raise Skipped if it
        is absent."""
        end = time.monotonic() + LATE_SECONDS
        while not cancelled.is_set():
            found = self._service.read(self._first)
            if found and (found.payload == self._written[self._first]["payload"] or time.monotonic() >= end):
                return found
            if time.monotonic() >= end:
                break
            cancelled.wait(POLL_SECONDS)
        raise Skipped

    def _more(self) -> Iterator[tuple[str, Callable[[], str | None]]]:
        yield "The same write again is acknowledged, and changes nothing.", lambda: self._repeat("write", self._first)
        yield "Another document's write leaves it alone.", self._another
        if self._contract.list:
            yield "The list has the newest documents, the newest id first, each once.", self._listing
        if self._contract.replace:
            yield "A replacement is read.", lambda: self._write("replace", self._first, 2) or self._reading(self._first)
            yield "The same replacement again changes nothing.", lambda: self._repeat("replace", self._first)
        if self._contract.list and self._contract.replace:
            yield "The list has the replacement, in the same order.", self._listing
        if self._contract.delete:
            yield "A deleted document is absent.", self._deletion
        if self._contract.search:
            yield "The search has all documents of the run, each once, and no others.", self._search

    # Each returns why its claim does not hold, as a sentence, or None. It may raise a DataServiceError

    def _absences(self) -> str | None:
        """Read what nobody has written, the list too: a cache of it then shows later."""
        if self._contract.list:
            self._service.newest()
        return self._absence(self._absent)

    def _absence(self, id_: str) -> str | None:
        found = self._service.read(id_)
        return f"The read of {id_} answered with the payload {_short(found.payload)}." if found else None

    def _write(self, route: Literal["write", "replace"], id_: str, version: int) -> str | None:
        payload = secrets.token_hex(PAYLOAD_BYTES)
        self._written[id_] = {
            "id": id_, "payload": payload, "run": self._run, "writer": 0, "number": len(self._written),
            "version": version, "sha256": sha256(payload.encode()).hexdigest(),
        }  # fmt: skip
        return _unacknowledged(self._service.write(route, self._written[id_]))

    def _reading(self, id_: str) -> str | None:
        found, payload = self._service.read(id_), self._written[id_]["payload"]
        if found is None:
            return f"The read of {id_} says that it is absent."
        if found.payload != payload:
            return _difference(found.payload, payload)
        return _other_id(found, id_)

    def _repeat(self, route: Literal["write", "replace"], id_: str) -> str | None:
        return _unacknowledged(self._service.write(route, self._written[id_])) or self._reading(id_)

    def _another(self) -> str | None:
        return self._write("write", self._second, 1) or self._reading(self._second) or self._reading(self._first)

    def _listing(self) -> str | None:
        found = self._service.newest().documents
        return _disorder(found) or self._has_each(found, (self._first, self._second))

    def _deletion(self) -> str | None:
        problem = _unacknowledged(self._service.write("delete", {"id": self._second}))
        return problem or self._absence(self._second) or self._reading(self._first)

    def _search(self) -> str | None:
        found, page = list[FoundDocument](), DocumentPage((), None)
        for _ in range(PAGES):
            page = self._service.search(self._run, page.next)
            found += page.documents
            if page.next is None:
                break
        else:
            return f"Its pages do not end: {PAGES} have a next one."
        left = (self._first,) if self._contract.delete else (self._first, self._second)
        if others := {each.id for each in found} - {*left}:
            return f"It has {min(others)} too, which is no document of this run, or was deleted."
        return self._has_each(found, left)

    def _has_each(self, found: list[FoundDocument] | Any, ids: tuple[str, ...]) -> str | None:
        """Return what is wrong with how the documents are in an answer."""
        for id_ in ids:
            same = [each for each in found if each.id == id_]
            if len(same) != 1:
                return f"It has {id_} {len(same)} times."
            if same[0].payload != self._written[id_]["payload"]:
                return f"It has {_short(same[0].payload)} under {id_}, which is not what was written."
            if same[0].run not in (None, self._run):  # None: the contract does not say where it is
                return f"It has the run {_short(same[0].run)} under {id_}, where {self._run} was written."
        return None


def _checked(claim: str, check: Callable[[], str | None]) -> Checked:
    try:
        return Checked(claim, check())
    except DataServiceError as error:
        return Checked(claim, str(error))


def _unacknowledged(written: Written) -> str | None:
    return None if written.outcome == "acknowledged" else f"The write's outcome is {written.outcome}. {written.error}"


def _difference(found: Any, written: Value) -> str:
    """Return how a payload differs from what was written. Of two with the same beginning, that is their lengths."""
    alike = isinstance(found, str) and isinstance(written, str) and _short(found) == _short(written)
    lengths = f": {len(found)} characters instead of {len(str(written))}" if alike else ""
    return f"The read has {_short(found)}, where {_short(written)} was written{lengths}."


def _disorder(found: Sequence[FoundDocument]) -> str | None:
    listed = [each.id for each in found]
    return None if listed == sorted(listed, reverse=True) else "Its ids do not fall from the first to the last."


def _other_id(found: FoundDocument, id_: str) -> str | None:
    return None if found.id == id_ else f"The read of {id_} has the id {_short(found.id)}."


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
