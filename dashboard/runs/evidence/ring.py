"""The evidence files of the newest runs, in a ring of ConfigMaps: one a run, the oldest run's is used again.

The manifests make the ConfigMaps; the dashboard may read and update each by its name, and create none. All dashboards
of the namespace share them: an update that finds another run than expected in a ConfigMap looks again.
"""

import base64
import binascii
from collections.abc import Callable, Iterator

from msgspec import Struct

from dashboard.core.errors import ExternalError
from dashboard.kube.client import KubeClient, object_path
from dashboard.kube.update import Json, SharedObject
from dashboard.runs.records.record import RUNS

NAME = "dashboard-evidence"  # with a number, from 0 on, as our own manifests name them
FILE = "evidence.jsonl.gz"  # the key
RUN, STARTED = "dashboard/run", "dashboard/started"  # annotations
KEPT_BYTES = 900_000  # of a file: a ConfigMap holds 1 MiB, its metadata included
TRIES = 3  # to find a ConfigMap that no other dashboard has taken meanwhile


class Slot(Struct, frozen=True):
    """A ConfigMap of the ring, and whose file it has; `run` is "" if it has none, `started` its start (RFC 3339)."""

    config_map: SharedObject
    run: str
    started: str


class Taken(Exception):
    """Another dashboard has changed the ConfigMap meanwhile."""


class NotKept(ExternalError):
    """The file can't be kept. The message is the reason, a sentence."""


class EvidenceRing:
    """Implements `runs.ports.EvidenceFiles`. `api` makes a client with the given timeout in seconds."""

    def __init__(self, api: Callable[[float], KubeClient], namespace: str, name: str = NAME, size: int = RUNS) -> None:
        names = [f"{name}-{number}" for number in range(size)]
        self._config_maps = [
            SharedObject(api, object_path(namespace, "configmaps", name), f"the ConfigMap {name}") for name in names
        ]

    def save(self, run: str, started: str, file: bytes) -> None:
        """Keep a run's file, instead of the oldest run's if all ConfigMaps are used. Raise `NotKept`, or another
        `ExternalError`."""
        if len(file) > KEPT_BYTES:
            raise NotKept(f"It has {len(file):,} bytes, where a ConfigMap holds {KEPT_BYTES:,}.")
        for _ in range(TRIES):
            slot = self._slot_for(run, started)
            try:
                slot.config_map.update(lambda found, slot=slot: _put(found, slot, run, started, file))  # type: ignore[misc]
                return
            except Taken:
                continue
        raise NotKept("Other dashboards keep taking the ConfigMaps of the ring.")

    def load(self, run: str) -> bytes | None:
        """Return a run's file, or None if it is not kept, or no longer. Raise `ExternalError`."""
        for slot in self._slots():
            if slot.run == run:
                found = slot.config_map.read()
                return _file(found) if _slot(slot.config_map, found).run == run else None
        return None

    def _slots(self) -> Iterator[Slot]:
        """Yield the slots, one request each."""
        return (_slot(each, each.read_metadata()) for each in self._config_maps)

    def _slot_for(self, run: str, started: str) -> Slot:
        slots = list(self._slots())
        if own := next((slot for slot in slots if slot.run == run), None):
            return own
        oldest = min(slots, key=lambda slot: slot.started)  # an empty one first
        if oldest.started > started:
            raise NotKept(f"{len(slots)} newer runs are kept.")
        return oldest


def _put(config_map: Json, expected: Slot, run: str, started: str, file: bytes) -> None:
    if _slot(expected.config_map, config_map) != expected:
        raise Taken
    metadata = config_map["metadata"]
    metadata["annotations"] = (metadata.get("annotations") or {}) | {RUN: run, STARTED: started}
    config_map["binaryData"] = {FILE: base64.b64encode(file).decode()}


def _slot(config_map: SharedObject, found: Json) -> Slot:
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    return Slot(config_map, str(annotations.get(RUN) or ""), str(annotations.get(STARTED) or ""))


def _file(config_map: Json) -> bytes | None:
    """Return the file in a ConfigMap; None if somebody else has changed it so that there is none."""
    try:
        return base64.b64decode((config_map.get("binaryData") or {})[FILE], validate=True)
    except (LookupError, TypeError, AttributeError, binascii.Error, ValueError):
        return None
