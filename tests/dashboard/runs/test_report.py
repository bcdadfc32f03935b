"""The report of a run: what stands in it, that it needs nothing else, and that what others wrote is text in it."""

import base64
import hashlib
import re
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser

from dashboard.core.timestamps import rfc3339
from dashboard.runs.records.report import Report
from tests.browser import chromium

T0 = 1_764_072_000.0
HISTORY = {
    "traffic": ("requests", "errors", "p50_ms", "p99_ms"),
    "load": ("offered", "achieved", "errors", "p50_ms", "p99_ms"),
    "cpu": ("percent",),
    "replicas": ("desired", "ready"),
}

Json = dict[str, Any]


def at(seconds: float) -> str:
    return rfc3339(T0 + seconds)


def persistence(**more: Any) -> Json:
    steps = [("preflight", "Check that it can begin"), ("kill", "Kill the database"), ("readback", "Read it all back")]
    return {
        "id": "r1",
        "demo": "persistence",
        "options": {"mode": "crash"},
        "by": "operator (token, 127.0.0.1)",
        "verdict": "pass",
        "line": "persistence PASS mode=crash acked=5116 lost=0 container=a1b2→c3d4 volume=same down=2.9s",
        "reason": None,
        "started": at(0),
        "ended": at(40),
        "steps": [
            {"id": id_, "title": title, "state": "done", "started": at(n * 10), "ended": at(n * 10 + 8), "text": None}
            for n, (id_, title) in enumerate(steps)
        ],
        "evidence": {
            "mode": "crash",
            "attempted": 5120,
            "acked": 5116,
            "lost": 0,
            "down": 2.9,
            "container": {"before": "a1b2c3", "after": "c3d4e5"},
            "pod": {"before": "u1", "after": "u1"},
            "volume": "same",
        },
        "timeline": [{"at": at(10), "step": "kill", "text": "SIGKILL for mongod in mongodb-0"}],
        **more,
    }


def tables(first: float = -60, last: float = 60) -> Json:
    made: Json = {name: {"at": [], **{column: [] for column in columns}} for name, columns in HISTORY.items()}
    for second in range(int(first), int(last)):
        point = [T0 + second, 120.0, 0.0, 4.0, 12.0 if second < 10 or second > 14 else 2900.0]
        for column, value in zip(made["traffic"].values(), point, strict=True):
            column.append(value)
        if second % 15 == 0:
            made["cpu"]["at"].append(T0 + second)
            made["cpu"]["percent"].append(60.0 + second / 2)
    for column, value in zip(made["replicas"].values(), (T0 + first, 2, 2), strict=True):
        column.append(value)
    return made


def html(app: Flask, run: Json, history: Json | None = None) -> str:
    with app.test_request_context():
        return Report(run, tables() if history is None else history, "flask-mongodb", "embedded", 70).as_html()


def test_report_has_the_verdict_the_steps_and_the_claim(app: Flask) -> None:
    page = html(app, persistence())
    for words in (
        "PASS",
        "persistence PASS mode=crash acked=5116 lost=0 container=a1b2→c3d4 volume=same down=2.9s",
        "5,116",
        "2.9 s",
        "Kill the database",
        "SIGKILL for mongod in mongodb-0",
        "a1b2c3",
        "c3d4e5",
        "operator (token, 127.0.0.1)",
    ):
        assert words in page
    assert "power cut" in page


def test_graceful_run_claims_nothing_of_a_crash(app: Flask) -> None:
    page = html(app, persistence(options={"mode": "graceful"}))
    assert "Nothing of a crash" in page and "SIGKILL, was read back" not in page


def test_its_charts_are_of_the_runs_own_time(app: Flask) -> None:
    page = html(app, persistence())
    assert page.count("<figure>") == 5
    assert 'aria-label="Latency: median from 4 to 4 ms; 99th percentile from 12 to 2,900 ms."' in page
    assert 'aria-label="Pods: desired from 2 to 2; ready from 2 to 2."' in page


