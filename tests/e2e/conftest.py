"""The session's deployment, and a page of its dashboard."""

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import collect_errors, until_live
from tests.conftest import STATE_AT_FAILURE
from tests.e2e.deployment import Deployment


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """A new, running deployment on an embedded cluster: one for each process that runs tests."""
    made = Deployment(f"test-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    made.remove()  # an interrupted session may have left one
    done = made.deploy("up")
    try:
        assert done.returncode == 0, done.stdout
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def ha() -> Iterator[Deployment]:
    """A deployment with three members of MongoDB, and with backups."""
    made = Deployment("ha")
    made.remove()
    try:
        done = made.deploy("up", COMPONENTS="ha backup")
        assert done.returncode == 0, done.stdout
        yield made
    finally:
        made.remove()


@pytest.fixture
def page(browser: Browser, deployment: Deployment) -> Iterator[Page]:
    """The dashboard's page, signed in and live. An error that the page logs fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    errors = collect_errors(page)
    with until_live(page, errors):
        page.goto(deployment.login_link)
    yield page
    context.close()
    assert not errors


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the deployment looked like to the report of a failed test: it is gone when somebody reads it."""
    report = yield
    used: Any = getattr(item, "funcargs", {}).get("deployment")
    if report.failed and isinstance(used, Deployment):
        report.sections.append((STATE_AT_FAILURE, used.describe()))
    return report
