"""The page's cost in a browser: bytes, first paint, long tasks, and the heap's growth in an hour.

Bytes and first paint are measured on a running `make up`, the rest on `make mock`, with more pods or a faster clock
than a cluster has.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Request, sync_playwright

from bench.churn import open_page
from bench.fake_pods import Say
from tests.browser import CHROMIUM, CHROMIUM_FLAGS
from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import OPERATOR
from tools.deploy import secrets, target

LOADS = 10
TILES = 100
TASK_SECONDS = 60.0
SPEED = 20  # of the mock's clock: an hour in three minutes
HOUR_SECONDS = 3600 / SPEED
SETTLE_SECONDS = 20.0

FIRST_TILE = """
new Promise((resolve) => {
  const look = () => document.querySelector('[data-pod]')
    ? requestAnimationFrame(() => resolve(performance.now())) : requestAnimationFrame(look);
  look();
})
"""
PATCHES = """
() => {
  window.tasks = [];
  window.changed = 0;
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({duration}) => duration)))
    .observe({type: 'longtask'});
  const everything = {subtree: true, childList: true, characterData: true, attributes: true};
  new MutationObserver((all) => window.changed += all.length)
    .observe(document.querySelector('#deployment'), everything);
}
"""


@dataclass
class WeightResult:
    sizes: dict[str, int] = field(default_factory=dict)  # {URL: bytes of the body on the wire}
    first_tile: list[float] = field(default_factory=list)  # milliseconds since navigation
    first_paint: list[float] = field(default_factory=list)
    tasks: list[float] = field(default_factory=list)  # milliseconds of each task over 50 ms
    mutations: int = 0
    heap: list[int] = field(default_factory=list)  # bytes after a garbage collection, at the start and at the end


def measure(say: Say) -> WeightResult:
    result = WeightResult()
    with sync_playwright() as playwright:
        say(f"{LOADS} loads of the page")
        _load(open_page(playwright), result)
        _weigh(playwright, result)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        say(f"{TILES} tiles that change, {TASK_SECONDS:.0f} s")
        with _mock(MOCK_PODS=str(TILES), MOCK_CHURN=str(TILES)) as url:
            _tasks(_open(browser, url), result)
        say(f"an hour of the mock in {HOUR_SECONDS:.0f} s")
        with _mock(MOCK_SPEED=str(SPEED)) as url:
            _grow(_open(browser, url), result)
        browser.close()
    return result


def report(result: WeightResult) -> str:
    total = sum(result.sizes.values())
    growth = (result.heap[1] - result.heap[0]) / 2**20
    longest = max(result.tasks, default=0)
    return "\n".join(
        [
            "| the page | measured | bound |",
            "| --- | --- | --- |",
            f"| all that a first visit loads, gzipped | {total / 1000:.0f} KB in {len(result.sizes)} files | 150 KB |",
            f"| first contentful paint, p50 of {LOADS} | {statistics.median(result.first_paint):.0f} ms | |",
            f"| first useful paint (a pod's tile), p50 of {LOADS}, worst "
            f"| {statistics.median(result.first_tile):.0f} ms, {max(result.first_tile):.0f} ms | 1 s |",
            f"| main-thread tasks over 50 ms while {TILES} tiles change each second | {len(result.tasks)} in "
            f"{TASK_SECONDS:.0f} s, longest {longest:.0f} ms ({result.mutations:,} mutations) | none |",
            f"| heap's growth in an hour of the mock, {SPEED} times as fast | {growth:+.1f} MiB "
            f"(from {result.heap[0] / 2**20:.1f}) | 20 MiB |",
        ]
    )


def _load(page: Page, result: WeightResult) -> None:
    """Measure repeated loads, in which the browser revalidates its cache."""
    address = f"http://127.0.0.1:{target.dashboard_port()}/"
    for _ in range(LOADS):
        page.goto(address, wait_until="commit")
        result.first_tile.append(page.evaluate(FIRST_TILE))
        page.wait_for_load_state("load")
        result.first_paint.append(
            page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
        )
    page.context.browser.close()  # type: ignore[union-attr]


def _weigh(playwright: Any, result: WeightResult) -> None:
    """Measure the compressed bytes of a first visit, the login included."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
    page = browser.new_page()
    finished: list[Request] = []
    page.on("requestfinished", lambda request: finished.append(request))
    page.goto(f"http://127.0.0.1:{target.dashboard_port()}/login#{secrets.operator_token()}")
    page.wait_for_selector('[data-connection="live"]')
    page.wait_for_timeout(3000)
    for request in finished:
        if "/api/" not in request.url:  # data are not part of the page
            result.sizes[request.url] = request.sizes()["responseBodySize"]
    browser.close()


def _tasks(page: Page, result: WeightResult) -> None:
    page.wait_for_timeout(5000)
    page.evaluate(PATCHES)
    page.wait_for_timeout(TASK_SECONDS * 1000)
    result.tasks = page.evaluate("() => window.tasks")
    result.mutations = page.evaluate("() => window.changed")
    page.context.close()


def _grow(page: Page, result: WeightResult) -> None:
    page.wait_for_timeout(SETTLE_SECONDS * 1000)
    session = page.context.new_cdp_session(page)
    for seconds in (0.0, HOUR_SECONDS):
        page.wait_for_timeout(seconds * 1000)
        session.send("HeapProfiler.collectGarbage")
        result.heap.append(session.send("Runtime.getHeapUsage")["usedSize"])
    page.context.close()


def _open(browser: Any, url: str) -> Page:
    page: Page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{url}/login#{OPERATOR}")
    page.wait_for_selector('[data-connection="live"]')
    return page


@contextmanager
def _mock(**environment: str) -> Iterator[str]:
    dashboard = DashboardProcess(viewers=4, **environment)
    try:
        dashboard.wait_until_ready()
        yield dashboard.url
    finally:
        dashboard.process.terminate()
        dashboard.process.wait(15)
        time.sleep(0.2)
