"""Which controls of the page are reached without a mouse."""

from playwright.sync_api import Page

from tests.browser import frozen

MOST_STEPS = 300
# Tab reaches only the checked radio button of a group.
FOCUSABLE = "a[href], button, input:not([type='radio']:not(:checked)), select, textarea, summary, [tabindex='0']"
MARK_FOCUSED = "() => document.activeElement?.setAttribute('data-reached', '')"
NOT_REACHED = f"""() => [...document.querySelectorAll("{FOCUSABLE}")]
    .filter((element) => element.checkVisibility() && !element.matches(':disabled, [tabindex="-1"], [data-reached]'))
    .filter((element) => !element.closest('dialog, [data-document], .document-detail'))
    .map((element) => element.outerHTML.slice(0, 100))"""


def unreached(page: Page) -> list[str]:
    """Return the visible controls, as HTML, that Tab does not reach. The rows of the documents do not count."""
    with frozen(page):  # a row that disappears would lose the focus
        for _ in range(MOST_STEPS):
            page.keyboard.press("Tab")
            page.evaluate(MARK_FOCUSED)
            if page.evaluate("document.activeElement === document.body"):
                break
        found: list[str] = page.evaluate(NOT_REACHED)
    return found
