"""Lost and stale connections, and recovery."""

import contextlib
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect

from tests.browser import EXPECT_MS, until_live
from tests.page.conftest import Visit
from tests.page.mock import TOKENS, MockProcess

pytestmark = pytest.mark.browser

# The browser logs these while the dashboard is down or starts.
REFUSED = "WebSocket connection to|ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)|status of 426"

# It logs these if a handshake takes longer than the page waits.
GAVE_UP = "WebSocket connection to 'ws://127.0.0.1/' failed: WebSocket is closed before the connection is established."
ASKED = "Failed to load resource: the server responded with a status of 426 (UPGRADE REQUIRED)"

# Playwright keeps every page visible. This hides one as a browser does: it dispatches the event and stops frames.
HIDEABLE = """() => {
  const frame = requestAnimationFrame;
  const queued = [];
  let hidden = false;
  Object.defineProperty(document, 'hidden', {get: () => hidden});
  globalThis.requestAnimationFrame = (draw) => frame((at) => (hidden ? queued.push(draw) : draw(at)));
  globalThis.changes = 0;
  const watcher = new MutationObserver((all) => (globalThis.changes += all.length));
  globalThis.hide = (now) => {
    hidden = now;
    document.dispatchEvent(new Event('visibilitychange'));
    if (hidden) watcher.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
    else queued.splice(0).forEach((draw) => frame(draw));
  };
}"""


# One check, because the page is stale for only three seconds before it closes the connection.
IS_STALE = """() => {
  const pill = document.querySelector('[data-connection]');
  return pill.dataset.connection === 'stale' && pill.textContent.includes('stale since')
    && document.getElementById('banner').textContent.includes('No message from the dashboard since');
}"""

NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def connection(page: Page) -> Any:
    return page.locator("[data-connection]")


def history(page: Page, since: float) -> Any:
    return page.evaluate("async (since) => (await fetch(`/api/history?since=${since}`)).json()", since)


@pytest.mark.parametrize(("seconds", "left"), [(0.0, ["another"]), (EXPECT_MS, [GAVE_UP, ASKED, "another"])])
def test_what_a_handshake_that_was_given_up_logs_is_no_error_if_it_took_long(
    browser: Browser, mock: MockProcess, monkeypatch: pytest.MonkeyPatch, seconds: float, left: list[str]
) -> None:
    monkeypatch.setattr("tests.browser.HANDSHAKE_SECONDS", seconds)
    with contextlib.closing(browser.new_page()) as page:
        errors = [GAVE_UP, ASKED, "another"]
        with until_live(page, errors):
            page.goto(f"{mock.url}/login#{TOKENS['viewer']}")
    assert errors == left


def test_page_reconnects_to_a_restarted_dashboard(visit: Visit, own: MockProcess) -> None:
    page = visit(at=own, allowed_errors=REFUSED)
    own.stop()
    expect(connection(page)).to_have_attribute("data-connection", "reconnecting")
    expect(page.locator("#banner")).to_contain_text("The connection was lost")
    expect(page.locator("[data-pod]").first).to_be_visible()
    own.start()
    expect(connection(page)).to_have_attribute("data-connection", "live")
    expect(page.locator("#banner")).to_be_empty()


def test_silent_dashboard_makes_the_page_stale(visit: Visit, own: MockProcess) -> None:
    page = visit(at=own, allowed_errors=REFUSED)
    for _ in range(5):  # a page that is drawn late goes from live to reconnecting
        own.suspend()
        with contextlib.suppress(TimeoutError):
            page.wait_for_function(IS_STALE, timeout=15_000)
            break
        own.resume()
        expect(connection(page)).to_have_attribute("data-connection", "live")
    else:
        pytest.fail("The page was never stale.")
    own.resume()
    expect(connection(page)).to_have_attribute("data-connection", "live")
    expect(page.locator("#banner")).to_be_empty()


def test_reload_and_second_viewer_have_the_same_history(visit: Visit) -> None:
    page = visit()
    since = time.time() - 1_800  # older points may become fewer meanwhile
    first = history(page, since)
    page.reload()
    page.wait_for_selector("[data-pod]")
    other = visit(role="viewer")
    expect(page.get_by_role("banner")).to_contain_text("2 viewers")
    for later in (history(page, since), history(other, since)):
        for name, table in first["tables"].items():
            known = len(table["at"])
            assert {column: values[:known] for column, values in later["tables"][name].items()} == table
        assert later["epoch"] == first["epoch"]


def test_hidden_tab_draws_only_when_shown_again(visit: Visit, quick: MockProcess) -> None:
    page = visit(at=quick, reduced_motion="reduce")  # without animations: a tile's end removes it, also in a hidden tab
    page.evaluate(HIDEABLE)
    page.evaluate(NEXT_FRAME)  # frames that were requested before
    page.evaluate("hide(true)")
    page.wait_for_timeout(2_000)
    assert page.evaluate("changes") == 0
    page.evaluate("hide(false)")
    page.wait_for_function("() => changes > 0")
