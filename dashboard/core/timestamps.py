"""Moments: the wire writes them as RFC 3339, arithmetic wants seconds. The core reads no clock, it only converts."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

Moment = Annotated[datetime, Meta(tz=True)]  # the type of one that stands in JSON, for msgspec to check

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


def seconds(moment: str) -> float:
    """Seconds since 1970 of an RFC 3339 time."""
    return datetime.fromisoformat(moment).timestamp()


def rfc3339(seconds: float) -> str:
    """UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(text: str) -> float:
    """Seconds of a duration as Go writes it: "19.583s", "1m0s"."""
    total, number, unit = 0.0, "", ""
    for letter in [*text, "0"]:
        if letter.isdigit() or letter == ".":
            if unit:
                total, number, unit = total + float(number or 0) * _UNITS.get(unit, 0.0), "", ""
            number += letter
        else:
            unit += letter
    return total
