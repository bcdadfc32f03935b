"""The current time, and the clock that runs use."""

import time
from threading import Event

from dashboard.core.timestamps import rfc3339


class SystemClock:
    """The system clock (implements runs.ports.Clock)."""

    def now(self) -> str:
        return now()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, cancelled: Event, seconds: float) -> bool:
        return cancelled.wait(seconds)


def now() -> str:
    """Return the current time in RFC 3339, UTC, with milliseconds."""
    return rfc3339(time.time())
