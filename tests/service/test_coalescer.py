"""Concurrent calls share an execution that began after each of them, and each gets its own outcome."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service import coalescer
from service.coalescer import Call, Coalescer, NotExecuting, Queue, StillExecuting, TimedOut
from tests.service.process import wait_until

SECONDS = 30.0


class Gated:
    """An `execute` whose executions wait for permits, and return their items with the execution's number."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.failing: set[str] = set()  # items that fail every execution
        self._permits = threading.Semaphore(0)

    def release(self, times: int = 1) -> None:
        self._permits.release(times)

    def __call__(self, items: Sequence[str], seconds: float) -> list[str]:
        self.batches.append([*items])
        number = len(self.batches)
        assert self._permits.acquire(timeout=SECONDS)
        if self.failing & {*items}:
            raise ValueError(items)
        return [f"{each}{number}" for each in items]


class Key:
    """A key that records the threads that have hashed it. The coalescer hashes it under its lock."""

    def __init__(self) -> None:
        self.callers: set[int] = set()

    def __hash__(self) -> int:
        self.callers.add(threading.get_ident())
        return 1


class Callers:
    """Threads that call with one key. Each has arrived when `call` returns."""

    def __init__(self, shared: Coalescer[str, str]) -> None:
        self.shared = shared
        self.execute = Gated()
        self.key = Key()
        self.pool = ThreadPoolExecutor(16)

    def call(self, item: str, seconds: float = SECONDS) -> Future[str]:
        before = len(self.key.callers)
        future = self.pool.submit(self.shared.do, self.key, item, self.execute, seconds)
        wait_until(lambda: len(self.key.callers) > before, SECONDS)
        return future

    def call_during_another(self, *items: str) -> list[Future[str]]:
        """Begin an execution, let these calls wait for it, and end it."""
        first = self.call("a")
        wait_until(lambda: len(self.execute.batches) == 1, SECONDS)
        calls = [self.call(item) for item in items]
        self.execute.release()
        assert first.result(SECONDS) == "a1"
        return calls


@pytest.fixture
def callers() -> Iterator[Callers]:
    made = Callers(Coalescer(SECONDS))
    yield made
    made.execute.release(100)
    made.pool.shutdown()


def test_single_call_executes_at_once() -> None:
    assert Coalescer[str, int](SECONDS).do("key", "a", lambda items, seconds: [7], SECONDS) == 7


def test_calls_during_an_execution_share_the_next_one(callers: Callers) -> None:
    calls = callers.call_during_another("b", "c", "d")
    callers.execute.release()
    assert [each.result(SECONDS) for each in calls] == ["b2", "c2", "d2"]
    assert callers.execute.batches == [["a"], ["b", "c", "d"]]


def test_later_call_does_not_get_an_earlier_result(callers: Callers) -> None:
    callers.execute.release(2)
    assert [callers.shared.do("key", "a", callers.execute, SECONDS) for _ in range(2)] == ["a1", "a2"]


def test_calls_with_other_keys_do_not_wait(callers: Callers) -> None:
    stuck = callers.call("a")
    assert callers.shared.do("another", "b", lambda items, seconds: ["done"], SECONDS) == "done"
    callers.execute.release()
    assert stuck.result(SECONDS) == "a1"


def test_failing_item_fails_no_other_call(callers: Callers) -> None:
    callers.execute.failing = {"bad"}
    first, bad, last = callers.call_during_another("b", "bad", "c")
    callers.execute.release(4)
    assert first.result(SECONDS)[0] == "b"
    assert last.result(SECONDS)[0] == "c"
    with pytest.raises(ValueError, match=r"\['bad'\]"):
        bad.result(SECONDS)
    assert callers.execute.batches[1] == ["b", "bad", "c"]
    assert sorted(callers.execute.batches[2:]) == [["b"], ["bad"], ["c"]]


@pytest.mark.slow
def test_calls_outlive_the_earlier_deadline_of_their_leader(callers: Callers) -> None:
    callers.call("a")
    ended = threading.Event()

    def execute(items: Sequence[str], seconds: float) -> list[str]:
        if seconds > 5:
            return [f"{each} alone" for each in items]
        ended.wait(SECONDS)
        raise TimeoutError

    leader = callers.pool.submit(callers.shared.do, callers.key, "b", execute, 4.0)
    wait_until(lambda: len(callers.key.callers) == 2, SECONDS)
    others = [callers.pool.submit(callers.shared.do, callers.key, item, execute, SECONDS) for item in "cd"]
    wait_until(lambda: len(callers.key.callers) == 4, SECONDS)
    callers.execute.release()
    time.sleep(4.1)
    ended.set()
    with pytest.raises(TimeoutError):
        leader.result(SECONDS)
    assert [each.result(SECONDS) for each in others] == ["c alone", "d alone"]


def test_call_whose_time_is_over_before_its_turn_is_never_executed(callers: Callers) -> None:
    first = callers.call("a")
    with pytest.raises(NotExecuting):
        callers.shared.do(callers.key, "late", callers.execute, 0.05)
    last = callers.call("b")
    callers.execute.release(2)
    assert (first.result(SECONDS), last.result(SECONDS)) == ("a1", "b2")
    assert callers.execute.batches == [["a"], ["b"]]


