"""Fixtures: mocks, and pages of them.

A shared mock is made idle before and after each test that may start something. A test that breaks its mock uses `own`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import EXPECT_MS, collect_errors, until_live, wait_until_idle
from tests.page.mock import TOKENS, MockProcess

Visit = Callable[..., Page]

# Fixtures whose mock must end after the test's pages, because a page logs errors once its mock has ended.
MOCK_FIXTURES = {"own", "dashboard", "limited", "members", "monitored", "slow"}


@pytest.fixture(scope="session")
def mock() -> Iterator[MockProcess]:
    """A quiet simulation after an eventful hour: pods stay, documents arrive. For tests that read or add documents."""
    started = MockProcess(MOCK_QUIET="1")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def quick() -> Iterator[MockProcess]:
    """The whole simulation in 12 s, repeatedly. For tests that only read."""
    started = MockProcess(MOCK_SPEED="20")
    yield started
    started.stop()


@pytest.fixture
def own() -> Iterator[MockProcess]:
    """A mock that the test may stop, suspend and break."""
    started = MockProcess(MOCK_QUIET="1")
    yield started
    started.stop()


@pytest.fixture
def visit(browser: Browser, mock: MockProcess, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Return a function that opens a page, signed in and settled.

    Errors that the page logs fail the test, unless they match the pattern `allowed_errors`.
    """
    for name in MOCK_FIXTURES & set(request.fixturenames):
        request.getfixturevalue(name)
    visited: list[tuple[BrowserContext, list[str], str]] = []

    def open_page(
        at: MockProcess = mock,
        role: str = "operator",
        width: int = 1440,
        height: int = 900,
        allowed_errors: str = "",
        **options: Any,
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(EXPECT_MS)
        context.request.post(f"{at.url}/login", data={"token": TOKENS[role]})
        page = context.new_page()
        errors = collect_errors(page)
        visited.append((context, errors, allowed_errors))
        with until_live(page, errors):
            page.goto(at.url)
        page.wait_for_selector("[data-pod]")
        wait_until_idle(page)
        return page

    yield open_page
    for context, _, _ in visited:
        context.close()
    logged = [
        one
        for _, errors, allowed_errors in visited
        for one in errors
        if not allowed_errors or not re.search(allowed_errors, one)
    ]
    assert not logged


def shared(started: MockProcess) -> Iterator[MockProcess]:
    """Yield a mock that is idle before and after the test."""
    started.rest()
    yield started
    started.rest()
