"""The logs of several pods together."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import wait_until_idle
from tests.page.axe import violations
from tests.page.conftest import Visit
from tests.page.parts.test_drawer import ANSWER

pytestmark = pytest.mark.browser


def open_logs(page: Page) -> Locator:
    page.get_by_role("button", name="Logs", exact=True).click()
    dialog = page.locator("#logs")
    expect(dialog.locator(".log-line").first).to_be_attached()
    return dialog


def pods_of(dialog: Locator) -> set[str]:
    return set(dialog.locator(".log-pod").evaluate_all("(all) => all.map(({title}) => title.split(',')[0])"))


def text_of(*records: dict[str, object]) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in records)


def answer(page: Page, *records: dict[str, object]) -> None:
    """Answer the requests for logs with these records, and then stay open."""
    page.evaluate(ANSWER, text_of(*records))


def source(number: int) -> dict[str, object]:
    return {
        "source": number,
        "uid": f"u{number}",
        "pod": f"flask-7c-{number}aaaa",
        "app": "flask",
        "container": "flask",
    }


def line(number: int, at: str, text: str) -> dict[str, object]:
    return {"source": number, "at": f"2026-01-01T00:00:{at}Z", "text": text}


def test_all_pods_of_the_service_are_shown_with_name_and_colour(visit: Visit) -> None:
    page = visit()
    members = set(page.locator(".stage-pods [data-pod]").evaluate_all("(all) => all.map(({dataset}) => dataset.pod)"))
    dialog = open_logs(page)
    for name in members:
        expect(dialog.locator(f'.log-pod[title^="{name},"]').first).to_be_attached()
    assert pods_of(dialog) == members and len(members) > 1
    tones = set(dialog.locator(".log-pod").evaluate_all("(all) => all.map(({dataset}) => dataset.podTone)"))
    assert len(tones) == len(members)


def test_all_pods_can_be_chosen(visit: Visit) -> None:
    dialog = open_logs(visit())
    dialog.get_by_label("Pods").select_option("")
    expect(dialog.locator('.log-pod[title^="mongodb-0, container sidecar"]').first).to_be_attached()


def test_lines_are_in_order_of_time(visit: Visit) -> None:
    page = visit()
    late = [line(0, "03", "three"), line(0, "05", "five"), line(1, "01", "one"), line(1, "04", "four")]
    answer(page, source(0), source(1), *late)
    dialog = open_logs(page)
    expect(dialog.locator(".log-text")).to_have_text(["one", "three", "four", "five"])


def test_fields_of_json_are_filtered_by_level_and_status(visit: Visit) -> None:
    page = visit()
    lines = [
        line(0, "01", '{"event":"request","path":"/data","status":200}'),
        line(0, "02", '{"event":"request","path":"/data","status":503}'),
        line(0, "03", '{"event":"log","level":"warning","message":"slow"}'),
        line(0, "04", "plain text"),
    ]
    answer(page, source(0), *lines)
    dialog = open_logs(page)
    texts = dialog.locator(".log-text")
    expect(texts).to_have_text(
        [
            "request path=/data status=200",
            "error request path=/data status=503",
            "warning log message=slow",
            "plain text",
        ]
    )
    dialog.get_by_label("Level").select_option("warning")
    expect(texts).to_have_text(["error request path=/data status=503", "warning log message=slow"])
    dialog.get_by_label("Status").select_option("5xx")
    expect(texts).to_have_text(["error request path=/data status=503"])
    expect(dialog.locator(".log-state")).to_contain_text("1 of 4 lines")
    assert page.url.endswith("#/logs/flask?level=warning&status=5xx")


def test_shown_lines_can_be_downloaded(visit: Visit) -> None:
    page = visit()
    answer(page, source(0), line(0, "01", "one"), line(0, "02", "two"))
    dialog = open_logs(page)
    dialog.get_by_role("searchbox", name="Filter").fill("two")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "log-of-flask.log"
    assert download.value.path().read_text() == "2026-01-01T00:00:02Z flask-7c-0aaaa flask two\n"


def test_dropped_lines_are_counted(visit: Visit) -> None:
    page = visit()
    answer(page, source(0), line(0, "01", "one"), {"source": 0, "at": "2026-01-01T00:00:02Z", "dropped": 9000})
    dialog = open_logs(page)
    expect(dialog.locator(".log-line").nth(1)).to_contain_text("9,000 lines dropped")
    expect(dialog.locator(".log-state")).to_contain_text("9,000 of a burst dropped")


def test_link_to_a_line_shows_that_line(visit: Visit) -> None:
    page = visit()
    dialog = open_logs(page)
    dialog.locator(".log-lines").focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowUp")
    chosen = dialog.locator(".log-line[aria-current]")
    text = chosen.inner_text()
    expect(page).to_have_url(re.compile(r"#/logs/flask\?line="))
    page.reload()
    expect(page.locator("#logs .log-line[aria-current]")).to_have_text(text, use_inner_text=True)
    expect(page.locator("#logs .log-line[aria-current]")).to_be_in_viewport()


@pytest.mark.parametrize("second", [15, 30, 58])
def test_linked_line_stays_in_view_when_another_pod_is_read_later(visit: Visit, second: int) -> None:
    page = visit()
    answer(page, source(0), *(line(0, f"{n:02}", f"early {n}") for n in range(60)))
    page.evaluate("(hash) => { location.hash = hash; }", f"#/logs/flask?line=2026-01-01T00:00:{second}Z")
    dialog = page.locator("#logs")
    chosen = dialog.locator(".log-line[aria-current]")
    expect(chosen).to_contain_text(f"early {second}")
    expect(chosen).to_be_in_viewport()
    top = "(line) => line.getBoundingClientRect().top"
    before = chosen.evaluate(top)
    late = [line(1, f"{n // 4:02}.{n % 4}5", f"late {n}") for n in range(240)]
    page.evaluate("(text) => sendLog(text)", text_of(source(1), *late))
    expect(dialog.locator(".log-line")).to_have_count(300)
    wait_until_idle(page)
    assert abs(chosen.evaluate(top) - before) <= 1
    dialog.get_by_role("button", name="Jump to newest").click()
    expect(dialog.locator(".log-line").last).to_be_in_viewport()


def test_log_that_is_over_and_in_view_offers_neither_pause_nor_jump(visit: Visit) -> None:
    page = visit()
    lines = [line(0, f"{n:02}", f"early {n}") for n in range(3)]
    answer(page, source(0), *lines)
    page.evaluate("(hash) => { location.hash = hash; }", "#/logs/flask?line=2026-01-01T00:00:01Z")
    dialog = page.locator("#logs")
    expect(dialog.locator(".log-line[aria-current]")).to_contain_text("early 1")
    jump, pause = (dialog.get_by_role("button", name=name) for name in ("Jump to newest", "Pause"))
    expect(jump).to_be_visible()
    expect(pause).to_be_visible()
    page.evaluate("(text) => sendLog(text)", text_of({"source": 0, "state": "ended"}))
    expect(dialog.locator(".log-state")).to_contain_text("ended")
    expect(jump).to_have_count(0)
    expect(pause).to_have_count(0)


@pytest.mark.parametrize("height", [760, 1000])
def test_linked_line_near_the_end_stays_in_view_when_the_pane_becomes_higher(visit: Visit, height: int) -> None:
    page = visit(width=1000, height=760)
    answer(page, source(0), *(line(0, f"{n:02}", f"early {n}") for n in range(55)))
    page.evaluate("(hash) => { location.hash = hash; }", "#/logs/flask?line=2026-01-01T00:00:57Z")
    dialog = page.locator("#logs")
    expect(dialog.locator(".log-state")).to_contain_text("The linked line is not among them.")
    page.evaluate("(text) => sendLog(text)", text_of(*(line(0, f"{n:02}", f"early {n}") for n in range(55, 60))))
    chosen = dialog.locator(".log-line[aria-current]")
    expect(chosen).to_contain_text("early 57")
    page.set_viewport_size({"width": 1000, "height": height})
    wait_until_idle(page)
    later = [{**line(0, f"{n:02}", f"later {n}"), "at": f"2026-01-01T00:01:{n:02}Z"} for n in range(60)]
    page.evaluate("(text) => sendLog(text)", text_of(*later))
    expect(dialog.locator(".log-line")).to_have_count(120)
    wait_until_idle(page)
    expect(chosen).to_be_in_viewport()
    dialog.get_by_role("button", name="Jump to newest").click()
    expect(dialog.locator(".log-line").last).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1440])
def test_logs_are_accessible_and_do_not_scroll_sideways(visit: Visit, scheme: str, width: int) -> None:
    page = visit(width=width, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    dialog = open_logs(page)
    dialog.get_by_label("Pods").select_option("")
    expect(dialog.locator('.log-line[data-level="error"]').first).to_be_attached()
    assert violations(page, "#logs") == []
    assert dialog.locator(".log-lines").evaluate("(e) => e.scrollWidth - e.clientWidth") == 0


def test_escape_closes_the_logs_and_returns_the_focus(visit: Visit) -> None:
    page = visit()
    opener = page.get_by_role("button", name="Logs", exact=True)
    opener.press("Enter")
    expect(page.locator("#logs .log-line").first).to_be_attached()
    page.keyboard.press("Escape")
    expect(page.locator("#logs")).not_to_be_visible()
    expect(opener).to_be_focused()
