"""What takes minutes in an operator's day, in a browser on a cluster: demos, an outage, a large log, half a day."""

import base64
import json
import re
import shlex
import time

import pytest
from playwright.sync_api import Page, expect

from dashboard.core.state.kept import Kept, encode
from dashboard.web.history_saver import CONFIG_MAP, FILE
from tests.e2e.deployment import DASHBOARD, Deployment, wait_until
from tests.e2e.page import reader
from tests.e2e.page.conftest import Visit
from tests.e2e.page.reader import (
    READY_MS,
    READY_SECONDS,
    Json,
    card,
    open_logs,
    open_part,
    service_pods,
    start_run,
)
from tests.page.parts.test_charts import ARE_DRAWN

pytestmark = [pytest.mark.cluster, pytest.mark.browser, pytest.mark.soak, pytest.mark.usefixtures("at_rest")]

RUN_MS = 10 * 60_000  # a run of two to four minutes, on a busy machine
SIZED_SECONDS = 35 * 60.0  # sizes need the samples of 30 minutes
RATE = 20  # requests a second
ONCE = 642  # requests a second, of which there were never so many here
HALF_A_DAY = 12 * 60 - 1  # minutes
LINES = 12_000  # of a kilobyte: the kubelet rotates a log at 10 MB
REFUSED = "status of (409|502|503)"  # Chromium logs each refused request

WRITE = f"for number in range({LINES}): print(f'burst {{number}}', 'x' * 1000)"


@pytest.mark.parametrize("demo", ["rollout", "self-healing"])
def test_demo_passes_from_the_click(page: Page, demo: str) -> None:
    start_run(page, demo)
    expect(card(page, demo)).to_have_attribute("data-verdict", "pass", timeout=RUN_MS)


def test_autoscaling_passes_and_the_way_down_is_counted_down(page: Page) -> None:
    start_run(page, "autoscale")
    countdown = page.locator("[data-autoscaler] .countdown")
    expect(countdown).to_contain_text(re.compile(r"pods? .*in \d+\s?s"), timeout=RUN_MS)
    expect(card(page, "autoscale")).to_have_attribute("data-verdict", "pass", timeout=RUN_MS)


def test_errors_of_the_service_are_shown_while_it_has_no_database(visit: Visit, deployment: Deployment) -> None:
    page = visit(allowed_errors=REFUSED)
    tile = page.locator("#deployment article", has=page.get_by_role("link", name="Service flask"))
    errors = tile.locator("dl > div", has_text="errors").locator("dd")
    with reader.load(deployment, RATE):
        expect(errors).to_have_text("none")
        deployment.kubectl("scale", "statefulset/mongodb", "--replicas=0")
        try:
            expect(errors).to_have_text(re.compile(r"^[\d.]+\s?/s$"), timeout=READY_MS)
        finally:
            deployment.kubectl("scale", "statefulset/mongodb", "--replicas=1")
        expect(errors).to_have_text("none", timeout=READY_MS)


def test_merged_log_counts_what_a_burst_loses_and_goes_on_after_the_rotation(
    page: Page, deployment: Deployment
) -> None:
    name = next(iter(service_pods(deployment).values()))
    dialog = open_logs(page, deployment)
    before = beginning(deployment, name)
    deployment.kubectl("exec", name, "--", "sh", "-c", f'python -c "{WRITE}" > /proc/1/fd/1')
    own = dialog.locator(".log-line", has=page.locator(f'[title^="{name},"]'))
    expect(own.filter(has_text="lines dropped").first).to_be_attached()
    expect(dialog.locator(".log-state")).to_contain_text("of a burst dropped")
    wait_until(lambda: beginning(deployment, name) != before, READY_SECONDS)
    path = reader.request_unknown(deployment)
    expect(own.filter(has_text=path).first).to_be_attached()


def beginning(deployment: Deployment, pod: str) -> str:
    """Return how the pod's present log begins."""
    return deployment.kubectl("logs", pod, "--limit-bytes=500")


def test_charts_go_back_to_twelve_hours_ago(visit: Visit, deployment: Deployment) -> None:
    deployment.kubectl("scale", "deployment/dashboard", "--replicas=0")
    try:
        deployment.kubectl("wait", "--for=delete", "pod", "--selector", DASHBOARD, f"--timeout={READY_SECONDS}s")
        keep_half_a_day(deployment)
    finally:
        deployment.kubectl("scale", "deployment/dashboard", "--replicas=1")
    deployment.kubectl("rollout", "status", "deployment/dashboard", f"--timeout={READY_SECONDS}s")
    charts = visit().locator("#charts")
    charts.get_by_role("button", name="12 h").click()
    charts.page.wait_for_function(ARE_DRAWN)
    charts.locator("button[aria-expanded]").click()
    expect(charts.get_by_role("row").last).to_contain_text(str(ONCE))


def keep_half_a_day(deployment: Deployment) -> None:
    """Keep the points of a dashboard that ran for twelve hours, with the rate ONCE at first, and then half of it."""
    now, minutes = time.time(), range(HALF_A_DAY, 0, -1)
    rates = [(now - 60.0 * ago, float(ONCE if ago > HALF_A_DAY - 60 else ONCE // 2)) for ago in minutes]
    tables = {
        "traffic": [(at, rate, 0.0, 5.0, 20.0) for at, rate in rates],
        "cpu": [(at, rate / 10) for at, rate in rates],
        "replicas": [(at, 2.0, 2.0) for at, _ in rates],
    }
    file = encode(Kept("of yesterday", tables, {}, [], []))
    patch = {"binaryData": {FILE: base64.b64encode(file).decode()}}
    deployment.kubectl("patch", f"configmap/{CONFIG_MAP}", "--type=merge", "--patch", json.dumps(patch))


def test_sizes_have_figures_after_half_an_hour(visit: Visit, deployment: Deployment) -> None:
    wait_until(lambda: all(row["cpu"] and row["memory"] for row in sizes(deployment)), SIZED_SECONDS)
    page = visit()
    with page.expect_response("**/api/sizing") as answer:  # each sample changes the figures
        part = open_part(page, "Requests and limits that fit")
    for row in programs(answer.value.json()):
        size = part.locator(".size", has_text=f"{row['container']} of {row['app']}")
        expect(size).to_contain_text(row["cpu"]["reason"])
        program, *arguments = shlex.split(size.locator("pre").inner_text())
        assert program == "kubectl"
        deployment.kubectl(*arguments, "--dry-run=server")


def sizes(deployment: Deployment) -> list[Json]:
    url = f"{deployment.dashboard}/api/sizing"
    return programs(deployment.http.request("GET", url, headers=deployment.authorization).json())


def programs(rows: list[Json]) -> list[Json]:
    """Return the sizes of the service and the database."""
    return [row for row in rows if row["container"] in ("flask", "mongod")]
