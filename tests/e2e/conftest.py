"""One deployment for all tests of a session, and a browser to look at it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.deployment import Deployment

# Only what a page of ours needs: no look-ups, no updates, nothing fetched from elsewhere.
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """A running deployment on an embedded cluster, made from nothing."""
    made = Deployment()
    made.remove()  # what an interrupted run left
    done = made.deploy("demo")
    try:
        assert done.returncode == 0, done.stdout
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, deployment: Deployment) -> Iterator[Page]:
    """The dashboard's page, signed in and live. Any error that the page logs fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(deployment.login_link)
    page.wait_for_selector('[data-connection="live"]')
    yield page
    context.close()
    assert not errors
