"""Contradictions in a ledger: each of them, and none in an honest one."""

from typing import Any

import pytest
from msgspec.structs import replace

from dashboard.runs.workload.contradictions import contradictions, unexplained
from dashboard.runs.workload.operation import Kind, Operation, ReadBack

POST = Operation(1, "post", "a", 1.0, 2.0, "acknowledged", 1, "a1")
PUT = Operation(1, "put", "a", 3.0, 4.0, "acknowledged", 2, "a2")
DELETE = Operation(1, "delete", "a", 5.0, 6.0, "acknowledged")
GET = Operation(0, "get", "a", 3.0, 3.5, "seen", seen={"a": "a1"})
LIST = Operation(1, "list", None, 3.0, 3.5, "seen", seen={})
BACK = ReadBack("database", 10.0, 11.0, {})


def test_honest_ledger_has_no_contradiction() -> None:
    others = [
        Operation(2, "post", "b", 1.0, 2.0, "unknown", 1, "b1"),
        Operation(3, "post", "c", 1.0, None, "open", 1, "c1"),
        Operation(0, "get", "b", 2.0, 2.5, "failed"),
    ]
    assert [*contradictions([POST, PUT, DELETE, GET, LIST, *others], [BACK])] == []


@pytest.mark.parametrize(
    ("operation", "changes", "words"),
    [
        (POST, {"outcome": "seen", "seen": {}}, "can't be seen"),
        (GET, {"outcome": "acknowledged"}, "can't be acknowledged"),
        (GET, {"outcome": "failed"}, "is failed and has seen something"),
        (GET, {"seen": None}, "is seen and has seen nothing"),
        (POST, {"ended": None}, "is acknowledged and has no end"),
        (POST, {"outcome": "open"}, "is open and has an end"),
        (POST, {"ended": 0.5}, "ended before it began"),
        (POST, {"id": None}, "has no id"),
        (LIST, {"id": "a"}, "has an id"),
        (POST, {"version": 2}, "can't have version 2 and digest a1"),
        (POST, {"sha256": None}, "can't have version 1 and digest None"),
        (DELETE, {"sha256": "a1", "version": 3}, "can't have version 3 and digest a1"),
    ],
)
def test_operation_that_can_not_be_is_named(operation: Operation, changes: dict[str, Any], words: str) -> None:
    (found,) = contradictions([replace(operation, **changes)], [])
    assert found.startswith(f"the {operation.kind} of ") and found.endswith(words)


@pytest.mark.parametrize(
    ("writes", "words"),
    [
        ([PUT], "the put of a at 3.000 has no post before it"),
        ([DELETE], "the delete of a at 5.000 has no post before it"),
        ([POST, replace(POST, began=3.0, ended=4.0, sha256="a9")], "can't follow a post that is acknowledged"),
        ([POST, DELETE, replace(PUT, began=7.0, ended=8.0)], "can't follow a delete that is acknowledged"),
        ([replace(POST, outcome="unknown"), PUT], "can't follow a post that is unknown"),
        ([POST, replace(PUT, began=1.5)], "or began before the post had ended"),
        ([POST, replace(PUT, by=2)], "is another writer's"),
        ([POST, replace(PUT, version=3)], "has version 3 after 1"),
        ([POST, replace(PUT, sha256="a1")], "two versions of a have the same digest"),
    ],
)
def test_writes_of_a_document_that_can_not_follow_each_other_are_named(writes: list[Operation], words: str) -> None:
    (found,) = contradictions(writes, [])
    assert words in found


def test_write_of_a_kind_that_the_service_does_not_take_is_named() -> None:
    kinds: list[Kind] = ["post"]
    (found,) = contradictions([POST, PUT], [], kinds)
    assert found == "the put of a at 3.000 is of a kind that the service does not take"


@pytest.mark.parametrize(
    ("began", "ended", "words"),
    [(1.9, 11.0, "began before the last write had ended"), (10.0, 9.0, "ended before it began")],
)
def test_read_back_at_an_impossible_time_is_named(began: float, ended: float, words: str) -> None:
    (found,) = contradictions([POST], [replace(BACK, began=began, ended=ended)])
    assert found == f"the read-back from the database {words}"


def test_missing_read_back_needs_a_reason() -> None:
    sources = ("service", "database")
    assert [*unexplained([BACK], sources, finished=True)] == [
        "there is no read-back from the service, and no reason for that"
    ]
    assert [*unexplained([BACK], sources, finished=False)] == []
    assert [*unexplained([BACK], ["service"], finished=False)] == [
        "there is a read-back from the database, which can't be read"
    ]
