"""The page for viewers and for operators, and the login."""

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.page.conftest import Visit
from tests.page.mock import TOKENS, MockProcess

pytestmark = pytest.mark.browser


def test_viewer_sees_all_parts_without_disabled_controls(visit: Visit) -> None:
    page = visit(role="viewer")
    expect(page.get_by_role("banner")).to_contain_text("viewer")
    expect(page.locator("main button:disabled")).to_have_count(0)
    expect(page.locator("main form[method=post], main [data-operator]")).to_have_count(0)
    for panel in ("deployment", "autoscaler", "documents", "timeline", "sources"):
        expect(page.locator(f"#{panel} h2").first).to_be_visible()


def test_sign_out_and_login_link(visit: Visit, mock: MockProcess) -> None:
    page = visit()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    for role, token in TOKENS.items():
        page.goto("about:blank")  # changing only the fragment loads no page
        page.goto(f"{mock.url}/login#{token}")
        page.wait_for_selector('[data-connection="live"]')
        assert token not in page.url
        expect(page.locator("#main")).to_have_attribute("data-role", role)


def test_connection_ends_before_the_session(visit: Visit) -> None:
    page = visit()

    def answer_late(route: Route) -> None:
        response = route.fetch(max_redirects=0)
        page.wait_for_timeout(3000)  # longer than a page that was cut off waits before it connects again
        route.fulfill(response=response)

    page.route("**/logout", answer_late)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")  # a connection that was refused meanwhile would be an error that the page logs


@pytest.mark.parametrize("javascript", [True, False])
def test_invalid_token_shows_an_error_in_the_form(browser: Browser, mock: MockProcess, javascript: bool) -> None:
    page = browser.new_page(java_script_enabled=javascript)
    page.goto(f"{mock.url}/login")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    expect(page.get_by_label("Token")).to_be_visible()
    page.close()
