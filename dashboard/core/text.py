"""Text for people: names and messages from the cluster, which may be of any length, durations and lists."""


def plain(text: str, length: int) -> str:
    """Return one line of at most `length` characters, without line breaks and control characters."""
    # Collapsing spaces shortens the text, so more than `length` is read; a message may have a megabyte.
    printable = "".join(character if character.isprintable() else " " for character in text[: 4 * length])
    line = " ".join(printable.split())
    return line if len(line) <= length and len(text) <= 4 * length else line[: length - 1].rstrip() + "…"


def shorten(name: str, length: int = 60) -> str:
    """Shorten a name by cutting its middle: the ends distinguish similar names."""
    name = plain(name, 253)
    if len(name) <= length:
        return name
    end = length // 3
    return f"{name[: length - end - 1]}…{name[-end:]}"


def span(seconds: float) -> str:
    """Format a duration: "0.4 s", "12 s", "4 min", "2 h 05"."""
    s = max(0.0, seconds)
    if s < 9.95:
        return f"{s:.1f} s"
    if s < 60:
        return f"{s:.0f} s"
    if s < 3_600:
        return f"{s // 60:.0f} min"
    return f"{s // 3_600:.0f} h {s % 3_600 // 60:02.0f}"


def listing(words: list[str]) -> str:
    """Join words as in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
