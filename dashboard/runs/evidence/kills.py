"""Where the kills in a file contradict what the run was asked for, or their own times. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.mode import Mode, by_turns

Moment = tuple[str, float | None]  # what happened, and when; None if it did not


def asked_for(options: Mapping[str, Any]) -> int:
    """Return how many kills a run with these options makes."""
    return int(options.get("kills", 1))


def bounded(kills: Sequence[object], options: Mapping[str, Any]) -> None:
    """Raise `Unreadable` if there are more kills than the options ask for."""
    if len(kills) > asked_for(options):
        raise Unreadable(f"It has more kills than its options ask for, {asked_for(options)}.")


def contradictions(options: Mapping[str, Any], mode: Mode, modes: Sequence[Mode], early: bool) -> Iterator[str]:
    """Yield what differs from the options. `mode` is the run's and `modes` are those of its kills; `early`: whether it
    ended before all of them."""
    if options.get("mode") != mode:
        yield f"the run's mode is {mode}, by its options {options.get('mode')}"
    if len(modes) < asked_for(options) and not early:
        yield f"there are {len(modes)} kills, by the options {asked_for(options)}"
    for number, each in enumerate(modes):
        if each != by_turns(mode, number):
            yield f"kill {number + 1} is {each}, which is not its turn"


def out_of_order(moments: Iterable[Moment]) -> Iterator[str]:
    """Yield which of these moments, that have to follow each other, do not."""
    known = [(what, at) for what, at in moments if at is not None]
    for (before, earlier), (what, at) in pairwise(known):
        if at < earlier:
            yield f"{what} is {earlier - at:.1f} s before {before}"
