"""An operator's day in a browser, on a real cluster: docs/comparison.md. Each test puts back what it changes."""

import json
import math
import re
import shlex
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from playwright.sync_api import Locator, Page, Response, expect

from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.page import reader
from tests.e2e.page.conftest import Visit
from tests.e2e.page.reader import (
    READY_MS,
    READY_SECONDS,
    Json,
    card,
    confirm,
    is_restarted,
    open_autoscaler,
    open_logs,
    open_object,
    open_part,
    open_pod,
    preview,
    service_pods,
    start_run,
)
from tests.page import axe, keyboard
from tests.page.operations import open_change, panel, rollout
from tests.page.parts.test_charts import ARE_DRAWN
from tools.cluster.instance import CHECKOUT

pytestmark = [pytest.mark.cluster, pytest.mark.browser, pytest.mark.soak, pytest.mark.usefixtures("at_rest")]

SAMPLED_MS = 150_000  # until a new pod's CPU has been measured
RUN_MS = 180_000  # a run of 40 s, and a wait for MongoDB before it
CONFLICT = "status of 409"  # Chromium logs each refused request
GONE = "status of 404"
STALE = "status of 412"
TOO_BUSY = "status of 502"
RATE = 20  # requests a second, which do not scale the service up

OBJECTS = {  # kind and name: what is linked from it
    ("deployment", "flask"): ["#/objects/horizontalpodautoscaler/flask", "#/objects/service/flask", "#/pods/flask-"],
    ("statefulset", "mongodb"): ["#/objects/persistentvolumeclaim/data-mongodb-0", "#/pods/mongodb-0/"],
    ("horizontalpodautoscaler", "flask"): ["#/objects/deployment/flask"],
    ("persistentvolumeclaim", "data-mongodb-0"): ["#/pods/mongodb-0/"],
    ("service", "flask"): ["#/objects/deployment/flask", "#/pods/flask-"],
}

# Keeps the notifications, which the browser shows outside of the page. `leave` lets the page believe that it is in the
# background.
BACKGROUND = """
globalThis.notifications = [];
globalThis.Notification = class extends Notification {
  constructor(title, options) {
    super(title, options);
    notifications.push(this);
  }
};
Object.defineProperty(document, 'hidden', {get: () => globalThis.away ?? false});
globalThis.leave = (away) => {
  globalThis.away = away;
  document.dispatchEvent(new Event('visibilitychange'));
};
"""
NOTIFIED = "() => notifications.map(({title, tag}) => [title, tag])"


def text_of(state: str) -> re.Pattern[str]:
    return re.compile(rf"^{state}")


# Watch


def test_figures_of_the_service_are_those_of_its_requests(page: Page, deployment: Deployment) -> None:
    tile = page.locator("#deployment article", has=page.get_by_role("link", name="Service flask"))
    with reader.load(deployment, RATE):
        for name in ("requests", "p50", "p99"):
            expect(tile.locator("dl > div", has_text=name).locator("dd")).to_have_text(re.compile("^[^—]*[1-9]"))


def test_past_is_drawn_and_is_a_table(page: Page, deployment: Deployment) -> None:
    charts = page.locator("#charts")
    charts.get_by_role("group", name="Range").get_by_role("button").first.click()  # a new deployment has a short past
    expect(charts.locator("canvas").first).to_be_visible()
    page.wait_for_function(ARE_DRAWN)
    charts.locator("button[aria-expanded]").click()
    expect(charts.get_by_role("table").get_by_role("row").nth(2)).to_be_visible()


def test_autoscaler_is_explained_by_its_controllers_arithmetic(page: Page, deployment: Deployment) -> None:
    settings = reader.settings(deployment)
    target = settings["metrics"][0]["resource"]["target"]["averageUtilization"]
    expect(formula(page)).to_contain_text(re.compile(rf"\d+ / {target}\b"), timeout=SAMPLED_MS)
    desired = deployment.get("hpa", "flask")["status"]["desiredReplicas"]
    expect(page.locator("[data-autoscaler]")).to_have_attribute("data-desired", str(desired))


def formula(page: Page) -> Locator:
    """Return the autoscaler's calculation, which there is once all pods have been measured."""
    return page.locator("[data-autoscaler] .reasoning .formula")


