"""The protocol of a service under proof, and what it answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from dashboard.target.contract import Contract
from dashboard.target.template import Value

Outcome = Literal["acknowledged", "failed", "unknown"]
WriteRoute = Literal["write", "replace", "delete"]


class Written(Struct, frozen=True):
    """What became of a write: `failed` if nothing was applied, `unknown` if it may be applied, now or later. `error` is
    a sentence, unless it was acknowledged; `status` the answer's, 0 without one."""

    outcome: Outcome
    error: str | None = None
    status: int = 0


class FoundDocument(Struct, frozen=True):
    """A document in an answer. A corrupt payload may have any type, None if there is none. `run` is None if the
    contract does not say where it is."""

    id: str
    payload: Any
    run: Any = None


class DocumentPage(Struct, frozen=True):
    documents: Sequence[FoundDocument]
    next: str | None = None  # the path of the next page


class DocumentService(Protocol):
    """Each read may raise a DataServiceError. What the contract does not have must not be asked for."""

    contract: Contract

    def write(self, route: WriteRoute, values: Mapping[str, Value]) -> Written:
        """Send one write, once. `values` are those of contract.VALUES; a deletion needs the id alone."""

    def read(self, id_: str) -> FoundDocument | None:
        """Return the document; None if the service says that it is not there."""

    def newest(self) -> DocumentPage:
        """Return the list's page: the newest documents, of all users."""

    def search(self, run: str, path: str | None = None) -> DocumentPage:
        """Return the first page of a run's documents, or the one at a page's `next`."""
