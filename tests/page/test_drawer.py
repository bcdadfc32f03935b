"""A pod's drawer and the form for a document: dialogs that open, close and give the focus back."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.conftest import Visit

pytestmark = pytest.mark.browser

DATABASE = '[data-pod="mongodb-0"]'


def opened(page: Page, name: str = "mongodb-0") -> Locator:
    page.locator(f'[data-pod="{name}"]').get_by_role("button").press("Enter")
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_role("heading", name=name)).to_be_focused()
    return drawer


def test_a_tile_opens_its_pod_s_drawer_with_all_that_is_known_of_it(visit: Visit) -> None:
    page = visit()
    drawer = opened(page)
    expect(drawer).to_contain_text("mongod")
    expect(drawer).to_contain_text("Conditions")
    drawer.get_by_role("tab", name="Events").click()
    expect(drawer).to_contain_text("Scheduled")
    drawer.get_by_role("tab", name="YAML").click()
    expect(drawer.get_by_role("region", name=re.compile("YAML"))).to_contain_text("kind: Pod")


def test_a_log_runs_in_the_drawer_and_its_markup_is_text(visit: Visit) -> None:
    page = visit()
    drawer = opened(page)
    drawer.get_by_role("tab", name="Logs").click()
    lines = drawer.locator(".log-lines")
    expect(lines).to_contain_text("<script>alert(", timeout=20_000)
    assert lines.locator("script, b, img").count() == 0


def test_escape_closes_the_drawer_and_the_focus_returns(visit: Visit) -> None:
    page = visit()
    drawer = opened(page)
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(page.locator(DATABASE).get_by_role("button")).to_be_focused()


def test_the_arrow_keys_turn_the_tabs(visit: Visit) -> None:
    page = visit()
    drawer = opened(page)
    drawer.get_by_role("tab", name="Overview").focus()
    page.keyboard.press("ArrowRight")
    expect(drawer.get_by_role("tab", name="Events")).to_be_focused()
    expect(drawer.get_by_role("tab", name="Events")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("End")
    expect(drawer.get_by_role("tab", name="YAML")).to_be_focused()


def test_the_tab_key_stays_in_the_drawer(visit: Visit) -> None:
    page = visit()
    opened(page)
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")


def test_an_operator_stores_a_document_by_the_keyboard_and_sees_it_arrive(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name=re.compile("Insert a document")).press("Enter")
    form = page.get_by_role("dialog", name="Insert a document")
    text = form.get_by_role("textbox")
    text.fill('{"from": "the page"}')
    expect(form).to_contain_text("curl")
    text.press("Control+Enter")
    expect(form).to_have_count(0)
    expect(page.locator("[data-document]", has_text="the page").first).to_be_visible()


def test_what_is_no_json_is_said_and_not_sent(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name=re.compile("Insert a document")).click()
    form = page.get_by_role("dialog", name="Insert a document")
    form.get_by_role("textbox").fill('{"from": ')
    expect(form.get_by_role("textbox")).to_have_attribute("aria-invalid", "true")
    form.get_by_role("textbox").press("Control+Enter")
    expect(form).to_be_visible()
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("Insert a document"))).to_be_focused()
