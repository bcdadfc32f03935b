"""The demos: starting, steps, verdicts, aborting, and conflicts."""

import json
import random
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, WebSocketRoute, expect

from dashboard.mock.runs.scripted_run import OUTCOMES
from tests.page import axe
from tests.page.conftest import Visit, shared
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

REFUSED = "status of 4|Failed to load resource"  # the browser logs each refused request
BY = "operator (session 1a2b, 10.0.0.9)"
RUN_MS = 60_000  # a run of a few seconds, on a busy machine


def seed_of(outcome: str) -> str:
    """Return a seed whose first run has this outcome."""
    return next(str(seed) for seed in range(1, 1_000) if first_outcome(seed) == outcome)


def first_outcome(seed: int) -> str:
    return random.Random(seed).choices([*OUTCOMES], [*OUTCOMES.values()])[0]  # noqa: S311 - as the mock draws it


@pytest.fixture(scope="module")
def started() -> Iterator[MockProcess]:
    mock = MockProcess(MOCK_QUIET="1", MOCK_SEED=seed_of("pass"))
    yield mock
    mock.stop()


@pytest.fixture
def running(started: MockProcess) -> Iterator[MockProcess]:
    """A mock with runs at normal speed, idle before and after each test."""
    yield from shared(started)


@pytest.fixture
def dashboard(request: pytest.FixtureRequest) -> Iterator[MockProcess]:
    """A mock with runs too short to be seen in progress, the first of a chosen outcome."""
    started = MockProcess(MOCK_QUIET="1", MOCK_SPEED="8", MOCK_SEED=seed_of(getattr(request, "param", "pass")))
    yield started
    started.stop()


@pytest.fixture
def slow(request: pytest.FixtureRequest) -> Iterator[MockProcess]:
    """A mock with runs of ten seconds, the first of a chosen outcome."""
    started = MockProcess(MOCK_QUIET="1", MOCK_SPEED="2", MOCK_SEED=seed_of(getattr(request, "param", "pass")))
    yield started
    started.stop()


@pytest.fixture
def active_run(running: MockProcess) -> str:
    """The id of a run that another operator has started."""
    return str(running.request("POST", "/api/runs", {"demo": "autoscale"})["id"])


def card(page: Page, demo: str = "persistence") -> Locator:
    return page.locator(f'[data-demo="{demo}"]')


def start_run(page: Page, demo: str = "persistence") -> Locator:
    found = card(page, demo)
    found.get_by_role("button", name="Run").click()
    return found


def expect_verdict(found: Locator, verdict: str) -> None:
    expect(found).to_have_attribute("data-verdict", verdict, timeout=RUN_MS)


@pytest.mark.parametrize(("entered", "sent"), [("", {}), ("62.5", {"rate": 62.5}), ("0", {})])
def test_number_that_was_entered_is_the_runs_option(
    running: MockProcess, visit: Visit, entered: str, sent: dict[str, float]
) -> None:
    page = visit(at=running)
    card(page, "autoscale").get_by_role("spinbutton").fill(entered)
    with page.expect_request("**/api/runs") as request:
        start_run(page, "autoscale")
    assert request.value.post_data_json == {"demo": "autoscale", "options": sent}


def test_one_click_runs_a_demo_to_its_verdict(slow: MockProcess, visit: Visit) -> None:
    page = visit(at=slow)
    expect(card(page)).to_have_attribute("data-verdict", "")
    found = start_run(page)
    expect_verdict(found, "running")
    expect(found.get_by_role("list", name="Steps").get_by_role("listitem")).to_have_count(6)
    expect(found.locator('[data-state="running"][aria-current="step"]')).to_have_count(1)
    expect_verdict(found, "pass")
    status = found.get_by_role("status")
    expect(status).to_contain_text("PASS")
    expect(status).to_contain_text(re.compile(r"acknowledged 3,300 of 3,304 · lost 0 · failed 0 · unknown 4"))
    expect(status).to_contain_text(re.compile(r"pod \w{8} → \w{8} · same volume · down 2\.9\ss"))
    expect(status.locator("code")).to_contain_text("persistence PASS mode=graceful attempted=3304")
    expect(found.locator('[data-state="done"]')).to_have_count(6)
    for name, path in (("Report", "report.html"), ("JSON", "report"), ("Evidence", "evidence")):
        address = str(found.get_by_role("link", name=name, exact=True).get_attribute("href"))
        assert address.endswith(f"/{path}")
        assert page.request.get(f"{slow.url}{address}").ok


