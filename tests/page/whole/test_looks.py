"""Colour schemes, widths and reduced motion."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import wait_until_idle
from tests.page.axe import violations
from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

WIDTHS = [360, 768, 1440, 2560]


IS_ANIMATED = "() => document.getAnimations().some(({effect}) => effect.getComputedTiming().activeDuration > 1)"

# The elements that are animated in the next two seconds. Animations without a duration do not count.
ANIMATED = """async () => {
  const moved = new Set();
  const began = performance.now();
  while (performance.now() - began < 2_000) {
    await new Promise(requestAnimationFrame);
    for (const {effect} of document.getAnimations()) {
      if (effect.getComputedTiming().activeDuration > 1) moved.add(effect.target.outerHTML.slice(0, 100));
    }
  }
  return [...moved];
}"""


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit(reduced_motion="reduce", bypass_csp=True)


def test_page_does_not_scroll_sideways(page: Page) -> None:
    widths = {}
    for width in WIDTHS:
        resize(page, width)
        widths[width] = page.evaluate("document.documentElement.scrollWidth")
    assert widths == {width: width for width in WIDTHS}


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_page_is_accessible_at_any_width(scheme: str, page: Page) -> None:
    page.emulate_media(color_scheme=scheme)
    found = {}
    for width in WIDTHS:
        resize(page, width)
        found |= {f"{width} px": violations(page)}
    assert found == {f"{width} px": [] for width in WIDTHS}


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_open_parts_are_accessible(scheme: str, page: Page) -> None:
    page.emulate_media(color_scheme=scheme)
    page.locator("#charts button[aria-expanded]").click()
    page.locator("[data-document]").nth(10).get_by_role("button").click()
    found = {"charts": violations(page, "#charts"), "documents": violations(page, "#documents")}
    page.locator('[data-pod="mongodb-0"]').get_by_role("button").click()
    for tab in ("Overview", "Events", "Logs", "YAML"):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(".drawer-body .loading")).to_have_count(0)
        found[tab] = violations(page, "#drawer")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Insert a document").click()
    found["form"] = violations(page, "#document-form")
    assert found == {part: [] for part in found}


def resize(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    wait_until_idle(page)


def test_colours_follow_the_system(page: Page) -> None:
    colours = {}
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        colours[scheme] = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert colours["dark"] != colours["light"]


def test_reduced_motion_stops_animations(visit: Visit, quick: MockProcess) -> None:
    visit(at=quick).wait_for_function(IS_ANIMATED)
    assert visit(at=quick, reduced_motion="reduce").evaluate(ANIMATED) == []


def test_login_page_is_accessible(page: Page, mock: MockProcess) -> None:
    page.context.clear_cookies()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{mock.url}/login")
        expect(page.get_by_role("button")).to_be_visible()
        assert violations(page) == []
