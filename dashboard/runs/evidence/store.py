"""Where evidence files are: those of the newest runs in the ring, those that it can't keep in this process' memory."""

import hashlib
import threading

from dashboard.core.errors import ExternalError
from dashboard.runs.ports import EvidenceFiles

HELD = 2  # files at most that are in memory only: each has up to 8 MiB


class Unkept(Exception):
    """There is no file of this run, or none any more. The message is the reason, a sentence."""


class Altered(ExternalError):
    """The file is not the one that the run's dashboard wrote. The message says so in a sentence."""


class EvidenceStore:
    def __init__(self, ring: EvidenceFiles) -> None:
        self._ring = ring
        self._lock = threading.Lock()  # guards what follows
        self._held: dict[str, bytes] = {}  # by run

    def keep(self, run: str, started: str, file: bytes) -> str | None:
        """Keep a run's file. Return why it is in memory only, as a sentence, or None. Never raises."""
        try:
            self._ring.save(run, started, file)
        except ExternalError as error:
            with self._lock:
                self._held[run] = file
                while len(self._held) > HELD:
                    del self._held[next(iter(self._held))]
            return str(error)
        return None

    def load(self, run: str, sha256: str) -> bytes:
        """Return a run's file, which has this digest. Raise `Unkept`, `Altered`, or another `ExternalError` if the ring
        can't be read."""
        with self._lock:
            held = self._held.get(run)
        file = held if held is not None else self._ring.load(run)
        if file is None:
            raise Unkept(
                "The evidence file of this run is not kept: the files of the newest runs are, up to a size, and others"
                " until the dashboard restarts."
            )
        if hashlib.sha256(file).hexdigest() != sha256:
            raise Altered("The evidence file of this run was altered: it has another SHA-256 than the run recorded.")
        return file
