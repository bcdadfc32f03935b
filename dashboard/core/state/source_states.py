"""The states of the sources: whether each is live, since when, how old its data is, and what is wrong."""

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]


class SourceStates:
    def __init__(self, names: Iterable[str], at: str) -> None:
        self._sources: dict[str, Json] = {
            name: {"state": "connecting", "as_of": None, "since": at, "error": None} for name in names
        }

    def set(self, name: str, state: str, at: str, error: str | None, as_of: str | None = None) -> None:
        """Set a source's state. `as_of`, the age of the shown data, changes only while the source is live."""
        previous = self._sources[name]
        since = previous["since"] if previous["state"] == state else at
        data_as_of = as_of or at if state == "live" else previous["as_of"]
        self._sources[name] = {"state": state, "as_of": data_as_of, "since": since, "error": error}

    def is_live(self, name: str) -> bool:
        return bool(self._sources[name]["state"] == "live")

    def has_data(self, name: str) -> bool:
        """Return whether the source was ever live."""
        return self._sources[name]["as_of"] is not None

    def to_json(self) -> dict[str, Json]:
        """Return the sources by name, as they are now."""
        return dict(self._sources)
