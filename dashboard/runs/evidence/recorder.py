"""Records a run's history in memory, compressed, while the run lasts. Any thread may add records."""

import hashlib
import logging
import platform
import threading
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from msgspec import Struct

from dashboard.runs.evidence.file import EvidenceWriter
from dashboard.runs.evidence.records import Header
from dashboard.runs.records.record import Run

Json = dict[str, Any]

log = logging.getLogger(__name__)


class Recorder:
    """Its times are of the header's monotonic clock.

    A file has at most LINES_BYTES of lines and FILE_BYTES compressed (file.py): what comes later is only counted.
    """

    def __init__(self, header: Header) -> None:
        self._began = header.clock
        self._lock = threading.Lock()  # guards what follows
        self._writer: EvidenceWriter | None = EvidenceWriter()
        self._writer.add(0.0, header)

    def add(self, record: Struct, at: float) -> None:
        """Add a record, `at` by the monotonic clock; do nothing once the file is finished. Never raises: a record that
        can't be encoded must not end a run or a source."""
        with self._lock:
            if self._writer is None:
                return
            try:
                self._writer.add(at - self._began, record)
            except Exception:
                self._writer.left_out += 1
                log.exception("a record is left out, and all later ones")

    def finish(self, run: Json, at: float) -> bytes:
        """Return the file of a run that has ended."""
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is None:
                raise RuntimeError("The file is finished already.")
            return writer.finish(
                at - self._began,
                at=run["ended"],
                verdict=run["verdict"],
                reason=run["reason"],
                line=run["line"],
                evidence=run["evidence"],
                checks=run["checks"],
            )


PACKAGES = ("flask", "kubernetes", "msgspec", "pg8000", "pymongo")  # whose versions a file names


def header(run: Run, clock: float, state: Json, source: Literal["cluster", "mock"] = "cluster") -> Header:
    """Return a run's header. `clock` is the run's start by the monotonic clock; `state` is the hub's, which has the
    versions of Kubernetes and MongoDB."""
    return Header(
        at=run.started,
        run=run.id,
        demo=run.demo.id,
        options=run.options,
        by=run.by,
        clock=clock,
        source=source,
        software=_software(state),
    )


def evidence_file(file: bytes, unkept: str | None) -> Json:
    """Return what a run says of its file: {bytes, sha256, kept, why: why it is in memory only, or None}."""
    return {"bytes": len(file), "sha256": hashlib.sha256(file).hexdigest(), "kept": unkept is None, "why": unkept}


def _software(state: Json) -> dict[str, str]:
    found = {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}
    found["kubernetes server"] = (state.get("about") or {}).get("kubernetes_version")
    found["mongodb server"] = (state.get("mongo") or {}).get("version")
    return {name: each for name, each in found.items() if each}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
