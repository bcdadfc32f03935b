"""A run that is over, as a file: JSON for programs, and a page of its own for people.

The page needs nothing else: no script, its style within it, its charts drawn here as SVG. It opens from a disk and
prints well. Its charts come from what the dashboard that makes it has seen, which is told on it: they are not kept with
the run, which must fit into a ConfigMap with nineteen others.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from flask import render_template
from markupsafe import Markup

from dashboard.clock import now
from dashboard.core.timestamps import seconds
from dashboard.runs import chart
from dashboard.runs.chart import Chart, Span, figure
from dashboard.runs.demo import Demo, Field
from dashboard.runs.demos.registry import DEMOS

BEFORE, AFTER = 10.0, 5.0  # seconds that the charts show around the run
LISTED = 100  # ids at most, of a list in the evidence

Json = dict[str, Any]
Tables = Mapping[str, Mapping[str, Sequence[float | None]]]


class Report:
    """`run` as the API has it, its verdict in, or as much of it as was kept; `tables` the history's; `target` the CPU
    target in percent of what the pods request, if known."""

    def __init__(
        self, run: Json, tables: Tables, namespace: str, cluster: str, target: float | None,
        demos: Mapping[str, Demo] = DEMOS,
    ) -> None:
        run = self._run = {"ended": None, "by": "", "options": {}, "evidence": {}, "steps": [], "timeline": [], **run}
        self._tables = tables
        self._namespace = namespace
        self._cluster = cluster
        self._target = target
        self._demo = demos.get(run["demo"])
        self._made = now()
        began = seconds(run["started"])
        end = min(seconds(run["ended"] or run["started"]) + AFTER, seconds(self._made))  # nobody knows what comes
        self._span = Span(began - BEFORE, max(end, began + 1.0), began)

    @property
    def name(self) -> str:
        """For the file."""
        moment = self._run["started"][:19].replace(":", "-")
        return f"{moment}Z-{self._run['demo']}"

    @property
    def policy(self) -> str:
        """The page's Content-Security-Policy: this one style, and nothing else from anywhere."""
        return f"{self._rules}; frame-ancestors 'none'"

    def as_json(self) -> Json:
        """The run, and the figures of its time."""
        return self._run | {
            "made": self._made,
            "namespace": self._namespace,
            "cluster": self._cluster,
            "target_percent": self._target,
            "history": {name: self._cut(table) for name, table in self._tables.items()},
        }

    def as_html(self) -> str:
        run = self._run
        demo = self._demo
        claim = demo.claims(run["evidence"] | run["options"]) if demo else None
        return render_template(
            "report.html",
            run=run,
            title=demo.title if demo else run["demo"],
            sentence=demo.sentence if demo else "",
            namespace=self._namespace,
            cluster=self._cluster,
            style=Markup(self._style),  # noqa: S704 - our own file, whole
            rules=self._rules,
            made=self._made,
            lasted=chart.clock(seconds(run["ended"]) - seconds(run["started"])) if run["ended"] else None,
            claim=claim,
            evidence=list(_evidence(run["evidence"], demo)),
            identities=list(_identities(run["evidence"])),
            steps=[self._step(number, step) for number, step in enumerate(run["steps"], 1)],
            timeline=[entry | {"after": self._after(entry["at"])} for entry in run["timeline"]],
            charts=self._charts(),
            span=self._span,
            box=chart,
            since=self._since(),
        )

    @cached_property
    def _style(self) -> str:
        return (Path(__file__).parents[2] / "templates" / "report.css").read_text()

    @property
    def _rules(self) -> str:
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"

    def _charts(self) -> list[Chart]:
        load = "load" if any(self._cut(self._tables["load"])["at"]) else "traffic"
        target = ("target", self._target) if self._target else None
        made = [
            self._chart("Requests", "a second", ("load", "offered"), ("load", "achieved"), ("traffic", "requests")),
            self._chart("Requests that failed", "a second", (load, "errors")),
            self._chart("Latency", "ms", (load, "p50_ms"), (load, "p99_ms")),
            self._chart("CPU of the pods, of what they request", "%", ("cpu", "percent"), rule=target),
            self._chart("Pods", "", ("replicas", "desired"), ("replicas", "ready"), steps=True),
        ]
        return [each for each in made if each]

    def _chart(
        self,
        title: str,
        unit: str,
        *columns: tuple[str, str],
        steps: bool = False,
        rule: tuple[str, float] | None = None,
    ) -> Chart | None:
        named = [(LINES.get(column, column), self._points(table, column)) for table, column in columns]
        return chart.chart(title, unit, named, self._span, steps=steps, rule=rule)

    def _points(self, table: str, column: str) -> list[tuple[float, float | None]]:
        columns = self._tables[table]
        return [(at, value) for at, value in zip(columns["at"], columns[column], strict=True) if at is not None]

    def _cut(self, table: Mapping[str, Sequence[float | None]]) -> Json:
        """What of a table belongs to the run."""
        kept = [n for n, at in enumerate(table["at"]) if at is not None and self._span.start <= at <= self._span.end]
        return {name: [column[n] for n in kept] for name, column in table.items()}

    def _since(self) -> str | None:
        """From when on the figures of the charts are there, where that is after the run began."""
        first = min((moment for at in self._moments() if (moment := at[0]) is not None), default=None)
        return self._after_seconds(first) if first is not None and first > self._span.origin + BEFORE else None

    def _moments(self) -> Iterable[Sequence[float | None]]:
        return (table["at"] for table in self._tables.values() if table["at"])

    def _step(self, number: int, step: Json) -> Json:
        started, ended = step["started"], step["ended"]
        return step | {
            "number": number,
            "after": self._after(started) if started else None,
            "x": self._span.x(seconds(started)) if started else None,
            "took": f"{seconds(ended) - seconds(started):.1f} s" if started and ended else None,
        }

    def _after(self, moment: str) -> str:
        return self._after_seconds(seconds(moment))

    def _after_seconds(self, at: float) -> str:
        return chart.clock(at - self._span.origin)


