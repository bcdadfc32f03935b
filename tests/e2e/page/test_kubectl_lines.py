"""The kubectl line that each dialog shows, run as it stands, does what the dialog's button does."""

import shlex
import uuid

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.page import reader
from tests.e2e.page.conftest import Visit
from tests.e2e.page.reader import READY_MS, READY_SECONDS, is_restarted, open_pod, preview, service_pods
from tests.page.operations import open_change, rollout

pytestmark = [pytest.mark.cluster, pytest.mark.browser, pytest.mark.soak, pytest.mark.usefixtures("at_rest")]

GONE = "status of 404"  # Chromium logs each refused request


def run(deployment: Deployment, dialog: Locator) -> None:
    """Run the dialog's line, and leave the dialog without its button."""
    program, *arguments = shlex.split(dialog.locator("pre").inner_text())
    assert program == "kubectl"
    dialog.get_by_role("button", name="Cancel").click()
    deployment.kubectl(*arguments)


def test_line_of_a_restart_replaces_the_pods(page: Page, deployment: Deployment) -> None:
    before = service_pods(deployment)
    dialog = open_change(page, "Restart service", "Restart flask?")
    preview(dialog)
    run(deployment, dialog)
    expect(rollout(page)).to_have_attribute("data-rollout", "progressing")
    expect(rollout(page)).to_have_attribute("data-rollout", "complete", timeout=READY_MS)
    assert not before.keys() & service_pods(deployment).keys()


def test_lines_of_pause_and_resume(page: Page, deployment: Deployment) -> None:
    deployment.kubectl("rollout", "restart", "deployment/flask")
    run(deployment, open_change(page, "Pause roll-out", "Pause the roll-out of flask?"))
    expect(rollout(page)).to_have_attribute("data-rollout", "paused")
    run(deployment, open_change(page, "Resume roll-out", "Resume the roll-out of flask?"))
    expect(rollout(page)).to_have_attribute("data-rollout", "complete", timeout=READY_MS)
    assert not deployment.get("deployment", "flask")["spec"].get("paused")


def test_line_of_an_undo_returns_to_the_revision(page: Page, deployment: Deployment) -> None:
    with reader.changed_template(deployment, uuid.uuid4().hex) as template:
        expect(rollout(page)).to_have_attribute("data-rollout", "progressing")
        dialog = open_change(page, "Undo", "Undo the roll-out of flask?")
        preview(dialog)
        run(deployment, dialog)
        assert reader.template(deployment) == template


def test_line_of_a_pods_deletion(visit: Visit, deployment: Deployment) -> None:
    page = visit(allowed_errors=GONE)  # the drawer asks for the pod that is gone
    before = service_pods(deployment)
    uid, name = next(iter(before.items()))
    open_pod(page, name).get_by_role("button", name="Delete pod").click()
    run(deployment, page.get_by_role("dialog", name=f"Delete {name}?"))
    wait_until(lambda: uid not in service_pods(deployment), READY_SECONDS)
    assert len(service_pods(deployment)) == len(before)


@pytest.mark.parametrize("mode", ["graceful", "crash"])
def test_line_of_the_databases_restart(page: Page, deployment: Deployment, mode: str) -> None:
    id_ = reader.post(deployment, {"kept": mode})
    before = reader.containers(deployment, "mongodb-0")["mongod"]
    dialog = open_change(page, "Restart MongoDB", "Restart mongodb-0?")
    dialog.get_by_role("radio", name=mode).check()
    run(deployment, dialog)
    wait_until(lambda: is_restarted(deployment, "mongodb-0", "mongod", before), READY_SECONDS)
    wait_until(lambda: reader.stored(deployment, id_) == {"kept": mode}, READY_SECONDS)
