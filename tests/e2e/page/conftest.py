"""Pages of an operator and a viewer, each with a session of its own."""

import re
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import collect_errors, until_live
from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.page.reader import READY_SECONDS, is_at_rest, viewer_token


class Visit(Protocol):
    def __call__(
        self, role: str = "operator", place: str = "", allowed_errors: str = "", script: str = "", **options: Any
    ) -> Page: ...


@pytest.fixture
def visit(browser: Browser, deployment: Deployment) -> Iterator[Visit]:
    """Return a function that opens a live page with a session of its own, at a place of it.

    Errors that the page logs fail the test, unless they match the pattern `allowed_errors`.
    """
    contexts: list[BrowserContext] = []
    logged: list[tuple[list[str], str]] = []

    def open_page(
        role: str = "operator", place: str = "", allowed_errors: str = "", script: str = "", **options: Any
    ) -> Page:
        contexts.append(browser.new_context(**{"viewport": {"width": 1440, "height": 900}} | options))
        page = contexts[-1].new_page()
        if script:
            page.add_init_script(script)
        errors = collect_errors(page)
        logged.append((errors, allowed_errors))
        token = deployment.operator_token if role == "operator" else viewer_token(deployment)
        with until_live(page, errors):
            page.goto(f"{deployment.dashboard}/login#{token}")
        if place:
            page.goto("about:blank")  # a change of the fragment alone loads no page
            page.goto(f"{deployment.dashboard}/{place}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not [one for errors, allowed in logged for one in errors if not (allowed and re.search(allowed, one))]


@pytest.fixture
def at_rest(deployment: Deployment) -> None:
    """Begin with nothing under way: what an earlier test has put back may still be rolled out."""
    wait_until(lambda: is_at_rest(deployment.state()), READY_SECONDS)