@pytest.mark.slow
def test_call_whose_leader_stalls_ends_at_its_own_deadline(callers: Callers) -> None:
    first = callers.call("a")
    leader = callers.call("b")
    member = callers.call("c", 5.0)
    callers.execute.release()
    assert first.result(SECONDS) == "a1"
    began = time.monotonic()
    with pytest.raises(StillExecuting):
        member.result(SECONDS)
    assert time.monotonic() - began < 25
    assert not leader.done()
    callers.execute.release()
    assert leader.result(SECONDS) == "b2"


def test_stuck_execution_delays_no_call_for_long(callers: Callers) -> None:
    callers.shared = Coalescer(0.01)
    stuck = callers.call("a")
    assert callers.shared.do(callers.key, "b", lambda items, seconds: ["done"], SECONDS) == "done"
    assert not stuck.done()
    callers.execute.release()
    assert stuck.result(SECONDS) == "a1"


def test_no_call_is_kept_after_its_end(callers: Callers) -> None:
    callers.execute.release(100)
    numbers = range(100)
    calls = [callers.pool.submit(callers.shared.do, n % 3, str(n), callers.execute, SECONDS) for n in numbers]
    for each in calls:
        each.result(SECONDS)
    assert not callers.shared._queues


ACTIONS = ("arrive", "arrive", "arrive", "take", "finish", "overtake", "leave")


@settings(max_examples=300)
@given(
    st.integers(1, 4),
    st.integers(0, 12),
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 9)), min_size=10, max_size=60),
)
@pytest.mark.slow
def test_any_order_of_events_gives_each_call_one_execution(
    most: int, largest: int, events: list[tuple[str, int]]
) -> None:
    queue: Queue[str, str] = Queue(most, largest)
    waiting: list[Call[str, str]] = []
    leading: list[Call[str, str]] = []
    overtaken: list[Call[str, str]] = []

    def lead(call: Call[str, str]) -> None:
        assert call.leads
        waiting.remove(call)
        leading.append(call)

    for action, number in events:
        if action == "arrive":
            call: Call[str, str] = Call("item", number, 0)
            waiting.append(call)
            queue.arrive(call)
            if call.leads:
                lead(call)
        elif action == "take" and leading:
            leader = leading[number % len(leading)]
            batch = queue.take(leader)
            assert batch == waiting[: len(batch)]  # in their order, and each once
            del waiting[: len(batch)]
            assert len(batch) + 1 <= most
            assert not batch or leader.size + sum(each.size for each in batch) <= largest
        elif action == "finish" and leading + overtaken:
            ending = (leading + overtaken)[number % len(leading + overtaken)]
            following = queue.finish(ending)
            assert following is (waiting[0] if ending in leading and waiting else None)
            (leading if ending in leading else overtaken).remove(ending)
            if following:
                lead(following)
        elif action == "overtake" and waiting:
            call = waiting[number % len(waiting)]
            queue.overtake(call)
            overtaken.append(leading.pop(0))
            lead(call)
        elif action == "leave" and waiting:
            queue.leave(waiting.pop(number % len(waiting)))
        assert all(map(queue.is_waiting, waiting)) and not any(map(queue.is_waiting, leading + overtaken))
        assert not any(each.leads for each in waiting)
        assert len(leading) == 1 if waiting else len(leading) <= 1
        assert queue.is_idle() == (not waiting and not leading)


class Recorder:
    """An `execute` that takes a while and sometimes fails, and records what was executed when."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not for a secret
        self.began: list[tuple[float, str]] = []

    def __call__(self, items: Sequence[str], seconds: float) -> list[str]:
        self.began += [(time.monotonic(), each) for each in items]
        time.sleep(self._random.choice((0, 0.001, 0.01)))
        if self._random.random() < 0.2:
            raise ValueError
        return [f"done {each}" for each in items]


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(), st.lists(st.sampled_from((0.0, 0.002, 0.01, 5.0)), min_size=30, max_size=60))
def test_no_item_is_executed_after_its_caller_was_told_that_it_is_not(seed: int, deadlines: list[float]) -> None:
    shared: Coalescer[str, str] = Coalescer(0.005, 5)
    execute = Recorder(seed)

    def call(number: int, seconds: float) -> tuple[str, float, object]:
        item, began = str(number), time.monotonic()
        outcome: object
        try:
            outcome = shared.do("key", item, execute, seconds)
        except (TimedOut, ValueError) as error:
            outcome = error
        assert time.monotonic() - began < seconds + SECONDS
        return item, time.monotonic(), outcome

    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(12) as pool:
        patched.setattr(coalescer, "GRACE_SECONDS", 0.001)
        calls = [*pool.map(call, range(len(deadlines)), deadlines)]
    for item, ended, outcome in calls:
        if isinstance(outcome, NotExecuting):
            assert not [at for at, each in execute.began if each == item and at > ended]
        elif not isinstance(outcome, Exception):
            assert outcome == f"done {item}"
            assert item in {each for _, each in execute.began}
    assert not shared._queues
