"""The ledger of one run: every operation from before it is sent until its outcome, kept outside of the database.

Several threads append operations, each ends only its own, and each method does one list operation, so that no lock is
needed. It holds up to LARGEST operations.
"""

from collections.abc import Mapping

from dashboard.runs.workload.operation import Kind, Operation, Outcome

LARGEST = 100_000  # operations, and documents of a read-back


class Full(Exception):
    """The ledger is full: the writer or reader must end."""


class Ledger:
    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._operations: list[Operation] = []
        self.last_error: str | None = None  # of a write that was not acknowledged, a sentence

    def begin(
        self, by: int, kind: Kind, id_: str | None, at: float, version: int | None = None, sha256: str | None = None
    ) -> Operation:
        """Record an operation before it is sent. Raise `Full` if there is no room."""
        if len(self._operations) >= self._largest:
            raise Full
        operation = Operation(by, kind, id_, at, version=version, sha256=sha256)
        self._operations.append(operation)
        return operation

    def end(self, operation: Operation, at: float, outcome: Outcome, error: str | None = None) -> None:
        """Record the outcome."""
        operation.ended, operation.outcome = at, outcome
        self.last_error = error or self.last_error

    def see(self, read: Operation, at: float, seen: Mapping[str, str]) -> None:
        """Record what a read was answered: id → sha256."""
        read.seen = seen
        self.end(read, at, "seen")

    def operations(self) -> list[Operation]:
        """Return the operations, in the order in which they began. The list is a copy: the writers go on."""
        return self._operations[:]
