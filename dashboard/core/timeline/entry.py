"""An entry of the timeline."""

from typing import Any, NamedTuple

Json = dict[str, Any]


class Entry(NamedTuple):
    """A timeline entry.

    `tone` is good, busy, warn, bad or off. `mark` is a very short label for a line on the charts, or None.
    """

    at: str
    tone: str
    text: str
    about: Json | None = None  # {kind, name, uid} of the object
    mark: str | None = None
