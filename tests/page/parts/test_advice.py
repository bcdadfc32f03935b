"""What the autoscaler would do, its metrics and findings, and requests and limits that fit, on the page."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page import axe
from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

TITLES = ("What if…", "Requests and limits that fit")


@pytest.fixture(scope="module")
def settings() -> Iterator[dict[str, MockProcess]]:
    """Mocks by their autoscaler's settings, each started when it is first needed."""
    started: dict[str, MockProcess] = {}
    yield started
    for mock in started.values():
        mock.stop()


def mock_of(settings: dict[str, MockProcess], name: str) -> MockProcess:
    if name not in settings:
        settings[name] = MockProcess(MOCK_QUIET="1", MOCK_AUTOSCALER=name)
    return settings[name]


def panel(page: Page) -> Locator:
    return page.locator("#autoscaler")


def open_part(page: Page, title: str) -> Locator:
    part = panel(page).locator("details", has=page.get_by_text(title, exact=True))
    part.locator("summary").click()
    return part


def test_what_if_answers_as_it_is_typed(visit: Visit) -> None:
    page = visit(role="viewer")
    part = open_part(page, "What if…")
    answer = part.get_by_role("status")
    expect(answer).to_contain_text("of a 70 % target")
    part.get_by_label("CPU, %").fill("120")
    part.get_by_label("pods").fill("3")
    expect(answer).to_contain_text("ceil(3 × 120 / 70) = 6 → max 5")  # noqa: RUF001
    part.get_by_label("max").fill("8")
    expect(answer).to_contain_text("From 3 pods: 6 at the next sync. The same work is then about 60 % of 6 pods.")
    part.get_by_label("target, %").fill("50")
    expect(answer).to_contain_text("ceil(3 × 120 / 50) = 8")  # noqa: RUF001
    part.get_by_label("min").fill("8")
    expect(answer.get_by_role("list", name="Findings")).to_contain_text("min and max are both 8")


def test_answer_of_a_later_question_stands(visit: Visit) -> None:
    page = visit()
    part = open_part(page, "What if…")
    cpu = part.get_by_label("CPU, %")
    for percent in range(100, 131):
        cpu.fill(str(percent))
    expect(part.get_by_role("status")).to_contain_text("at 130 % of")
    page.wait_for_timeout(500)
    expect(part.get_by_role("status")).to_contain_text("at 130 % of")


@pytest.mark.parametrize(
    ("label", "value", "problem"), [("pods", "0", "pods"), ("CPU, %", "", "CPU"), ("max", "1e9", "max")]
)
def test_wrong_figure_shows_the_reason_and_no_answer(visit: Visit, label: str, value: str, problem: str) -> None:
    page = visit()
    part = open_part(page, "What if…")
    expect(part.get_by_role("status")).to_contain_text("target")
    part.get_by_label(label).fill(value)
    expect(part.get_by_role("alert")).to_contain_text(problem)
    expect(part.get_by_role("status")).to_be_empty()
    part.get_by_role("button", name="As it is now").click()
    expect(part.locator("[role=alert]")).to_be_empty()  # not shown, so without a role
    expect(part.get_by_role("status")).to_contain_text("target")


def test_refusal_of_the_server_is_shown(visit: Visit) -> None:
    page = visit(allowed_errors="status of 400")
    part = open_part(page, "What if…")
    part.get_by_label("min").fill("9")
    expect(part.get_by_role("alert")).to_contain_text("min must not exceed max")


def test_parts_load_when_they_are_opened(visit: Visit) -> None:
    page = visit()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[-1]))
    loaded = "() => performance.getEntriesByType('resource').map((one) => one.name.split('/').at(-1))"
    assert not {"whatIf.js", "sizing.js"} & set(page.evaluate(loaded))
    open_part(page, "What if…")
    expect(panel(page).get_by_role("form", name="What if")).to_be_visible()
    assert "whatIf.js" in asked and "sizing.js" not in asked


def test_part_that_does_not_load_says_so(visit: Visit) -> None:
    page = visit(allowed_errors="ERR_FAILED|Failed to fetch")
    page.route("**/sizing.js", lambda route: route.abort(), times=1)
    part = open_part(page, "Requests and limits that fit")
    expect(part.get_by_role("alert")).to_contain_text("did not load")


def test_recommendations_have_amounts_reasons_and_a_command(visit: Visit) -> None:
    page = visit()
    part = open_part(page, "Requests and limits that fit")
    table = part.get_by_role("table", name="flask of flask")
    expect(table.get_by_role("row", name="CPU")).to_contain_text("100m")
    expect(part).to_contain_text(re.compile(r"90\s% of \d+ samples of \d+\spods? in \d+\smin are at or under"))
    expect(part.locator("pre").first).to_have_text(
        re.compile(
            r"kubectl -n flask-mongodb set resources deployment/flask -c flask --requests=cpu=\d+m,memory=\d+Mi "
        )
    )


def test_container_with_little_history_has_no_recommendation(visit: Visit) -> None:
    page = visit()
    part = open_part(page, "Requests and limits that fit")
    expect(part).to_contain_text("crash of mongodb")
    expect(part).to_contain_text("There is no sample of it in the last hour.")


def test_single_cpu_metric_has_no_list(visit: Visit) -> None:
    page = visit()
    expect(panel(page).get_by_role("list", name="Metrics")).to_have_count(0)
    expect(panel(page).get_by_role("list", name="Findings")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("several", ["The largest proposal counts: memory asks for 2 pods.", "target 30 a pod", "controller"]),
        ("missing", ["queue: no figure.", "no proposal", "so none goes"]),
        ("memory", ["It has no target for CPU", "target 40 % of the requests"]),
        ("average", ["CPU target 70 m"]),
        ("container", ["CPU target 70 %"]),
        ("broken", ["a pod's limit is 400 % of its request", "disables scaleUp", "applied with replicas: 3"]),
    ],
)
def test_other_settings_are_shown(settings: dict[str, MockProcess], visit: Visit, name: str, shown: list[str]) -> None:
    page = visit(at=mock_of(settings, name))
    for text in shown:
        expect(panel(page)).to_contain_text(text)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_parts_are_accessible_and_narrow(settings: dict[str, MockProcess], visit: Visit, scheme: str) -> None:
    page = visit(at=mock_of(settings, "broken"), color_scheme=scheme, width=360, bypass_csp=True)
    for title in TITLES:
        open_part(page, title)
    expect(panel(page).locator(".size").first).to_be_visible()
    expect(panel(page).get_by_role("status").first).not_to_be_empty()
    assert axe.violations(page, "#autoscaler") == []
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_parts_work_by_keyboard(visit: Visit) -> None:
    page = visit()
    panel(page).get_by_text("What if…", exact=True).focus()
    page.keyboard.press("Enter")
    field = panel(page).get_by_label("CPU, %")
    expect(field).to_be_visible()
    page.keyboard.press("Tab")
    expect(field).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(panel(page).get_by_role("status")).to_contain_text("target")