def test_what_if_is_answered_by_the_rule_of_the_autoscaler(page: Page, deployment: Deployment) -> None:
    def is_asked(response: Response) -> bool:
        query = parse_qs(urlsplit(response.url).query)
        return urlsplit(response.url).path.endswith("/what-if") and query["percent"] + query["replicas"] == ["210", "3"]

    settings = reader.settings(deployment)
    part = open_part(page, "What if…")
    with page.expect_response(is_asked) as answered:
        part.get_by_label("CPU, %").fill("210")
        part.get_by_label("pods").fill("3")
    answer = answered.value.json()
    target = settings["metrics"][0]["resource"]["target"]["averageUtilization"]
    assert answer["wanted"] == math.ceil(3 * 210 / target) == 9
    assert answer["clamped"] == answer["ends_at"] == settings["maxReplicas"]
    expect(part.get_by_role("status")).to_contain_text(answer["formula"])


def test_each_container_is_sized_or_says_why_not(page: Page, deployment: Deployment) -> None:
    with page.expect_response("**/api/sizing") as answered:
        part = open_part(page, "Requests and limits that fit")
    rows = answered.value.json()
    owners = {"flask": "deployment", "mongodb": "statefulset"}
    specs = {name: deployment.get(kind, name)["spec"]["template"]["spec"] for name, kind in owners.items()}
    named = {(name, one["name"]) for name, spec in specs.items() for one in spec["containers"]}
    assert named <= {(row["app"], row["container"]) for row in rows}
    expect(part.locator(".size")).to_have_count(len(rows))
    for row, size in zip(rows, part.locator(".size").all(), strict=True):
        expect(size).to_contain_text(row["container"])
        expect(size).to_contain_text(row["cpu"]["reason"] if row["cpu"] else row["absent"])


@pytest.mark.parametrize(("kind", "name"), OBJECTS)
def test_drawer_has_an_objects_conditions_events_yaml_and_relations(
    page: Page, deployment: Deployment, kind: str, name: str
) -> None:
    drawer = open_object(page, kind, name)
    found = deployment.get(kind, name)
    expect(drawer.locator(".drawer-line")).to_contain_text(found["metadata"]["uid"])
    for address in OBJECTS[kind, name]:
        expect(drawer.locator(f'.drawer-related a[href^="{address}"]').first).to_be_visible()
    expect_conditions(drawer, found)
    expect_events(drawer, deployment, found)
    expect_yaml(drawer, name, found)


def test_drawer_of_a_pod_has_its_containers_conditions_events_yaml_and_node(page: Page, deployment: Deployment) -> None:
    drawer = open_pod(page, "mongodb-0")
    found = deployment.get("pod", "mongodb-0")
    for container in found["spec"]["containers"]:
        expect(drawer.get_by_role("heading", name=container["name"], exact=True)).to_be_visible()
    expect(drawer.get_by_role("link", name=found["spec"]["nodeName"], exact=True)).to_be_visible()
    expect_conditions(drawer, found)
    expect_events(drawer, deployment, found)
    expect_yaml(drawer, "mongodb-0", found)


def test_drawer_of_the_node_has_the_pods_that_run_on_it(page: Page, deployment: Deployment) -> None:
    pods = {"mongodb-0", *service_pods(deployment).values()}
    drawer = open_object(page, "node", deployment.get("pod", "mongodb-0")["spec"]["nodeName"])
    for name in pods:
        expect(drawer.get_by_role("link", name=name, exact=True)).to_be_visible()


def expect_conditions(drawer: Locator, found: Json) -> None:
    types = [each["type"] for each in found["status"].get("conditions", [])]
    expect(drawer.locator(".drawer-conditions tbody tr")).to_have_count(len(types))
    for type_ in types:
        expect(drawer.get_by_role("row", name=type_).first).to_be_visible()


def expect_events(drawer: Locator, deployment: Deployment, found: Json) -> None:
    selector = f"involvedObject.uid={found['metadata']['uid']}"
    reasons = {event["reason"] for event in deployment.get("events", "--field-selector", selector)["items"]}
    drawer.get_by_role("tab", name="Events").click()
    for reason in reasons:
        expect(drawer.get_by_role("listitem").filter(has_text=reason).first).to_be_visible()


def expect_yaml(drawer: Locator, name: str, found: Json) -> None:
    drawer.get_by_role("tab", name="YAML").click()
    shown = yaml.safe_load(drawer.get_by_role("region", name=f"YAML of {name}").inner_text())
    assert (shown["kind"], shown["metadata"]["uid"]) == (found["kind"], found["metadata"]["uid"])
    assert shown["spec"] == found["spec"]


def test_last_change_has_what_the_last_roll_out_changed(page: Page, deployment: Deployment) -> None:
    value = uuid.uuid4().hex
    with reader.changed_template(deployment, value):
        drawer = open_object(page, "deployment", "flask")
        drawer.get_by_role("tab", name="Last change").click()
        expect(drawer.get_by_role("listitem").filter(has_text=reader.MARK)).to_be_visible()
        diff = drawer.get_by_role("region", name="Difference as YAML")
        expect(diff).to_contain_text(re.compile(rf"^\+ +{reader.MARK}: '?{value}'?$", re.MULTILINE))


