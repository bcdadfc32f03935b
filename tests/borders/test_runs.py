"""Runs in the history's ConfigMap, which another version or another program may have written."""

import json
from typing import Any

import orjson
import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.app import ROOT
from dashboard.core import events
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.records.history import HISTORY, _history
from dashboard.runs.records.record import orphaned, started, summary, trimmed
from dashboard.web.report.report import Report
from tests.borders.page import AT, Page, read
from tests.borders.poison import edited, spoiled

Json = dict[str, Any]

BEGAN, ENDED = "2026-11-24T11:50:00.000Z", "2026-11-24T11:55:00.000Z"
OWED = {"what": "up", "since": BEGAN, "by": ENDED, "met": None, "text": "more pods"}
COMMON = {
    "by": "operator", "reason": "It is so.", "started": BEGAN, "ended": ENDED,
    "key_figures": ["5 of 5"], "lines": [["5", "6"]], "compared": 2.5,
    "steps": [{"id": "kill", "title": "Kill", "state": "done", "started": BEGAN, "ended": ENDED, "text": "…"}],
    "timeline": [{"at": BEGAN, "step": "kill", "text": "It began."}],
}  # fmt: skip
PERSISTENCE = {
    "id": "persistence-1", "demo": "persistence", "verdict": "pass", "line": "persistence PASS",
    "options": {"mode": "crash"},
    "evidence": {
        "mode": "crash", "acked": 5, "attempted": 5, "lost": 0, "lost_ids": ["a"], "down": 2.5, "volume": "same",
        "pod": {"before": "a", "after": "b"}, "container": {"before": "a", "after": "b"}, "longest_write": 1.5,
    },
} | COMMON  # fmt: skip
AUTOSCALE = {
    "id": "autoscale-1", "demo": "autoscale", "verdict": "fail", "line": "autoscale FAIL", "options": {"rate": 250},
    "evidence": {
        "min": 2, "start": 2, "peak": 4, "rate": 250.0, "rates": [{"at": 0.0, "rate": 250.0}], "errors": 0,
        "errors_by_kind": {"timeout": 1}, "owed": [OWED], "t0": 0.0, "t1": 20.5, "t2": 30.0, "t6": 90.0,
        "t8": 200.0, "target": 70,
    },
} | COMMON  # fmt: skip
GOOD = {"id": "good-1", "demo": "persistence", "verdict": "inconclusive", "started": BEGAN}
TABLES: Json = {
    "traffic": {"at": [1.0], "requests": [1.0], "errors": [0.0], "p50_ms": [None], "p99_ms": [None]},
    "load": {name: [] for name in ("at", "offered", "achieved", "errors", "p50_ms", "p99_ms")},
    "cpu": {"at": [], "percent": []},
    "replicas": {"at": [1.0], "desired": [2.0], "ready": [2.0]},
}
APP = Flask("report", template_folder=str(ROOT / "templates"))


@pytest.mark.slow
@given(st.lists(spoiled(PERSISTENCE) | spoiled(AUTOSCALE), min_size=1, max_size=3))
@example([edited(AUTOSCALE, "evidence.owed", 7)])
@example([edited(AUTOSCALE, "evidence.owed", ["x"])])
@example([edited(AUTOSCALE, "evidence.owed.0", {"met": None})])
@example([edited(AUTOSCALE, "evidence.rates", [7])])
@example([edited(AUTOSCALE, "evidence.peak", 2**64)])
@example([edited(PERSISTENCE, "evidence.acked", 2**53 + 1)])
@example([edited(PERSISTENCE, "evidence.lost", "x" * 400_000)])
@example([edited(PERSISTENCE, "reason", "x" * 400_000)])
@example([edited(PERSISTENCE, "started", "0001-01-01T00:00:00Z")])
@example([edited(PERSISTENCE, "started", "2026-11-24 11:50:00z")])
@example([edited(PERSISTENCE, "demo", "a\r\nb: c")])
@example([edited(PERSISTENCE, "verdict", 10**40)])
@example([json.dumps(PERSISTENCE | {"figures": 7, "evidence": {}})])
@example([json.dumps(PERSISTENCE), json.dumps(PERSISTENCE)])
def test_spoiled_run_is_one_spoiled_run(entries: list[str]) -> None:
    text = f"[{','.join([*entries, json.dumps(GOOD)])}]"
    runs, unreadable = _history({"data": {HISTORY: text}})
    assert len(runs) + len(unreadable) == len(entries) + 1 and runs[-1] == GOOD
    kept = trimmed(sorted(runs, key=started, reverse=True), DEMOS)
    page = Page()
    page.take(events.RunHistoryUpdated(at=AT, runs=[summary(run, DEMOS.get(run["demo"])) for run in kept]))
    page.check()
    assert "good-1" in [each["id"] for each in page.state["runs"]]
    for run in runs:
        read(orjson.dumps(orphaned(run, AT)))
        report = Report(run, TABLES, "flask-mongodb", "embedded", 70.0)
        read(orjson.dumps(report.as_json()))
        assert report.name.isascii() and report.name.isprintable()
        with APP.app_context():
            report.as_html()
