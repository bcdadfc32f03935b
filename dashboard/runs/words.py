"""Figures of a run in words, as the page shows them. What comes from a history may be of any type."""

from collections.abc import Iterable

NO_BREAK = "\N{NO-BREAK SPACE}"
TENTHS_BELOW, WHOLE_BELOW = 9.95, 100.0  # seconds


def number(value: object) -> float | None:
    """The figure, None if it is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def count(value: float) -> str:
    return f"{value:,.0f}"


def plural(value: float, one: str) -> str:
    return f"{count(value)} {one}{'' if value == 1 else 's'}"


def elapsed(seconds: float) -> str:
    """4.2 s, 41 s, 2:05 min; never broken over two lines."""
    if seconds < TENTHS_BELOW:
        return f"{seconds:.1f}{NO_BREAK}s"
    whole = round(seconds)
    return f"{whole}{NO_BREAK}s" if whole < WHOLE_BELOW else f"{whole // 60}:{whole % 60:02}{NO_BREAK}min"


def after(words: str, value: object, since: float | None = 0.0) -> str:
    """The words and the time since then; empty where one of the two is not known."""
    at = number(value)
    return "" if at is None or since is None else f"{words} {elapsed(at - since)}"


def present(parts: Iterable[str]) -> list[str]:
    return [part for part in parts if part]
