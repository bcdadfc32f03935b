"""Load and restart from the page."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Locator, Page, Route, expect

from dashboard.load.options import MOST_RATE, MOST_SECONDS
from tests.page import axe
from tests.page.conftest import Visit, shared
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

REFUSED = "status of 4"  # the browser logs each refused request
DATABASE = "mongodb-0"


@pytest.fixture(scope="module")
def started() -> Iterator[MockProcess]:
    mock = MockProcess(MOCK_QUIET="1")
    yield mock
    mock.stop()


@pytest.fixture
def dashboard(started: MockProcess) -> Iterator[MockProcess]:
    """A mock that tests share and leave idle."""
    yield from shared(started)


def panel(page: Page) -> Locator:
    return page.locator("#actions")


def uid(dashboard: MockProcess) -> str:
    return next(str(pod["uid"]) for pod in dashboard.request("GET", "/api/state")["pods"] if pod["name"] == DATABASE)


def restarts(dashboard: MockProcess) -> list[Any]:
    return [one for one in dashboard.request("GET", "/api/audit") if one["action"].startswith("restart")]


def open_dialog(page: Page) -> Locator:
    expect(page.locator(f'[data-pod="{DATABASE}"]')).to_have_attribute("data-phase", "Running", timeout=30_000)
    panel(page).get_by_role("button", name="Restart MongoDB").click()
    dialog = page.get_by_role("dialog", name=f"Restart {DATABASE}?")
    expect(dialog).to_be_visible()
    return dialog


def test_load_starts_shows_figures_and_stops(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    panel(page).get_by_label("requests a second").fill("240")
    panel(page).get_by_label("for seconds").fill("300")
    panel(page).get_by_role("button", name="Start load").click()
    expect(panel(page)).to_contain_text("240 a second for 5:00\u00a0min, by operator")
    expect(panel(page).locator(".load-figures")).to_contain_text("240 /s")
    page.wait_for_function(
        "async () => (await (await fetch('/api/state')).json()).traffic.requests_per_second > 200", timeout=30_000
    )
    panel(page).get_by_role("button", name="Stop").click()
    expect(panel(page)).to_contain_text("Last: 240 a second")
    expect(panel(page).get_by_role("button", name="Start load")).to_be_visible()
    page.locator("#timeline").get_by_role("button", name="Actions").click()
    expect(page.locator("#timeline")).to_contain_text("load of 240 a second: started")
    load = page.evaluate("async () => (await (await fetch('/api/history?since=0')).json()).tables.load")
    assert max(load["offered"]) == 240


def test_load_can_be_stopped_while_its_start_is_pending(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    pending: list[tuple[Route, APIResponse]] = []
    page.route("**/api/load", lambda route: pending.append((route, route.fetch())), times=1)
    panel(page).get_by_role("button", name="Start load").click()
    stop = panel(page).get_by_role("button", name="Stop")
    expect(stop).to_have_attribute("aria-busy", "false")
    stop.click()
    expect(panel(page)).to_contain_text("Last: 180 a second")
    for route, answer in pending:
        route.fulfill(response=answer)
    expect(panel(page).get_by_role("button", name="Start load")).to_have_attribute("aria-busy", "false")


def test_form_has_the_server_limits(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard, allowed_errors=REFUSED)
    rate, seconds = panel(page).get_by_label("requests a second"), panel(page).get_by_label("for seconds")
    assert (rate.get_attribute("max"), seconds.get_attribute("max")) == (f"{MOST_RATE:g}", f"{MOST_SECONDS:g}")
    rate.fill(f"{MOST_RATE + 1:g}")
    panel(page).get_by_role("button", name="Start load").click()
    assert not rate.evaluate("(input) => input.validity.valid")
    expect(panel(page).get_by_role("button", name="Stop")).to_have_count(0)
    panel(page).locator("form").evaluate("(form) => (form.noValidate = true)")
    panel(page).get_by_role("button", name="Start load").click()
    expect(panel(page).get_by_role("alert")).to_contain_text("must be from 1 to 2000")


def test_dialog_shows_pod_uid_and_command(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    dialog = open_dialog(page)
    expect(dialog).to_contain_text(DATABASE)
    expect(dialog).to_contain_text(uid(dashboard))
    expect(dialog.locator("pre")).to_have_text(f"kubectl -n flask-mongodb delete pod {DATABASE}")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("radio", name="crash").check()
    expect(dialog.locator("pre")).to_contain_text("kill -9 $(pidof mongod)")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(panel(page).get_by_role("button", name="Restart MongoDB")).to_be_focused()


def test_dialog_has_the_focus_on_a_page_that_takes_several_frames_to_draw(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard)
    page.evaluate("() => { let time = performance.now(); performance.now = () => (time += 3); }")  # a part a frame
    expect(open_dialog(page).get_by_role("button", name="Cancel")).to_be_focused()


@pytest.mark.parametrize("mode", ["graceful", "crash"])
def test_double_click_restarts_once(own: MockProcess, visit: Visit, mode: str) -> None:
    page = visit(at=own)
    before = uid(own)
    dialog = open_dialog(page)
    dialog.get_by_role("radio", name=mode).check()
    dialog.get_by_role("button", name=f"Restart {DATABASE}").dblclick()
    expect(dialog).to_have_count(0)
    expect(panel(page).get_by_role("status")).to_contain_text(f"{mode} restart of {DATABASE}, uid {before}")
    assert [(one["action"], one["object"]["uid"]) for one in restarts(own)] == [
        (f"restart {DATABASE} ({mode})", before)
    ]
    page.wait_for_function(
        """async ([name, uid, mode]) => {
          const pod = (await (await fetch('/api/state')).json()).pods.find((one) => one.name === name);
          return pod && pod.ready && (mode === 'crash' ? pod.restarts > 0 : pod.uid !== uid);
        }""",
        arg=[DATABASE, before, mode],
        timeout=30_000,
    )


def test_replaced_pod_is_not_restarted(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own)
    dialog = open_dialog(page)
    before = uid(own)
    own.request("POST", "/api/mongo/restart", {"uid": before, "mode": "graceful"})
    expect(dialog.get_by_role("alert")).to_contain_text(f"{DATABASE} was replaced while this was open", timeout=30_000)
    expect(dialog.get_by_role("alert")).to_contain_text(uid(own))
    expect(dialog).to_contain_text(before)
    expect(dialog.get_by_role("button")).to_have_text(["Close"])
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)


def test_refused_restart_shows_the_reason_and_is_not_repeated(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own, allowed_errors=REFUSED)
    page.route(
        "**/api/mongo/restart", lambda route: route.continue_(post_data='{"uid": "another", "mode": "graceful"}')
    )
    dialog = open_dialog(page)
    restart = dialog.get_by_role("button", name=f"Restart {DATABASE}")
    restart.click()
    expect(dialog.get_by_role("alert")).to_contain_text(f"The pod {DATABASE} has another uid now")
    expect(restart).to_be_disabled()
    restart.click(force=True)
    assert len(restarts(own)) == 1


def test_actions_are_disabled_with_a_reason_during_a_run(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own)
    dialog = open_dialog(page)
    options = {"mode": "crash"}  # the pod stays
    run = own.request("POST", "/api/runs", {"demo": "persistence", "options": options})["id"]
    expect(dialog.get_by_role("alert")).to_contain_text("the persistence run by operator")
    expect(dialog.get_by_role("button")).to_have_text(["Close"])
    page.keyboard.press("Escape")
    for name in ("Start load", "Restart MongoDB"):
        button = panel(page).get_by_role("button", name=name)
        expect(button).to_be_disabled()
        expect(button).to_have_accessible_description(re.compile("One run at a time"))
        button.click(force=True)
    expect(page.get_by_role("dialog")).to_have_count(0)
    own.request("DELETE", f"/api/runs/{run}")
    expect(panel(page).get_by_role("button", name="Start load")).to_be_enabled(timeout=30_000)
    assert own.request("GET", "/api/state")["load"] is None


def test_load_of_a_run_cannot_be_stopped(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own)
    own.request("POST", "/api/runs", {"demo": "autoscale"})
    expect(panel(page)).to_contain_text("belongs to the run", timeout=60_000)
    expect(panel(page).get_by_role("button", name="Stop")).to_have_count(0)


def test_viewer_has_no_controls(dashboard: MockProcess, visit: Visit) -> None:
    page = visit(at=dashboard, role="viewer")
    expect(panel(page)).to_contain_text("needs the operator's token")
    expect(panel(page).get_by_role("button")).to_have_count(0)
    expect(panel(page).get_by_role("spinbutton")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_load_and_dialog_are_accessible(dashboard: MockProcess, visit: Visit, scheme: str) -> None:
    page = visit(at=dashboard, color_scheme=scheme, width=360, bypass_csp=True, reduced_motion="reduce")
    assert axe.violations(page, "#actions") == []
    panel(page).get_by_role("button", name="Start load").click()
    expect(panel(page).get_by_role("button", name="Stop")).to_be_visible()
    assert axe.violations(page, "#actions") == []
    panel(page).get_by_role("button", name="Stop").click()
    expect(panel(page).get_by_role("button", name="Start load")).to_be_visible()  # which moves the buttons below
    dialog = open_dialog(page)
    assert axe.violations(page, "#restart") == []
    box = dialog.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 360
