"""The database as its source last saw it: its view."""

from typing import Any

import msgspec

from dashboard.core import events

Json = dict[str, Any]

UNKNOWN: Json = {"version": None, "count": None, "size_bytes": None, "volume": None, "newest": []}


class ObservedDatabase:
    """`view` is None until the source has had an answer, or none in time."""

    def __init__(self) -> None:
        self.view: Json | None = None

    def read(self, event: events.CollectionRead) -> None:
        previous = self.view or {}
        self.view = {
            "state": "up",
            "since": self._since("up", event.at),
            "version": event.version,
            "count": event.count,
            "size_bytes": event.size_bytes,
            "ops_per_second": previous.get("ops_per_second"),
            "volume": previous.get("volume"),
            "newest": [msgspec.structs.asdict(document) for document in event.newest],
        }

    def mark_down(self, at: str) -> None:
        """Its last known contents stay."""
        since = self._since("down", at)
        self.view = (self.view or UNKNOWN) | {"state": "down", "since": since, "ops_per_second": None}

    def set_operations(self, event: events.OperationRate) -> None:
        if self.view:
            self.view = self.view | {"ops_per_second": event.per_second}

    def set_volume(self, event: events.VolumeUsage) -> None:
        if self.view:
            self.view = self.view | {"volume": {"used_bytes": event.used_bytes, "total_bytes": event.total_bytes}}

    def _since(self, state: str, at: str) -> str:
        """Return since when it is in the state, which it is in at this time."""
        is_same = self.view is not None and self.view["state"] == state
        return self.view["since"] if self.view and is_same else at
