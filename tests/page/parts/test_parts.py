"""Every part of the page, with the mock's state."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.axe import violations
from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

# Checked each frame: it lasts half a second.
SOURCE_FAILED = """() => document.querySelector('#sources :is([data-tone=warn], [data-tone=bad])')"""

PANELS = ["deployment", "charts", "autoscaler", "actions", "documents", "timeline", "sources"]


def state(page: Page) -> Any:
    return page.evaluate("async () => (await fetch('/api/state')).json()")


def test_every_panel_has_a_heading_and_content(visit: Visit) -> None:
    page = visit()
    for panel in PANELS:
        section = page.locator(f"#{panel}")
        expect(section.get_by_role("heading", level=2).first).to_be_visible()
        expect(section.locator(".loading")).to_have_count(0)
    expect(page.locator("#demos [data-demo]")).to_have_count(4)


def test_header_shows_the_deployment_and_the_connection(visit: Visit) -> None:
    page = visit()
    header = page.get_by_role("banner")
    expect(header.get_by_role("heading")).to_have_text("flask-mongodb")
    expect(header).to_contain_text("Deployment flask")
    expect(header).to_contain_text("Kubernetes 1.36.3-mock")
    expect(header.locator("[data-connection]")).to_have_text(re.compile(r"live · \d\.\d s"))
    expect(header).to_contain_text("1 viewer")
    expect(header).to_contain_text("operator")


def test_each_pod_has_a_tile_with_its_phase(visit: Visit) -> None:
    page = visit()
    for pod in state(page)["pods"]:
        tile = page.locator(f'[data-pod="{pod["name"]}"]')
        expect(tile).to_have_count(1)
        if pod["phase"] == "Running" and pod["ready"]:
            expect(tile).to_have_attribute("data-phase", "Running")
    expect(page.locator("#deployment")).to_contain_text("2 Gi")


def test_autoscaler_shows_figures_and_formula(visit: Visit) -> None:
    page = visit()
    panel = page.locator("[data-autoscaler]")
    expect(panel).to_have_attribute("data-current", re.compile(r"^[2-5]$"))
    expect(panel).to_have_attribute("data-desired", re.compile(r"^[2-5]$"))
    expect(panel).to_have_attribute("data-cpu", re.compile(r"^\d+$"))
    expect(panel).to_contain_text("ceil(")


def test_documents_arrive_and_open(visit: Visit) -> None:
    page = visit()
    rows = page.locator("[data-document]")
    expect(rows.first).to_be_visible()
    newest = rows.first.get_attribute("data-document")
    expect(rows.first).not_to_have_attribute("data-document", str(newest), timeout=20_000)
    row = page.locator(f'[data-document="{newest}"]')
    row.get_by_role("button").click()
    expect(page.locator(f"#document-{newest} pre")).to_contain_text("{")


def test_timeline_can_be_searched(visit: Visit) -> None:
    page = visit()
    timeline = page.locator("#timeline")
    timeline.get_by_role("searchbox").fill("SuccessfulRescale")
    expect(timeline).to_contain_text("SuccessfulRescale")
    timeline.get_by_role("searchbox").fill("no such thing happened")
    expect(timeline).not_to_contain_text("SuccessfulRescale")


def test_sources_are_listed(visit: Visit) -> None:
    page = visit()
    expect(page.locator("#sources")).to_contain_text("traffic")
    expect(page.locator("#sources")).to_contain_text("endpoints")


def test_whole_simulation_is_shown_without_errors(visit: Visit, quick: MockProcess) -> None:
    """Pods come and go and a source fails while the page stays open."""
    page = visit(at=quick, bypass_csp=True)
    panel, found = page.locator("[data-autoscaler]"), []
    expect(panel).to_have_attribute("data-desired", "5", timeout=60_000)
    found += violations(page)
    expect(page.locator(".stage-pods [data-pod]")).to_have_count(5, timeout=60_000)
    found += violations(page)
    expect(panel).to_have_attribute("data-desired", "2", timeout=60_000)
    found += violations(page)
    page.wait_for_function(SOURCE_FAILED, timeout=300_000)  # which a slow page misses in some rounds
    found += violations(page)
    assert found == []


def test_restart_of_the_database_is_shown_without_errors(visit: Visit, own: MockProcess) -> None:
    """In its own time: in the quick simulation a pod terminates for less time than a busy page takes for a frame."""
    page = visit(at=own, bypass_csp=True)
    database = page.locator('[data-pod="mongodb-0"]')
    (uid,) = (pod["uid"] for pod in own.request("GET", "/api/state")["pods"] if pod["name"] == "mongodb-0")
    own.request("POST", "/api/mongo/restart", {"uid": uid, "mode": "graceful"})
    expect(database).to_have_attribute("data-phase", "Terminating")
    assert violations(page) == []
    expect(database).to_have_attribute("data-phase", "Running", timeout=60_000)
    assert violations(page) == []
