"""What an operator does on the page, and what the cluster says about it."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.deployment import Deployment, wait_until
from tests.page.operations import open_change, panel
from tools.deploy import secrets

SERVICE = "app.kubernetes.io/name=flask"
REQUESTS = 24  # to the service by new connections, of which each of two pods gets some but in one of 8 million cases
READY_SECONDS = 120.0  # until pods are replaced
READY_MS = READY_SECONDS * 1000
LOAD_SECONDS = 120.0  # until a busy machine carries a load
MARK = "operator-test"  # an annotation of the pods' template, which the service does not read

Json = dict[str, Any]


# The page


def open_autoscaler(page: Page) -> Locator:
    dialog = open_change(page, "Change autoscaler", "Change the autoscaler flask")
    expect(dialog.get_by_label("max pods")).to_be_visible()
    return dialog


def preview(dialog: Locator) -> Locator:
    """Return the changes that the dry run found, once it has."""
    changes = dialog.locator(".change-preview").get_by_role("listitem")
    expect(changes.first).to_be_visible()
    return changes


def confirm(dialog: Locator, button: str) -> None:
    preview(dialog)
    dialog.get_by_role("button", name=button).click()
    expect(dialog).to_have_count(0)


def open_part(page: Page, title: str) -> Locator:
    part = page.locator("#autoscaler details", has=page.get_by_text(title, exact=True))
    part.locator("summary").click()
    return part


def go(page: Page, fragment: str) -> None:
    page.evaluate("(hash) => { location.hash = hash; }", fragment)


def open_pod(page: Page, name: str, tab: str = "Overview") -> Locator:
    page.locator(f'[data-pod="{name}"]').get_by_role("button", name=f"Details of {name}").click()
    drawer = page.locator("#drawer")
    drawer.get_by_role("tab", name=tab).click()
    expect(drawer.locator(".loading")).to_have_count(0)
    return drawer


def open_object(page: Page, kind: str, name: str) -> Locator:
    go(page, f"#/objects/{kind}/{name}")
    drawer = page.locator("#object")
    expect(drawer.locator(".drawer-related")).to_be_visible()
    return drawer


def open_logs(page: Page, deployment: Deployment) -> Locator:
    """Open the merged logs, and wait until those of all pods of the service are read."""
    page.get_by_role("button", name="Logs", exact=True).click()
    dialog = page.locator("#logs")
    for name in service_pods(deployment).values():
        expect(dialog.locator(f'.log-pod[title^="{name},"]').first).to_be_attached()
    return dialog


def restart_database(page: Page, mode: str) -> None:
    panel(page).get_by_role("button", name="Restart MongoDB").click()
    dialog = page.get_by_role("dialog", name="Restart mongodb-0?")
    dialog.get_by_role("radio", name=mode).check()
    dialog.get_by_role("button", name="Restart mongodb-0").click()
    expect(dialog).to_have_count(0)


def card(page: Page, demo: str = "persistence") -> Locator:
    return page.locator(f'[data-demo="{demo}"]')


def start_run(page: Page, demo: str = "persistence") -> str:
    """Start a run by its button. Return its id."""
    with page.expect_response("**/api/runs") as answered:
        card(page, demo).get_by_role("button", name="Run").click()
    expect(card(page, demo)).to_have_attribute("data-verdict", "running")
    return str(answered.value.json()["id"])


def instants(times: Locator) -> list[tuple[str, str]]:
    """Return the times of <time> elements, so that they can be compared to the nanosecond."""
    texts: list[str] = times.evaluate_all("(all) => all.map(({dateTime}) => dateTime)")
    parts = [text.removesuffix("Z").partition(".") for text in texts]
    return [(seconds, fraction.ljust(9, "0")) for seconds, _, fraction in parts]


# The cluster


def is_at_rest(state: Json) -> bool:
    pods = [pod for pod in state["pods"] if pod["app"] in ("flask", "mongodb")]
    is_rolled_out = state["deployment"]["rollout"]["state"] == "complete"
    return is_rolled_out and not state["lease"] and all(pod["ready"] or pod["phase"] == "Terminating" for pod in pods)


def viewer_token(deployment: Deployment) -> str:
    lines = (deployment.manifests / secrets.AUTH).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)["viewer-token"]


def service_pods(deployment: Deployment) -> dict[str, str]:
    """Return the names of the service's pods by uid, without those that are ending."""
    found = [pod["metadata"] for pod in deployment.get("pods", "--selector", SERVICE)["items"]]
    return {meta["uid"]: meta["name"] for meta in found if "deletionTimestamp" not in meta}