# Logs


def test_log_of_one_pod_goes_on_live(page: Page, deployment: Deployment) -> None:
    drawer = open_pod(page, next(iter(service_pods(deployment).values())), "Logs")
    expect(drawer.locator(".log-state").get_by_role("status").first).to_have_text("live")
    expect(drawer.locator(".log-line").first).to_be_attached()
    path = reader.request_unknown(deployment)
    expect(drawer.locator(".log-line", has_text=path).first).to_contain_text("status=404")


def test_previous_log_of_a_killed_mongod_can_be_read(visit: Visit, deployment: Deployment) -> None:
    page = visit()
    before = reader.containers(deployment, "mongodb-0")["mongod"]
    reader.restart_database(page, "crash")
    wait_until(lambda: is_restarted(deployment, "mongodb-0", "mongod", before), READY_SECONDS)
    drawer = open_pod(page, "mongodb-0", "Logs")
    previous = drawer.get_by_role("checkbox", name="Previous")
    expect(previous).to_be_enabled()
    previous.check()
    expect(page).to_have_url(re.compile("previous=true"))
    expect(drawer.locator(".log-state").get_by_role("status").first).to_have_text("ended")
    ended = reader.containers(deployment, "mongodb-0")["mongod"]["lastState"]["terminated"]
    assert ended["exitCode"] == 128 + 9
    expect(drawer.locator(".log-line").first).to_be_attached()
    newest = reader.instants(drawer.locator(".log-line time"))[-1][0]
    assert before["state"]["running"]["startedAt"] <= f"{newest}Z" <= ended["finishedAt"]


def test_merged_log_has_all_pods_in_order_of_time(page: Page, deployment: Deployment) -> None:
    dialog = open_logs(page, deployment)
    path = reader.request_unknown(deployment)
    for name in service_pods(deployment).values():
        line = dialog.locator(".log-line", has=page.locator(f'[title^="{name},"]')).filter(has_text=path)
        expect(line.first).to_be_attached()
    dialog.get_by_label("Pods").select_option("")
    expect(dialog.locator('.log-pod[title="mongodb-0, container mongod"]').first).to_be_attached()
    shown = reader.instants(dialog.locator(".log-line time"))
    assert shown == sorted(shown)


def test_lines_are_filtered_by_level_and_by_status(page: Page, deployment: Deployment) -> None:
    word = uuid.uuid4().hex
    path = reader.request_unknown(deployment)
    pod = next(iter(service_pods(deployment).values()))
    deployment.http.request("GET", f"{deployment.service}/")
    deployment.kubectl("exec", pod, "--", "sh", "-c", f"echo 'WARNING {word}' > /proc/1/fd/1")
    dialog = open_logs(page, deployment)
    lines = dialog.locator(".log-line:not([data-kind])")
    expect(lines.filter(has_text="status=200").first).to_be_attached()
    dialog.get_by_label("Status").select_option("4xx")
    expect(lines.filter(has_text=path).first).to_be_attached()
    expect(lines.filter(has_not_text=re.compile(r"status=4\d\d"))).to_have_count(0)
    dialog.get_by_label("Status").select_option("")
    dialog.get_by_label("Level").select_option("warning")
    expect(lines.filter(has_text=word)).to_have_count(1)
    expect(dialog.locator(".log-line:not([data-kind], [data-level])")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"#/logs/flask\?level=warning$"))


def test_lines_that_pass_the_filter_are_downloaded(page: Page, deployment: Deployment, tmp_path: Path) -> None:
    dialog = open_logs(page, deployment)
    path = reader.request_unknown(deployment)
    dialog.get_by_role("searchbox", name="Filter").fill(path)
    lines = dialog.locator(".log-line:not([data-kind])")
    expect(lines).to_have_count(reader.REQUESTS)
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    download.value.save_as(tmp_path / "log")
    saved = (tmp_path / "log").read_text().splitlines()
    assert len(saved) == reader.REQUESTS
    for line in saved:
        _, pod, container, text = line.split(" ", 3)
        assert pod in service_pods(deployment).values() and container == "flask"
        assert json.loads(text)["path"] == path


