"""What the page shows goes on when the dashboard is replaced."""

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.deployment import AGAIN, Deployment, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

NEWEST = 50  # entries of the timeline, which has 200: the roll-out adds some
LOAD = {"rate": 5, "duration": 5}


def read(deployment: Deployment, path: str) -> Any:
    url = f"{deployment.dashboard}{path}"
    return deployment.http.request("GET", url, headers=deployment.authorization, retries=AGAIN).json()


def entries(deployment: Deployment) -> list[tuple[str, str]]:
    return sorted((entry["at"], entry["text"]) for entry in deployment.state()["timeline"])


def load_starts(deployment: Deployment) -> bool:
    url = f"{deployment.dashboard}/api/load"
    return deployment.http.request("PUT", url, headers=deployment.authorization, json=LOAD).status == 202


def load_ended(deployment: Deployment) -> bool:
    """Tell whether the state has the end of this load: another dashboard's may be in the history's tables already."""
    load = deployment.state()["load"]
    return load is not None and load["duration"] == LOAD["duration"] and not load["active"]


def test_open_page_goes_on_with_another_dashboard(browser: Browser, deployment: Deployment) -> None:
    page = browser.new_page()
    page.goto(deployment.login_link)
    expect(page.locator("[data-connection]")).to_have_attribute("data-connection", "live")
    wait_until(lambda: load_starts(deployment), 120)  # it is refused while the generator is too slow
    wait_until(lambda: load_ended(deployment), 60)
    entry = page.locator("[data-entry]", has_text="load 5/s for 5 s: started").first
    expect(entry).to_be_visible()
    audit, timeline, history = read(deployment, "/api/audit"), entries(deployment), read(deployment, "/api/history")
    deployment.kubectl("rollout", "restart", "deployment/dashboard")
    deployment.kubectl("rollout", "status", "deployment/dashboard", "--timeout=120s")
    wait_until(lambda: read(deployment, "/api/history")["epoch"] != history["epoch"], 60)
    missing = set(history["tables"]["load"]["at"] + history["tables"]["traffic"]["at"])

    def all_there() -> bool:  # the new dashboard reads what the old one wrote at its end
        tables = read(deployment, "/api/history")["tables"]
        kept = [{**line, "id": 0} for line in read(deployment, "/api/audit")]
        return (
            missing <= set(tables["load"]["at"] + tables["traffic"]["at"])
            and set(timeline[-NEWEST:]) <= set(entries(deployment))
            and all({**line, "id": 0} in kept for line in audit)
        )

    wait_until(all_there, 120)
    expect(page.locator("[data-connection]")).to_have_attribute("data-connection", "live")
    expect(entry).to_be_visible()
    page.close()
