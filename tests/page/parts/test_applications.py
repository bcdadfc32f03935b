"""Another application than the data service: what it lacks is absent from the page."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

Json = dict[str, Any]

CHANGED = "A patch does not fit"  # the page then asks for a snapshot, as it must

# Gives the page's main element other names before the page's own scripts run.
RENAME = """(names) => document.addEventListener("readystatechange", () => {
  if (document.readyState === "interactive") Object.assign(document.getElementById("main").dataset, names);
})"""


def draw_as(page: Page, names: dict[str, str], change: Callable[[Json], Json]) -> None:
    """Load the page again as that of another application, with other names and another first state."""

    def proxy(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: socket.send(changed(message)))

    def changed(message: str | bytes) -> str | bytes:
        if not isinstance(message, str) or not message.startswith('42["snapshot"'):
            return message
        name, body = json.loads(message[2:])
        return "42" + json.dumps([name, body | {"state": change(body["state"])}])

    page.add_init_script(f"({RENAME})({json.dumps(names)})")
    page.route_web_socket("**/socket.io/**", proxy)
    page.reload()
    expect(page.locator("[data-pod]").first).to_be_visible()
    expect(page.locator("#timeline h2")).to_have_text("Timeline")


def without(*sources: str) -> Callable[[Json], Json]:
    """A state without these sources, and without what comes from them."""
    return lambda state: (
        state
        | {
            "sources": {name: each for name, each in state["sources"].items() if name not in sources},
            "mongo": None,
            "traffic": None,
            "pods": [*state["pods"], state["pods"][0] | {"name": "debug", "uid": "debug", "app": ""}],
        }
    )


def test_stateless_application_has_no_empty_parts(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own, allowed_errors=CHANGED)
    draw_as(page, {"statefulset": "", "hpa": ""}, without("mongo", "traffic"))
    for absent in ("#documents", "#autoscaler", ".stage-database", ".stage-volumes"):
        expect(page.locator(absent).filter(visible=True)).to_have_count(0)
    expect(page.locator("#actions")).not_to_contain_text(re.compile("Restart (MongoDB|database)"))
    expect(page.locator(".other-pods")).to_contain_text("debug")
    width = page.locator("#claims").evaluate("(claims) => claims.clientWidth")
    for alone in ("#charts", "#timeline"):
        assert page.locator(alone).evaluate("(panel) => panel.offsetWidth") == width
    page.keyboard.press("/")
    page.keyboard.type("mongodb contents")
    expect(page.locator("#finder")).to_contain_text("0 results")


def test_application_without_counters_shows_no_requests_of_its_pods(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own, allowed_errors=CHANGED)
    expect(page.locator(".stage-service dt")).to_have_text(["requests", "p50", "p99", "errors"])
    expect(page.locator("[data-figure=served].legend-entry")).to_be_visible()
    draw_as(page, {}, without("mongo", "traffic"))
    expect(page.locator(".stage-volumes .tile")).to_have_count(1)
    expect(page.locator(":is(.stage-service, .stage-pods, .stage-database) dt")).to_have_count(0)
    expect(page.locator("[data-figure=served].legend-entry")).to_be_hidden()
    page.get_by_role("button", name="Show as table").click()
    columns = page.locator("#charts-table thead th")
    expect(columns.first).to_have_text("from")
    assert "served" not in columns.all_text_contents() and "achieved" in columns.all_text_contents()
