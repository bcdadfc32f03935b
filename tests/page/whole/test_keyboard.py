"""The page without a mouse."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import frozen
from tests.page.conftest import Visit

pytestmark = pytest.mark.browser

# Tab reaches only the checked radio button of a group.
FOCUSABLE = "a[href], button, input:not([type='radio']:not(:checked)), select, textarea, summary, [tabindex='0']"
MARK_FOCUSED = "() => document.activeElement?.setAttribute('data-reached', '')"
NOT_REACHED = f"""() => [...document.querySelectorAll("{FOCUSABLE}")]
    .filter((element) => element.checkVisibility() && !element.matches(':disabled, [tabindex="-1"], [data-reached]'))
    .filter((element) => !element.closest('dialog, [data-document], .document-detail'))
    .map((element) => element.outerHTML.slice(0, 100))"""


def test_skip_link_comes_first(visit: Visit) -> None:
    page = visit()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the deployment")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_tab_reaches_every_control(visit: Visit) -> None:
    page = visit()
    with frozen(page):  # a row that disappears would lose the focus
        for _ in range(200):
            page.keyboard.press("Tab")
            page.evaluate(MARK_FOCUSED)
            if page.evaluate("document.activeElement === document.body"):
                break
        assert page.evaluate(NOT_REACHED) == []


def test_focus_is_visible(visit: Visit) -> None:
    page = visit()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert outline(page) != "none"


def outline(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))


def test_enter_opens_and_closes_a_document(visit: Visit) -> None:
    page = visit()
    row = page.locator("[data-document]").first
    newest = row.get_attribute("data-document")
    toggle = page.locator(f'[data-document="{newest}"]').get_by_role("button")
    toggle.press("Enter")
    expect(page.locator(f"#document-{newest}")).to_be_visible()
    toggle.press("Enter")
    expect(page.locator(f"#document-{newest}")).to_have_count(0)
