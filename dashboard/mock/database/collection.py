"""The simulated collection: its newest documents, some of them hard to show, and its size."""

import random
from collections.abc import Callable
from typing import Any

import orjson

from dashboard.core import events
from dashboard.mock.clock import SimulationClock
from dashboard.sources.mongo import LARGEST_SHOWN_BYTES, NEWEST_DOCUMENTS

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "iris", "juniper")
ODD_INTERVAL = 10  # every tenth generated document is from ODD
ID_BYTES = 22  # of an _id and its name
FILE_SYSTEM_BYTES = 40 * 2**30
VERSION = "7.0.0-mock"

StoreDocument = Callable[[str, dict[str, Any]], None]


class MockCollection:
    """Keeps the newest documents and passes each to `store`."""

    def __init__(
        self, clock: SimulationClock, random: random.Random, store: StoreDocument = lambda id_, document: None
    ) -> None:
        self._clock = clock
        self._random = random
        self._store = store
        self._newest: list[events.Document] = []
        self._count = 0  # of all that were inserted
        self._deleted = 0
        self._bytes = 0
        self._changed = False

    def insert(self, document: dict[str, Any] | None = None, id_: str | None = None) -> None:
        """Insert a document, or a generated one. An `id_` is that of a user's document."""
        self._count += 1
        from_user = id_ is not None
        id_ = id_ or f"{int(self._clock.now.timestamp()):08x}fa0e00{self._count:010x}"
        document = self._generate() if document is None else document
        self._store(id_, document)
        inserted = self._clock.stamp().replace("Z", ".000Z")
        newest = _shown(id_, document, inserted, exact=from_user or "exact" in document)
        self._newest = [newest, *self._newest[: NEWEST_DOCUMENTS - 1]]
        self._bytes += _size(document) + ID_BYTES
        self._changed = True

    def replace(self, id_: str, before: dict[str, Any], after: dict[str, Any] | None) -> None:
        """Show what a user made of a document; None if it is deleted."""
        self._changed = True
        self._bytes -= _size(before)
        if after is None:
            self._deleted += 1
            self._bytes -= ID_BYTES
            self._newest = [each for each in self._newest if each.id != id_]
            return
        self._bytes += _size(after)
        self._newest = [
            _shown(id_, after, each.inserted, exact=True) if each.id == id_ else each for each in self._newest
        ]

    def take_change(self) -> bool:
        """Return whether a document was inserted since the last call."""
        changed, self._changed = self._changed, False
        return changed

    def contents(self) -> events.CollectionRead:
        count = self._count - self._deleted
        return events.CollectionRead(
            at=self._clock.timestamp, version=VERSION, count=count, size_bytes=self._bytes, newest=self._newest
        )

    def volume(self) -> events.VolumeUsage:
        used = 11 * 2**30 + self._bytes * 40
        return events.VolumeUsage(at=self._clock.timestamp, used_bytes=used, total_bytes=FILE_SYSTEM_BYTES)

    def _generate(self) -> dict[str, Any]:
        if self._count % ODD_INTERVAL == 0:
            return ODD[self._count // ODD_INTERVAL % len(ODD)]
        document: dict[str, Any] = {"key": self._random.choice(WORDS), "value": self._random.randint(0, 999)}
        if self._random.random() < 0.2:
            document["tags"] = self._random.sample(WORDS, 3)
        return document


def _size(document: dict[str, Any]) -> int:
    return len(orjson.dumps(document))


def _shown(id_: str, document: dict[str, Any], inserted: str | None, exact: bool) -> events.Document:
    """Return a document as the page gets it. `exact`: with its text, whose numbers JavaScript would round."""
    if (size := _size(document)) > LARGEST_SHOWN_BYTES:
        return events.Document(id_, {"…": f"{size} bytes, too large to show"}, inserted, truncated=True)
    return events.Document(id_, document, inserted, text=orjson.dumps(document).decode() if exact else None)


def _nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {"end": True}
    for _ in range(depth):
        document = {"in": document}
    return document


# Markup, right-to-left text, control characters, size, depth, a long word, and numbers that JavaScript rounds.
ODD: tuple[dict[str, Any], ...] = (
    {"note": "<script>document.title='owned'</script>", "image": "<img src=x onerror=alert(1)>"},
    {"rtl": "שלום עולם \u202e reversed \u202c مرحبا", "emoji": "👩‍👩‍👧‍👦", "control": "a\u0000b\u001b[31m"},
    {"payload": "x" * 200_000},
    _nested(60),
    {"word": "w" * 3_000, "": "an empty key", "__proto__": {"polluted": True}},
    {"exact": 2**63 - 1, "whole": 1.0, "half": 0.5},
)
