"""Chromium for tests, the errors of a page, and ways to keep a live page still."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect, sync_playwright

# These flags disable Chromium's own network traffic, such as updates.
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# The timeout of expectations. A busy machine stalls for seconds; a test that passes does not wait for the timeout.
EXPECT_MS = 60_000

# The page gives up a handshake after so long (static/js/feed/socket.js), asks why, and tries again: two messages.
HANDSHAKE_SECONDS = 4.0
GAVE_UP = re.compile("WebSocket is closed before the connection is established|status of 426")

# True while no request is pending and the page is not faded as stale.
IS_IDLE = """() => !document.querySelector('html.is-stale, [aria-busy="true"]:not(.loading)')"""

# Resolves once the page is drawn at its present width and colours, and all finite animations have ended.
WAIT_FOR_ANIMATIONS = """async () => {
  const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const ends = ({effect}) => Number.isFinite(effect.getComputedTiming().endTime);
  await drawn();
  await Promise.allSettled(document.getAnimations().filter(ends).map(({finished}) => finished));
  await drawn();
}"""

# The page draws only in animation frames. This queues new ones; those already requested still run.
PAUSE_FRAMES = """async () => {
  const frame = globalThis.requestAnimationFrame;
  const queued = [];
  globalThis.requestAnimationFrame = (draw) => queued.push(draw);
  globalThis.resumeFrames = () => {
    globalThis.requestAnimationFrame = frame;
    queued.splice(0).forEach((draw) => frame(draw));
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


def collect_errors(page: Page) -> list[str]:
    """Return a list that gets the page's errors and warnings from now on, including violations of its security policy,
    and dialogs, which our pages never open."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: (errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    return errors


@contextmanager
def until_live(page: Page, errors: list[str]) -> Iterator[None]:
    """Wait for the page that is opened within this context to be live. If that took longer than a handshake may, forget
    what the page logged when it gave one up: the machine is busy."""
    began = time.monotonic()
    yield
    page.wait_for_selector('[data-connection="live"]')
    if time.monotonic() - began > HANDSHAKE_SECONDS:
        errors[:] = [error for error in errors if not GAVE_UP.search(error)]


def wait_until_idle(page: Page) -> None:
    """Wait until no request is pending and all animations have ended, so that measurements do not vary."""
    page.wait_for_function(IS_IDLE)
    page.evaluate(WAIT_FOR_ANIMATIONS)


@contextmanager
def frozen(page: Page) -> Iterator[None]:
    """Pause the page's drawing, so that several assertions see the same content."""
    page.evaluate(PAUSE_FRAMES)
    try:
        yield
    finally:
        page.evaluate("resumeFrames()")
