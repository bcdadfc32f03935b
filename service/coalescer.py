"""Request coalescing: concurrent calls share executions. Equal reads share a result (single-flight), writes share a
command (group commit).

A call that finds nothing under way executes at once. Calls that arrive meanwhile wait for the end of that execution;
then the first of them executes for all. So no call gets a result whose execution began before the call, and every read
sees the writes that were acknowledged before it. What fails together goes again one by one: no call fails for another's
item or another's earlier deadline.

    TimedOut             the call's time is over
    ├── NotExecuting     its item is in no execution, and will be in none
    └── StillExecuting   its item is in another call's execution, which has not ended
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

GRACE_SECONDS = 0.1  # beyond its own end, a call waits so long for an execution that ends at about the same time

Item = TypeVar("Item")
Result = TypeVar("Result")
Execute = Callable[[Sequence[Item], float], Sequence[Result]]  # gets the seconds that are left; one result an item


class TimedOut(Exception):
    """The call's time is over."""


class NotExecuting(TimedOut):
    """The call's item is in no execution, and will be in none."""


class StillExecuting(TimedOut):
    """The call's item is in another call's execution, which has not ended."""


class Coalescer(Generic[Item, Result]):
    """Runs one execution of a key at a time. After `patience` seconds a call waits for it no longer.

    An execution is for at most `most` calls, whose sizes add up to at most `largest`. A larger call has its own.
    """

    def __init__(self, patience: float, most: float = math.inf, largest: float = math.inf) -> None:
        self._patience = patience
        self._bounds = most, largest
        self._lock = threading.Lock()
        self._queues: dict[Hashable, Queue[Item, Result]] = {}

    def do(self, key: Hashable, item: Item, execute: Execute[Item, Result], seconds: float, size: int = 0) -> Result:
        """Return the item's result. Raise TimedOut, or what `execute` raises for this item alone."""
        call: Call[Item, Result] = Call(item, size, time.monotonic() + seconds)
        with self._lock:
            queue = self._queues.get(key)
            if queue is None:
                queue = self._queues[key] = Queue(*self._bounds)
            queue.arrive(call)
        if call.leads or self._wait(queue, call):
            return self._lead(key, queue, call, execute)
        return call.results[0] if call.results else call.execute_alone(execute)

    def _wait(self, queue: Queue[Item, Result], call: Call[Item, Result]) -> bool:
        """Wait until the call leads an execution (True) or another call's execution has ended with its item (False)."""
        if call.wait(min(call.end, time.monotonic() + self._patience)):
            return call.leads
        with self._lock:
            if queue.is_waiting(call):
                if call.is_over():
                    queue.leave(call)
                    raise NotExecuting("Another execution took too long.")
                queue.overtake(call)
        if not call.leads and not call.wait(call.end + GRACE_SECONDS):
            raise StillExecuting("The execution for several calls has not ended in time.")
        return call.leads

    def _lead(
        self, key: Hashable, queue: Queue[Item, Result], call: Call[Item, Result], execute: Execute[Item, Result]
    ) -> Result:
        others: list[Call[Item, Result]] = []
        results: Sequence[Result] = ()
        try:
            if call.is_over():
                raise NotExecuting("Another execution took too long.")
            with self._lock:
                others = queue.take(call)
            results = execute([call.item, *(each.item for each in others)], call.end - time.monotonic())
            return results[0]
        except Exception:
            if not others or call.is_over():
                raise
        finally:
            with self._lock:
                following = queue.finish(call)
                if queue.is_idle() and self._queues.get(key) is queue:
                    del self._queues[key]
            if following:
                following.wake()
            for each, result in zip(others, results[1:], strict=False):
                each.results.append(result)
            for each in others:
                each.wake()
        return call.execute_alone(execute)


class Queue(Generic[Item, Result]):
    """The calls of one key: one leads an execution, the others wait. Pure: no thread, no clock; guarded by its owner.

    While calls wait, one leads. A leader that was overtaken still executes, and counts no longer.
    """

    def __init__(self, most: float, largest: float) -> None:
        self._most = most
        self._largest = largest
        self._leader: Call[Item, Result] | None = None
        self._waiting: deque[Call[Item, Result]] = deque()

    def is_idle(self) -> bool:
        return self._leader is None

    def is_waiting(self, call: Call[Item, Result]) -> bool:
        return call in self._waiting

    def arrive(self, call: Call[Item, Result]) -> None:
        """Let the call lead if no other does, else wait."""
        if self._leader is None:
            self._appoint(call)
        else:
            self._waiting.append(call)

    def take(self, leader: Call[Item, Result]) -> list[Call[Item, Result]]:
        """Return the waiting calls that the leader executes for beside its own. They wait no longer."""
        taken: list[Call[Item, Result]] = []
        size = leader.size
        while self._waiting and len(taken) + 1 < self._most:
            size += self._waiting[0].size
            if size > self._largest:
                break
            taken.append(self._waiting.popleft())
        return taken

    def finish(self, leader: Call[Item, Result]) -> Call[Item, Result] | None:
        """End the leader's execution. Return the call that leads the next one, if any waits."""
        if leader is not self._leader:
            return None
        self._leader = None
        if not self._waiting:
            return None
        following = self._waiting.popleft()
        self._appoint(following)
        return following

    def overtake(self, call: Call[Item, Result]) -> None:
        """Let a waiting call lead beside the present leader."""
        self._waiting.remove(call)
        self._appoint(call)

    def leave(self, call: Call[Item, Result]) -> None:
        """Forget a waiting call."""
        self._waiting.remove(call)

    def _appoint(self, call: Call[Item, Result]) -> None:
        call.leads = True
        self._leader = call


class Call(Generic[Item, Result]):
    """One call. It sleeps on a lock, which costs less than an Event, until it leads or its execution has ended."""

    def __init__(self, item: Item, size: int, end: float) -> None:
        self.item = item
        self.size = size
        self.end = end  # time.monotonic()
        self.leads = False
        self.results: list[Result] = []  # one, if another call's execution has succeeded
        self._sleeping = threading.Lock()
        self._sleeping.acquire()

    def is_over(self) -> bool:
        return time.monotonic() >= self.end

    def wait(self, end: float) -> bool:
        """Wait until the call is woken. Return whether it was in time."""
        return self._sleeping.acquire(timeout=max(end - time.monotonic(), 0))

    def wake(self) -> None:
        self._sleeping.release()

    def execute_alone(self, execute: Execute[Item, Result]) -> Result:
        if self.is_over():
            raise NotExecuting("The execution for several calls took too long, and failed.")
        return execute([self.item], self.end - time.monotonic())[0]
