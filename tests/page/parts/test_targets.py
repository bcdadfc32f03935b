"""Autoscalers with other targets than the mock's, drawn from a modified state."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Visit

pytestmark = pytest.mark.browser

HUGE = 2**31 - 1

# Draws the mock's state with another autoscaler into a new element.
DRAW = """async ([changes, evaluation]) => {
  const [{ render }, { autoscaler }, { deployment }, { viewModel }] = await Promise.all(
    ["lib/vendor", "deployment/autoscaler", "deployment/pods", "charts/model/viewModel"].map(
      (name) => import(`/static/js/${name}.js`)));
  const state = await (await fetch("/api/state")).json();
  state.autoscaler = { ...state.autoscaler, ...changes, evaluation: { ...state.autoscaler.evaluation, ...evaluation } };
  const place = document.body.appendChild(Object.assign(document.createElement("main"), { id: "drawn" }));
  const names = { deployment: state.deployment.name, statefulset: state.statefulset.name };
  const history = { pod: () => undefined, table: () => ({ at: [] }) };
  render([autoscaler(() => {})(state, Date.now()), deployment(names, history, () => {})(state, Date.now())], place);
  const range = { seconds: 300, text: "5 minutes" };
  return viewModel({ history, state, range, width: 600, now: 1000, knownUntil: 1000 }).extents;
}"""


def draw(page: Page, changes: dict[str, Any], **evaluation: Any) -> Any:
    """Draw the changed autoscaler. Returns the extents of the charts' scales."""
    page.wait_for_selector("[data-autoscaler] .reasoning")
    return page.evaluate(DRAW, [changes, evaluation])


def test_target_in_millicores(visit: Visit) -> None:
    page = visit()
    changes = {"target_percent": None, "cpu_percent": None, "target_millicores": 70, "cpu_millicores": 133}
    extents = draw(page, changes | {"target_of_requests": 150}, unit="m", target=70, low=63, high=77, percent=140)
    panel = page.locator("#drawn")
    expect(panel).to_contain_text("CPU target 70 m")
    expect(panel.locator("[data-autoscaler]")).to_have_attribute("data-cpu", "")
    expect(panel.locator("[data-level=over] dd")).to_have_text("133 m")
    expect(panel.locator(".gauge-scale")).to_have_text("070 m140 m")
    expect(panel).to_contain_text("the controller saw 133 m at its last sync")
    assert extents["percent"]["most"] == 195


@pytest.mark.parametrize("unit", ["%", "m"])
def test_huge_targets_and_pod_counts(visit: Visit, unit: str) -> None:
    page = visit()
    name = "percent" if unit == "%" else "millicores"
    target = {"target_percent": None, "cpu_percent": None, "target_millicores": None, "cpu_millicores": None}
    bounds = {"min": HUGE, "max": HUGE, "desired": HUGE, "target_of_requests": None}
    extents = draw(page, target | bounds | {f"target_{name}": 10**12}, unit=unit, target=10**12, low=1, high=10**13)
    expect(page.locator("#drawn .slot")).to_have_count(0)
    expect(page.locator("#drawn")).to_contain_text(f"CPU target 1,000,000,000,000 {unit}")
    assert page.locator("#drawn .pod-placeholder").count() <= 100
    assert extents["pods"]["most"] == 100 and extents["percent"]["most"] == 100
