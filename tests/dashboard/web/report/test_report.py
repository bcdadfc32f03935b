"""The report of a run: its contents, its Content-Security-Policy, and the escaping of text from outside."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from flask import Flask
from markupsafe import escape
from playwright.sync_api import Browser

from dashboard.runs.demos.persistence.verdict import UNREAD_SCOPE
from dashboard.runs.demos.registry import DEMOS
from dashboard.web.report.report import Report
from tests.dashboard.runs.finished_run import T0, Json, metrics, persistence_run, timestamp

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&</style>"


def report(run: Json, tables: Json | None = None) -> Report:
    return Report(run, tables or metrics(), "flask-mongodb", "embedded", 70)


def html(app: Flask, run: Json, tables: Json | None = None) -> str:
    with app.test_request_context():
        return report(run, tables).as_html()


def conclusion(mode: str) -> str:
    """Return what a PASS of a persistence run shows, as HTML."""
    return escape(DEMOS["persistence"].conclusion({"mode": mode}).shows)


def test_report_has_the_verdict_the_steps_and_the_conclusion(app: Flask) -> None:
    page = html(app, persistence_run())
    for text in (
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
        assert text in page
    assert conclusion("crash") in page


def test_conclusion_is_that_of_the_runs_mode(app: Flask) -> None:
    page = html(app, persistence_run(options={"mode": "graceful"}))
    assert conclusion("graceful") in page and conclusion("crash") not in page


def test_charts_cover_the_run(app: Flask) -> None:
    page = html(app, persistence_run())
    assert page.count("<figure>") == 5
    assert 'aria-label="Latency: median from 4 to 4 ms; 99th percentile from 12 to 2,900 ms."' in page
    assert 'aria-label="Pods: desired from 2 to 2; ready from 2 to 2."' in page


def test_report_without_metrics_has_no_charts_and_the_reason(app: Flask) -> None:
    page = html(app, persistence_run(), metrics(600, 700))
    assert "<figure>" not in page and "was started after the run" in page


def test_report_with_partial_metrics_has_their_start(app: Flask) -> None:
    assert "since 0:25 only" in html(app, persistence_run(), metrics(25, 60))
    assert "only." not in html(app, persistence_run())


def test_run_that_ended_early_has_a_report(app: Flask) -> None:
    times = {"started": timestamp(0), "ended": timestamp(1)}
    step = {"id": "preflight", "title": "Check", "state": "failed", "text": "no", **times}
    waiting = {"id": "kill", "title": "Kill", "state": "waiting", "started": None, "ended": None, "text": None}
    page = html(app, persistence_run(
        verdict="inconclusive", line=None, reason="It was aborted.", ended=None, evidence={}, timeline=[],
        steps=[step, waiting],
    ))  # fmt: skip
    assert "INCONCLUSIVE" in page and "It was aborted." in page and "before it had any evidence" in page


def test_lost_documents_are_listed_up_to_a_limit(app: Flask) -> None:
    lost = [f"{number:024x}" for number in range(130)]
    page = html(app, persistence_run(verdict="fail", evidence={"lost": 130, "lost_ids": lost}))
    assert lost[99] in page and lost[100] not in page and "and 30 more" in page


def test_persistence_report_has_rto_rpo_each_kill_and_what_was_seen(app: Flask) -> None:
    evidence = {
        "rto": 4.5, "rpo": 0,
        "outages": [{"mode": "crash", "down": 4.5, "ready": 6.0}, {"mode": "graceful", "down": None, "ready": None}],
        "coverage": [
            {"what": "deletions before the kill", "count": 60, "required": True, "seen": True},
            {"what": "seconds without a database", "count": 0.6, "required": False, "seen": False},
        ],
    }  # fmt: skip
    text = html(app, persistence_run(evidence=evidence))
    for words in (
        "RTO: the longest time without a database", "RPO: acknowledged writes that were lost", "crash: down 4.5 s",
        "seen, as it must be: deletions before the kill, 60", "not seen: seconds without a database, 0.6",
    ):  # fmt: skip
        assert words in text


def test_report_says_whether_the_database_itself_was_read(app: Flask) -> None:
    assert "It was not read itself" in html(app, persistence_run(evidence={"scope": UNREAD_SCOPE}))


def test_report_has_the_obligations_and_the_rates(app: Flask) -> None:
    unmet = {"what": "ready", "since": timestamp(5), "by": timestamp(185), "met": None, "text": "2 of 3 pods are Ready"}
    evidence = {"owed": [unmet, unmet | {"met": timestamp(9)}], "rates": [{"at": 24.0, "rate": 101.5}]}
    text = html(app, persistence_run(demo="autoscale", options={}, evidence=evidence))
    assert "2 of 3 pods are Ready: from" in text and "not met by" in text and "met at" in text
    assert "101.5 from 24 s on" in text and "{&#39;" not in text


def test_markup_in_a_run_is_escaped(app: Flask) -> None:
    evidence = {MARKUP: MARKUP, "pod": {"before": MARKUP, "after": MARKUP}, "ids": [MARKUP]}
    run = persistence_run(reason=MARKUP, by=MARKUP, line=MARKUP, evidence=evidence)
    run["steps"][0]["text"] = run["timeline"][0]["text"] = MARKUP
    page = html(app, run)
    assert "<script" not in page and "<img" not in page and page.count("</style>") == 1
    assert "&lt;script&gt;alert(1)" in page


def test_policy_allows_only_the_reports_own_style(app: Flask) -> None:
    with app.test_request_context():
        made = report(persistence_run())
        page = made.as_html()
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert made.policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert not re.findall(r"\b(?:src|href|url)\s*[=(]|style=", page)


def test_json_has_the_run_and_the_metrics_of_its_time(app: Flask) -> None:
    json = report(persistence_run(), metrics(-600, 600)).as_json()
    assert persistence_run().items() <= json.items()
    traffic = json["history"]["traffic"]
    assert (traffic["at"][0], traffic["at"][-1]) == (T0 - 10, T0 + 45)
    assert len(traffic["at"]) == len(traffic["p99_ms"])


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1440])
def test_report_opens_from_a_file_without_requests(app: Flask, browser: Browser, tmp_path: Path, width: int) -> None:
    file = tmp_path / "report.html"
    file.write_text(html(app, persistence_run()))
    page = browser.new_page(viewport={"width": width, "height": 900})
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.goto(file.as_uri())
    assert requests == [file.as_uri()] and messages == []
    assert page.evaluate("getComputedStyle(document.querySelector('.verdict')).fontWeight") == "700"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
