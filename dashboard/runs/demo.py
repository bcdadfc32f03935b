"""A demo as data, for the API, the page, `prove` and the report; and the protocol of what runs it."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Protocol

from msgspec import Struct

from dashboard.core.errors import InvalidOption
from dashboard.runs.context import RunContext
from dashboard.runs.evidence.records import Header
from dashboard.runs.ports import DatabaseReader, Load, Pods, ServiceDeployment, View, WritersOf
from dashboard.runs.verdict import Verdict

MOST_DIFFERENCES = 20  # between a file's records, that are named

Json = dict[str, Any]


class Choice(Struct, frozen=True):
    """An option with a fixed set of values, each with its meaning."""

    name: str
    choices: Mapping[str, str]
    default: str


class Number(Struct, frozen=True):
    """An option that is a number within bounds. If it is not given, the run chooses one."""

    name: str
    low: float
    high: float
    unit: str
    whole: bool = False


class Step(Struct, frozen=True):
    id: str
    title: str


class Field(Struct, frozen=True):
    """A field of the evidence. `words` is its label; a summary keeps the fields with `kept`. With a `claim`, a sentence
    that the field's figure shows to hold or not, each run has a check of it."""

    name: str
    words: str
    unit: str = ""
    kept: bool = False
    claim: str = ""


class Conclusion(Struct, frozen=True):
    """What a PASS shows and what it doesn't."""

    shows: str
    does_not_show: str


class ByHand(Struct, frozen=True):
    """How to do the same by hand.

    `command` may contain {namespace}, {deployment}, {database} (the pod's name) and {service} (the data service's
    address for users).
    """

    command: str
    watch: str


class Tools(Struct, frozen=True):
    """The dependencies of demos. `database` is the database pod's name, `deployment` the service's."""

    pods: Pods
    load: Load
    writers: WritersOf
    reader: DatabaseReader
    view: View
    database: str
    deployment: str
    service: ServiceDeployment


class Experiment(Protocol):
    """One run of a demo."""

    def run(self) -> None:
        """Run all steps. Raise `RunStopped` or an `ExternalError` if the run can't go on."""

    def cleanup(self) -> None:
        """End everything that `run` started. Called once after `run`, even if that raised an exception."""

    def verdict(self, stopped: str | None) -> Verdict:
        """Return the verdict; `stopped` is the reason if the run ended early."""


class Recomputed(Struct, frozen=True):
    """The verdict that follows from an evidence file's records, and where they contradict each other, as sentences."""

    verdict: Verdict
    differences: list[str]


def recomputed(verdict: Verdict, differences: Iterable[str]) -> Recomputed:
    """Return the first of the differences with the verdict: one alteration may bring about many."""
    return Recomputed(verdict, [*islice(differences, MOST_DIFFERENCES)])


class Demo(Struct, frozen=True):
    """`claim` is what it proves, as a clause; `takes` the usual duration as text; `limits` are seconds by name.

    Three functions turn a run's evidence into text: `key_figures` returns the short parts for the claim, `lines` the
    rows of a card, `compared` the seconds by which runs are compared; `comparison` is the text for those, with {} for
    the number. `conclusion` returns what a PASS with the given options shows. `recompute` returns the verdict that
    follows from the records of an evidence file, between its header and its end; None if the demo records nothing.
    There is no such demo where MongoDB has fewer members or more, or where the manifests withhold the action that it
    takes, `takes_action`: "rollout" or "pods".
    """

    id: str
    title: str
    claim: str
    takes: str
    sentence: str
    steps: tuple[Step, ...]
    options: tuple[Choice | Number, ...]
    limits: Mapping[str, float]
    evidence: tuple[Field, ...]
    key_figures: Callable[[Json], list[str]]
    lines: Callable[[Json], list[list[str]]]
    compared: Callable[[Json], float | None]
    comparison: str
    conclusion: Callable[[Json], Conclusion]
    by_hand: ByHand
    experiment: Callable[[RunContext, Tools], Experiment]
    recompute: Callable[[Header, Iterable[Any]], Recomputed] | None = None
    least_members: int = 1
    most_members: int = 50  # MongoDB's own
    takes_action: str = ""

    def to_json(self, names: Mapping[str, str]) -> Json:
        """Return the demo for the API and the page. `names` (namespace, database, service) go into the command."""
        return {
            "id": self.id,
            "title": self.title,
            "claim": self.claim,
            "takes": self.takes,
            "sentence": self.sentence,
            "steps": [{"id": step.id, "title": step.title} for step in self.steps],
            "options": [_option(option) for option in self.options],
            "evidence": [{"name": each.name, "words": each.words, "unit": each.unit} for each in self.evidence],
            "comparison": self.comparison,
            "by_hand": {"command": self.by_hand.command.format_map(names), "watch": self.by_hand.watch},
        }


def _option(option: Choice | Number) -> Json:
    if isinstance(option, Choice):
        return {"name": option.name, "choices": [*option.choices.items()], "default": option.default}
    return {"name": option.name, "min": option.low, "max": option.high, "unit": option.unit}


def demo_of(demos: Mapping[str, Demo], id_: str) -> Demo:
    """Return the demo with this id. Raise `InvalidOption` with the known ids if there is none."""
    if id_ not in demos:
        raise InvalidOption(f"There is no such demo. Known demos: {', '.join(demos)}.")
    return demos[id_]


def checked(demo: Demo, given: Mapping[str, Any]) -> Json:
    """Return the given options with defaults for the others. Raise `InvalidOption` with what is allowed."""
    known = {option.name for option in demo.options}
    if set(given) - known:
        raise InvalidOption(f"{demo.title} takes no other option than {' and '.join(sorted(known))}.")
    options = {option.name: option.default for option in demo.options if isinstance(option, Choice)}
    return options | {
        option.name: _value(option, given[option.name]) for option in demo.options if option.name in given
    }


def _value(option: Choice | Number, value: object) -> str | float:
    if isinstance(option, Choice):
        if isinstance(value, str) and value in option.choices:
            return value
        raise InvalidOption(f"{option.name} must be {' or '.join(option.choices)}.")
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and option.low <= value <= option.high
        and not (option.whole and value != int(value))
    ):
        return value
    kind = "a whole number" if option.whole else "a number"
    raise InvalidOption(f"{option.name} must be {kind} from {option.low:g} to {option.high:g} ({option.unit}).")
