"""A virtual clock: five minutes pass in milliseconds, in one thread."""

import threading
from collections.abc import Callable

from dashboard.core.timestamps import rfc3339

EPOCH = 1_800_000_000.0  # seconds since 1970, when the monotonic time was 0
STEP = 0.05  # seconds


class VirtualClock:
    """Implements `runs.ports.Clock`. Time passes only in `wait`, in steps, and callbacks run in the waiting thread."""

    def __init__(self, step: float = STEP) -> None:
        self.time = 1000.0
        self.ahead = 0.0  # of the wall clock, in seconds
        self.on_step: list[Callable[[], None]] = []  # called after each step
        self._step = step
        self._scheduled: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> str:
        return rfc3339(EPOCH + self.time + self.ahead)

    def monotonic(self) -> float:
        return self.time

    def wait(self, cancelled: threading.Event, seconds: float) -> bool:
        end = self.time + seconds
        while not cancelled.is_set() and self.time < end - 1e-9:
            self.time = min(end, self.time + self._step)
            while self._scheduled and self._scheduled[0][0] <= self.time:
                self._scheduled.pop(0)[1]()
            for callback in list(self.on_step):
                callback()
        return cancelled.is_set()

    def advance(self, seconds: float) -> None:
        self.wait(threading.Event(), seconds)

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` once, `seconds` from now."""
        self._scheduled.append((self.time + seconds, callback))
        self._scheduled.sort(key=lambda scheduled: scheduled[0])

    def when(self, condition: Callable[[], bool], callback: Callable[[], None]) -> None:
        """Call `callback` once, after the first step that meets the condition."""

        def check() -> None:
            if condition():
                self.on_step.remove(check)
                callback()

        self.on_step.append(check)
