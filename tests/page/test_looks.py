"""Dark and light, narrow and wide, still and moving."""

import pytest
from playwright.sync_api import Page, expect

from tests.page.axe import violations
from tests.page.conftest import Visit
from tests.page.mock import Mock

pytestmark = pytest.mark.browser

WIDTHS = [360, 768, 1440, 2560]


# Until what was drawn for another width or in other colours is drawn anew, and stands still.
SETTLED = """async () => {
  const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  await drawn();
  await Promise.allSettled(document.getAnimations().map(({finished}) => finished));
  await drawn();
}"""


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit(reduced_motion="reduce", bypass_csp=True)


def test_nothing_scrolls_sideways(page: Page) -> None:
    widths = {}
    for width in WIDTHS:
        resize(page, width)
        widths[width] = page.evaluate("document.documentElement.scrollWidth")
    assert widths == {width: width for width in WIDTHS}


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_at_any_width(scheme: str, page: Page) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = {}
    for width in WIDTHS:
        resize(page, width)
        found |= {f"{width} px": violations(page)}
    assert found == {f"{width} px": [] for width in WIDTHS}


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_in_what_opens(scheme: str, page: Page) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.evaluate(SETTLED)
    page.locator("#clock button[aria-expanded]").click()
    page.locator("[data-document]").nth(10).get_by_role("button").click()
    found = {"clock": violations(page, "#clock"), "documents": violations(page, "#documents")}
    page.locator('[data-pod="mongodb-0"]').get_by_role("button").click()
    for tab in ("Overview", "Events", "Logs", "YAML"):
        page.get_by_role("tab", name=tab).click()
        page.locator(".drawer-body .loading").wait_for(state="detached")
        found[tab] = violations(page, "#drawer")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Insert a document").click()
    found["form"] = violations(page, "#document-form")
    assert found == {part: [] for part in found}


def resize(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(SETTLED)


def test_the_system_s_choice_of_colours_is_followed(page: Page) -> None:
    colours = {}
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        colours[scheme] = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert colours["dark"] != colours["light"]


def test_nothing_moves_for_those_who_asked_for_that(page: Page) -> None:
    page.wait_for_timeout(1_000)
    assert page.evaluate("document.getAnimations().filter(({playState}) => playState === 'running').length") == 0


def test_the_login_page_has_nothing_for_axe_either(page: Page, mock: Mock) -> None:
    page.context.clear_cookies()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{mock.url}/login")
        expect(page.get_by_role("button")).to_be_visible()
        assert violations(page) == []
