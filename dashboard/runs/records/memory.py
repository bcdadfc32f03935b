"""The lease, the runs and the evidence files of one process: for a dashboard that is not installed in the cluster.

Nothing keeps another dashboard from running a demo at the same time: an installed one has a Lease for that.
"""

import threading
from collections.abc import Sequence
from typing import Any

from dashboard.kube.lease import LeaseHeld, LeaseHolder
from dashboard.runs.records.history import SavedRuns

Json = dict[str, Any]


class MemoryLease:
    """Implements `runs.ports.Lease`."""

    def __init__(self, holder: str) -> None:
        self._holder = holder
        self._run = ""  # the id of the run that holds it
        self._lock = threading.Lock()

    def acquire(self, run: str, ttl: float) -> None:
        with self._lock:
            if self._run not in ("", run):
                raise LeaseHeld(self._holder, self._run)
            self._run = run

    def renew(self) -> None:
        """Do nothing: nobody else can take it."""

    def release(self) -> None:
        with self._lock:
            self._run = ""

    def holder(self) -> LeaseHolder | None:
        return None  # the manager knows its own run


class MemoryHistory:
    """Implements `runs.ports.History`."""

    def __init__(self) -> None:
        self._runs: list[Json] = []

    def load(self) -> SavedRuns:
        return SavedRuns(self._runs)

    def save(self, runs: Sequence[Json]) -> None:
        self._runs = [*runs]


class MemoryFiles:
    """Implements `runs.ports.EvidenceFiles`."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def save(self, run: str, started: str, file: bytes) -> None:
        self._files[run] = file

    def load(self, run: str) -> bytes | None:
        return self._files.get(run)
