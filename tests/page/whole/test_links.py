"""Addresses, back and forward, the finder, the shortcuts, the settings, and the end of a run."""

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.page.axe import violations
from tests.page.conftest import Visit
from tests.page.mock import TOKENS, MockProcess

pytestmark = pytest.mark.browser

# The end of a run is in the title for some seconds only.
WATCH_TITLE = """() => {
  globalThis.titles = [];
  const watcher = new MutationObserver(() => titles.push(document.title));
  watcher.observe(document.querySelector('title'), {childList: true});
}"""


def go(page: Page, fragment: str) -> None:
    page.evaluate("(hash) => { location.hash = hash; }", fragment)


def test_pod_and_tab_have_an_address_that_back_and_forward_follow(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name="Details of mongodb-0").click()
    page.get_by_role("tab", name="Events").click()
    expect(page).to_have_url(re.compile(r"#/pods/mongodb-0/[^/]+/events$"))
    address = page.url
    page.go_back()
    expect(page.get_by_role("tab", name="Events")).to_have_attribute("aria-selected", "false")
    page.go_back()
    expect(page.locator("#drawer")).not_to_be_visible()
    page.go_forward()
    page.go_forward()
    expect(page.get_by_role("tab", name="Events")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/$"))
    page.goto("about:blank")
    page.goto(address)
    expect(page.get_by_role("heading", name="mongodb-0", level=2)).to_be_visible()
    expect(page.get_by_role("tab", name="Events")).to_have_attribute("aria-selected", "true")


def test_logs_that_load_after_they_were_left_stay_closed(visit: Visit) -> None:
    page = visit()
    late: list[Route] = []
    page.route("**/logs/dialog.js", lambda route: late.append(route))
    with page.expect_request("**/logs/dialog.js"):
        go(page, "#/logs/all")
    page.wait_for_timeout(300)
    go(page, "")
    late[0].continue_()
    page.wait_for_timeout(700)
    expect(page.locator("#logs")).not_to_be_visible()
    go(page, "#/logs/flask")
    expect(page.locator("#logs")).to_be_visible()


@pytest.mark.parametrize(
    ("fragment", "text"),
    [
        (
            "#/pods/mongodb-0/no-such-uid/logs",
            "The pod mongodb-0 that this link names is gone. Another pod has its name now.",
        ),
        ("#/pods/flask-9/u9", "The pod flask-9 that this link names is gone."),
        ("#/runs/r0", "There is no run r0"),
        ("#/documents/000000000000000000000000", "The document 000000000000000000000000 that this link names is gone."),
        ("#/metrics?at=2020-01-01T00:00:00Z", "are gone"),
        ("#/metrics?range=7", "a range that the metrics do not have"),
        ("#/nothing", "leads to nothing"),
        ("#/constructor", "leads to nothing"),
    ],
)
def test_link_to_something_gone_says_so(visit: Visit, fragment: str, text: str) -> None:
    page = visit()
    go(page, fragment)
    expect(page.locator("#notice")).to_contain_text(text)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#notice")).not_to_be_visible()


def test_link_opens_a_document(visit: Visit, mock: MockProcess) -> None:
    id_ = mock.post({"linked": True})
    page = visit()
    go(page, f"#/documents/{id_}")
    expect(page.locator(f"#document-0-{id_}")).to_contain_text('"linked": true')


def test_filter_of_documents_has_an_address(visit: Visit, mock: MockProcess) -> None:
    mock.post({"linked": "by filter"})
    page = visit()
    search = page.get_by_role("searchbox", name="Filter, a JSON object")
    search.fill('{"linked": "by filter"}')
    search.press("Enter")
    expect(page).to_have_url(re.compile(r"#/documents\?filter="))
    page.reload()
    expect(page.locator(".document-position")).to_contain_text('{"linked": "by filter"}')


def test_range_of_the_metrics_has_an_address(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name="1 h", exact=True).click()
    expect(page).to_have_url(re.compile(r"#/metrics\?range=3600$"))
    go(page, "#/metrics?range=900")
    expect(page.get_by_role("button", name="15 min", exact=True)).to_have_attribute("aria-pressed", "true")


def test_link_survives_the_login(browser: Browser, mock: MockProcess) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{mock.url}/#/logs/flask")
    page.wait_for_url(re.compile("/login"))
    page.locator("[name=token]").fill(TOKENS["viewer"])
    page.keyboard.press("Enter")
    expect(page.locator("#logs .log-line").first).to_be_attached()
    page.context.close()


def test_slash_finds_a_pod_by_keyboard(visit: Visit) -> None:
    page = visit()
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Find on this page")).to_be_focused()
    page.keyboard.type("pod mongodb-0")
    expect(page.get_by_role("option").first).to_contain_text("mongodb-0")
    page.keyboard.press("Enter")
    expect(page.locator("#drawer").get_by_role("heading", name="mongodb-0", level=2)).to_be_visible()


def test_shortcuts_do_not_act_in_a_field_and_can_be_switched_off(visit: Visit) -> None:
    page = visit()
    page.get_by_role("searchbox", name="Find in the timeline").press("l")
    page.keyboard.press("Escape")
    expect(page.locator("#logs")).not_to_be_visible()
    page.get_by_role("button", name="Settings").click()
    expect(page.locator("#settings dt").first).to_be_visible()
    page.get_by_role("checkbox", name="Single keys open things").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_theme_is_kept_without_a_flash_and_beats_the_system(visit: Visit) -> None:
    page = visit(color_scheme="dark")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(background)
    page.keyboard.press("?")
    page.get_by_role("radio", name="Light").check()
    light = page.evaluate(background)
    assert light != dark
    first = "addEventListener('DOMContentLoaded', () => { globalThis.first = document.documentElement.dataset.theme; })"
    page.add_init_script(first)
    page.reload()
    page.wait_for_selector("[data-pod]")
    assert (page.evaluate("globalThis.first"), page.evaluate(background)) == ("light", light)
    page.keyboard.press("?")
    page.get_by_role("radio", name="As the system").check()
    assert page.evaluate(background) == dark


def test_end_of_a_run_is_in_the_title(visit: Visit, own: MockProcess) -> None:
    page = visit(at=own)
    page.evaluate(WATCH_TITLE)
    own.request("POST", "/api/runs", {"demo": "persistence"})
    page.wait_for_function("() => titles.some((title) => title.startsWith('PASS: persistence'))", timeout=90_000)
    expect(page).not_to_have_title(re.compile("^PASS"))
    run = own.request("GET", "/api/state")["runs"][0]["id"]
    go(page, f"#/runs/{run}")
    expect(page.locator('[data-demo="persistence"]')).to_be_focused()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1440])
def test_settings_and_finder_are_accessible(visit: Visit, scheme: str, width: int) -> None:
    page = visit(width=width, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    page.get_by_role("button", name="Settings").click()
    expect(page.locator("#settings dt").first).to_be_visible()
    assert violations(page, "#settings") == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Find", exact=False).first.click()
    expect(page.get_by_role("option").first).to_be_visible()
    assert violations(page, "#finder") == []