def settings(deployment: Deployment) -> Json:
    """Return the autoscaler's spec."""
    found: Json = deployment.get("hpa", "flask")["spec"]
    return found


@contextmanager
def same_settings(deployment: Deployment) -> Iterator[Json]:
    """Yield the autoscaler's spec, and put it back."""
    before = settings(deployment)
    try:
        yield before
    finally:
        deployment.kubectl("patch", "hpa", "flask", "--type=merge", "--patch", json.dumps({"spec": before}))
        assert settings(deployment) == before


def template(deployment: Deployment) -> Json:
    """Return the template of the service's pods."""
    found: Json = deployment.get("deployment", "flask")["spec"]["template"]
    return found


@contextmanager
def changed_template(deployment: Deployment, value: str) -> Iterator[Json]:
    """Roll out pods with an annotation. Yield the template before, and put it back if the test does not."""
    before = template(deployment)
    patch = {"spec": {"template": {"metadata": {"annotations": {MARK: value}}}}}
    deployment.kubectl("patch", "deployment", "flask", "--type=merge", "--patch", json.dumps(patch))
    try:
        yield before
    finally:
        if template(deployment) != before:
            deployment.kubectl("rollout", "undo", "deployment/flask")
        assert template(deployment) == before


def request_unknown(deployment: Deployment) -> str:
    """Request a path that the service does not have from each of its pods. Return the path, which is in their logs."""
    path = f"/unknown/{uuid.uuid4().hex}"
    for _ in range(REQUESTS):
        answer = deployment.http.request("GET", f"{deployment.service}{path}", headers={"Connection": "close"})
        assert answer.status == 404
    return path


@contextmanager
def load(deployment: Deployment, rate: int) -> Iterator[None]:
    """Let the dashboard send requests, this many a second, once the machine can carry them."""
    options = {"rate": rate, "duration": 120}
    url = f"{deployment.dashboard}/api/load"

    def answer(method: str, body: object = None) -> int:
        return deployment.http.request(method, url, json=body, headers=deployment.authorization).status

    wait_until(lambda: answer("PUT", options) == 202, LOAD_SECONDS)
    try:
        yield
    finally:
        assert answer("DELETE") == 202


def post(deployment: Deployment, document: object) -> str:
    answer = deployment.http.request("POST", f"{deployment.service}/data", json=document)
    assert answer.status == 201
    return str(answer.json()["id"])


def stored(deployment: Deployment, id_: str) -> Json:
    """Return the document that the service has, without its _id; empty if it has none."""
    answer = deployment.http.request("GET", f"{deployment.service}/data/{id_}")
    found: Json = answer.json() if answer.status == 200 else {}
    return {name: value for name, value in found.items() if name != "_id"}


def audit(page: Page) -> list[Json]:
    """Return the audit as the page's session reads it, newest first."""
    found: list[Json] = page.evaluate("async () => (await fetch('/api/audit')).json()")
    return found


def action_events(deployment: Deployment, kind: str) -> list[str]:
    """Return the messages of the dashboard's Events on objects of a kind."""
    selector = f"reason=DashboardAction,involvedObject.kind={kind}"
    return [event["message"] for event in deployment.get("events", "--field-selector", selector)["items"]]


def containers(deployment: Deployment, pod: str) -> dict[str, Json]:
    """Return the statuses of a pod's main containers by name; none if the pod is gone."""
    items = deployment.get("pods", "--field-selector", f"metadata.name={pod}")["items"]
    return {each["name"]: each for item in items for each in item["status"].get("containerStatuses", [])}


def is_restarted(deployment: Deployment, pod: str, container: str, before: Json) -> bool:
    """Return whether a container of a pod of this name runs that is not the one before, and is ready."""
    now = containers(deployment, pod).get(container, before)
    return bool(now["ready"] and now["containerID"] != before["containerID"])
