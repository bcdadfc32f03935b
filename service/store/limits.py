"""Time and slots that the requests of one process share: many large documents at a time would not fit in memory."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from service.store.outcomes import Unavailable
from webserver.channel import Allowance

CONCURRENT_PAGES = 4
CONCURRENT_SEARCHES = 2  # of those pages; a filter may scan the whole collection and must leave slots to other reads
LARGE_BYTES = 64 << 10  # what is larger has to wait for its turn
LARGE_BODIES_BYTES = 2 << 20  # of those that are stored at a time: one takes forty times its size meanwhile
IMPATIENT_SECONDS = 0.5  # half of the threads wait for others' large bodies and searches so long at most
CONCURRENT_READS = 4  # of one document each, whose size is not known before; MongoDB's own limit is 16 MB
CONCURRENT_COMPARISONS = 1  # of large documents in expressions, which take MongoDB thirty times their size
CONCURRENT_CONVERSIONS = 2  # of large BSON to JSON, which takes ten times its size


class Limits:
    """The limits of one process with so many threads. `deadline` is in seconds, of a request."""

    def __init__(self, deadline: float, threads: int = 16) -> None:
        self._clock = _Clock(deadline)
        self.pages = threading.BoundedSemaphore(CONCURRENT_PAGES)
        self.searches = threading.BoundedSemaphore(CONCURRENT_SEARCHES)
        self.reads = threading.BoundedSemaphore(CONCURRENT_READS)
        self.comparisons = threading.BoundedSemaphore(CONCURRENT_COMPARISONS)
        self.conversions = threading.BoundedSemaphore(CONCURRENT_CONVERSIONS)
        self.large_bodies = Allowance(LARGE_BODIES_BYTES, threads)
        self._patient = threading.BoundedSemaphore(max(threads // 2, 1))

    def begin(self, arrived: float) -> None:
        """Begin a request on this thread that arrived at this `time.monotonic()`: its time has run since then."""
        self._clock.end = arrived + self._clock.seconds

    @property
    def deadline(self) -> float:
        """The seconds that this thread's request may still take: above 0, which to the driver is no limit."""
        return self._clock.seconds if self._clock.end is None else max(self._clock.end - time.monotonic(), 0.001)

    @contextlib.contextmanager
    def patience(self, seconds: float) -> Iterator[float]:
        """Yield how many of these seconds the thread may wait for others' large bodies and searches.

        Half of the threads may wait for all of them. The rest soon refuse: they stay free for what waits for nobody.
        """
        is_patient = self._patient.acquire(blocking=False)
        try:
            yield seconds if is_patient else min(seconds, IMPATIENT_SECONDS)
        finally:
            if is_patient:
                self._patient.release()

    @contextlib.contextmanager
    def share(self, size: int) -> Iterator[None]:
        """Hold so many bytes of large bodies. Raise Unavailable if there are too few in time."""
        with self.patience(self.deadline) as seconds:
            is_taken = self.large_bodies.take(size, seconds)
        if not is_taken:
            raise Unavailable("Too many large documents are being stored.")
        try:
            yield
        finally:
            self.large_bodies.give_back(size)


@contextlib.contextmanager
def hold(slot: threading.Semaphore, seconds: float, refusal: str) -> Iterator[None]:
    """Hold a slot. Raise Unavailable if none is free within `seconds`."""
    if not slot.acquire(timeout=max(seconds, 0)):
        raise Unavailable(refusal)
    try:
        yield
    finally:
        slot.release()


class _Clock(threading.local):
    """When this thread's request has to be answered. `end` is a `time.monotonic()`; None before its first request."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds  # of a request
        self.end: float | None = None
