"""Editing and deleting a document: one operator, and two at once."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page import axe
from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

REFUSED = "status of 4"  # the browser logs each refused request


def open_row(page: Page, id_: str) -> Locator:
    page.locator(f'[data-document="{id_}"]').get_by_role("button").press("Enter")  # the list may move under a mouse
    return page.locator(f"#document-{id_}")


def open_dialog(page: Page, id_: str, button: str) -> Locator:
    open_row(page, id_).get_by_role("button", name=button).press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Read at")
    return dialog


def stored(mock: MockProcess, id_: str) -> object:
    return mock.request("GET", f"/api/documents/{id_}")


def test_edited_document_is_replaced_and_its_numbers_are_kept(visit: Visit, mock: MockProcess) -> None:
    page = visit()
    id_ = mock.post({"n": 2**53 + 1, "whole": 1.0})
    dialog = open_dialog(page, id_, "Edit")
    expect(dialog.get_by_role("heading")).to_contain_text(id_)
    text = dialog.get_by_role("textbox")
    expect(text).to_be_focused()
    expect(text).to_have_value('{\n  "n": 9007199254740993,\n  "whole": 1.0\n}')
    text.fill('{"n": 9007199254740993, "whole": 2.0}')
    command = dialog.locator("pre")
    expect(command).to_contain_text(re.compile(r"curl -X PUT -H 'If-Match: \"[0-9a-f]{32}\"'"))
    expect(command).to_contain_text(f"'{{\"n\": 9007199254740993, \"whole\": 2.0}}' http://localhost:5000/data/{id_}")
    text.press("Control+Enter")
    expect(dialog).to_have_count(0)
    expect(page.locator(".document-position").get_by_role("status")).to_contain_text(f"Replaced {id_}")
    expect(page.locator(f'[data-document="{id_}"]')).to_contain_text('{"n":9007199254740993,"whole":2.0}')
    expect(page.locator(f"#document-{id_} pre")).to_contain_text('"whole": 2.0')
    expect(page.locator("#timeline")).to_contain_text(f"replace the document {id_}: done")


def test_deleted_document_leaves_the_table(visit: Visit, mock: MockProcess) -> None:
    page = visit(allowed_errors=REFUSED)
    id_ = mock.post({"for": "deletion"})
    dialog = open_dialog(page, id_, "Delete")
    expect(dialog.locator(".document-version")).to_contain_text('"for": "deletion"')
    expect(dialog).to_contain_text("curl -X DELETE")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    detail = page.locator(f"#document-{id_}")
    expect(detail.get_by_role("button", name="Delete")).to_be_focused()
    detail.get_by_role("button", name="Delete").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(f'[data-document="{id_}"]')).to_have_count(0)
    expect(detail).to_have_count(0)
    expect(page.locator(".document-position").get_by_role("status")).to_contain_text(f"Deleted {id_}")


def test_of_two_operators_who_edit_at_once_one_is_told(visit: Visit, mock: MockProcess) -> None:
    first, second = visit(), visit(allowed_errors=REFUSED)
    id_ = mock.post({"a": 1, "b": 2, "c": 3})
    dialogs = [open_dialog(page, id_, "Edit") for page in (first, second)]
    dialogs[0].get_by_role("textbox").fill('{"a": 1, "b": 20, "c": 3}')
    dialogs[1].get_by_role("textbox").fill('{"a": 1, "b": 2, "c": 30}')
    dialogs[0].get_by_role("button", name="Replace").click()
    expect(dialogs[0]).to_have_count(0)
    late = dialogs[1]
    late.get_by_role("button", name="Replace").click()
    expect(late.locator(".document-conflict")).to_contain_text("Nothing was overwritten")
    assert stored(mock, id_) == {"_id": id_, "a": 1, "b": 20, "c": 3}
    expect(late.locator("del")).to_have_text('\N{MINUS SIGN}   "b": 2,')
    expect(late.locator("ins")).to_have_text('+   "b": 20,')
    # What was typed is not lost, and replaces nothing until the reader has chosen.
    expect(late.get_by_role("textbox")).to_have_value('{"a": 1, "b": 2, "c": 30}')
    late.get_by_role("button", name="Replace", exact=True).click(force=True)
    assert stored(mock, id_) == {"_id": id_, "a": 1, "b": 20, "c": 3}
    late.get_by_role("button", name="Edit the present version").click()
    text = late.get_by_role("textbox")
    expect(text).to_be_focused()
    expect(text).to_have_value('{\n  "a": 1,\n  "b": 20,\n  "c": 3\n}')
    text.fill('{"a": 1, "b": 20, "c": 30}')
    late.get_by_role("button", name="Replace", exact=True).click()
    expect(late).to_have_count(0)
    assert stored(mock, id_) == {"_id": id_, "a": 1, "b": 20, "c": 30}


def test_reader_may_keep_the_text_once_the_newer_version_was_shown(visit: Visit, mock: MockProcess) -> None:
    page = visit(allowed_errors=REFUSED)
    id_ = mock.post({"n": 1})
    dialog = open_dialog(page, id_, "Edit")
    mock.replace(id_, {"n": 2})
    dialog.get_by_role("textbox").fill('{"n": 3}')
    dialog.get_by_role("button", name="Replace").click()
    dialog.get_by_role("button", name="Keep my text").click()
    expect(dialog.get_by_role("textbox")).to_have_value('{"n": 3}')
    dialog.get_by_role("button", name="Replace").click()
    expect(dialog).to_have_count(0)
    assert stored(mock, id_) == {"_id": id_, "n": 3}


def test_changed_document_is_deleted_only_after_it_was_shown(visit: Visit, mock: MockProcess) -> None:
    page = visit(allowed_errors=REFUSED)
    id_ = mock.post({"n": 1})
    dialog = open_dialog(page, id_, "Delete")
    mock.replace(id_, {"n": 2})
    delete = dialog.get_by_role("button", name="Delete")
    delete.click()
    expect(dialog.locator("ins")).to_contain_text('"n": 2')
    delete.click(force=True)
    assert stored(mock, id_) == {"_id": id_, "n": 2}
    dialog.get_by_role("button", name="I have seen it").click()
    expect(delete).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(f'[data-document="{id_}"]')).to_have_count(0)


def test_document_that_is_gone_is_said_to_be(visit: Visit, mock: MockProcess) -> None:
    page = visit(allowed_errors=REFUSED)
    id_ = mock.post({"n": 1})
    dialog = open_dialog(page, id_, "Edit")
    mock.delete(id_)
    dialog.get_by_role("button", name="Replace").click()
    expect(dialog).to_contain_text("The document is gone")
    dialog.get_by_role("button", name="Close").click()
    expect(page.locator(f'[data-document="{id_}"]')).to_have_count(0)


def test_invalid_text_is_not_sent(visit: Visit, mock: MockProcess) -> None:
    page = visit()
    id_ = mock.post({"n": 1})
    dialog = open_dialog(page, id_, "Edit")
    dialog.get_by_role("textbox").fill("{")
    expect(dialog).to_contain_text("Not JSON yet")
    dialog.get_by_role("button", name="Replace").click(force=True)
    assert stored(mock, id_) == {"_id": id_, "n": 1}


def test_viewer_sees_no_button_that_changes_a_document(visit: Visit, mock: MockProcess) -> None:
    id_ = mock.post({"n": 1})
    page = visit(role="viewer")
    detail = open_row(page, id_)
    expect(detail.get_by_role("button", name="Copy JSON")).to_be_visible()
    expect(detail.get_by_role("button")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1440])
def test_dialogs_are_accessible_and_fit(visit: Visit, mock: MockProcess, scheme: str, width: int) -> None:
    page = visit(color_scheme=scheme, width=width, allowed_errors=REFUSED, bypass_csp=True)
    id_ = mock.post({"n": 1, "text": "x" * 200})
    dialog = open_dialog(page, id_, "Edit")
    assert axe.violations(page, "#document-change") == []
    mock.replace(id_, {"n": 2})
    dialog.get_by_role("button", name="Replace").click()
    expect(dialog.locator("ins")).to_be_visible()
    assert axe.violations(page, "#document-change") == []
    assert dialog.evaluate("element => element.scrollWidth <= element.clientWidth")
    page.keyboard.press("Escape")
    page.locator(f"#document-{id_}").get_by_role("button", name="Delete").press("Enter")
    expect(dialog.locator(".document-version")).to_be_visible()
    assert axe.violations(page, "#document-change") == []
