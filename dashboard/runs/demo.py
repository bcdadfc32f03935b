"""What a demo is: the words and numbers that the API, the page, the shell and the report read, and what runs it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from dashboard.core.errors import InvalidOption
from dashboard.runs.context import RunContext
from dashboard.runs.ports import Load, Pods, Reader, View, WritersOf
from dashboard.runs.verdict import Verdict

Json = dict[str, Any]


class Choice(Struct, frozen=True):
    """An option: one of some words, each with what it means."""

    name: str
    choices: Mapping[str, str]
    default: str


class Number(Struct, frozen=True):
    """An option: a number within bounds; without it, the run finds one itself."""

    name: str
    low: float
    high: float
    unit: str


class Step(Struct, frozen=True):
    id: str
    title: str


class Field(Struct, frozen=True):
    """A field of the evidence, in the report's words. A row of the history keeps those that are `kept`."""

    name: str
    words: str
    unit: str = ""
    kept: bool = False


class Claim(Struct, frozen=True):
    """What a PASS proves, and what it does not."""

    proves: str
    proves_not: str


class ByHand(Struct, frozen=True):
    """How to bring the same about by hand. `command` may name {namespace} and {database}, the pod."""

    command: str
    watch: str


class Tools(Struct, frozen=True):
    """What a demo may use. `database` is the pod's name, `deployment` the service's."""

    pods: Pods
    load: Load
    writers: WritersOf
    reader: Reader
    view: View
    database: str
    deployment: str


class Experiment(Protocol):
    """One run of a demo."""

    def run(self) -> None:
        """All steps. `RunStopped`, or an `ExternalError`, of what keeps it from going on."""

    def cleanup(self) -> None:
        """Ends whatever it started. Called once, after `run`, however that ended."""

    def verdict(self, stopped: str | None) -> Verdict:
        """What came out; `stopped` is why it ended early."""


class Demo(Struct, frozen=True):
    """`claim` is what it proves, in a clause; `takes` about how long a run takes, in words; `limits` seconds, by name.

    Of a run's evidence `key_figures` makes the short parts that its claim stands on, `lines` all that a card tells, and
    `compared` the number of seconds by which runs are compared, in the words of `comparison` with {} for it. `claims`
    gives what a run with these options proves.
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
    claims: Callable[[Json], Claim]
    by_hand: ByHand
    experiment: Callable[[RunContext, Tools], Experiment]

    def to_json(self, names: Mapping[str, str]) -> Json:
        """As the API and the page have it. `names` are what commands name: namespace, database."""
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
    """`InvalidOption` if there is none, in words that name those that there are."""
    if id_ not in demos:
        raise InvalidOption(f"There is no such demo: there are {' and '.join(demos)}.")
    return demos[id_]


def checked(demo: Demo, given: Mapping[str, Any]) -> Json:
    """The options with their defaults; `InvalidOption` says what is allowed."""
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
    if isinstance(value, int | float) and not isinstance(value, bool) and option.low <= value <= option.high:
        return value
    raise InvalidOption(f"{option.name} must be a number from {option.low:g} to {option.high:g} ({option.unit}).")
