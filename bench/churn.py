"""Delay from a pod's change in the API to the screen, beside a page that polls every 5 s, and the dashboard's cost.

Needs a running `make up`. Measured with 5 and with 1,000 fake pods beside the deployment's own.
"""

import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import urllib3
from kubernetes import config
from playwright.sync_api import Page, sync_playwright

from bench.fake_pods import FakePods, Say, fake_pods
from tests.browser import CHROMIUM, CHROMIUM_FLAGS
from tools.cluster.instance import CHECKOUT
from tools.deploy import secrets, target

SIZES = {  # pods → (changes a second, seconds)
    5: (5.0, 40.0),
    1000: (20.0, 300.0),
}
SETTLE_SECONDS = 20.0  # after the pods are created
SAMPLE_SECONDS = 15.0  # metrics-server's resolution
WARM_UP_SECONDS = 60.0  # not part of the slope: buffers and pools fill

# Collects [pod, restarts, epoch milliseconds] for each new restart count of a pod: in `page` when its tile is drawn, in
# `poll` when a poller receives it.
OBSERVE = """
(every) => {
  window.seen = {page: [], poll: []};
  const shown = new Map(), polled = new Map();
  new MutationObserver((mutations) => {
    const tiles = new Set();
    for (const {target, addedNodes} of mutations) {
      tiles.add((target.nodeType === 1 ? target : target.parentElement)?.closest('[data-pod]'));
      for (const node of addedNodes) if (node.matches?.('[data-pod]')) tiles.add(node);
    }
    tiles.delete(null);
    tiles.delete(undefined);
    const fresh = [];
    for (const tile of tiles) {
      const restarts = tile.querySelector('.restarts span')?.textContent.replaceAll(',', '');
      if (restarts === undefined || shown.get(tile.dataset.pod) === restarts) continue;
      shown.set(tile.dataset.pod, restarts);
      fresh.push([tile.dataset.pod, Number(restarts)]);
    }
    if (fresh.length === 0) return;
    requestAnimationFrame(() => { for (const one of fresh) window.seen.page.push([...one, Date.now()]); });
  }).observe(document.body, {childList: true, subtree: true, characterData: true});
  setInterval(async () => {
    const {pods} = await (await fetch('/api/state')).json();
    const now = Date.now();
    for (const {name, restarts} of pods) {
      if (polled.get(name) === restarts) continue;
      polled.set(name, restarts);
      window.seen.poll.push([name, restarts, now]);
    }
  }, every);
}
"""
POLL_MILLISECONDS = 5000


@dataclass
class ChurnResult:
    """Delays of the changes that were seen, in milliseconds, and metrics-server's figures of the dashboard."""

    page: list[float] = field(default_factory=list)
    poll: list[float] = field(default_factory=list)
    missed: int = 0  # changes that never reached the screen
    memory: dict[float, int] = field(default_factory=dict)  # {seconds since the start: bytes}
    millicores: list[int] = field(default_factory=list)

    def slope(self) -> float:
        """Return the growth of memory in MiB an hour, by linear regression after the warm-up."""
        points = [(at, size) for at, size in self.memory.items() if at >= WARM_UP_SECONDS]
        if len(points) < 3:
            return float("nan")
        return statistics.linear_regression(*zip(*points, strict=True)).slope * 3600 / 2**20


def measure(say: Say) -> dict[int, ChurnResult]:
    config.load_kube_config(str(CHECKOUT / ".cluster" / "kubeconfig"))  # type: ignore[no-untyped-call]
    results = {}
    for pods, (per_second, seconds) in SIZES.items():
        say(f"{pods} pods that change {per_second:.0f} times a second, for {seconds:.0f} s")
        with fake_pods(pods, say) as fakes:
            time.sleep(SETTLE_SECONDS)
            results[pods] = _run(fakes, per_second, seconds)
    return results