def test_merged_log_goes_on_after_a_container_has_restarted(page: Page, deployment: Deployment) -> None:
    name = next(iter(service_pods(deployment).values()))
    dialog = open_logs(page, deployment)
    before = reader.containers(deployment, name)["flask"]
    deployment.kubectl("exec", name, "--", "sh", "-c", "kill 1", check=False)  # which may end before it answers
    wait_until(lambda: is_restarted(deployment, name, "flask", before), READY_SECONDS)
    path = reader.request_unknown(deployment)
    own = dialog.locator(".log-line", has=page.locator(f'[title^="{name},"]'))
    expect(own.filter(has_text=path).first).to_be_attached()
    began = reader.containers(deployment, name)["flask"]["state"]["running"]["startedAt"].removesuffix("Z")
    times = reader.instants(own.locator("time"))
    assert times[0][0] < began < times[-1][0]
    texts = own.filter(has=page.locator("time")).evaluate_all(
        "(all) => all.map((one) => one.querySelector('time').dateTime + one.querySelector('.log-text').textContent)"
    )
    assert len(texts) == len(set(texts)), "no line came twice"


def test_link_to_a_line_shows_that_line_to_another_reader(page: Page, visit: Visit, deployment: Deployment) -> None:
    path = reader.request_unknown(deployment)
    dialog = open_logs(page, deployment)
    line = dialog.locator(".log-line", has_text=path).first
    line.locator("time").click()
    expect(page).to_have_url(re.compile(r"#/logs/flask\?line="))
    text = dialog.locator(".log-line[aria-current]").inner_text()
    assert path in text
    other = visit("viewer", place=f"#{urlsplit(page.url).fragment}")
    chosen = other.locator("#logs .log-line[aria-current]")
    expect(chosen).to_have_text(text, use_inner_text=True)
    expect(chosen).to_be_in_viewport()


# Act


def test_autoscaler_form_tells_what_it_would_do_and_then_does_it(page: Page, deployment: Deployment) -> None:
    expect(formula(page)).to_be_visible(timeout=SAMPLED_MS)
    with reader.same_settings(deployment) as before:
        dialog = open_autoscaler(page)
        with page.expect_response(is_dry_run) as answered:
            dialog.get_by_label("min pods").fill("3")
        tried = answered.value.json()
        expect(preview(dialog)).to_have_text(tried["changes"])
        assert tried["changes"] == ["spec.minReplicas: 2 → 3"]
        assert tried["evaluation"]["recommended"] == 3
        expect(dialog.locator(".change-preview")).to_contain_text(tried["evaluation"]["sentence"])
        assert reader.settings(deployment) == before, "a dry run changes nothing"
        dialog.get_by_label("min pods").fill("2")
        dialog.get_by_label("max pods").fill("6")
        expect(preview(dialog)).to_have_text(["spec.maxReplicas: 5 → 6"])
        confirm(dialog, "Change flask")
        assert reader.settings(deployment) == before | {"maxReplicas": 6}
        expect(page.locator("#autoscaler")).to_contain_text("max 6")


def test_target_and_window_of_the_autoscaler_are_changed(page: Page, deployment: Deployment) -> None:
    with reader.same_settings(deployment) as before:
        dialog = open_autoscaler(page)
        dialog.get_by_label("CPU target").fill("60")
        dialog.get_by_text("Behavior").click()
        dialog.get_by_label("window, s").last.fill("90")
        changes = preview(dialog)
        expect(changes.filter(has_text="averageUtilization: 70 → 60")).to_have_count(1)
        expect(changes.filter(has_text="stabilizationWindowSeconds: 60 → 90")).to_have_count(1)
        confirm(dialog, "Change flask")
        after = reader.settings(deployment)
        assert after["metrics"][0]["resource"]["target"]["averageUtilization"] == 60
        down = before["behavior"]["scaleDown"] | {"stabilizationWindowSeconds": 90}
        assert after["behavior"] == before["behavior"] | {"scaleDown": down}
        expect(panel(page)).to_contain_text("target 60 %")


def is_dry_run(response: Response) -> bool:
    return bool(response.request.method == "PATCH" and (response.request.post_data_json or {}).get("dry_run"))


def test_kubectl_line_of_a_change_does_the_same(page: Page, deployment: Deployment) -> None:
    with reader.same_settings(deployment) as before:
        dialog = open_autoscaler(page)
        dialog.get_by_label("max pods").fill("6")
        preview(dialog)
        program, *arguments = shlex.split(dialog.locator("pre").inner_text())
        assert program == "kubectl"
        deployment.kubectl(*arguments)
        assert reader.settings(deployment) == before | {"maxReplicas": 6}


