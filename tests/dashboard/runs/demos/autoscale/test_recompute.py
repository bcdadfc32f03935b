"""Contradictions in the records of an autoscale run."""

from collections.abc import Callable

import pytest

from tests.dashboard.runs.evidence.recorded import Json, changed, contradictions, failing, healthy, of_type


def line_of(lines: list[Json], type_: str, number: int = 0) -> Json:
    return [line for line in lines if line["record"]["type"] == type_][number]


def drop(type_: str, number: int = 0) -> Callable[[list[Json]], None]:
    return lambda lines: lines.remove(line_of(lines, type_, number))


def end_twice(lines: list[Json]) -> None:
    line = line_of(lines, "LoadEnded")
    lines.insert(lines.index(line), line)


CHANGES: dict[str, tuple[Callable[[list[Json]], object], str]] = {
    "no observation": (drop("Observed", -20), "is missing"),
    "no look": (drop("Looked", -20), "without a look at that time"),
    "not settled": (drop("Settled"), "the load began before the autoscaler had settled"),
    "a fixed rate": (lambda lines: of_type(lines, "LoadBegan")[0].update(fixed=True), "fixed=True; asked for: none"),
    "ended twice": (end_twice, "the load ended once more"),
    "errors": (
        lambda lines: of_type(lines, "LoadSeen")[50]["totals"].update(errors=5),
        "the load has 5 errors, by kind 0",
    ),
    "totals": (
        lambda lines: of_type(lines, "LoadSeen")[50]["totals"].update(offered=0),
        "the load's offered fell from",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_contradiction_is_named(name: str) -> None:
    change, words = CHANGES[name]
    assert contradictions(healthy()) == []
    assert any(words in each for each in contradictions(changed(healthy(), change)))


def test_look_after_the_run_had_to_end_is_a_difference() -> None:
    def go_on(lines: list[Json]) -> None:
        last = lines.index(line_of(lines, "Looked", -1))
        lines[last + 2 : last + 2] = lines[last : last + 2]

    assert contradictions(failing()) == []
    (found,) = contradictions(changed(failing(), go_on))
    assert found.startswith("the run went on, though by the records it had to end: By its own figure of")
