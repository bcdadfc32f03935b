"""Single-flight: concurrent equal calls share one execution. Under load, most readers want the newest page.

No caller gets a result whose execution began before the call. A caller that arrives during an execution waits for its
end, and shares the next one with all other waiters. So every read sees the writes that were acknowledged before it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

PATIENCE_SECONDS = 0.5  # waiters stop waiting for a longer execution: it may hang on a vanished replica-set member

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Runs at most one execution per key at a time, apart from stuck ones, and shares its result."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, _Call[Result]] = {}
        self._waiting: dict[Hashable, _Call[Result]] = {}  # the next execution of a key that is running

    def do(self, key: Hashable, execute: Callable[[float], Result], seconds: float) -> Result:
        """Return the shared result. One of the callers runs `execute`, which gets the seconds that are left."""
        end = time.monotonic() + seconds
        with self._lock:
            joined = self._waiting.get(key)
            if joined is None:
                own: _Call[Result] = _Call()
                previous = self._running.get(key)
                (self._running if previous is None else self._waiting)[key] = own
        if joined is None:
            if previous is not None:
                previous.wait(min(end, time.monotonic() + PATIENCE_SECONDS))
                with self._lock:
                    self._running[key] = self._waiting.pop(key)
            return self._lead(key, own, execute, end)
        if joined.wait(end) and joined.results:
            return joined.results[0]
        return execute(end - time.monotonic())  # the leader failed, perhaps at its own, earlier deadline

    def _lead(self, key: Hashable, own: _Call[Result], execute: Callable[[float], Result], end: float) -> Result:
        try:
            result = execute(end - time.monotonic())
            own.results.append(result)
            return result
        finally:
            with self._lock:
                if self._running.get(key) is own:
                    del self._running[key]
            own.finish()


class _Call(Generic[Result]):
    """One execution. A lock that is held until it ends costs less than an Event."""

    def __init__(self) -> None:
        self.results: list[Result] = []  # one, unless it failed
        self._unfinished = threading.Lock()
        self._unfinished.acquire()

    def finish(self) -> None:
        self._unfinished.release()

    def wait(self, end: float) -> bool:
        """Wait for the execution's end. Return whether it came in time."""
        if not self._unfinished.acquire(timeout=max(end - time.monotonic(), 0)):
            return False
        self._unfinished.release()
        return True
