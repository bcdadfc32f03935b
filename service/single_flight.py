"""One answer for all who ask the same at once. Under load most readers want one page: that of the newest documents.

Nobody gets an answer that was begun before they asked. Whoever comes while one is being made waits for its end and
shares the next with all who came meanwhile, so that what was stored before a request is in its answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

PATIENCE_SECONDS = 0.5  # a read that takes longer may be stuck with a member that vanished: it holds nobody up

Answer = TypeVar("Answer")


class SingleFlight(Generic[Answer]):
    """Answers by question, while there is somebody to share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: dict[Hashable, _Round[Answer]] = {}
        self._gathering: dict[Hashable, _Round[Answer]] = {}  # those who wait for the end of what is begun

    def ask(self, question: Hashable, make: Callable[[float], Answer], seconds: float) -> Answer:
        """The answer; `make`, which is told the seconds that are left, is called by one of those who share it."""
        end = time.monotonic() + seconds
        with self._lock:
            joined = self._gathering.get(question)
            if joined is None:
                mine: _Round[Answer] = _Round()
                before = self._begun.get(question)
                (self._begun if before is None else self._gathering)[question] = mine
        if joined is None:
            if before is not None:
                before.wait(min(end, time.monotonic() + PATIENCE_SECONDS))
                with self._lock:
                    self._begun[question] = self._gathering.pop(question)
            return self._lead(question, mine, make, end)
        if joined.wait(end) and joined.answers:
            return joined.answers[0]
        return make(end - time.monotonic())  # whoever made it failed, perhaps for want of time: that says nothing of us

    def _lead(self, question: Hashable, mine: _Round[Answer], make: Callable[[float], Answer], end: float) -> Answer:
        try:
            answer = make(end - time.monotonic())
            mine.answers.append(answer)
            return answer
        finally:
            with self._lock:
                if self._begun.get(question) is mine:
                    del self._begun[question]
            mine.finish()


class _Round(Generic[Answer]):
    """One making of an answer; a lock that is held until it ends costs less than an event."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []  # one, unless it failed
        self._unfinished = threading.Lock()
        self._unfinished.acquire()

    def finish(self) -> None:
        self._unfinished.release()

    def wait(self, end: float) -> bool:
        """Whether it ended in time."""
        if not self._unfinished.acquire(timeout=max(end - time.monotonic(), 0)):
            return False
        self._unfinished.release()
        return True