def test_report_opens_and_earlier_runs_are_listed(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    expect_verdict(start_run(page, "autoscale"), "pass")
    first = dashboard.request("GET", "/api/runs")[0]["id"]
    found = card(page, "autoscale")
    expect(found).to_contain_text("2 → 4 pods · 180 requests a second")
    expect(found.get_by_role("button", name="Run again")).to_be_visible()
    with page.context.expect_page() as opened:
        found.get_by_role("link", name="Report", exact=True).click()
    expect(opened.value.locator("body")).to_contain_text("PASS")
    found.get_by_role("button", name="Run again").click()
    row = found.get_by_role("list", name="Earlier runs").get_by_role("listitem")
    expect(row).to_contain_text("PASS")
    expect(row.get_by_role("link", name="Report of")).to_have_attribute("href", f"/api/runs/{first}/report.html")
    expect(found.get_by_role("button", name="Run again")).to_be_visible(timeout=RUN_MS)
    page.reload()
    expect(row).to_have_count(1)


@pytest.mark.parametrize(
    ("dashboard", "words"),
    [("fail", "3 documents were acknowledged and are lost"), ("inconclusive", "Too thin before the kill")],
    indirect=["dashboard"],
)
def test_fail_and_inconclusive_give_a_reason(dashboard: MockProcess, visit: Visit, words: str) -> None:
    page = visit(at=dashboard)
    found = start_run(page)
    verdict = "fail" if words.startswith("3") else "inconclusive"
    expect_verdict(found, verdict)
    expect(found.get_by_role("status")).to_contain_text(verdict.upper())
    expect(found.get_by_role("status")).to_contain_text(words)
    expect(found.get_by_role("button", name="Run again")).to_be_visible()


def test_crash_mode_can_be_chosen(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    card(page).get_by_role("radio", name="crash").check()
    found = start_run(page)
    expect_verdict(found, "pass")
    expect(found.get_by_role("status")).to_contain_text(re.compile(r"container \w+ → \w+ · same volume"))
    expect(found.locator("code.run-line")).to_contain_text("mode=crash")


def test_aborted_run_is_inconclusive(running: MockProcess, visit: Visit) -> None:
    page = visit(at=running)
    found = start_run(page)
    expect_verdict(found, "running")
    found.get_by_role("button", name="Abort").click()
    expect_verdict(found, "inconclusive")
    expect(found.get_by_role("status")).to_contain_text("Aborted by operator")
    expect(found.locator('[data-state="skipped"]').first).to_be_visible()


def test_other_card_names_the_lease_holder(running: MockProcess, visit: Visit, active_run: str) -> None:
    page = visit(at=running)
    expect(card(page, "autoscale")).to_have_attribute("data-verdict", "running")
    expect(card(page, "autoscale").get_by_role("button", name="Abort")).to_be_visible()
    other = card(page)
    expect(other).to_contain_text(re.compile(r"the autoscale run by operator .* holds the lease since \d\d:\d\d:\d\d"))
    expect(other.get_by_role("button")).to_have_count(0)
    expect(other.get_by_role("radio")).to_have_count(0)


def test_run_of_another_dashboard_has_no_controls(running: MockProcess, visit: Visit) -> None:
    page = visit(at=running)
    since = "2026-11-24T12:00:00.000Z"
    elsewhere = {"id": "elsewhere", "demo": "persistence", "verdict": "running", "started": since, "ended": None}
    lease = {"holder": "dashboard-of-another-node", "run": "elsewhere", "since": since}

    def modify(message: str | bytes) -> str | bytes:
        if not isinstance(message, str) or not message.startswith('42["snapshot"'):
            return message
        name, body = json.loads(message[2:])
        body["state"] |= {"run": None, "runs": [elsewhere | {"line": None, "reason": None, "by": BY}], "lease": lease}
        return "42" + json.dumps([name, body])

    def proxy(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: socket.send(modify(message)))

    page.route_web_socket("**/socket.io/**", proxy)
    page.reload()
    expect(card(page)).to_have_attribute("data-verdict", "running")
    for demo in ("persistence", "autoscale"):
        expect(card(page, demo)).to_contain_text("dashboard-of-another-node holds the lease since")
        expect(card(page, demo).get_by_role("button")).to_have_count(0)
    expect(page.locator("#actions").get_by_role("button", name="Start load")).to_be_disabled()


def test_concurrent_start_is_refused_with_the_active_run(running: MockProcess, visit: Visit) -> None:
    page = visit(at=running, allowed_errors=REFUSED)
    first: list[str] = []

    def overtake(route: Route) -> None:
        first.append(str(running.request("POST", "/api/runs", {"demo": "autoscale"})["id"]))
        route.continue_()

    page.route("**/api/runs", overtake)
    with page.expect_response("**/api/runs"):
        card(page).get_by_role("button", name="Run").click()
    expect(card(page).get_by_role("alert")).to_contain_text(first[0])
    expect(card(page)).not_to_have_attribute("data-verdict", "running")
    running.request("DELETE", f"/api/runs/{first[0]}")
    expect(card(page).get_by_role("button", name="Run")).to_be_visible(timeout=RUN_MS)


def test_double_click_starts_one_run(running: MockProcess, visit: Visit) -> None:
    page = visit(at=running)
    before = {run["id"] for run in running.request("GET", "/api/runs")}
    card(page).get_by_role("button", name="Run").dblclick()
    expect(card(page)).to_have_attribute("data-verdict", "running")
    assert len({run["id"] for run in running.request("GET", "/api/runs")} - before) == 1
    card(page).get_by_role("button", name="Abort").click()
    expect_verdict(card(page), "inconclusive")


def test_unreachable_dashboard_is_reported(running: MockProcess, visit: Visit) -> None:
    page = visit(at=running, allowed_errors=REFUSED)
    page.route("**/api/runs", lambda route: route.abort())
    card(page).get_by_role("button", name="Run").click()
    expect(card(page).get_by_role("alert")).to_have_text("The dashboard does not answer.")
    expect(card(page).get_by_role("button", name="Run")).to_have_attribute("aria-busy", "false")


def test_focus_stays_in_the_card_during_a_run(slow: MockProcess, visit: Visit) -> None:
    page = visit(at=slow)
    button = card(page).get_by_role("button", name="Run")
    button.focus()
    page.keyboard.press("Enter")
    expect(card(page)).to_have_attribute("data-verdict", "running")
    expect(card(page)).to_be_focused()
    card(page).get_by_role("button", name="Abort").focus()
    expect_verdict(card(page), "pass")
    expect(card(page)).to_be_focused()


def test_actions_are_in_the_timeline(running: MockProcess, visit: Visit, active_run: str) -> None:
    page = visit(at=running)
    timeline = page.locator("#timeline")
    timeline.get_by_role("button", name="Actions").click()
    expect(timeline).to_contain_text("run autoscale: started")
    expect(timeline.locator('[data-entry]:not([data-kind="action"])')).to_have_count(0)


def test_viewer_sees_a_run_without_controls(running: MockProcess, visit: Visit) -> None:
    page = visit(at=running, role="viewer")
    expect(card(page)).to_contain_text("Starting this demo needs the operator's token.")
    started = running.request("POST", "/api/runs", {"demo": "persistence"})["id"]
    expect(card(page).locator('[data-state="running"]')).to_be_visible()
    expect(page.locator("#demos").get_by_role("button")).to_have_count(0)
    expect(page.locator("#demos").get_by_role("radio")).to_have_count(0)
    running.request("DELETE", f"/api/runs/{started}")
    expect_verdict(card(page), "inconclusive")
    expect(card(page).get_by_role("link", name="Report", exact=True)).to_be_visible()


@pytest.mark.parametrize("slow", ["fail"], indirect=True)
def test_run_and_verdict_are_accessible(slow: MockProcess, visit: Visit) -> None:
    page = visit(at=slow, bypass_csp=True)
    found = {}

    def check(when: str) -> None:
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            found[f"{when}, {scheme}"] = axe.violations(page, "#demos")

    check("before")
    running = start_run(page)
    expect_verdict(running, "running")
    check("running")
    expect_verdict(running, "fail")
    check("failed")
    expect(start_run(page, "autoscale")).to_have_attribute(
        "data-verdict", re.compile("pass|fail|inconclusive"), timeout=RUN_MS
    )
    check("both")
    page.set_viewport_size({"width": 360, "height": 800})
    check("narrow")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert found == {when: [] for when in found}
