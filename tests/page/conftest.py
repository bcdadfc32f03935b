"""Mocks, and pages of them as a test wants them.

A mock that tests share is brought to rest before and after each that may start something there; a test that breaks one
has its own.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import EXPECT_MS, complaints, settle
from tests.page.mock import TOKENS, Mock

Visit = Callable[..., Page]

# Mocks of one test, which end after its pages: a page whose mock has ended complains of that.
OUTLIVES = {"own", "dashboard", "slow"}


@pytest.fixture(scope="session")
def mock() -> Iterator[Mock]:
    """A quiet day after an eventful hour: pods stay, documents arrive. For tests that look, or add documents."""
    started = Mock(MOCK_QUIET="1")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def quick() -> Iterator[Mock]:
    """The whole story in 12 s, again and again. For tests that only look."""
    started = Mock(MOCK_SPEED="20")
    yield started
    started.stop()


@pytest.fixture
def own() -> Iterator[Mock]:
    """One that the test may stop, hold and rob of its database."""
    started = Mock(MOCK_QUIET="1")
    yield started
    started.stop()


@pytest.fixture
def visit(browser: Browser, mock: Mock, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Opens a page: signed in, live and at rest.

    What it complains of fails the test, but for what the pattern `bears` finds.
    """
    for name in OUTLIVES & set(request.fixturenames):
        request.getfixturevalue(name)
    visited: list[tuple[BrowserContext, list[str], str]] = []

    def open_page(
        at: Mock = mock, role: str = "operator", width: int = 1440, height: int = 900, bears: str = "", **options: Any
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(EXPECT_MS)
        context.request.post(f"{at.url}/login", data={"token": TOKENS[role]})
        page = context.new_page()
        visited.append((context, complaints(page), bears))
        page.goto(at.url)
        page.wait_for_selector('[data-connection="live"]')
        page.wait_for_selector("[data-pod]")
        settle(page)
        return page

    yield open_page
    for context, _, _ in visited:
        context.close()
    heard = [one for _, complaints_, bears in visited for one in complaints_ if not bears or not re.search(bears, one)]
    assert not heard


def shared(started: Mock) -> Iterator[Mock]:
    """A mock that is at rest before a test and after it, whatever the one before has left."""
    started.rest()
    yield started
    started.rest()
