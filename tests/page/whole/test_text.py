"""Untrusted data from the cluster and from MongoDB, which must be shown as text."""

import re

import pytest
from playwright.sync_api import expect

from dashboard.mock.database.collection import ODD
from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

MARKUP = {"note": "<script>document.title='owned'</script>", "image": "<img src=x onerror=alert(1)>"}


def test_markup_in_a_document_is_text(visit: Visit, mock: MockProcess) -> None:
    page = visit()
    posted = mock.post(MARKUP)
    row = page.locator(f'[data-document="{posted}"]')
    expect(row).to_contain_text("document.title='owned'")
    row.get_by_role("button").click()
    expect(page.locator(f"#document-{posted} pre")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.title() != "owned"
    assert page.locator("#documents img, #documents script").count() == 0


def test_odd_documents_do_not_overflow_the_page(visit: Visit, mock: MockProcess) -> None:
    page = visit(width=360)
    for document in ODD:
        posted = mock.post(document)
        page.locator(f'[data-document="{posted}"]').get_by_role("button").click()
        expect(page.locator(f"#document-{posted}")).to_be_visible()
        box = page.locator("#documents").bounding_box()
        assert box and box["x"] + box["width"] <= 360
    assert page.evaluate("({}).polluted") is None


def test_longest_pod_name_does_not_overflow_the_page(visit: Visit) -> None:
    page = visit(width=360)
    pod = page.locator('[data-pod^="companion-"]')
    expect(pod).to_have_attribute("data-pod", re.compile("^.{253}$"))
    box = pod.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 360