def test_second_of_two_operators_is_told_what_the_first_has_changed(visit: Visit, deployment: Deployment) -> None:
    first, second = visit(), visit(allowed_errors=CONFLICT)
    with reader.same_settings(deployment) as before:
        dialogs = [open_autoscaler(page) for page in (first, second)]
        for dialog, most in zip(dialogs, ("6", "7"), strict=True):
            dialog.get_by_label("max pods").fill(most)
            preview(dialog)
        confirm(dialogs[0], "Change flask")
        late = dialogs[1]
        with second.expect_response(lambda response: response.status == 409):
            late.get_by_role("button", name="Change flask").click()
        expect(late.get_by_role("alert")).to_contain_text("maxReplicas: 5 → 6")
        assert reader.settings(deployment) == before | {"maxReplicas": 6}, "nothing is overwritten"
        assert reader.audit(second)[0]["outcome"].startswith("refused")
        late.get_by_role("button", name="Look again").click()
        expect(late).to_contain_text("maxReplicas: 6 → 7")  # what was typed stays


def test_restart_shows_its_progress_until_all_pods_are_new(page: Page, deployment: Deployment) -> None:
    before, template = service_pods(deployment), reader.template(deployment)
    dialog = open_change(page, "Restart service", "Restart flask?")
    expect(preview(dialog)).to_have_text([re.compile("restartedAt")])
    assert reader.template(deployment) == template, "a dry run changes nothing"
    confirm(dialog, "Restart flask")
    expect(rollout(page)).to_have_attribute("data-rollout", "progressing")
    expect(rollout(page).get_by_role("progressbar")).to_be_visible()
    expect(rollout(page)).to_have_attribute("data-rollout", "complete", timeout=READY_MS)
    expect(rollout(page).get_by_role("progressbar")).to_have_count(0)
    assert not before.keys() & service_pods(deployment).keys()


def test_roll_out_is_paused_and_resumed(page: Page, deployment: Deployment) -> None:
    deployment.kubectl("rollout", "restart", "deployment/flask")
    confirm(open_change(page, "Pause roll-out", "Pause the roll-out of flask?"), "Pause flask")
    expect(rollout(page)).to_have_attribute("data-rollout", "paused")
    assert deployment.get("deployment", "flask")["spec"]["paused"]
    expect(panel(page).get_by_role("button", name="Restart service")).to_have_count(0)
    confirm(open_change(page, "Resume roll-out", "Resume the roll-out of flask?"), "Resume flask")
    expect(rollout(page)).to_have_attribute("data-rollout", "complete", timeout=READY_MS)
    assert not deployment.get("deployment", "flask")["spec"].get("paused")


def test_roll_out_is_undone(page: Page, deployment: Deployment) -> None:
    former = deployment.state()["deployment"]["rollout"]["revision"]
    with reader.changed_template(deployment, uuid.uuid4().hex) as template:
        expect(rollout(page)).to_have_attribute("data-rollout", "progressing")
        dialog = open_change(page, "Undo", "Undo the roll-out of flask?")
        expect(dialog.get_by_role("combobox")).to_have_value(former)
        confirm(dialog, "Undo flask")
        assert reader.template(deployment) == template
    expect(rollout(page)).to_have_attribute("data-rollout", "complete", timeout=READY_MS)


def test_pod_of_the_service_is_deleted_and_replaced(visit: Visit, deployment: Deployment) -> None:
    page = visit(allowed_errors=GONE)  # the drawer asks for the pod that is gone
    before = service_pods(deployment)
    uid, name = next(iter(before.items()))
    open_pod(page, name).get_by_role("button", name="Delete pod").click()
    dialog = page.get_by_role("dialog", name=f"Delete {name}?")
    expect(dialog).to_contain_text(uid)
    preview(dialog)
    assert uid in service_pods(deployment), "a dry run changes nothing"
    confirm(dialog, f"Delete {name}")
    expect(page.locator(f'[data-pod="{name}"]')).to_have_count(0, timeout=READY_MS)
    (successor,) = service_pods(deployment).keys() - before.keys()
    tile = page.locator(f'[data-pod="{service_pods(deployment)[successor]}"]')
    expect(tile).to_have_attribute("data-phase", "Running", timeout=READY_MS)


def test_database_is_restarted_on_the_same_volume(page: Page, deployment: Deployment) -> None:
    before = deployment.get("pod", "mongodb-0")["metadata"]["uid"]
    volume = deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"]
    id_ = reader.post(deployment, {"kept": True})
    reader.restart_database(page, "graceful")
    expect(panel(page).get_by_role("listitem", name="Restart MongoDB").get_by_role("status")).to_contain_text(before)
    wait_until(lambda: is_replaced(deployment.state(), before), READY_SECONDS)
    assert deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"] == volume
    expect(page.locator('[data-pod="mongodb-0"]')).to_have_attribute("data-phase", "Running")
    assert reader.stored(deployment, id_) == {"kept": True}


