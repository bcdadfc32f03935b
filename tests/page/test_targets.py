"""What the page makes of an autoscaler that is unlike the mock's: its panels, drawn from a state."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Visit

pytestmark = pytest.mark.browser

HUGE = 2**31 - 1

# The mock's state with another autoscaler, in a place of its own beside the page's.
DRAW = """async ([changes, evaluation]) => {
  const [{ render }, { autoscaler }, { deployment }, { viewOf }] = await Promise.all(
    ["vendor", "autoscaler", "pods", "charts/viewModel"].map((name) => import(`/static/js/${name}.js`)));
  const state = await (await fetch("/api/state")).json();
  state.autoscaler = { ...state.autoscaler, ...changes, evaluation: { ...state.autoscaler.evaluation, ...evaluation } };
  const place = document.body.appendChild(Object.assign(document.createElement("main"), { id: "drawn" }));
  const names = { deployment: state.deployment.name, statefulset: state.statefulset.name };
  const history = { pod: () => undefined, table: () => ({ at: [] }) };
  render([autoscaler(state, Date.now()), deployment(names, history, () => {})(state, Date.now())], place);
  const range = { seconds: 300, words: "5 minutes" };
  return viewOf({ history, state, range, width: 600, now: 1000, heard: 1000 }).extents;
}"""


def drawn(page: Page, changes: dict[str, Any], **evaluation: Any) -> Any:
    """Draws them; what the charts' scales have to hold."""
    page.wait_for_selector("[data-autoscaler] .reasoning")
    return page.evaluate(DRAW, [changes, evaluation])


def test_a_target_in_millicores_is_shown_in_millicores(visit: Visit) -> None:
    page = visit()
    told = {"target_percent": None, "cpu_percent": None, "target_millicores": 70, "cpu_millicores": 133}
    extents = drawn(page, told | {"target_of_requests": 150}, unit="m", target=70, low=63, high=77, percent=140)
    panel = page.locator("#drawn")
    expect(panel).to_contain_text("CPU target 70 m")
    expect(panel.locator("[data-autoscaler]")).to_have_attribute("data-cpu", "")
    expect(panel.locator("[data-level=over] dd")).to_have_text("133 m")
    expect(panel.locator(".gauge-scale")).to_have_text("070 m140 m")
    expect(panel).to_contain_text("the controller saw 133 m at its last look")
    assert extents["percent"]["most"] == 195


@pytest.mark.parametrize("unit", ["%", "m"])
def test_no_target_and_no_number_of_pods_is_too_large_for_the_page(visit: Visit, unit: str) -> None:
    page = visit()
    name = "percent" if unit == "%" else "millicores"
    target = {"target_percent": None, "cpu_percent": None, "target_millicores": None, "cpu_millicores": None}
    bounds = {"min": HUGE, "max": HUGE, "desired": HUGE, "target_of_requests": None}
    extents = drawn(page, target | bounds | {f"target_{name}": 10**12}, unit=unit, target=10**12, low=1, high=10**13)
    expect(page.locator("#drawn .slot")).to_have_count(0)
    expect(page.locator("#drawn")).to_contain_text(f"CPU target 1,000,000,000,000 {unit}")
    assert page.locator("#drawn .pod-placeholder").count() <= 100
    assert extents["pods"]["most"] == 100 and extents["percent"]["most"] == 100
