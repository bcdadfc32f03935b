"""The documents panel: filtering, paging, whole documents and insertion."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import frozen
from tests.page import axe
from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

REFUSED = "status of 4"  # the browser logs each refused request
EXACT = '{"n": 9007199254740993, "whole": 1.0}'


def position(page: Page) -> Locator:
    return page.locator(".document-position")


def apply_filter(page: Page, filter_: str) -> None:
    page.get_by_role("searchbox", name="Filter").fill(filter_)
    page.keyboard.press("Enter")


def open_form(page: Page, text: str) -> Locator:
    page.get_by_role("button", name="Insert a document").click()
    dialog = page.get_by_role("dialog", name="Insert a document")
    dialog.get_by_role("textbox").fill(text)
    return dialog


def test_filter_pauses_the_live_table_and_shows_matches(visit: Visit, mock: MockProcess) -> None:
    ids = [mock.post({"shelf": "filtered", "n": number}) for number in range(3)]
    page = visit()
    apply_filter(page, '{"shelf": "filtered", "n": {"$gte": 1}}')
    expect(position(page)).to_contain_text("2 documents")
    expect(position(page)).to_contain_text("live view is paused")
    rows = page.locator("[data-document]")
    expect(rows).to_have_count(2)
    assert [row.get_attribute("data-document") for row in rows.all()] == [ids[2], ids[1]]
    later = mock.post({"shelf": "filtered", "n": 4})
    page.get_by_role("button", name="Newest").click()
    expect(rows).to_have_count(3)
    expect(rows.first).to_have_attribute("data-document", later)
    page.get_by_role("button", name="Back to live").click()
    expect(position(page)).to_contain_text("as they arrive")
    expect(page.get_by_role("searchbox", name="Filter")).to_have_value("")


def test_invalid_filter_is_explained_and_the_table_stays_live(visit: Visit) -> None:
    page = visit(allowed_errors=REFUSED)
    alert = page.locator("#documents").get_by_role("alert")
    apply_filter(page, '{"$where": "sleep(1000)"}')
    expect(alert).to_contain_text('The operator "$where" is not allowed')
    apply_filter(page, "{'key': 1}")
    expect(alert).to_contain_text("The filter is not JSON")
    expect(position(page)).to_contain_text("as they arrive")
    page.locator(".document-examples button").first.click()
    page.keyboard.press("Enter")
    expect(alert).to_have_count(0)
    expect(page.locator("#documents")).to_contain_text("No document matches this filter")


def test_keyboard_changes_pages(visit: Visit) -> None:
    page = visit()
    with frozen(page):  # a new document would change the last row
        last = page.locator("[data-document]").last.get_attribute("data-document")
        page.get_by_role("button", name="Older").press("Enter")
    expect(position(page)).to_contain_text("20 documents before")
    expect(page.locator(f'[data-document="{last}"]')).to_have_count(0)
    ids = [str(row.get_attribute("data-document")) for row in page.locator("[data-document]").all()]
    assert len(ids) == 20 and last not in ids and ids == sorted(ids, reverse=True)
    page.get_by_role("button", name="Older").press("Enter")
    expect(page.locator("[data-document]").first).not_to_have_attribute("data-document", ids[0])
    assert str(page.locator("[data-document]").first.get_attribute("data-document")) < ids[-1]
    page.get_by_role("button", name="Newer").press("Enter")
    expect(page.locator("[data-document]").first).to_have_attribute("data-document", ids[0])
    page.get_by_role("button", name="Back to live").press("Enter")
    expect(position(page)).to_contain_text("as they arrive")


def test_insertion_is_confirmed_and_highlighted(visit: Visit) -> None:
    page = visit()
    dialog = open_form(page, EXACT)
    expect(dialog).to_contain_text("A JSON object of 2 fields")
    expect(dialog.locator("pre")).to_have_text(
        f"curl -X POST -H \"Content-Type: application/json\" -d '{EXACT}' http://localhost:5000/data"
    )
    dialog.get_by_role("textbox").press("Control+Enter")
    expect(dialog).to_have_count(0)
    stored = page.locator("[data-stored]").get_attribute("data-stored")
    expect(position(page).get_by_role("status")).to_contain_text(f"Stored as {stored}")
    row = page.locator(f'[data-document="{stored}"]')
    expect(row).to_contain_text('{"n":9007199254740993,"whole":1.0}')
    expect(row).to_have_attribute("data-own", "")
    row.get_by_role("button").click()
    expect(page.locator(f"#document-{stored} pre")).to_have_text(
        f'{{\n  "_id": "{stored}",\n  "n": 9007199254740993,\n  "whole": 1.0\n}}'
    )


def test_draft_is_checked_and_kept_after_a_refusal(visit: Visit, mock: MockProcess) -> None:
    page = visit(allowed_errors=REFUSED)
    dialog = open_form(page, '{"a": 1,')
    text, insert = dialog.get_by_role("textbox"), dialog.get_by_role("button", name="Insert")
    expect(dialog).to_contain_text("Not JSON yet")
    insert.click(force=True)
    expect(dialog).to_be_visible()
    text.fill("[1]")
    expect(dialog).to_contain_text("not an array")
    taken = f'{{"_id": "{mock.post({"a": 1})}", "a": 2}}'
    text.fill(taken)
    insert.click()
    expect(dialog.get_by_role("alert")).to_contain_text("Another document has the _id")
    expect(text).to_have_value(taken)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Insert a document")).to_be_focused()


def test_truncated_document_is_fetched_when_opened(visit: Visit, mock: MockProcess) -> None:
    page = visit()
    large = mock.post({"n": 2**53 + 1, "text": "x" * 10_000, "end": True})
    row = page.locator(f'[data-document="{large}"]')
    expect(row).to_contain_text("cut")
    row.get_by_role("button").click()
    detail = page.locator(f"#document-{large}")
    expect(detail.locator("pre")).to_contain_text(re.compile(r'"n": 9007199254740993,[\s\S]*"end": true\s*}$'))
    expect(detail).to_contain_text("read at")


def test_open_row_stays_when_newer_documents_arrive(visit: Visit, mock: MockProcess) -> None:
    page = visit()
    posted = mock.post({"held": True})
    row = page.locator(f'[data-document="{posted}"]')
    row.get_by_role("button").click()
    for number in range(20):
        mock.post({"number": number})
    expect(row).to_contain_text("kept open", timeout=20_000)
    expect(page.locator(f"#document-{posted} pre")).to_contain_text('"held": true')


def test_copy_has_the_whole_document(visit: Visit, mock: MockProcess) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    posted = mock.post({"n": 2**53 + 1})
    page.locator(f'[data-document="{posted}"]').get_by_role("button").press("Enter")
    detail = page.locator(f"#document-{posted}")
    detail.get_by_role("button", name="Copy JSON").press("Enter")  # each new document moves it
    expect(detail.get_by_role("status")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f'{{\n  "_id": "{posted}",\n  "n": 9007199254740993\n}}'


def test_viewer_can_filter_but_not_insert(visit: Visit, mock: MockProcess) -> None:
    posted = mock.post({"for": "viewers"})
    page = visit(role="viewer")
    expect(page.get_by_role("button", name="Insert a document")).to_have_count(0)
    apply_filter(page, '{"for": "viewers"}')
    expect(page.locator(f'[data-document="{posted}"]')).to_be_visible()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_form_and_page_are_accessible(visit: Visit, scheme: str) -> None:
    page = visit(color_scheme=scheme, allowed_errors=REFUSED, bypass_csp=True)
    page.get_by_role("button", name="Older").click()
    expect(position(page)).to_contain_text("before")
    apply_filter(page, "{")
    expect(page.locator("#document-problem")).not_to_be_empty()
    page.locator("[data-document] button").first.click()
    assert axe.violations(page, "#documents") == []
    dialog = open_form(page, "{")
    expect(dialog).to_contain_text("Not JSON yet")
    assert axe.violations(page, "#document-form") == []
