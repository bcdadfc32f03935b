"""The page without a mouse."""

import pytest
from playwright.sync_api import Page, expect

from tests.page import keyboard
from tests.page.conftest import Visit

pytestmark = pytest.mark.browser


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
    assert keyboard.unreached(page) == []


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
