"""Concurrent calls with one key share an execution that began after each of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from service import single_flight
from service.single_flight import SingleFlight
from tests.service.process import wait_until

SECONDS = 30.0


class GatedCounter:
    """Its executions return 1, 2, 3 …; each waits for a permit from `release`."""

    def __init__(self) -> None:
        self.started = 0
        self._permits = threading.Semaphore(0)
        self._numbers = count(1)

    def release(self, times: int = 1) -> None:
        self._permits.release(times)

    def execute(self, seconds: float) -> int:
        number = next(self._numbers)
        self.started = number
        assert self._permits.acquire(timeout=seconds)
        return number


class ObservedKey:
    """A key that records the threads that have hashed it. SingleFlight hashes it under its lock."""

    def __init__(self) -> None:
        self.callers: set[int] = set()

    def __hash__(self) -> int:
        self.callers.add(threading.get_ident())
        return 1


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as made:
        yield made


@pytest.fixture(autouse=True)
def long_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_flight, "PATIENCE_SECONDS", SECONDS)


def test_single_call_executes_at_once() -> None:
    assert SingleFlight[int]().do("page", lambda seconds: 7, SECONDS) == 7


def test_calls_during_an_execution_share_the_next_one(pool: ThreadPoolExecutor) -> None:
    shared, counter, key = SingleFlight[int](), GatedCounter(), ObservedKey()
    first = pool.submit(shared.do, key, counter.execute, SECONDS)
    wait_until(lambda: counter.started == 1, SECONDS)
    later = [pool.submit(shared.do, key, counter.execute, SECONDS) for _ in range(5)]
    wait_until(lambda: len(key.callers) == 6, SECONDS)
    counter.release(2)
    assert first.result(SECONDS) == 1
    assert [each.result(SECONDS) for each in later] == [2] * 5


def test_later_call_does_not_get_an_earlier_result() -> None:
    shared, counter = SingleFlight[int](), GatedCounter()
    counter.release(2)
    assert [shared.do("page", counter.execute, SECONDS) for _ in range(2)] == [1, 2]


def test_calls_with_other_keys_do_not_wait(pool: ThreadPoolExecutor) -> None:
    shared, counter = SingleFlight[int](), GatedCounter()
    stuck = pool.submit(shared.do, "page", counter.execute, SECONDS)
    wait_until(lambda: counter.started == 1, SECONDS)
    assert shared.do("another", lambda seconds: 7, SECONDS) == 7
    counter.release()
    assert stuck.result(SECONDS) == 1


def test_waiters_execute_themselves_if_the_leader_fails(pool: ThreadPoolExecutor) -> None:
    shared, counter, key = SingleFlight[int](), GatedCounter(), ObservedKey()

    def fail(seconds: float) -> int:
        raise ValueError("no")

    first = pool.submit(shared.do, key, counter.execute, SECONDS)
    wait_until(lambda: counter.started == 1, SECONDS)
    failing = pool.submit(shared.do, key, fail, SECONDS)
    wait_until(lambda: len(key.callers) == 2, SECONDS)
    joined = pool.submit(shared.do, key, counter.execute, SECONDS)
    wait_until(lambda: len(key.callers) == 3, SECONDS)
    counter.release(2)
    assert first.result(SECONDS) == 1
    with pytest.raises(ValueError, match="no"):
        failing.result(SECONDS)
    assert joined.result(SECONDS) == 2


def test_stuck_execution_blocks_no_call(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_flight, "PATIENCE_SECONDS", 0.01)
    shared, counter = SingleFlight[int](), GatedCounter()
    stuck = pool.submit(shared.do, "page", counter.execute, SECONDS)
    wait_until(lambda: counter.started == 1, SECONDS)
    assert shared.do("page", lambda seconds: 7, SECONDS) == 7
    assert not stuck.done()
    counter.release()
    assert stuck.result(SECONDS) == 1


def test_no_call_is_kept_after_its_end(pool: ThreadPoolExecutor) -> None:
    shared, counter = SingleFlight[int](), GatedCounter()
    counter.release(100)
    for each in [pool.submit(shared.do, number % 3, counter.execute, SECONDS) for number in range(100)]:
        each.result(SECONDS)
    assert not shared._running
    assert not shared._waiting
