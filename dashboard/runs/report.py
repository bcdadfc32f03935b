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
from dashboard.runs.record import DEMOS

BEFORE, AFTER = 10.0, 5.0  # seconds that the charts show around the run
LISTED = 100  # ids at most, of a list in the evidence

PROVES: dict[str, tuple[str, str]] = {  # what a PASS proves, and what it does not
    "graceful": (
        "Every document that the service had acknowledged, to eight writers that wrote without a pause while the"
        " database's pod was deleted and replaced, was read back from the new pod with the content that it had. The new"
        " pod found its predecessor's volume.",
        "Nothing of a crash: the database was asked to end, and had the time to. Nothing of the loss of the node, of"
        " its disk or of its power.",
    ),
    "crash": (
        "Every document that the service had acknowledged, to eight writers that wrote without a pause while the"
        " database's process was killed with SIGKILL, was read back from its successor with the content that it had."
        " mongod could write nothing down after the kill: what was acknowledged had left its process before.",
        "That a process's death is survived is not that a power cut is: what the process had given to the kernel was"
        " still there for its successor. Nothing of the loss of the node or of its disk.",
    ),
    "autoscale": (
        "Load over the CPU target made the autoscaler ask for more pods; they became Ready, took their share, and all"
        " was steady; after the load they went again, to as many as before, and next to no request failed.",
        "That these pods hold any other load. The requests are reads of one kind, and their rate was chosen so that"
        " more than the minimum and no more than the maximum is needed.",
    ),
}

WORDS = {  # of the evidence
    "mode": "How the database was ended",
    "attempted": "Documents sent",
    "acked": "of them acknowledged",
    "unknown": "of them with an outcome that is not known",
    "failed": "of them refused",
    "lost": "Acknowledged, and not there afterwards",
    "corrupt": "There with another content",
    "unexpected": "There, and never sent",
    "recovered": "There, though never acknowledged",
    "lost_ids": "Those that are lost",
    "corrupt_ids": "Those with another content",
    "unexpected_ids": "Those that were never sent",
    "acked_before": "Acknowledged before the database was ended",
    "acked_after": "Acknowledged once it was back",
    "rate_before": "Acknowledged, just before it was ended",
    "in_flight": "Under way while it was gone",
    "down": "Without a database",
    "ready": "Until its pod was Ready again",
    "longest_write": "Longest write",
    "volume": "The database's volume",
    "min": "Pods at rest",
    "start": "Pods when the load began",
    "target": "CPU target",
    "rates": "Requests a second that were sent, from t0 on",
    "cost_millicores": "CPU of a request a second",
    "background_millicores": "CPU in use before the load",
    "errors_by_kind": "Failed requests by kind",
    "owed": "What was owed",
    "peak": "Pods at most",
    "rate": "Rate asked for",
    "offered": "Requests to be sent",
    "achieved": "of them answered",
    "errors": "of them failed",
    "dropped": "never sent, for want of connections",
    "lag_p99_ms": "Sent late, 99th percentile",
    "cpu_percent": "CPU of the load generator, of one core",
    "resolution": "Between two CPU samples of a pod",
    "t0": "t0: the load begins",
    "t1": "t1: a CPU sample is over the target",
    "t2": "t2: more pods are desired",
    "t3": "t3: the first new pod is Ready",
    "t4": "t4: it serves",
    "t5": "t5: all is steady",
    "t6": "t6: the load ends",
    "t7": "t7: fewer pods are desired",
    "t8": "t8: back at the minimum",
}
UNITS = {"rate": "a second", "rate_before": "a second", "lag_p99_ms": "ms", "cpu_percent": "%"}
UNITS |= dict.fromkeys(("down", "ready", "longest_write", "resolution"), "s")
UNITS |= {f"t{number}": "s" for number in range(9)}

Json = dict[str, Any]
Tables = Mapping[str, Mapping[str, Sequence[float | None]]]


class Report:
    """`run` as the API has it, its verdict in, or as much of it as was kept; `tables` the history's; `target` the CPU
    target in percent of what the pods request, if known."""

    def __init__(self, run: Json, tables: Tables, namespace: str, cluster: str, target: float | None) -> None:
        run = self._run = {"ended": None, "by": "", "options": {}, "evidence": {}, "steps": [], "timeline": [], **run}
        self._tables = tables
        self._namespace = namespace
        self._cluster = cluster
        self._target = target
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
        mode = run["options"].get("mode") or run["evidence"].get("mode")
        proves, proves_not = PROVES.get(str(mode or run["demo"]), (None, None))
        demo = DEMOS.get(run["demo"])
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
            proves=proves,
            proves_not=proves_not,
            evidence=list(_evidence(run["evidence"])),
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


def _evidence(evidence: Json) -> Iterable[tuple[str, str, str, list[str]]]:
    """(key, its words, the value, what is listed) of what is no identity."""
    for key, value in evidence.items():
        if _is_pair(value) or value == [] or key == "scope":  # which the claims say at more length
            continue
        words = WORDS.get(key, key.replace("_", " "))
        if isinstance(value, dict):
            yield key, words, ", ".join(f"{name} {_value('', each)}" for name, each in value.items()), []
        elif isinstance(value, list):
            more = len(value) - LISTED
            listed = [LISTINGS.get(key, _item)(each) for each in value[:LISTED]]
            listed += [f"and {more} more"] if more > 0 else []
            yield key, words, "", listed
        else:
            yield key, words, _value(key, value), []


def _item(value: object) -> str:
    return _value("", value)


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


def _value(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        shown = f"{value:,}" if isinstance(value, int) else figure(value)
        return f"{shown} {UNITS[key]}" if key in UNITS else shown
    return "\N{EN DASH}" if value is None else str(value)
