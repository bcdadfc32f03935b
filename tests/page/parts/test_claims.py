"""The claims: their verdicts, trends and buttons."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import wait_until_idle
from tests.page.axe import violations
from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

RUN_MS = 60_000  # a run of a few seconds, on a busy machine
HAS_ENDED = """async (id) => {
  const runs = await (await fetch('/api/runs')).json();
  return runs.some((run) => run.id === id && run.verdict !== 'running');
}"""
DEMOS = ("persistence", "autoscale", "rollout", "self-healing")


@pytest.fixture
def dashboard(request: pytest.FixtureRequest) -> Iterator[MockProcess]:
    """A mock with runs of a chosen outcome, too short to be seen in progress."""
    started = MockProcess(MOCK_SPEED="8", MOCK_QUIET="1", MOCK_OUTCOME=getattr(request, "param", "pass"))
    yield started
    started.stop()


@pytest.fixture
def slow() -> Iterator[MockProcess]:
    """A mock with runs at normal speed."""
    started = MockProcess(MOCK_QUIET="1", MOCK_OUTCOME="pass")
    yield started
    started.stop()


@pytest.fixture
def members() -> Iterator[MockProcess]:
    """A mock whose MongoDB has three members."""
    started = MockProcess(MOCK_SPEED="8", MOCK_QUIET="1", MOCK_OUTCOME="pass", MONGODB_MEMBERS="3")
    yield started
    started.stop()


def claim(page: Page, demo: str) -> Locator:
    return page.locator(f'[data-claim="{demo}"]')


def prove(page: Page, demo: str, verdict: str) -> Locator:
    found = claim(page, demo)
    with page.expect_response("**/api/runs") as response:
        found.get_by_role("button", name="Prove").click()
    page.wait_for_function(HAS_ENDED, arg=response.value.json()["id"], timeout=RUN_MS, polling=250)
    # Not busy: the page has the run too, not only the one before.
    expect(found.get_by_role("button", name="Prove again")).to_have_attribute("aria-busy", "false")
    expect(found).to_have_attribute("data-claim-verdict", verdict)
    return found


def test_claims_are_the_first_panel_and_not_proved_yet(visit: Visit) -> None:
    page = visit()
    assert page.evaluate("document.querySelector('#main').firstElementChild.id") == "claims"
    for demo in DEMOS:
        expect(claim(page, demo)).to_have_attribute("data-claim-verdict", "")
        expect(claim(page, demo).get_by_role("status")).to_contain_text("not proved yet")
        expect(claim(page, demo).get_by_role("button", name="Prove it")).to_be_visible()
        expect(claim(page, demo).get_by_role("img")).to_have_count(0)
    expect(page.locator("[data-demo]")).to_have_count(len(DEMOS))
    expect(page.locator("[data-claim] [data-demo], [data-demo] [data-claim]")).to_have_count(0)


def test_one_click_proves_a_claim(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    found = prove(page, "persistence", "pass")
    expect(found.get_by_role("status")).to_contain_text("PASS")
    expect(found).to_contain_text(re.compile(r"0 of 3,300 lost · down 2\.9\ss · just now"))
    expect(page.locator('[data-demo="persistence"]')).to_have_attribute("data-verdict", "pass")
    prove(page, "autoscale", "pass")
    expect(claim(page, "autoscale")).to_contain_text(re.compile(r"2 → 4 → 2 pods · .* to more pods · just now"))


def test_second_run_makes_a_labelled_trend(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    prove(page, "persistence", "pass")
    prove(page, "persistence", "pass")
    trend = claim(page, "persistence").get_by_role("img")
    expect(trend).to_have_attribute(
        "aria-label", re.compile(r"last 2 runs, oldest first: PASS, down 2\.9\ss; PASS, down 3\.3\ss")
    )
    expect(trend.locator("[data-tone=good]")).to_have_count(2)
    together = "2 of 2 passed: too few to tell how often such a run fails."
    expect(claim(page, "persistence").get_by_text(together)).to_be_visible()
    expect(claim(page, "autoscale").locator(".claim-confidence")).to_have_count(0)


def test_active_run_shows_its_step_and_can_be_aborted(slow: MockProcess, visit: Visit) -> None:
    page = visit(at=slow)
    found = claim(page, "persistence")
    found.get_by_role("button", name="Prove it").click()
    expect(found.get_by_role("status")).to_contain_text("running")
    expect(found).to_contain_text(re.compile(r"step \d of 6: \w.* · \d+\ss"))
    expect(claim(page, "autoscale").get_by_role("button")).to_have_count(0)
    expect(found).to_be_focused()
    found.get_by_role("button", name="Abort").click()
    expect(found).to_have_attribute("data-claim-verdict", "inconclusive", timeout=RUN_MS)
    expect(found).to_contain_text("Aborted by operator")
    expect(claim(page, "autoscale").get_by_role("button", name="Prove it")).to_be_visible()


def test_viewer_has_no_buttons(slow: MockProcess, visit: Visit) -> None:
    page = visit(at=slow, role="viewer")
    run = slow.request("POST", "/api/runs", {"demo": "autoscale"})["id"]
    expect(claim(page, "autoscale")).to_have_attribute("data-claim-verdict", "running")
    expect(page.locator("#claims").get_by_role("button")).to_have_count(0)
    slow.request("DELETE", f"/api/runs/{run}")


def test_failed_start_is_reported_on_its_claim(slow: MockProcess, visit: Visit) -> None:
    page = visit(at=slow, allowed_errors="Failed to load resource")
    page.route("**/api/runs", lambda route: route.abort())
    claim(page, "autoscale").get_by_role("button", name="Prove it").click()
    expect(claim(page, "autoscale").get_by_role("alert")).to_have_text("The dashboard does not answer.")
    expect(page.locator('[data-demo="autoscale"]').get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("dashboard", ["fail"], indirect=True)
def test_fail_shows_the_unmet_obligation_and_its_mark(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    found = prove(page, "autoscale", "fail")
    owed = dashboard.request("GET", "/api/runs")[0]["owed"]["text"]
    expect(found.get_by_role("status")).to_contain_text("FAIL")
    expect(found).to_contain_text(owed)
    expect(page.locator('[data-demo="autoscale"]').get_by_role("status")).to_contain_text(owed)
    charts = page.locator("#charts")
    expect(charts.locator('.shade[data-kind="owed"]')).to_have_count(1)
    charts.get_by_role("button", name="not met").focus()
    expect(charts.locator(".charts-readout")).to_contain_text(owed)
    charts.get_by_role("button", name="Show as table").click()
    expect(charts.get_by_role("table")).to_contain_text(owed)


@pytest.mark.parametrize("dashboard", ["fail"], indirect=True)
def test_failed_persistence_run_shows_lost_ids(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    found = prove(page, "persistence", "fail")
    run = dashboard.request("GET", f"/api/runs/{dashboard.request('GET', '/api/runs')[0]['id']}")
    expect(found).to_contain_text("3 of 3,300 lost")
    expect(found).to_contain_text(run["evidence"]["lost_ids"][0])
    expect(page.locator('.shade[data-kind="owed"]')).to_have_count(0)


@pytest.mark.parametrize("dashboard", ["fail"], indirect=True)
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_failed_claims_are_accessible(dashboard: MockProcess, visit: Visit, scheme: str) -> None:
    page = visit(at=dashboard, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    for demo in (*DEMOS, *DEMOS):
        prove(page, demo, "fail")
    expect(page.locator("#claims").get_by_role("img")).to_have_count(len(DEMOS))
    for width in (360, 1440, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        wait_until_idle(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        expect(page.locator('[data-connection="live"]')).to_be_visible()
        assert violations(page, "#claims") == []


def test_failover_takes_the_place_of_persistence_where_there_are_three_members(
    members: MockProcess, visit: Visit
) -> None:
    page = visit(at=members)
    expect(page.locator("[data-demo]")).to_have_count(len(DEMOS))
    expect(claim(page, "persistence")).to_have_count(0)
    found = prove(page, "failover", "pass")
    expect(found).to_contain_text("0 of 5,400 lost")
    expect(found).to_contain_text(re.compile(r"a new primary after 3\.\d\ss"))


def test_figures_of_a_run_are_in_no_live_region(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    prove(page, "persistence", "pass")
    live = page.locator("#claims").locator("[role=status], [role=alert], [aria-live]")
    assert live.locator("time").count() == 0
