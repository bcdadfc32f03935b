"""The charts as canvases, as text and as a table."""

import re

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Visit

pytestmark = pytest.mark.browser

ARE_DRAWN = """() => [...document.querySelectorAll('#charts canvas')].every((canvas) => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Uint32Array(data.buffer).filter((pixel) => pixel !== 0).length > 500;
})"""


def test_each_chart_has_a_text_alternative(visit: Visit) -> None:
    page = visit()
    charts = page.locator("#charts").get_by_role("img")
    expect(charts.nth(2)).to_be_visible()
    for chart in charts.all():
        expect(chart).to_have_attribute("aria-label", re.compile("^.{21,}$"))


def test_past_hour_is_drawn_at_once(visit: Visit) -> None:
    page = visit()
    charts = page.locator("#charts")
    hour = charts.get_by_role("group", name="Range").get_by_role("button").last
    hour.click()
    expect(hour).to_have_attribute("aria-pressed", "true")
    expect(charts.locator("canvas").first).to_be_visible()
    page.wait_for_function(ARE_DRAWN)  # one chart is drawn each frame


def test_figures_are_also_a_table(visit: Visit) -> None:
    page = visit()
    charts = page.locator("#charts")
    charts.locator("button[aria-expanded]").click()
    table = charts.get_by_role("table")
    expect(table).to_be_visible()
    expect(table.get_by_role("row").nth(5)).to_be_visible()
