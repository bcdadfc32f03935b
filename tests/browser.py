"""Chromium for tests, an ear for what a page logs, and how to look at a page that lives while it is looked at."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect, sync_playwright

# Only what a page of ours needs: no look-ups, no updates, nothing fetched from elsewhere.
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# For what a page shows in the end. A busy machine stalls for seconds; a test that passes waits no longer than it must.
EXPECT_MS = 60_000

# Nothing that was asked for is under way, and the connection has not faded the page.
ANSWERED = """() => !document.querySelector('html.is-stale, [aria-busy="true"]:not(.loading)')"""

# Until what was drawn for another width or in other colours is drawn anew, and all motion that has an end has ended.
STILL = """async () => {
  const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const ends = ({effect}) => Number.isFinite(effect.getComputedTiming().endTime);
  await drawn();
  await Promise.allSettled(document.getAnimations().filter(ends).map(({finished}) => finished));
  await drawn();
}"""

# The page draws in frames alone. Those that it has asked for already are let through.
HOLD = """async () => {
  const frame = globalThis.requestAnimationFrame;
  const held = [];
  globalThis.requestAnimationFrame = (draw) => held.push(draw);
  globalThis.letGo = () => {
    globalThis.requestAnimationFrame = frame;
    held.splice(0).forEach((draw) => frame(draw));
  };
  await new Promise((done) => frame(() => frame(done)));
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=EXPECT_MS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def complaints(page: Page) -> list[str]:
    """What goes wrong on the page from now on: errors, what its security policy forbade, and dialogs, which no page of
    ours opens."""
    heard: list[str] = []
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    return heard


def settle(page: Page) -> None:
    """Waits until the page is at rest: what is measured in the middle of a motion is neither its begin nor its end."""
    page.wait_for_function(ANSWERED)
    page.evaluate(STILL)


@contextmanager
def held_still(page: Page) -> Iterator[None]:
    """Keeps the page from drawing what comes in meanwhile, so that several looks at it see one picture."""
    page.evaluate(HOLD)
    try:
        yield
    finally:
        page.evaluate("letGo()")
