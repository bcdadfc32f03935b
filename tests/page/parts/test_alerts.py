"""The alerts that fire, across the page."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.page import axe
from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser


@pytest.fixture
def monitored() -> Iterator[MockProcess]:
    """A mock with a Prometheus."""
    started = MockProcess(MOCK_QUIET="1", PROMETHEUS_URL="http://prometheus:9090")
    yield started
    started.stop()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_alert_is_shown_while_it_fires(monitored: MockProcess, visit: Visit, theme: str) -> None:
    page = visit(at=monitored, color_scheme=theme, bypass_csp=True)
    expect(page.locator('[data-source="alerts"]')).to_contain_text("live")
    expect(page.locator("#alerts li")).to_have_count(0)
    expect(page.locator("#alerts")).to_be_hidden()
    pod = next(each for each in monitored.request("GET", "/api/state")["pods"] if each["name"] == "mongodb-0")
    monitored.request("POST", "/api/mongo/restart", {"uid": pod["uid"], "mode": "graceful"})
    alert = page.locator('#alerts li[data-alert="MongoDown"]')
    expect(alert).to_contain_text("mongod of mongodb-0 does not answer", timeout=20_000)
    expect(alert).to_contain_text("critical")
    expect(alert).to_contain_text(re.compile(r"for \d+ s"))
    expect(page.locator("#alerts-announcement")).to_have_text("1 alert: MongoDown")
    expect(page.get_by_role("link", name="1 alert")).to_have_attribute("href", "#alerts")
    assert axe.violations(page) == []
    expect(alert).to_have_count(0, timeout=60_000)
    expect(page.get_by_role("link", name="1 alert")).to_have_count(0)


def test_without_a_prometheus_nothing_is_said_of_alerts(mock: MockProcess, visit: Visit) -> None:
    page = visit(at=mock)
    expect(page.locator("[data-source]").first).to_be_visible()
    expect(page.locator('[data-source="alerts"]')).to_have_count(0)
    expect(page.locator("#alerts")).to_be_hidden()
