"""The time of day as the wire writes it."""

from datetime import UTC, datetime


def now() -> str:
    """RFC 3339, UTC, to the millisecond."""
    return rfc3339(datetime.now(UTC))


def rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
