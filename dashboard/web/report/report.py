"""The report of an ended run: JSON for programs, and a self-contained HTML page for people.

The page has no script; its style and its charts (SVG) are inline, so it can be kept, sent and printed. The charts are
drawn from the run's evidence file, or from the dashboard's memory if there is no file.
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
from dashboard.runs.demo import Demo, Field
from dashboard.runs.demos.registry import DEMOS
from dashboard.web.report import chart
from dashboard.web.report.chart import Chart, Span, figure

BEFORE, AFTER = 10.0, 5.0  # seconds that the charts show around the run
LISTED = 100  # items at most, of a list in the evidence

Json = dict[str, Any]
Tables = Mapping[str, Mapping[str, Sequence[float | None]]]


class Report:
    """`run` is an ended run as the API returns it, or as much of it as was kept; `tables` are the hub's history;
    `target` is the CPU target in percent of the pods' requests, if known."""

    def __init__(
        self,
        run: Json,
        tables: Tables,
        namespace: str,
        cluster: str,
        target: float | None,
        demos: Mapping[str, Demo] = DEMOS,
    ) -> None:
        missing: Json = {"ended": None, "by": "", "options": {}, "evidence": {}, "evidence_file": None}
        run = self._run = {**missing, "steps": [], "timeline": [], **run}
        self._tables = tables
        self._namespace = namespace
        self._cluster = cluster
        self._target = target
        self._demo = demos.get(run["demo"])
        self._made = now()
        began = seconds(run["started"])
        end = min(seconds(run["ended"] or run["started"]) + AFTER, seconds(self._made))
        self._span = Span(began - BEFORE, max(end, began + 1.0), began)

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return file_name(self._run)

    @property
    def policy(self) -> str:
        """The page's Content-Security-Policy: its inline style and nothing else."""
        return f"{self._rules}; frame-ancestors 'none'"

    def as_json(self) -> Json:
        """Return the run and the charts' data."""
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
        conclusion = demo.conclusion(run["evidence"] | run["options"]) if demo else None
        return render_template(
            "report.html",
            run=run,
            title=demo.title if demo else run["demo"],
            sentence=demo.sentence if demo else "",
            namespace=self._namespace,
            cluster=self._cluster,
            style=Markup(self._style),  # noqa: S704 - our own file
            rules=self._rules,
            made=self._made,
            lasted=chart.clock(seconds(run["ended"]) - seconds(run["started"])) if run["ended"] else None,
            conclusion=conclusion,
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
        return (Path(__file__).parents[3] / "templates" / "report.css").read_text()

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
        """Return the part of a table within the run's span."""
        kept = [n for n, at in enumerate(table["at"]) if at is not None and self._span.start <= at <= self._span.end]
        return {name: [column[n] for n in kept] for name, column in table.items()}

    def _since(self) -> str | None:
        """Return when the charts' data begin, if that is after the run began."""
        starts = (table["at"][0] for table in self._tables.values() if table["at"])
        first = min((at for at in starts if at is not None), default=None)
        return self._after_seconds(first) if first is not None and first > self._span.origin + BEFORE else None

    def _step(self, number: int, step: Json) -> Json:
        started, ended = step["started"], step["ended"]
        return step | {
            "number": number,
            "after": self._after(started) if started else None,
            "x": self._span.x(seconds(started)) if started else None,
            "took": f"{seconds(ended) - seconds(started):.1f} s" if started and ended else None,
        }

    def _after(self, timestamp: str) -> str:
        return self._after_seconds(seconds(timestamp))

    def _after_seconds(self, at: float) -> str:
        return chart.clock(at - self._span.origin)


def file_name(run: Json) -> str:
    """Return the name of a run's files without a suffix."""
    return f"{run['started'][:19].replace(':', '-')}Z-{run['demo']}"


LINES = {
    "requests": "counted by the pods",
    "p50_ms": "median",
    "p99_ms": "99th percentile",
    "errors": "failed",
    "percent": "CPU",
}


def _evidence(evidence: Json, demo: Demo | None) -> Iterable[tuple[str, str, str, list[str]]]:
    """Yield (key, label, value, list items) of each field that is not a pair of identities."""
    fields = {field.name: field for field in demo.evidence} if demo else {}
    for key, value in evidence.items():
        if _is_pair(value) or value == []:
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


def _obligation(owed: object) -> str:
    """Format an obligation with its deadline or the time when it was met."""
    match owed:
        case {"text": text, "since": str(since), "by": str(by), "met": str() | None as met}:
            end = f"met at {met[11:19]}" if met else f"not met by {by[11:19]}"
            return f"{text}: from {since[11:19]}, {end}"
    return _value(owed)


def _step(step: object) -> str:
    match step:
        case {"rate": int() | float() as rate, "at": int() | float() as at}:
            return f"{rate:g} from {at:g} s on"
    return _value(step)


def _coverage(covered: object) -> str:
    match covered:
        case {"what": str(what), "count": int() | float() as count, "seen": bool(seen), "required": bool(required)}:
            return f"{'seen' if seen else 'not seen'}{', as it must be' if required else ''}: {what}, {figure(count)}"
    return _value(covered)


def _outage(outage: object) -> str:
    match outage:
        case {"mode": str(mode), "down": float() | int() as down, "ready": float() | int() as ready}:
            return f"{mode}: down {down:.1f} s, Ready after {ready:.1f} s"
    return _value(outage)


LISTINGS: Mapping[str, Callable[[Any], str]] = {
    "owed": _obligation,
    "rates": _step,
    "coverage": _coverage,
    "outages": _outage,
}


def _identities(evidence: Json) -> Iterable[tuple[str, str, str, bool]]:
    """Yield (name, before, after, whether both are the same) of each pair of identities."""
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
