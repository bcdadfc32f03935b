"""The drawers of the objects that are no pods: addresses, keyboard, links, the last change, looks."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.axe import violations
from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

OBJECTS = {
    "deployment/flask": ["Overview", "Last change", "Events", "YAML"],
    "statefulset/mongodb": ["Overview", "Events", "YAML"],
    "horizontalpodautoscaler/flask": ["Overview", "Events", "YAML"],
    "persistentvolumeclaim/data-mongodb-0": ["Overview", "Events", "YAML"],
    "service/flask": ["Overview", "Events", "YAML"],
    "node/node": ["Overview"],
}


# A busy browser dispatches a dialog's "close" when the page already shows the next one. This always does.
LATE_CLOSE = """() => addEventListener('close', (event) => {
  if (!event.isTrusted) return;
  event.stopImmediatePropagation();
  setTimeout(() => event.target.dispatchEvent(new Event('close')), 500);
}, {capture: true})"""


def show(page: Page, path: str) -> Locator:
    page.evaluate("(hash) => { location.hash = hash; }", f"#/objects/{path}")
    drawer = page.locator("#object")
    expect(drawer.locator(".drawer-related")).to_be_visible()
    return drawer


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1440])
def test_each_drawer_is_accessible_and_does_not_scroll_sideways(visit: Visit, scheme: str, width: int) -> None:
    page = visit(width=width, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    found = {}
    for path, tabs in OBJECTS.items():
        drawer = show(page, path)
        expect(drawer.get_by_role("tab")).to_have_count(len(tabs))
        for tab in tabs:
            drawer.get_by_role("tab", name=tab).click()
            found[path, tab] = violations(page, "#object")
            assert drawer.locator(".drawer-body").evaluate("(e) => e.scrollWidth - e.clientWidth") == 0, (path, tab)
    assert not {key: each for key, each in found.items() if each}


def test_keyboard_opens_switches_tabs_and_returns_to_the_link(visit: Visit) -> None:
    page = visit()
    link = page.get_by_role("link", name="StatefulSet mongodb")
    link.press("Enter")
    expect(page.get_by_role("heading", name="mongodb", level=2, exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="YAML")).to_be_focused()
    expect(page.get_by_role("region", name="YAML of mongodb")).to_contain_text("kind: StatefulSet")
    page.keyboard.press("Escape")
    expect(page.locator("#object")).not_to_be_visible()
    expect(link).to_be_focused()
    expect(page).to_have_url(re.compile(r"/$"))


@pytest.mark.parametrize("closes_late", [False, True])
def test_related_objects_are_links_that_back_and_forward_follow(visit: Visit, closes_late: bool) -> None:
    page = visit()
    if closes_late:
        page.evaluate(LATE_CLOSE)
    drawer = show(page, "persistentvolumeclaim/data-mongodb-0")
    drawer.get_by_role("link", name="mongodb-0").click()
    expect(page.locator("#drawer").get_by_role("heading", name="mongodb-0", level=2)).to_be_visible()
    expect(drawer).not_to_be_visible()
    page.locator("#drawer").get_by_role("link", name="node", exact=True).click()
    expect(drawer).to_contain_text("cluster-wide")
    page.go_back()
    expect(page.locator("#drawer")).to_be_visible()
    page.go_back()
    expect(drawer.get_by_role("heading", name="data-mongodb-0")).to_be_visible()
    page.go_forward()
    expect(page.locator("#drawer")).to_be_visible()
    page.wait_for_timeout(1_000 if closes_late else 0)
    expect(page.locator("#drawer").get_by_role("heading", name="mongodb-0", level=2)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/$"))
    page.go_back()
    expect(page.locator("#drawer").get_by_role("heading", name="mongodb-0", level=2)).to_be_visible()


def test_last_change_is_told_in_words_and_as_a_diff(visit: Visit, own: MockProcess) -> None:
    page = visit(at=own)
    drawer = show(page, "deployment/flask")
    drawer.get_by_role("tab", name="Last change").click()
    expect(drawer).to_contain_text("one revision only")
    page.keyboard.press("Escape")
    seen = own.request("POST", "/api/deployment/restart", {"dry_run": True})["resource_version"]
    own.request("POST", "/api/deployment/restart", {"resource_version": seen})
    show(page, "deployment/flask").get_by_role("tab", name="Last change").click()
    expect(drawer.get_by_role("listitem").filter(has_text="only the restart time changed")).to_be_visible()
    expect(drawer.get_by_role("region", name="Difference as YAML")).to_contain_text("+++ revision 2")


def test_unknown_object_is_said_to_be_gone(visit: Visit) -> None:
    page = visit()
    page.evaluate("() => { location.hash = '#/objects/secret/flask'; }")
    expect(page.locator("#notice")).to_contain_text("The deployment has no secret flask")
    expect(page.locator("#object")).not_to_be_visible()
