"""The page's actions on the deployment: their panel, and the dialog of each."""

from playwright.sync_api import Locator, Page, expect


def panel(page: Page) -> Locator:
    return page.locator("#actions")


def rollout(page: Page) -> Locator:
    return panel(page).locator("[data-rollout]")


def open_change(page: Page, button: str, title: str) -> Locator:
    panel(page).get_by_role("button", name=button).click()
    dialog = page.get_by_role("dialog", name=title)
    expect(dialog).to_be_visible()
    return dialog
