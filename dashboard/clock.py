"""The time of day as the wire writes it, and the clock that runs go by."""

import time
from datetime import UTC, datetime
from threading import Event


class Clock:
    """The real one (runs.ports.Clock)."""

    def now(self) -> str:
        return now()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, cancelled: Event, seconds: float) -> bool:
        return cancelled.wait(seconds)


def now() -> str:
    """RFC 3339, UTC, to the millisecond."""
    return rfc3339(datetime.now(UTC))


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
