"""Contradictions in the records of a persistence run."""

from collections.abc import Callable

import pytest

from dashboard.runs.evidence.file import Unreadable
from tests.dashboard.runs.evidence.recorded import (
    Json,
    changed,
    contradictions,
    killed_twice,
    of_type,
    persistent,
    repeated,
)


def without_database(lines: list[Json]) -> None:
    lines[:] = [line for line in lines if line["record"].get("source") != "database"]


def without_the_second_kill(lines: list[Json]) -> None:
    lines.remove([line for line in lines if line["record"]["type"] == "Killed"][1])


def kill(lines: list[Json]) -> Json:
    found: Json = of_type(lines, "Killed")[0]["kill"]
    return found


def put(lines: list[Json]) -> Json:
    return next(each for each in of_type(lines, "Operated") if each["kind"] == "put")


CHANGES: dict[str, tuple[Callable[[list[Json]], object], str]] = {
    "no read-back from the database": (without_database, "there is no read-back from the database"),
    "no adapter": (lambda lines: of_type(lines, "Ran")[0].update(adapter=False), "which can't be read"),
    "one of two kills": (without_the_second_kill, "there are 1 kills, by the options 2"),
    "another option": (lambda lines: lines[0]["record"]["options"].update(mode="graceful"), "the run's mode is crash"),
    "Ready before the answer": (
        lambda lines: kill(lines).update(ready=kill(lines)["at"]), "s before the database's return after kill 1",
    ),
    "back before the kill": (lambda lines: kill(lines).update(back=kill(lines)["at"] - 1), "is 1.0 s before kill 1"),
    "a write's outcome": (lambda lines: put(lines).update(outcome="seen", seen={}), "can't be seen"),
    "kinds": (lambda lines: of_type(lines, "Ran")[0].update(kinds=["post"]), "that the service does not take"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_contradiction_is_named(name: str) -> None:
    change, words = CHANGES[name]
    assert any(words in each for each in contradictions(changed(killed_twice(), change)))


@pytest.mark.parametrize("type_", ["Killed", "Ran"])
def test_record_that_is_there_too_often_is_refused(type_: str) -> None:
    with pytest.raises(Unreadable):
        contradictions(repeated(persistent(), type_))


def test_journal_that_can_not_be_played_is_refused() -> None:
    def spoil(lines: list[Json]) -> None:
        of_type(lines, "ObjectsListed")[0]["objects"] = [{"metadata": 5}]

    with pytest.raises(Unreadable, match="A ObjectsListed is invalid"):
        contradictions(changed(persistent(), spoil))
