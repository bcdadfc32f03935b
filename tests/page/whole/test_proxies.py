"""The page behind proxies that change requests without X-Forwarded headers."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import EXPECT_MS, collect_errors, until_live
from tests.page.mock import TOKENS, MockProcess
from tests.page.proxy import Change, drop_upgrade, proxy, rewrite_host, strip_prefix

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("change", [strip_prefix, rewrite_host])
def test_page_is_live_under_a_prefix(browser: Browser, mock: MockProcess, change: Change) -> None:
    with proxy(mock.port, change) as url:
        page = browser.new_page()
        logged = collect_errors(page)
        page.goto(f"{url}/")
        page.wait_for_url(f"{url}/login")
        page.get_by_label("Token").fill(TOKENS["operator"])
        with until_live(page, logged):
            page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("[data-pod]")
        page.locator("#charts .uplot").first.wait_for()
        with until_live(page, logged):
            page.reload()
        assert page.url == f"{url}/" and not logged
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{url}/login")
        assert page.context.cookies() == []
        page.close()


def test_page_reports_a_proxy_without_websockets(browser: Browser, mock: MockProcess) -> None:
    with proxy(mock.port, drop_upgrade) as url:
        page = browser.new_page()
        page.goto(f"{url}/login#{TOKENS['viewer']}")
        expect(page.locator("#banner")).to_contain_text("Upgrade", timeout=max(EXPECT_MS, 30_000))
        page.close()