LINES = {
    "requests": "counted by the pods",
    "p50_ms": "median",
    "p99_ms": "99th percentile",
    "errors": "failed",
    "percent": "CPU",
}


def _evidence(evidence: Json, demo: Demo | None) -> Iterable[tuple[str, str, str, list[str]]]:
    """(key, its words, the value, what is listed) of what is no identity."""
    fields = {field.name: field for field in demo.evidence} if demo else {}
    for key, value in evidence.items():
        if _is_pair(value) or value == [] or key == "scope":  # which the claims say at more length
            continue
        field = fields.get(key) or Field(key, key.replace("_", " "))
        words, unit = field.words, field.unit
        if isinstance(value, dict):
            yield key, words, ", ".join(f"{name} {_value(each)}" for name, each in value.items()), []
        elif isinstance(value, list):
            more = len(value) - LISTED
            listed = [LISTINGS.get(key, _item)(each) for each in value[:LISTED]]
            listed += [f"and {more} more"] if more > 0 else []
            yield key, words, "", listed
        else:
            yield key, words, _value(value, unit), []


def _item(value: object) -> str:
    return _value(value)


def _obligation(owed: Json) -> str:
    """What was owed, and when it came or should have come."""
    end = f"met at {owed['met'][11:19]}" if owed["met"] else f"not met by {owed['by'][11:19]}"
    return f"{owed['text']}: from {owed['since'][11:19]}, {end}"


def _step(step: Json) -> str:
    return f"{step['rate']:g} from {step['at']:g} s on"


LISTINGS: Mapping[str, Callable[[Any], str]] = {"owed": _obligation, "rates": _step}


def _identities(evidence: Json) -> Iterable[tuple[str, str, str, bool]]:
    """(what, before, after, whether it is the same) of what was replaced or was not."""
    for key, value in evidence.items():
        if _is_pair(value):
            before, after = value["before"], value["after"]
            yield key, str(before or "\N{EN DASH}"), str(after or "\N{EN DASH}"), before == after


def _is_pair(value: object) -> bool:
    return isinstance(value, dict) and {"before", "after"} <= value.keys()


def _value(value: object, unit: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        shown = f"{value:,}" if isinstance(value, int) else figure(value)
        return f"{shown} {unit}" if unit else shown
    return "\N{EN DASH}" if value is None else str(value)
