"""Contradictions in the records of a failover run."""

from collections.abc import Callable

import pytest

from dashboard.runs.evidence.file import Unreadable
from tests.dashboard.runs.evidence.recorded import Json, changed, contradictions, failed_over, of_type, repeated


def without_service(lines: list[Json]) -> None:
    lines[:] = [line for line in lines if line["record"].get("source") != "service"]


def loss(lines: list[Json]) -> Json:
    found: Json = of_type(lines, "Lost")[0]["loss"]
    return found


CHANGES: dict[str, tuple[Callable[[list[Json]], object], str]] = {
    "no read-back from the service": (without_service, "there is no read-back from the service"),
    "kills": (lambda lines: lines[0]["record"]["options"].update(kills=2), "there are 1 kills, by the options 2"),
    "mode": (lambda lines: loss(lines).update(mode="crash"), "kill 1 is crash, which is not its turn"),
    "members": (lambda lines: of_type(lines, "FailedOver")[0].update(members=1), "another member took over, of 1"),
    "times": (lambda lines: loss(lines).update(ready=loss(lines)["at"]), "s before the new primary's answer"),
    "an outcome": (lambda lines: of_type(lines, "Operated")[9].update(ended=None), "has no end"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_contradiction_is_named(name: str) -> None:
    change, words = CHANGES[name]
    assert contradictions(failed_over()) == []
    assert any(words in each for each in contradictions(changed(failed_over(), change)))


@pytest.mark.parametrize("type_", ["Lost", "FailedOver"])
def test_record_that_is_there_too_often_is_refused(type_: str) -> None:
    with pytest.raises(Unreadable):
        contradictions(repeated(failed_over(), type_))
