"""One mock for all tests of a session that only look, and pages of it as a test wants them."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import complaints
from tests.page.mock import TOKENS, Mock

Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def mock() -> Iterator[Mock]:
    """A quiet day after an eventful hour: pods stay, documents arrive."""
    started = Mock(FAKE_QUIET="1")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def quick() -> Iterator[Mock]:
    """The whole story in 12 s."""
    started = Mock(FAKE_SPEED="20")
    yield started
    started.stop()


@pytest.fixture
def own() -> Iterator[Mock]:
    """One that the test may stop and hold."""
    started = Mock(FAKE_QUIET="1")
    yield started
    started.stop()


@pytest.fixture
def visit(browser: Browser, mock: Mock) -> Iterator[Visit]:
    """Opens a page, signed in and live. What it complains of fails the test, but for what the pattern `bears` finds."""
    visited: list[tuple[BrowserContext, list[str], str]] = []

    def open_page(
        at: Mock = mock, role: str = "operator", width: int = 1440, height: int = 900, bears: str = "", **options: Any
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.request.post(f"{at.url}/login", data={"token": TOKENS[role]})
        page = context.new_page()
        visited.append((context, complaints(page), bears))
        page.goto(at.url)
        page.wait_for_selector('[data-connection="live"]')
        page.wait_for_selector("[data-pod]")
        return page

    yield open_page
    for context, _, _ in visited:
        context.close()
    heard = [one for _, complaints_, bears in visited for one in complaints_ if not bears or not re.search(bears, one)]
    assert not heard