def is_replaced(state: Json, uid: str) -> bool:
    return any(pod["name"] == "mongodb-0" and pod["uid"] != uid and pod["ready"] for pod in state["pods"])


# Documents, load and proofs


def test_documents_are_filtered_and_paged(page: Page, deployment: Deployment) -> None:
    shelf = uuid.uuid4().hex
    ids = [reader.post(deployment, {"shelf": shelf, "n": number}) for number in range(24)]
    search = page.get_by_role("searchbox", name="Filter, a JSON object")
    search.fill(json.dumps({"shelf": shelf, "n": {"$gte": 2}}))
    search.press("Enter")
    rows = page.locator(".documents [data-document]")
    expect(rows.first).to_have_attribute("data-document", ids[-1])
    shown = rows.evaluate_all("(all) => all.map(({dataset}) => dataset.document)")
    page.get_by_role("button", name="Older").click()
    expect(rows.first).not_to_have_attribute("data-document", ids[-1])
    shown += rows.evaluate_all("(all) => all.map(({dataset}) => dataset.document)")
    assert shown == ids[:1:-1]


def test_document_is_inserted_edited_and_deleted(visit: Visit, deployment: Deployment) -> None:
    page = visit()
    page.get_by_role("button", name="Insert a document").click()
    form = page.get_by_role("dialog", name="Insert a document")
    form.get_by_role("textbox").fill('{"n": 1}')
    form.get_by_role("button", name="Insert", exact=True).click()
    expect(form).to_have_count(0)
    id_ = str(page.locator("[data-stored]").get_attribute("data-stored"))
    assert reader.stored(deployment, id_) == {"n": 1}
    page.locator(f'[data-document="{id_}"]').get_by_role("button").click()
    dialog = open_document(page, id_, "Edit")
    expect(dialog.locator("pre")).to_contain_text(re.compile('If-Match: "[0-9a-f]{32}"'))
    dialog.get_by_role("textbox").fill('{"n": 2}')
    dialog.get_by_role("button", name="Replace").click()
    expect(dialog).to_have_count(0)
    assert reader.stored(deployment, id_) == {"n": 2}
    open_document(page, id_, "Delete").get_by_role("button", name="Delete").click()
    expect(page.locator(f'[data-document="{id_}"]')).to_have_count(0)
    assert reader.stored(deployment, id_) == {}


def test_of_two_operators_who_edit_a_document_the_second_is_told(visit: Visit, deployment: Deployment) -> None:
    id_ = reader.post(deployment, {"a": 1, "b": 2})
    pages = [visit(), visit(allowed_errors=STALE)]
    for page in pages:
        page.locator(f'[data-document="{id_}"]').get_by_role("button").click()
    dialogs = [open_document(page, id_, "Edit") for page in pages]
    for dialog, text in zip(dialogs, ('{"a": 10, "b": 2}', '{"a": 1, "b": 20}'), strict=True):
        dialog.get_by_role("textbox").fill(text)
    dialogs[0].get_by_role("button", name="Replace").click()
    expect(dialogs[0]).to_have_count(0)
    late = dialogs[1]
    with pages[1].expect_response(lambda response: response.status == 412):
        late.get_by_role("button", name="Replace").click()
    expect(late.locator("del")).to_contain_text('"a": 1')
    expect(late.locator("ins")).to_contain_text('"a": 10')
    expect(late.get_by_role("textbox")).to_have_value('{"a": 1, "b": 20}')
    assert reader.stored(deployment, id_) == {"a": 10, "b": 2}, "nothing is overwritten"


def open_document(page: Page, id_: str, button: str) -> Locator:
    page.locator(f"#document-{id_}").get_by_role("button", name=button).click()
    dialog = page.locator("#document-change")
    expect(dialog.locator("pre").first).to_be_visible()
    return dialog


def test_load_is_sent_at_its_rate_until_it_is_stopped(visit: Visit, deployment: Deployment) -> None:
    page = visit(allowed_errors=TOO_BUSY)
    panel(page).get_by_label("requests a second").fill(str(RATE))
    panel(page).get_by_label("for seconds").fill("120")
    wait_until(lambda: is_load_started(page), READY_SECONDS)
    figures = panel(page).locator(".load-figures")
    for name in ("offered", "achieved"):
        expect(figures.locator("div", has_text=name).locator("dd")).to_have_text(re.compile(rf"^{RATE} +/s"))
    wait_until(lambda: deployment.state()["traffic"]["requests_per_second"] >= RATE, READY_SECONDS)
    panel(page).get_by_role("button", name="Stop").click()
    expect(panel(page).get_by_role("button", name="Start load")).to_be_enabled()
    assert not deployment.state()["load"]["active"]


