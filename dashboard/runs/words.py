"""Formats a run's figures for the page. Values from the history may have any type."""

from collections.abc import Iterable, Mapping

NO_BREAK = "\N{NO-BREAK SPACE}"
TENTHS_BELOW, WHOLE_BELOW = 9.95, 100.0  # seconds


def number(value: object) -> float | None:
    """Return the value as a float, None if it is not a number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def count(value: float) -> str:
    return f"{value:,.0f}"


def counted(evidence: Mapping[str, object], name: str, least: float = 0) -> str:
    """Return "lost 3"; "" if the figure is unknown or less than `least`."""
    found = number(evidence.get(name))
    return "" if found is None or found < least else f"{name} {count(found)}"


def acknowledged(evidence: Mapping[str, object]) -> str:
    """Return "acknowledged 3,300 of 3,304"; "" without both figures."""
    acked, attempted = number(evidence.get("acked")), number(evidence.get("attempted"))
    return "" if acked is None or attempted is None else f"acknowledged {count(acked)} of {count(attempted)}"


def lost(evidence: Mapping[str, object]) -> str:
    """Return "0 of 3,300 lost"; "" without both figures."""
    acked, missing = number(evidence.get("acked")), number(evidence.get("lost"))
    return "" if acked is None or missing is None else f"{count(missing)} of {count(acked)} lost"


def plural(value: float, one: str) -> str:
    return f"{count(value)} {one}{'' if value == 1 else 's'}"


def elapsed(seconds: float) -> str:
    """Format a duration: 4.2 s, 41 s, 2:05 min, with no-break spaces."""
    if seconds < TENTHS_BELOW:
        return f"{seconds:.1f}{NO_BREAK}s"
    whole = round(seconds)
    return f"{whole}{NO_BREAK}s" if whole < WHOLE_BELOW else f"{whole // 60}:{whole % 60:02}{NO_BREAK}min"


def after(words: str, value: object, since: float | None = 0.0) -> str:
    """Return the words and the time from `since` to `value`; "" if one of the two is unknown."""
    at = number(value)
    return "" if at is None or since is None else f"{words} {elapsed(at - since)}"


def present(parts: Iterable[str]) -> list[str]:
    return [part for part in parts if part]