def report(results: dict[int, ChurnResult]) -> str:
    lines = [
        "| a pod's change, from its request to the API server to the screen | changes | p50 | p95 | worst "
        "| polling each 5 s, p50 / p95 | ratio of p95 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for pods, result in results.items():
        page, poll = _percentiles(result.page), _percentiles(result.poll)
        per_second, _ = SIZES[pods]
        lines.append(
            f"| {pods:,} pods beside the deployment's, {per_second:.0f} changes a second | {len(result.page):,} "
            f"({result.missed} never seen) | {page[0]:.0f} ms | {page[1]:.0f} ms | {max(result.page):.0f} ms "
            f"| {poll[0]:.0f} / {poll[1]:.0f} ms | {poll[1] / page[1]:.0f} |"
        )
    lines += [
        "",
        "| the dashboard's container meanwhile | working set, highest | slope | CPU, mean |",
        "| --- | --- | --- | --- |",
    ]
    for pods, result in results.items():
        slope = result.slope()
        grown = "too short to tell" if slope != slope else f"{slope:+.1f} MiB an hour"
        lines.append(
            f"| {pods:,} pods, {len(result.memory)} samples | {max(result.memory.values()) / 2**20:.0f} MiB | {grown} "
            f"| {statistics.mean(result.millicores) / 10:.1f} % of a core |"
        )
    return "\n".join(lines)


def open_page(playwright: Any, *, width: int = 1440) -> Page:
    """Open the running dashboard's page in a new Chromium, log in, and wait until it is live."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
    page: Page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"http://127.0.0.1:{target.dashboard_port()}/login#{secrets.operator_token()}")
    page.wait_for_selector('[data-connection="live"]')
    return page


def dashboard_state() -> Any:
    """Return the dashboard's state."""
    return urllib3.request(
        "GET",
        f"http://127.0.0.1:{target.dashboard_port()}/api/state",
        headers={"Authorization": f"Bearer {secrets.operator_token()}"},
    ).json()


def _run(pods: FakePods, per_second: float, seconds: float) -> ChurnResult:
    result = ChurnResult()
    pods.changes.clear()
    with sync_playwright() as playwright:
        page = open_page(playwright)
        page.evaluate(OBSERVE, POLL_MILLISECONDS)
        page.wait_for_timeout(2000)
        began = time.monotonic()
        churn = threading.Thread(target=pods.churn, args=(per_second, seconds))
        churn.start()
        while churn.is_alive():
            _sample(result, time.monotonic() - began)
            churn.join(SAMPLE_SECONDS)
        page.wait_for_timeout(2 * POLL_MILLISECONDS)
        seen = page.evaluate("() => window.seen")
    result.missed, result.page = _delays(pods.changes, seen["page"])
    _, result.poll = _delays(pods.changes, seen["poll"])
    return result


def _delays(changes: dict[str, float], seen: list[tuple[str, int, float]]) -> tuple[int, list[float]]:
    """Return the number of missed changes, and the delays in ms of the others. A later change counts as seeing it."""
    seen_by_pod: dict[str, list[tuple[int, float]]] = {}
    for pod, restarts, at in seen:
        seen_by_pod.setdefault(pod, []).append((restarts, at))
    delays = []
    for key, changed in changes.items():
        pod, restarts = key.split()
        delays.append(next((at - changed for known, at in seen_by_pod.get(pod, ()) if known >= int(restarts)), None))
    known = [delay for delay in delays if delay is not None]
    return len(delays) - len(known), known


def _sample(result: ChurnResult, at: float) -> None:
    (dashboard,) = [pod for pod in dashboard_state()["pods"] if pod["app"] == "dashboard" and pod["phase"] == "Running"]
    if dashboard["memory_bytes"] is not None:
        result.memory[at] = dashboard["memory_bytes"]
        result.millicores.append(dashboard["cpu_millicores"])


def _percentiles(samples: list[float]) -> tuple[float, float]:
    ordered = sorted(samples)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