def is_load_started(page: Page) -> bool:
    """Press the button. Return whether the load is accepted: a busy machine fails the generator's test of itself."""
    with page.expect_response("**/api/load") as answered:
        panel(page).get_by_role("button", name="Start load").click()
    return answered.value.status == 202


def test_end_of_a_run_is_in_the_title_and_a_notification(visit: Visit, deployment: Deployment) -> None:
    page = visit(script=BACKGROUND, permissions=["notifications"])
    page.keyboard.press("?")
    page.get_by_role("checkbox", name="Notify me").check()
    page.keyboard.press("Escape")
    run = start_run(page)
    page.evaluate("leave(true)")
    expect(page).to_have_title(text_of("PASS: persistence"), timeout=RUN_MS)
    page.wait_for_function("() => notifications.length > 0")
    assert page.evaluate(NOTIFIED) == [["PASS: persistence", run]]
    page.evaluate("notifications[0].onclick()")
    expect(page).to_have_url(re.compile(f"#/runs/{run}$"))
    expect(card(page)).to_be_focused()
    page.evaluate("leave(false)")
    expect(page).not_to_have_title(text_of("PASS"))


def test_evidence_of_a_run_gives_the_same_verdict_offline(page: Page, deployment: Deployment, tmp_path: Path) -> None:
    link = card(page).get_by_role("link", name="Evidence")
    expect(card(page)).not_to_have_attribute("data-verdict", "running")
    if not link.count():  # no other test has made a run
        start_run(page)
        expect(card(page)).to_have_attribute("data-verdict", "pass", timeout=RUN_MS)
    with page.expect_download() as download:
        link.click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    checked = subprocess.run(
        [sys.executable, "-m", "dashboard.check", "--json", str(file)], cwd=CHECKOUT, capture_output=True, text=True
    )
    found = json.loads(checked.stdout)
    assert (checked.returncode, found["result"]) == (0, "same"), checked.stdout + checked.stderr
    newest = next(run for run in deployment.state()["runs"] if run["demo"] == "persistence")
    assert (found["run"], found["sha256"]) == (newest["id"], newest["evidence_file"]["sha256"])


# What is kept, and how it is found


def test_action_is_audited_and_is_a_kubernetes_event(page: Page, deployment: Deployment) -> None:
    events = reader.action_events(deployment, "HorizontalPodAutoscaler")
    most = 6
    with reader.same_settings(deployment):
        dialog = open_autoscaler(page)
        dialog.get_by_label("max pods").fill(str(most))
        confirm(dialog, "Change flask")
    line = reader.audit(page)[0]
    assert (line["action"], line["outcome"]) == (f"change the autoscaler flask: max {most}", "done")
    assert line["object"] == {"kind": "HorizontalPodAutoscaler", "name": "flask", "uid": line["object"]["uid"]}
    assert re.search(r"operator \(session \w+", line["by"])
    wait_until(lambda: len(reader.action_events(deployment, "HorizontalPodAutoscaler")) > len(events), READY_SECONDS)
    timeline = page.locator("#timeline")
    timeline.get_by_role("button", name="Actions").click()
    expect(timeline.locator('[data-entry][data-kind="action"]').first).to_contain_text(line["action"])
    drawer = open_object(page, "horizontalpodautoscaler", "flask")
    drawer.get_by_role("tab", name="Events").click()
    expect(drawer.get_by_role("listitem").filter(has_text="DashboardAction").first).to_contain_text(line["action"])


def test_address_has_the_pod_and_its_tab_and_back_and_forward_follow(page: Page, visit: Visit) -> None:
    events = page.get_by_role("tab", name="Events")
    open_pod(page, "mongodb-0", "Events")
    expect(page).to_have_url(re.compile(r"#/pods/mongodb-0/[0-9a-f-]{36}/events$"))
    address = page.url
    page.go_back()
    expect(events).to_have_attribute("aria-selected", "false")
    page.go_back()
    expect(page.locator("#drawer")).not_to_be_visible()
    page.go_forward()
    page.go_forward()
    expect(events).to_have_attribute("aria-selected", "true")
    other = visit("viewer", place=f"#{urlsplit(address).fragment}")
    expect(other.get_by_role("heading", name="mongodb-0", level=2)).to_be_visible()
    expect(other.get_by_role("tab", name="Events")).to_have_attribute("aria-selected", "true")


