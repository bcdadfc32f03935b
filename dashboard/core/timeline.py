"""What happened, newest first: Kubernetes' own events, and the changes between two states that are worth telling."""

from typing import Any

from dashboard.core import event

ENTRIES = 200

Json = dict[str, Any]


class Timeline:
    def __init__(self) -> None:
        self._entries: list[Json] = []

    def tell(self, told: event.Told) -> None:
        """Takes in what a source told, if it belongs here."""

    def compare(self, before: Json, after: Json, at: str) -> None:
        """Notes what changed between two states."""

    def entries(self) -> list[Json]:
        """The same list while nothing happened."""
        return self._entries
