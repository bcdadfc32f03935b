"""Changes of the deployment from the page: the roll-out, the autoscaler, a pod."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.page import axe
from tests.page.conftest import Visit
from tests.page.mock import MockProcess
from tests.page.operations import open_change, panel, rollout

pytestmark = pytest.mark.browser

REFUSED = "status of 4"  # the browser logs each refused request
ROLLED_MS = 120_000  # until the mock has replaced its pods


@pytest.fixture
def slow() -> Iterator[MockProcess]:
    """A mock with so many pods that a roll-out takes half a minute."""
    started = MockProcess(MOCK_QUIET="1", MOCK_PODS="6")
    yield started
    started.stop()


@pytest.fixture
def limited(request: pytest.FixtureRequest) -> Iterator[MockProcess]:
    """A mock with only these actions, such as "rollout,pods"."""
    started = MockProcess(MOCK_QUIET="1", MOCK_ACTIONS=request.param)
    yield started
    started.stop()


def settings(mock: MockProcess) -> Any:
    return mock.request("GET", "/api/autoscaler")["settings"]


def is_serving(pod: Any) -> bool:
    return bool(pod["app"] == "flask" and pod["phase"] == "Running")


def pods(mock: MockProcess) -> set[str]:
    """Return the uids of the service's pods, without those that are ending."""
    return {pod["uid"] for pod in mock.request("GET", "/api/state")["pods"] if is_serving(pod)}


def test_restart_shows_its_dry_run_and_its_progress_and_is_undone(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own)
    before = pods(own)
    expect(rollout(page)).to_contain_text("revision 1")
    expect(rollout(page).get_by_role("button")).to_have_text(["Restart service…"])  # and no "Undo…"
    dialog = open_change(page, "Restart service", "Restart flask?")
    expect(dialog).to_contain_text("It would change")
    expect(dialog).to_contain_text("restartedAt")
    expect(dialog).to_contain_text("uid-flask")
    expect(dialog.locator("pre")).to_have_text("kubectl -n flask-mongodb rollout restart deployment/flask")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    assert pods(own) == before
    dialog.get_by_role("button", name="Restart flask").dblclick()
    expect(dialog).to_have_count(0)
    expect(rollout(page)).to_have_attribute("data-rollout", "progressing")
    expect(rollout(page).get_by_role("progressbar")).to_be_visible()
    expect(rollout(page)).to_have_attribute("data-rollout", "complete", timeout=ROLLED_MS)
    assert not before & pods(own)
    dialog = open_change(page, "Undo", "Undo the roll-out of flask?")
    expect(dialog.get_by_role("combobox")).to_contain_text("revision 1")
    dialog.get_by_role("button", name="Undo flask").click()
    expect(rollout(page)).to_contain_text("revision 3")
    actions = [line["action"] for line in own.request("GET", "/api/audit")]
    assert actions == ["undo the roll-out of flask to revision 1", "restart the service flask"]


def test_late_answer_changes_no_other_dialog(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own, allowed_errors="ERR_FAILED")
    late: list[Route] = []
    page.route("**/api/autoscaler", lambda route: late.append(route), times=1)
    dialog = open_change(page, "Change autoscaler", "Change the autoscaler flask")
    dialog.get_by_role("button", name="Cancel").click()
    dialog = open_change(page, "Restart service", "Restart flask?")
    expect(dialog).to_contain_text("uid-flask")
    expect(dialog).to_contain_text("It would change")
    late[0].continue_()
    page.wait_for_timeout(500)
    expect(dialog).to_contain_text("Deployment")
    expect(dialog).to_contain_text("It would change")
    dialog.get_by_role("button", name="Cancel").click()
    # The same change again: its first reading fails late.
    page.route("**/api/deployment", lambda route: late.append(route), times=1)
    open_change(page, "Restart service", "Restart flask?").get_by_role("button", name="Cancel").click()
    dialog = open_change(page, "Restart service", "Restart flask?")
    expect(dialog).to_contain_text("It would change")
    late[1].abort()
    page.wait_for_timeout(500)
    expect(dialog.locator("[role=alert]")).to_have_text("")
    expect(dialog).to_contain_text("It would change")


def test_accepted_change_closes_no_other_dialog(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own)
    late: list[Route] = []

    def hold(route: Route) -> None:
        if (route.request.post_data_json or {}).get("dry_run"):
            route.continue_()
        else:
            late.append(route)

    page.route("**/api/deployment/restart", hold)
    dialog = open_change(page, "Restart service", "Restart flask?")
    dialog.get_by_role("button", name="Restart flask").click()
    dialog.get_by_role("button", name="Cancel").click()
    dialog = open_change(page, "Change autoscaler", "Change the autoscaler flask")
    late[0].continue_()
    page.wait_for_timeout(500)
    expect(dialog).to_be_visible()