def test_address_has_the_filter_of_the_documents_and_the_range_of_the_charts(
    page: Page, visit: Visit, deployment: Deployment
) -> None:
    shelf = uuid.uuid4().hex
    id_ = reader.post(deployment, {"shelf": shelf})
    search = page.get_by_role("searchbox", name="Filter, a JSON object")
    search.fill(json.dumps({"shelf": shelf}))
    search.press("Enter")
    expect(page).to_have_url(re.compile(r"#/documents\?filter="))
    other = visit("viewer", place=f"#{urlsplit(page.url).fragment}")
    rows = other.locator(".documents [data-document]")
    expect(rows).to_have_count(1)
    expect(rows).to_have_attribute("data-document", id_)
    page.locator("#charts").get_by_role("group", name="Range").get_by_role("button", name="1 h").click()
    expect(page).to_have_url(re.compile(r"#/metrics\?range=3600$"))
    other = visit("viewer", place="#/metrics?range=3600")
    chosen = other.locator("#charts").get_by_role("group", name="Range").locator('[aria-pressed="true"]')
    expect(chosen).to_have_text("1 h")


def test_slash_finds_a_pod_without_a_mouse(page: Page, deployment: Deployment) -> None:
    name = next(iter(service_pods(deployment).values()))
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Find on this page")).to_be_focused()
    page.keyboard.type(f"pod {name}")
    expect(page.get_by_role("option").first).to_contain_text(name)
    page.keyboard.press("Enter")
    expect(page.locator("#drawer").get_by_role("heading", name=name, level=2)).to_be_visible()


def test_single_keys_open_the_logs_and_the_settings(page: Page, deployment: Deployment) -> None:
    page.keyboard.press("l")
    expect(page.locator("#logs .log-line").first).to_be_attached()
    page.keyboard.press("Escape")
    expect(page.locator("#logs")).not_to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Settings")).to_be_visible()


def test_tab_reaches_every_control(visit: Visit) -> None:
    page = visit(reduced_motion="reduce")
    assert keyboard.unreached(page) == []


@pytest.mark.parametrize("width", [360, 1440])
def test_page_is_accessible(visit: Visit, width: int) -> None:
    page = visit(viewport={"width": width, "height": 900}, bypass_csp=True, reduced_motion="reduce")
    assert axe.violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [360, 1440])
def test_dialogs_are_accessible(visit: Visit, deployment: Deployment, width: int) -> None:
    page = visit(viewport={"width": width, "height": 900}, bypass_csp=True, reduced_motion="reduce")
    for button, title in (
        ("Restart service", "Restart flask?"),
        ("Change autoscaler", "Change the autoscaler flask"),
        ("Restart MongoDB", "Restart mongodb-0?"),
    ):
        open_change(page, button, title)
        leave(page, "dialog[open]", width)
    pod = next(iter(service_pods(deployment).values()))
    for tab in ("Overview", "Events", "Logs", "YAML"):
        open_pod(page, pod, tab)
        leave(page, "#drawer", width)
    open_object(page, "horizontalpodautoscaler", "flask")
    leave(page, "#object", width)
    open_logs(page, deployment)
    leave(page, "#logs", width)
    page.get_by_role("button", name="Insert a document").click()
    leave(page, "dialog[open]", width)
    for key in ("?", "/"):
        page.keyboard.press(key)
        leave(page, "dialog[open]", width)


def leave(page: Page, dialog: str, width: int) -> None:
    """Expect the open dialog to be accessible and on the page, and close it."""
    expect(page.locator(dialog)).to_be_visible()
    expect(page.locator(dialog).locator(".loading")).to_have_count(0)
    assert axe.violations(page, dialog) == []
    box = page.locator(dialog).bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= width
    page.keyboard.press("Escape")
    expect(page.locator(dialog)).not_to_be_visible()


def test_viewer_sees_everything_and_no_button_that_acts(visit: Visit, deployment: Deployment) -> None:
    page = visit("viewer")
    expect(rollout(page)).to_be_visible()
    expect(page.locator("[data-demo]")).to_have_count(4)
    for part in ("#actions", "#demos"):
        expect(page.locator(part).get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("button", name="Insert a document")).to_have_count(0)
    drawer = open_pod(page, next(iter(service_pods(deployment).values())))
    expect(drawer.locator(".drawer-conditions")).to_be_visible()
    expect(drawer.get_by_role("button", name="Delete pod")).to_have_count(0)
    expect(page.locator("[data-operator]")).to_have_count(0)
