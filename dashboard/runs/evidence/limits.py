"""Limits of time and memory, whatever a file makes its check do. They are those of a whole process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dashboard.runs.evidence.file import Unreadable

SECONDS = 60
BYTES = 1 << 30


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise `Unreadable` in what is inside after so many seconds, and `MemoryError` beyond BYTES of memory: that limit
    stays. Only the main thread of a process of its own may enter it. Windows has no such limits."""
    if sys.platform == "win32":
        yield
        return
    import resource
    import signal

    def end(*_: object) -> None:
        raise Unreadable(f"It can't be recomputed within {seconds} s.")

    with suppress(ValueError, OSError):  # a lower limit is there already, or the system has none
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
