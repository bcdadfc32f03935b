"""Several threads ask for one thing at once; what they share was begun after each of them asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from service import single_flight as sharing
from service.single_flight import SingleFlight
from tests.service.process import wait_until

SECONDS = 30.0


class Maker:
    """Makes 1, 2, 3 …, each when it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self._let = threading.Semaphore(0)
        self._numbers = count(1)

    def let(self, times: int = 1) -> None:
        self._let.release(times)

    def make(self, seconds: float) -> int:
        number = next(self._numbers)
        self.begun = number
        assert self._let.acquire(timeout=seconds)
        return number


class Question:
    """Knows who has asked it: they are seen while they hold the lock, so none of them can come too late."""

    def __init__(self) -> None:
        self.askers: set[int] = set()

    def __hash__(self) -> int:
        self.askers.add(threading.get_ident())
        return 1


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as made:
        yield made


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "PATIENCE_SECONDS", SECONDS)


def test_single_asker_is_answered_at_once() -> None:
    assert SingleFlight[int]().do("page", lambda seconds: 7, SECONDS) == 7


def test_callers_during_an_execution_share_the_next_one(pool: ThreadPoolExecutor) -> None:
    shared, maker, question = SingleFlight[int](), Maker(), Question()
    first = pool.submit(shared.do, question, maker.make, SECONDS)
    wait_until(lambda: maker.begun == 1, SECONDS)
    later = [pool.submit(shared.do, question, maker.make, SECONDS) for _ in range(5)]
    wait_until(lambda: len(question.askers) == 6, SECONDS)
    maker.let(2)
    assert first.result(SECONDS) == 1
    assert [each.result(SECONDS) for each in later] == [2] * 5


def test_later_caller_does_not_get_an_earlier_result() -> None:
    shared, maker = SingleFlight[int](), Maker()
    maker.let(2)
    assert [shared.do("page", maker.make, SECONDS) for _ in range(2)] == [1, 2]


def test_other_questions_do_not_wait(pool: ThreadPoolExecutor) -> None:
    shared, maker = SingleFlight[int](), Maker()
    stuck = pool.submit(shared.do, "page", maker.make, SECONDS)
    wait_until(lambda: maker.begun == 1, SECONDS)
    assert shared.do("another", lambda seconds: 7, SECONDS) == 7
    maker.let()
    assert stuck.result(SECONDS) == 1


def test_waiters_execute_themselves_if_the_leader_fails(pool: ThreadPoolExecutor) -> None:
    shared, maker, question = SingleFlight[int](), Maker(), Question()

    def fail(seconds: float) -> int:
        raise ValueError("no")

    first = pool.submit(shared.do, question, maker.make, SECONDS)
    wait_until(lambda: maker.begun == 1, SECONDS)
    failing = pool.submit(shared.do, question, fail, SECONDS)
    wait_until(lambda: len(question.askers) == 2, SECONDS)
    joined = pool.submit(shared.do, question, maker.make, SECONDS)
    wait_until(lambda: len(question.askers) == 3, SECONDS)
    maker.let(2)
    assert first.result(SECONDS) == 1
    with pytest.raises(ValueError, match="no"):
        failing.result(SECONDS)
    assert joined.result(SECONDS) == 2


def test_stuck_execution_blocks_no_caller(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "PATIENCE_SECONDS", 0.01)
    shared, maker = SingleFlight[int](), Maker()
    stuck = pool.submit(shared.do, "page", maker.make, SECONDS)
    wait_until(lambda: maker.begun == 1, SECONDS)
    assert shared.do("page", lambda seconds: 7, SECONDS) == 7
    assert not stuck.done()
    maker.let()
    assert stuck.result(SECONDS) == 1


def test_nothing_is_kept_once_all_are_answered(pool: ThreadPoolExecutor) -> None:
    shared, maker = SingleFlight[int](), Maker()
    maker.let(100)
    for each in [pool.submit(shared.do, number % 3, maker.make, SECONDS) for number in range(100)]:
        each.result(SECONDS)
    assert not shared._running
    assert not shared._waiting