def test_roll_out_is_paused_and_resumed(slow: MockProcess, visit: Visit) -> None:
    page = visit(at=slow)
    open_change(page, "Restart service", "Restart flask?").get_by_role("button", name="Restart flask").click()
    expect(rollout(page)).to_have_attribute("data-rollout", "progressing")
    dialog = open_change(page, "Pause roll-out", "Pause the roll-out of flask?")
    expect(dialog).to_contain_text("spec.paused")
    dialog.get_by_role("button", name="Pause flask").click()
    expect(rollout(page)).to_have_attribute("data-rollout", "paused")
    expect(panel(page).get_by_role("button", name="Restart service")).to_have_count(0)
    open_change(page, "Resume roll-out", "Resume the roll-out").get_by_role("button", name="Resume flask").click()
    expect(rollout(page)).to_have_attribute("data-rollout", "complete", timeout=ROLLED_MS)


def test_autoscaler_dialog_has_the_arithmetic_and_changes_only_what_was_changed(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own)
    dialog = open_change(page, "Change autoscaler", "Change the autoscaler flask")
    confirm = dialog.get_by_role("button", name="Change flask")
    expect(confirm).to_be_disabled()
    before = settings(own)
    dialog.get_by_label("min pods").fill("3")
    expect(dialog).to_contain_text("minReplicas: 2 → 3")
    expect(dialog).to_contain_text("whatever CPU is, it asks for 3")
    dialog.get_by_label("CPU target").fill("50")
    expect(dialog).to_contain_text("averageUtilization: 70 → 50")
    dialog.get_by_text("Behavior").click()
    dialog.get_by_label("window, s").last.fill("120")
    expect(dialog).to_contain_text("stabilizationWindowSeconds: 60 → 120")
    assert settings(own) == before
    confirm.click()
    expect(dialog).to_have_count(0)
    after = settings(own)
    assert (after["min"], after["max"], after["target"]) == (3, 5, 50)
    assert after["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 120
    assert after["behavior"]["scaleUp"] == before["behavior"]["scaleUp"]
    expect(panel(page)).to_contain_text("min 3, max 5, target 50 %")


def test_settings_that_contradict_each_other_are_refused_with_the_reason(mock: MockProcess, visit: Visit) -> None:
    page = visit(at=mock, allowed_errors=REFUSED)
    dialog = open_change(page, "Change autoscaler", "Change the autoscaler flask")
    dialog.get_by_label("min pods").fill("9")
    expect(dialog.get_by_role("alert")).to_contain_text("min must not exceed max")
    expect(dialog.get_by_role("button", name="Change flask")).to_be_disabled()


def test_second_of_two_operators_is_told_what_changed_and_looks_again(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own, allowed_errors=REFUSED)
    dialog = open_change(page, "Change autoscaler", "Change the autoscaler flask")
    dialog.get_by_label("max pods").fill("6")
    confirm = dialog.get_by_role("button", name="Change flask")
    expect(confirm).to_be_enabled()
    seen = own.request("GET", "/api/autoscaler")["resource_version"]
    own.request("PATCH", "/api/autoscaler", {"max": 8, "resource_version": seen})
    confirm.click()
    expect(dialog.get_by_role("alert")).to_contain_text("maxReplicas: 5 → 8")
    expect(confirm).to_be_disabled()
    assert settings(own)["max"] == 8, "nothing is overwritten"
    dialog.get_by_role("button", name="Look again").click()
    expect(dialog).to_contain_text("maxReplicas: 8 → 6")
    expect(dialog.get_by_label("max pods")).to_have_value("6")  # what was typed stays
    dialog.get_by_label("max pods").fill("7")
    expect(dialog).to_contain_text("maxReplicas: 8 → 7")
    confirm.click()
    expect(dialog).to_have_count(0)
    assert settings(own)["max"] == 7


def test_service_pod_is_deleted_from_its_drawer(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own, allowed_errors="status of 404")  # of the pod that is gone
    pod = next(pod for pod in own.request("GET", "/api/state")["pods"] if pod["app"] == "flask")
    page.locator(f'[data-pod="{pod["name"]}"]').get_by_role("button").click()
    page.get_by_role("button", name="Delete pod").click()
    dialog = page.get_by_role("dialog", name=f"Delete {pod['name']}?")
    expect(dialog).to_contain_text(pod["uid"])
    expect(dialog.locator("pre")).to_have_text(f"kubectl -n flask-mongodb delete pod {pod['name']}")
    assert pod["uid"] in pods(own)
    dialog.get_by_role("button", name=f"Delete {pod['name']}").click()
    expect(dialog).to_have_count(0)
    # Terminating, or gone already.
    expect(page.locator(f'[data-pod="{pod["name"]}"]:not([data-phase="Terminating"])')).to_have_count(0)
    expect(page.get_by_role("button", name="Delete pod…", exact=True)).to_have_count(0)
    (line,) = own.request("GET", "/api/audit")
    assert (line["action"], line["object"]["uid"]) == (f"delete pod {pod['name']}", pod["uid"])


def test_pods_that_are_not_the_services_have_no_delete_button(mock: MockProcess, visit: Visit) -> None:
    page = visit(at=mock)
    page.locator('[data-pod="mongodb-0"]').get_by_role("button").click()
    expect(page.get_by_role("tab", name="Overview")).to_be_visible()
    expect(page.get_by_role("button", name="Delete pod")).to_have_count(0)


def test_changes_are_refused_with_a_reason_during_a_run(own: MockProcess, visit: Visit) -> None:
    page = visit(at=own)
    dialog = open_change(page, "Restart service", "Restart flask?")
    expect(dialog.get_by_role("button", name="Restart flask")).to_be_enabled()
    run = own.request("POST", "/api/runs", {"demo": "persistence"})["id"]
    expect(dialog.get_by_role("alert")).to_contain_text("One run at a time")
    expect(dialog.get_by_role("button", name="Restart flask")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    button = panel(page).get_by_role("button", name="Restart service")
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description(re.compile("One run at a time"))
    own.request("DELETE", f"/api/runs/{run}")


@pytest.mark.parametrize(
    ("limited", "shown"),
    [
        ("rollout,autoscaler,pods", {"Restart service", "Change autoscaler", "Delete pod"}),
        ("autoscaler,pods", {"Change autoscaler", "Delete pod"}),
        ("rollout,pods", {"Restart service", "Delete pod"}),
        ("rollout,autoscaler", {"Restart service", "Change autoscaler"}),
        ("", set()),
    ],
    indirect=["limited"],
)
def test_an_action_that_is_left_out_has_no_button(visit: Visit, limited: MockProcess, shown: set[str]) -> None:
    page = visit(at=limited)
    expect(rollout(page)).to_contain_text("revision 1")  # what has its button beside it is there
    expect(page.locator("[data-autoscaler]")).to_be_visible()
    for name in ("Restart service", "Change autoscaler"):
        expect(panel(page).get_by_role("button", name=name)).to_have_count(int(name in shown))
    page.locator("[data-pod^=flask]").first.get_by_role("button").click()
    expect(page.get_by_role("tab", name="Overview")).to_be_visible()
    expect(page.get_by_role("button", name="Delete pod")).to_have_count(int("Delete pod" in shown))


def test_viewer_sees_the_roll_out_and_no_buttons(mock: MockProcess, visit: Visit) -> None:
    page = visit(at=mock, role="viewer")
    expect(rollout(page)).to_contain_text("revision")
    expect(panel(page).get_by_role("button")).to_have_count(0)
    page.locator("[data-pod^=flask]").first.get_by_role("button").click()
    expect(page.get_by_role("tab", name="Overview")).to_be_visible()
    expect(page.get_by_role("button", name="Delete pod")).to_have_count(0)


def test_dialog_that_cannot_be_loaded_says_so(mock: MockProcess, visit: Visit) -> None:
    page = visit(at=mock, allowed_errors="dialog|ERR_FAILED|TypeError")
    page.route("**/change/dialog.js", lambda route: route.abort())
    panel(page).get_by_role("button", name="Restart service").click()
    expect(panel(page).get_by_text("The dialog can't be loaded")).to_be_visible()


def test_dialogs_modules_are_loaded_only_when_it_opens(mock: MockProcess, visit: Visit) -> None:
    page = visit(at=mock)
    loaded = "() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/change/')).length"
    assert page.evaluate(loaded) == 0
    open_change(page, "Restart service", "Restart flask?")
    assert page.evaluate(loaded) >= 3


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_dialogs_are_accessible_and_fit_a_phone(mock: MockProcess, visit: Visit, scheme: str) -> None:
    page = visit(at=mock, color_scheme=scheme, width=360, bypass_csp=True, reduced_motion="reduce")
    for button, title in (("Restart service", "Restart flask?"), ("Change autoscaler", "Change the autoscaler flask")):
        dialog = open_change(page, button, title)
        if "autoscaler" in title:
            dialog.get_by_label("max pods").fill("6")
            dialog.get_by_text("Behavior").click()
        expect(dialog).to_contain_text("It would change")
        assert axe.violations(page, "#change") == []
        box = dialog.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 360
        assert dialog.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")
        page.keyboard.press("Escape")
        expect(panel(page).get_by_role("button", name=button)).to_be_focused()
