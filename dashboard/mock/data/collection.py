"""The simulated collection: new documents, odd ones among them, and the events about them."""

import random
from collections.abc import Callable
from typing import Any

import orjson

from dashboard.core import events
from dashboard.mock.clock import SimulationClock

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "iris", "juniper")
NEWEST = 20
ODD_EVERY = 10  # one document of so many is an odd one
FILE_SYSTEM_BYTES = 40 * 2**30
VERSION = "7.0.0-mock"

Keep = Callable[[str, dict[str, Any]], None]


class MockCollection:
    """The newest documents; `keep` is given them all."""

    def __init__(
        self, clock: SimulationClock, random: random.Random, keep: Keep = lambda id_, document: None
    ) -> None:
        self._clock = clock
        self._random = random
        self._keep = keep
        self._newest: list[events.Document] = []
        self._count = 0
        self._bytes = 0
        self._changed = False

    def insert(self, document: dict[str, Any] | None = None, id_: str | None = None) -> None:
        """Takes in a document, or makes one up."""
        self._count += 1
        id_given = id_ is not None  # a reader's own, of which nothing is known
        id_ = id_ or f"{int(self._clock.at.timestamp()):08x}fa0e00{self._count:010x}"
        made = self._made_up() if document is None else document
        self._keep(id_, made)
        text, truncated = None, False
        size = len(orjson.dumps(made))
        if size > 4096:  # as mongo.py shows what is too large
            made, truncated = {"…": f"{size} bytes, too large to show"}, True
        elif id_given or "exact" in made:
            text = orjson.dumps(made).decode()
        shown = events.Document(
            id=id_, document=made, inserted=self._clock.stamp.replace("Z", ".000Z"), truncated=truncated, text=text
        )
        self._newest = [shown, *self._newest[: NEWEST - 1]]
        self._bytes += size + 22
        self._changed = True

    def take_change(self) -> bool:
        """Whether anything came in since this was asked last."""
        changed, self._changed = self._changed, False
        return changed

    def contents(self) -> events.CollectionRead:
        return events.CollectionRead(
            at=self._clock.timestamp, version=VERSION, count=self._count, size_bytes=self._bytes, newest=self._newest
        )

    def volume(self) -> events.VolumeUsage:
        used = 11 * 2**30 + self._bytes * 40
        return events.VolumeUsage(at=self._clock.timestamp, used_bytes=used, total_bytes=FILE_SYSTEM_BYTES)

    def _made_up(self) -> dict[str, Any]:
        if self._count % ODD_EVERY == 0:
            return ODD[self._count // ODD_EVERY % len(ODD)]
        document: dict[str, Any] = {"key": self._random.choice(WORDS), "value": self._random.randint(0, 999)}
        if self._random.random() < 0.2:
            document["tags"] = self._random.sample(WORDS, 3)
        return document


def _nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {"end": True}
    for _ in range(depth):
        document = {"in": document}
    return document


# What a page must bear: markup, both writing directions, depth, a long unbroken word, numbers that browsers round.
ODD: tuple[dict[str, Any], ...] = (
    {"note": "<script>document.title='owned'</script>", "image": "<img src=x onerror=alert(1)>"},
    {"rtl": "שלום עולם \u202e reversed \u202c مرحبا", "emoji": "👩‍👩‍👧‍👦", "control": "a\u0000b\u001b[31m"},
    {"payload": "x" * 200_000},
    _nested(60),
    {"word": "w" * 3_000, "": "an empty key", "__proto__": {"polluted": True}},
    {"exact": 2**63 - 1, "whole": 1.0, "half": 0.5},
)
