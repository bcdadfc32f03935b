"""One thing that happened, in words of a sane length: names and messages come from the cluster, at any length."""

from typing import Any, NamedTuple

Json = dict[str, Any]


class Entry(NamedTuple):
    """`tone` is good, busy, warn, bad or off; `mark` a very short label where a line on the charts is deserved."""

    at: str
    tone: str
    text: str
    about: Json | None = None  # {kind, name, uid} of the object
    mark: str | None = None


def plain(text: str, length: int) -> str:
    """One line of at most so many characters: no line breaks, nothing that a terminal or a browser would obey."""
    # Four times as much is looked at, since spaces fall out; a message may be as long as the API server allows.
    shown = "".join(character if character.isprintable() else " " for character in text[: 4 * length])
    line = " ".join(shown.split())
    return line if len(line) <= length and len(text) <= 4 * length else line[: length - 1].rstrip() + "…"


def shorten(name: str, length: int = 60) -> str:
    """A name without its middle: both ends tell siblings apart."""
    name = plain(name, 253)
    if len(name) <= length:
        return name
    end = length // 3
    return f"{name[: length - end - 1]}…{name[-end:]}"


def span(seconds: float) -> str:
    """A duration: "0.4 s", "12 s", "4 min", "2 h 05"."""
    s = max(0.0, seconds)
    if s < 9.95:
        return f"{s:.1f} s"
    if s < 60:
        return f"{s:.0f} s"
    if s < 3_600:
        return f"{s // 60:.0f} min"
    return f"{s // 3_600:.0f} h {s % 3_600 // 60:02.0f}"


def listing(words: list[str]) -> str:
    """The words as in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
