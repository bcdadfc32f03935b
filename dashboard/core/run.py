"""Demos as data, and a run of one: its steps, what happened in it, and what came out.

Times come in as RFC 3339; the run has no clock.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

Json = dict[str, Any]

RUNNING, PASS, FAIL, INCONCLUSIVE = "running", "pass", "fail", "inconclusive"

RUNS = 20  # that are remembered
HISTORY_BYTES = 512_000  # of JSON: a ConfigMap holds 1 MiB, the API server's own words about it included


class BadOption(ValueError):
    """An option that is unknown, of the wrong type or out of bounds, or a demo that there is none of: one sentence."""


class Choice(Struct, frozen=True):
    """An option: one of some words."""

    name: str
    words: tuple[str, ...]
    default: str


class Number(Struct, frozen=True):
    """An option: a number within bounds; without it, the run finds one itself."""

    name: str
    low: float
    high: float
    unit: str


class StepOf(Struct, frozen=True):
    id: str
    title: str


class Demo(Struct, frozen=True):
    """`limits`: seconds, by name."""

    id: str
    title: str
    sentence: str
    steps: tuple[StepOf, ...]
    options: tuple[Choice | Number, ...]
    limits: Mapping[str, float]


DEMOS: Mapping[str, Demo] = {
    demo.id: demo
    for demo in (
        Demo(
            "persistence",
            "Persistence",
            "Kills the database's pod while eight writers write through the service, then reads every document back:"
            " nothing that was acknowledged may be lost.",
            (
                StepOf("preflight", "Check that it can begin"),
                StepOf("warmup", "Write until enough is acknowledged"),
                StepOf("kill", "Kill the database"),
                StepOf("outage", "Write on until it is back"),
                StepOf("after", "Write 10 s more, and a last document"),
                StepOf("readback", "Read every document back"),
            ),
            (Choice("mode", ("graceful", "crash"), "graceful"),),
            {"deadline": 300.0, "warmup": 60.0, "outage": 120.0, "after": 60.0, "readback": 60.0},
        ),
        Demo(
            "autoscale",
            "Autoscaling",
            "Loads the service over its CPU target until the autoscaler has added pods and all is steady, then stops"
            " and waits until it has removed them.",
            (
                StepOf("preflight", "Check that the autoscaler can act"),
                StepOf("settle", "Wait until it has settled at min"),
                StepOf("calibrate", "Measure what one request costs"),
                StepOf("load", "Load until new pods serve"),
                StepOf("steady", "Load on until all is steady"),
                StepOf("unload", "Stop, and wait until it is back at min"),
            ),
            (Number("rate", 1.0, 2000.0, "requests a second"),),
            {"deadline": 900.0, "settle": 240.0, "calibrate": 75.0},
        ),
    )
}


def demo_of(id_: str) -> Demo:
    """`BadOption` if there is none, in words that name those that there are."""
    raise NotImplementedError


def checked(demo: Demo, given: Mapping[str, Any]) -> Json:
    """The options with their defaults; `BadOption` says what is allowed."""
    raise NotImplementedError


class Run:
    """`id`, `demo`, `options`, `by`, `verdict` ("running" until it has one), and what `to_json` has.

    One thread changes it; `to_json` may be called from any, and gives values that are not changed afterwards.
    """

    def __init__(self, id_: str, demo: Demo, options: Json, by: str, at: str) -> None:
        raise NotImplementedError

    def to_json(self) -> Json:
        """As it stands in the state and in the API: {id, demo, options, by, verdict, line, reason, started, ended,
        steps: [{id, title, state, started, ended, text}], evidence, timeline: [{at, step, text}]}."""
        raise NotImplementedError


def summary(run: Json) -> Json:
    """A run's row among the earlier ones: {id, demo, verdict, line, reason, started, ended, by}."""
    raise NotImplementedError


def trimmed(runs: Sequence[Json]) -> list[Json]:
    """The newest runs (newest first, as they come), with as much of each as fits into the history together."""
    raise NotImplementedError