def test_it_says_so_where_there_are_no_figures_of_its_time(app: Flask) -> None:
    page = html(app, persistence(), tables(600, 700))
    assert "<figure>" not in page and "was started after the run" in page


def test_it_says_from_when_on_there_are_figures(app: Flask) -> None:
    assert "since 0:25 only" in html(app, persistence(), tables(25, 60))
    assert "only." not in html(app, persistence())


def test_run_that_was_stopped_early_has_a_report_too(app: Flask) -> None:
    step = {"id": "preflight", "title": "Check", "state": "failed", "started": at(0), "ended": at(1), "text": "no"}
    waiting = {"id": "kill", "title": "Kill", "state": "waiting", "started": None, "ended": None, "text": None}
    page = html(app, persistence(
        verdict="inconclusive", line=None, reason="It was aborted.", ended=None, evidence={}, timeline=[],
        steps=[step, waiting],
    ))  # fmt: skip
    assert "INCONCLUSIVE" in page and "It was aborted." in page and "before it had any evidence" in page


def test_lost_documents_are_listed_up_to_a_bound(app: Flask) -> None:
    lost = [f"{number:024x}" for number in range(130)]
    page = html(app, persistence(verdict="fail", evidence={"lost": 130, "lost_ids": lost}))
    assert lost[99] in page and lost[100] not in page and "and 30 more" in page


EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&</style>"


def test_report_has_the_obligations_and_the_load_in_words(app: Flask) -> None:
    owed = {"what": "ready", "since": at(5), "by": at(185), "met": None, "text": "3 pods were asked for, 2 are Ready"}
    evidence = {"owed": [owed, owed | {"met": at(9)}], "rates": [{"at": 24.0, "rate": 101.5}]}
    text = html(app, persistence(demo="autoscale", options={}, evidence=evidence))
    assert "2 are Ready: from" in text and "not met by" in text and "met at" in text
    assert "101.5 from 24 s on" in text and "{&#39;" not in text


def test_foreign_text_is_escaped(app: Flask) -> None:
    run = persistence(
        reason=EVIL, by=EVIL, line=EVIL, evidence={EVIL: EVIL, "pod": {"before": EVIL, "after": EVIL}, "ids": [EVIL]}
    )
    run["steps"][0]["text"] = run["timeline"][0]["text"] = EVIL
    page = html(app, run)
    assert "<script" not in page and "<img" not in page and page.count("</style>") == 1
    assert "&lt;script&gt;alert(1)" in page


def test_its_policy_allows_its_own_style_and_nothing_else(app: Flask) -> None:
    with app.test_request_context():
        report = Report(persistence(), tables(), "flask-mongodb", "embedded", 70)
        page = report.as_html()
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert report.policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert not re.findall(r"\b(?:src|href|url)\s*[=(]|style=", page)


def test_file_has_the_run_and_the_figures_of_its_time(app: Flask) -> None:
    made = Report(persistence(), tables(-600, 600), "flask-mongodb", "embedded", 70).as_json()
    assert persistence().items() <= made.items()
    moments = made["history"]["traffic"]["at"]
    assert (moments[0], moments[-1]) == (T0 - 10, T0 + 45)
    assert len(moments) == len(made["history"]["traffic"]["p99_ms"])


@pytest.fixture(scope="module")
def browser() -> Any:
    with chromium() as browser:
        yield browser


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1440])
def test_it_opens_from_a_disk_without_asking_for_anything(
    app: Flask, browser: Browser, tmp_path: Any, width: int
) -> None:
    file = tmp_path / "report.html"
    file.write_text(html(app, persistence()))
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(file.as_uri())
    assert asked == [file.as_uri()] and complaints == []
    assert page.evaluate("getComputedStyle(document.querySelector('.verdict')).fontWeight") == "700"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
