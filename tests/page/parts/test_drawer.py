"""A pod's drawer: keyboard, states, and untrusted log text."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.axe import violations
from tests.page.conftest import Visit
from tests.page.mock import MockProcess

pytestmark = pytest.mark.browser

TABS = ["Overview", "Events", "Logs", "YAML"]
KEYS_AND_TABS = [
    ("ArrowRight", "Events"), ("End", "YAML"), ("ArrowRight", "Overview"), ("ArrowLeft", "YAML"), ("Home", "Overview"),
]  # fmt: skip
DETAILS = re.compile(r"/api/pods/[^/]+$")
LOG = re.compile(r"/api/logs\?")
# An element's scroll position once it has stopped: smooth scrolling by the wheel is not listed as an animation.
SETTLED_SCROLL_TOP = """async (element) => {
  for (let [top, frames] = [NaN, 0]; frames < 10; frames += 1) {
    if (element.scrollTop !== top) [top, frames] = [element.scrollTop, 0];
    await new Promise(requestAnimationFrame);
  }
  return element.scrollTop;
}"""
# Makes every animation last a minute.
SLOW_ANIMATIONS = """() => {
  const animate = Element.prototype.animate;
  Element.prototype.animate = function (frames, options) {
    return animate.call(this, frames, {...options, duration: 60_000});
  };
}"""
# Answers requests for logs with a text. Unlike a response of Playwright's route, it stays open: sendLog adds to it.
ANSWER = """(text) => {
  const real = globalThis.fetch;
  const start = (stream) => {
    globalThis.sendLog = (more) => stream.enqueue(new TextEncoder().encode(more));
    sendLog(text);
  };
  globalThis.fetch = (path, ...more) =>
    path.includes('/api/logs?') ? Promise.resolve(new Response(new ReadableStream({start}))) : real(path, ...more);
}"""
# Stops the drawer from reading a pod's details every five seconds.
NO_POLLING = """() => {
  const later = globalThis.setTimeout;
  globalThis.setTimeout = (action, ms, ...more) => (ms === 5_000 ? 0 : later(action, ms, ...more));
}"""
REFUSED = r"status of (401|403|404|409|502|503)"  # Chromium logs each failed request


def opener(page: Page, pod: str = "mongodb-0") -> Locator:
    return page.locator(f'[data-pod="{pod}"]').get_by_role("button", name=f"Details of {pod}")


def open_drawer(page: Page, tab: str = "Overview", pod: str = "mongodb-0") -> Locator:
    opener(page, pod).click()
    drawer = page.locator("#drawer")
    drawer.get_by_role("tab", name=tab).click()
    return drawer


def records(*lines: tuple[str, str], state: str = "live", text: str = "") -> str:
    """Return a response of the log route: a container, its state, and lines of a time and a text."""
    source = {"source": 0, "uid": "u", "pod": "mongodb-0", "app": "mongodb", "container": "mongod"}
    rest = [{"source": 0, "at": at, "text": line} for at, line in lines]
    return "".join(f"{json.dumps(each)}\n" for each in [source, {"source": 0, "state": state, "text": text}, *rest])


def refuse(page: Page, path: re.Pattern[str], status: int, detail: str) -> None:
    body = json.dumps({"title": "No", "status": status, "detail": detail})
    page.route(path, lambda route: route.fulfill(status=status, content_type="application/problem+json", body=body))


def test_drawer_shows_containers_conditions_events_and_yaml(visit: Visit) -> None:
    drawer = open_drawer(visit())
    expect(drawer.get_by_role("heading", level=2)).to_have_text("mongodb-0")
    for container in ("prepare", "mongod", "sidecar"):
        expect(drawer.get_by_role("heading", name=container, exact=True)).to_be_visible()
    expect(drawer.get_by_role("row", name="PodScheduled")).to_be_visible()
    drawer.get_by_role("tab", name="Events").click()
    expect(drawer.get_by_role("tabpanel")).to_contain_text("Successfully assigned flask-mongodb/mongodb-0")
    drawer.get_by_role("tab", name="YAML").click()
    expect(drawer.get_by_role("region", name="YAML of mongodb-0")).to_contain_text("kind: Pod")


def test_keyboard_opens_switches_tabs_and_returns_to_the_tile(visit: Visit) -> None:
    page = visit()
    opener(page).press("Enter")
    expect(page.get_by_role("heading", name="mongodb-0", level=2)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Tab")
    for key, tab in KEYS_AND_TABS:
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=tab)).to_be_focused()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).not_to_be_visible()
    expect(opener(page)).to_be_focused()


def test_click_on_the_backdrop_closes_the_drawer(visit: Visit) -> None:
    page = visit()
    drawer = open_drawer(page)
    expect(drawer.get_by_role("heading", name="mongod", exact=True)).to_be_visible()
    page.mouse.click(20, 400)
    expect(drawer).not_to_be_visible()


def test_log_follows_until_scrolled_up(visit: Visit) -> None:
    page = visit()
    lines = open_drawer(page, "Logs").get_by_role("region", name="Log of mongod")
    expect(lines.locator(".log-line").nth(60)).to_be_attached()
    newest = lines.locator(".log-line").last.get_attribute("data-number")
    expect(lines.locator(f'.log-line[data-number="{newest}"] ~ .log-line').first).to_be_attached()
    expect(
        lines.locator(".log-line").last
    ).to_be_in_viewport()  # the newest line, since the others soon scroll out of view
    lines.hover()
    page.mouse.wheel(0, -400)
    jump = page.get_by_role("button", name="Jump to newest")
    expect(jump).to_be_visible()
    top = lines.evaluate(SETTLED_SCROLL_TOP)
    last = int(lines.locator(".log-line").last.get_attribute("data-number") or 0)
    expect(lines.locator(f'.log-line[data-number="{last + 2}"]')).to_be_attached()
    assert lines.evaluate(SETTLED_SCROLL_TOP) == top
    jump.click()
    expect(jump).to_have_count(0)
    expect(lines.locator(".log-line").last).to_be_in_viewport()


def test_paused_log_holds_lines_back(visit: Visit) -> None:
    page = visit()
    drawer = open_drawer(page, "Logs")
    expect(drawer.locator(".log-line").first).to_be_attached()
    drawer.get_by_role("button", name="Pause").click()
    shown = drawer.locator(".log-line").count()
    expect(drawer.locator(".log-state")).to_contain_text(re.compile(r"[2-9] lines held back"))
    assert drawer.locator(".log-line").count() == shown
    drawer.get_by_role("button", name="Pause").click()
    expect(drawer.locator(".log-line").nth(shown)).to_be_attached()


def test_log_filter_is_plain_text(visit: Visit) -> None:
    drawer = open_drawer(visit(), "Logs", first_member(visit))
    search = drawer.get_by_role("searchbox", name="Filter")
    search.fill("<SCRIPT>")
    expect(drawer.locator(".log-line").first).to_contain_text("<script>alert(")
    search.fill(".*")
    expect(drawer.locator(".log-frame")).to_contain_text("Not found")


def first_member(visit: Visit) -> str:
    page = visit()
    return str(page.locator(".stage-pods [data-pod]").first.get_attribute("data-pod"))


def test_markup_and_escapes_in_a_log_are_text(visit: Visit) -> None:
    page = visit()
    lines = ["<img src=x onerror=alert(1)>", "\x1b[31mred\x1b[0m \x07\u202eback"]
    body = records(*((f"2026-01-01T00:00:0{n}Z", line) for n, line in enumerate(lines)))
    page.route(LOG, lambda route: route.fulfill(body=body))
    drawer = open_drawer(page, "Logs")
    expect(drawer.locator(".log-text")).to_have_text(["<img src=x onerror=alert(1)>", "red \u2407⟨202e⟩back"])
    expect(drawer.locator("img")).to_have_count(0)


def test_dropped_log_reconnects_with_a_notice(visit: Visit) -> None:
    page = visit()
    one, two = ("2026-01-01T00:00:00.1Z", "one"), ("2026-01-01T00:00:00.2Z", "two")
    bodies = [records(one), records(one, two)]
    page.route(LOG, lambda route: route.fulfill(body=bodies.pop(0)), times=2)
    drawer = open_drawer(page, "Logs")
    expect(drawer.locator(".log-line").nth(2)).to_be_attached()
    assert drawer.locator(".log-text").all_inner_texts()[:3] == ["one", "Reconnected", "two"]


def test_log_keeps_2000_lines(visit: Visit) -> None:
    page = visit()
    many = records(*((f"2026-01-01T00:00:{n // 100:02}.{n % 100:02}Z", f"line {n}") for n in range(5_000)))
    page.evaluate(ANSWER, many)
    drawer = open_drawer(page, "Logs")
    expect(drawer.locator(".log-state")).to_contain_text("2,000 lines, 3,000 older ones dropped")
    expect(drawer.locator(".log-line")).to_have_count(2_000)


def test_log_request_ends_with_the_drawer_or_tab(visit: Visit) -> None:
    page = visit()
    drawer = open_drawer(page, "Logs")
    expect(drawer.locator(".log-line").first).to_be_attached()
    with page.expect_event("requestfailed", lambda request: bool(LOG.search(request.url))):
        drawer.get_by_role("tab", name="YAML").click()
    drawer.get_by_role("tab", name="Logs").click()
    expect(drawer.locator(".log-line").first).to_be_attached()
    with page.expect_event("requestfailed", lambda request: bool(LOG.search(request.url))):
        page.keyboard.press("Escape")


@pytest.mark.parametrize(
    ("status", "detail", "title"),
    [
        (401, "Sign in first.", "There is no such log"),
        (404, "There is no such pod.", "There is no such log"),
        (503, "As many logs as can be read at once are being read.", "The log can't be read"),
    ],
)
def test_refused_log_gives_a_reason(visit: Visit, status: int, detail: str, title: str) -> None:
    page = visit(allowed_errors=REFUSED)
    refuse(page, LOG, status, detail)
    frame = open_drawer(page, "Logs").locator(".log-frame")
    expect(frame).to_contain_text(title)
    expect(frame).to_contain_text(detail)


@pytest.mark.parametrize(
    ("state", "text", "title"),
    [
        ("refused", "The dashboard's Role does not let it read pods/log.", "Access denied"),
        ("gone", "There is no such container.", "There is no such log"),
        ("waiting", "The container mongod has not started: ContainerCreating.", "No log yet"),
        ("away", "The log can't be had from the pod's node.", "The log can't be read"),
    ],
)
def test_unavailable_container_gives_a_reason(visit: Visit, state: str, text: str, title: str) -> None:
    page = visit()
    page.evaluate(ANSWER, records(state=state, text=text))
    frame = open_drawer(page, "Logs").locator(".log-frame")
    expect(frame).to_contain_text(title)
    expect(frame).to_contain_text(text)


def test_unreadable_pod_gives_a_reason_and_can_be_retried(visit: Visit) -> None:
    page = visit(allowed_errors=REFUSED)
    page.evaluate(NO_POLLING)
    refuse(page, DETAILS, 403, "The dashboard's Role does not let it read events.")
    drawer = open_drawer(page)
    expect(drawer.get_by_role("alert")).to_contain_text("Access denied")
    page.unroute(DETAILS)
    drawer.get_by_role("button", name="Try again").click()
    expect(drawer.get_by_role("heading", name="mongod", exact=True)).to_be_visible()


def test_deleted_pod_stays_shown_with_a_link_to_its_successor(visit: Visit, own: MockProcess) -> None:
    page = visit(at=own, allowed_errors=REFUSED)
    drawer = open_drawer(page)
    expect(drawer.get_by_role("heading", name="mongod", exact=True)).to_be_visible()
    uid = drawer.locator(".drawer-head .mono").inner_text()
    own.request("POST", "/api/mongo/restart", {"uid": uid, "mode": "graceful"})
    expect(drawer.get_by_role("status")).to_contain_text("This pod is gone", timeout=60_000)
    expect(drawer.get_by_role("heading", name="mongod", exact=True)).to_be_visible()
    drawer.get_by_role("button", name="Open its successor").click()
    expect(drawer.get_by_role("heading", name="mongod", exact=True)).to_be_visible()
    expect(drawer.locator(".drawer-head .mono")).not_to_have_text(uid)
    page.keyboard.press("Escape")
    expect(opener(page)).to_be_focused()


def test_focus_returns_while_the_old_tile_fades(visit: Visit, own: MockProcess) -> None:
    page = visit(at=own, allowed_errors=REFUSED)
    page.evaluate(SLOW_ANIMATIONS)
    drawer = open_drawer(page)
    uid = drawer.locator(".drawer-head .mono").inner_text()
    own.request("POST", "/api/mongo/restart", {"uid": uid, "mode": "graceful"})
    expect(drawer.get_by_role("button", name="Open its successor")).to_be_visible(timeout=60_000)
    expect(page.locator("#deployment [inert] .tile-open")).to_be_attached()
    page.keyboard.press("Escape")
    expect(opener(page)).to_be_focused()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1440])
def test_drawer_is_accessible_and_does_not_scroll_sideways(visit: Visit, scheme: str, width: int) -> None:
    page = visit(width=width, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    found = {}
    for tab in TABS:
        drawer = open_drawer(page, tab) if tab == TABS[0] else page.locator("#drawer")
        drawer.get_by_role("tab", name=tab).click()
        expect(drawer.locator(".loading")).to_have_count(0)
        if tab == "Logs":
            expect(drawer.locator(".log-line").first).to_be_attached()
        found[tab] = violations(page, "#drawer")
        body = drawer.locator(".drawer-body")
        assert body.evaluate("(e) => e.scrollWidth - e.clientWidth") == 0, tab
    assert found == {tab: [] for tab in TABS}


def test_longest_pod_name_fits(visit: Visit) -> None:
    page = visit(width=360)
    name = str(page.locator('[data-pod^="companion-"]').get_attribute("data-pod"))
    drawer = open_drawer(page, pod=name)
    expect(drawer.get_by_role("tab", name="Overview")).to_be_in_viewport()
    assert drawer.evaluate("(e) => e.scrollWidth - e.clientWidth") == 0
