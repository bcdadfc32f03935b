"""Conversions between RFC 3339 timestamps, as in JSON, and seconds since 1970. Nothing here reads a clock."""

from datetime import UTC, datetime

# What `seconds` and `duration` can read. Every date of it exists; the year 0, which the API allows, does not.
_DATE = (
    r"(?!0000)[0-9]{4}-"
    r"((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    r"|(?!0000)([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29"
)
_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]"
RFC3339 = rf"\A({_DATE})T{_HOUR}:[0-5][0-9](\.[0-9]{{1,9}})?(Z|[+-]{_HOUR})\Z"
DURATION = r"\A([0-9]{1,9}(\.[0-9]{1,9})?(h|m|s|ms|µs|us|ns))*\Z"

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


def seconds(timestamp: str) -> float:
    """Return the seconds since 1970 of an RFC 3339 timestamp."""
    return datetime.fromisoformat(timestamp).timestamp()


def rfc3339(time: float | datetime, timespec: str = "milliseconds") -> str:
    """Return `time` (seconds since 1970, or an aware datetime) in RFC 3339, UTC.

    `timespec` is the precision, as `datetime.isoformat` takes it.
    """
    utc = time.astimezone(UTC) if isinstance(time, datetime) else datetime.fromtimestamp(time, UTC)
    return utc.isoformat(timespec=timespec).replace("+00:00", "Z")


def duration(text: str) -> float:
    """Return the seconds of a duration in Go's format: "19.583s", "1m0s"."""
    total, number, unit = 0.0, "", ""
    for letter in [*text, "0"]:
        if letter.isdigit() or letter == ".":
            if unit:
                total, number, unit = total + float(number or 0) * _UNITS.get(unit, 0.0), "", ""
            number += letter
        else:
            unit += letter
    return total
