"""The live page while the cluster changes."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.deployment import Deployment

AT_REST_MS = 300_000  # an earlier test may have scaled up, which lasts for a minute or more after its load

pytestmark = [pytest.mark.cluster, pytest.mark.browser]


def test_deleted_pod_disappears_and_its_successor_appears(page: Page, deployment: Deployment) -> None:
    expect(page.locator("[data-autoscaler]")).to_have_attribute("data-current", "2", timeout=AT_REST_MS)
    names = _flask_pods(deployment)
    for name in names:
        expect(page.locator(f'[data-pod="{name}"]')).to_have_attribute("data-phase", "Running")
    deployment.kubectl("delete", "pod", names[0], "--wait=false")
    expect(page.locator(f'[data-pod="{names[0]}"]')).to_have_count(0, timeout=60_000)
    successor = next(name for name in _flask_pods(deployment) if name not in names)
    expect(page.locator(f'[data-pod="{successor}"]')).to_have_attribute("data-phase", "Running", timeout=60_000)


def test_posted_document_appears_as_text(page: Page, deployment: Deployment) -> None:
    document = {"note": "<script>globalThis.owned = true</script><img src=x onerror='globalThis.owned = true'>", "n": 1}
    posted = deployment.http.request("POST", f"{deployment.service}/data", json=document).json()["id"]
    row = page.locator(f'[data-document="{posted}"]')
    expect(row).to_contain_text("<script>")
    assert page.evaluate("() => globalThis.owned") is None


def test_autoscaler_panel_matches_the_cluster(page: Page, deployment: Deployment) -> None:
    panel = page.locator("[data-autoscaler]")
    expect(panel).to_have_attribute("data-current", "2", timeout=AT_REST_MS)
    expect(panel).to_have_attribute("data-desired", "2")
    expect(panel).not_to_have_attribute("data-cpu", "", timeout=150_000)
    scale = deployment.get("hpa", "flask")
    assert scale["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70


def test_api_state_matches_the_page(page: Page, deployment: Deployment) -> None:
    state = deployment.state()
    for pod in state["pods"]:
        if pod["app"] in ("flask", "mongodb"):
            expect(page.locator(f'[data-pod="{pod["name"]}"]')).to_have_attribute("data-phase", pod["phase"])
    assert state["autoscaler"]["target_percent"] == 70
    assert state["mongo"]["version"]


def test_client_without_a_session_gets_401_or_the_login_page(page: Page, deployment: Deployment) -> None:
    response = deployment.http.request("GET", f"{deployment.dashboard}/api/state")
    assert response.status == 401
    assert response.headers["Content-Type"] == "application/problem+json"
    page.context.clear_cookies()
    page.goto(deployment.dashboard)
    expect(page).to_have_url(re.compile(re.escape(f"{deployment.dashboard}/login")))


def _flask_pods(deployment: Deployment) -> list[str]:
    pods = deployment.get("pods", "--selector", "app.kubernetes.io/name=flask")["items"]
    return sorted(pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"])
