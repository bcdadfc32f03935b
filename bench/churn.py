"""How long after a pod's change in the API it is on the screen, beside a page that polls every 5 s; and what it costs.

Needs a running `make up`. Two sizes: the demo's pods and five more, and a thousand more that change 20 times
a second.
"""

import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import urllib3
from kubernetes import config
from playwright.sync_api import Page, sync_playwright

from bench.crowd import Crowd, Say, crowd
from tests.browser import CHROMIUM, CHROMIUM_FLAGS
from tools.cluster.instance import CHECKOUT
from tools.deploy import secrets, target

SIZES = {  # pods → (changes a second, seconds)
    5: (5.0, 40.0),
    1000: (20.0, 300.0),
}
SETTLE_SECONDS = 20.0  # after the pods were made, and for the last changes to arrive
SAMPLE_SECONDS = 15.0  # metrics-server's own
WARM_SECONDS = 60.0  # not part of the slope: buffers and pools fill

# [pod, restarts, milliseconds since the epoch]: when a tile shows a pod's new number of restarts, in the frame that
# draws it, and when a poller has it.
OBSERVE = """
(every) => {
  window.seen = {page: [], poll: []};
  const told = new Map(), polled = new Map();
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
      if (restarts === undefined || told.get(tile.dataset.pod) === restarts) continue;
      told.set(tile.dataset.pod, restarts);
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
class Result:
    """Milliseconds of each change that was seen; what the dashboard's container took, by the cluster's own samples."""

    page: list[float] = field(default_factory=list)
    poll: list[float] = field(default_factory=list)
    unseen: int = 0
    memory: dict[float, int] = field(default_factory=dict)  # seconds since the churn began → bytes
    millicores: list[int] = field(default_factory=list)

    def slope(self) -> float:
        """MiB an hour, by least squares, after the warm-up."""
        points = [(at, size) for at, size in self.memory.items() if at >= WARM_SECONDS]
        if len(points) < 3:
            return float("nan")
        return statistics.linear_regression(*zip(*points, strict=True)).slope * 3600 / 2**20


def measure(say: Say) -> dict[int, Result]:
    config.load_kube_config(str(CHECKOUT / ".cluster" / "kubeconfig"))  # type: ignore[no-untyped-call]
    results = {}
    for pods, (per_second, seconds) in SIZES.items():
        say(f"{pods} pods that change {per_second:.0f} times a second, for {seconds:.0f} s")
        with crowd(pods, say) as made:
            time.sleep(SETTLE_SECONDS)
            results[pods] = _run(made, per_second, seconds)
    return results


def report(results: dict[int, Result]) -> str:
    lines = [
        "| a pod's change, from its request to the API server to the screen | changes | p50 | p95 | worst "
        "| polling each 5 s, p50 / p95 | ratio of p95 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for pods, result in results.items():
        page, poll = _percentiles(result.page), _percentiles(result.poll)
        per_second, _ = SIZES[pods]
        lines.append(
            f"| {pods:,} pods beside the demo's, {per_second:.0f} changes a second | {len(result.page):,} "
            f"({result.unseen} never seen) | {page[0]:.0f} ms | {page[1]:.0f} ms | {max(result.page):.0f} ms "
            f"| {poll[0]:.0f} / {poll[1]:.0f} ms | {poll[1] / page[1]:.0f} |"
        )
    lines += [
        "",
        "| the dashboard's container meanwhile | working set, most | slope | CPU, mean |",
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


def signed_in(playwright: Any, *, width: int = 1440) -> Page:
    """The running demo's page, live, in a Chromium of its own."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
    page: Page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"http://127.0.0.1:{target.dashboard_port()}/login#{secrets.operator_token()}")
    page.wait_for_selector('[data-connection="live"]')
    return page


def state() -> Any:
    """The dashboard's state."""
    return urllib3.request(
        "GET",
        f"http://127.0.0.1:{target.dashboard_port()}/api/state",
        headers={"Authorization": f"Bearer {secrets.operator_token()}"},
    ).json()


def _run(made: Crowd, per_second: float, seconds: float) -> Result:
    result = Result()
    made.changes.clear()
    with sync_playwright() as playwright:
        page = signed_in(playwright)
        page.evaluate(OBSERVE, POLL_MILLISECONDS)
        page.wait_for_timeout(2000)
        began = time.monotonic()
        churn = threading.Thread(target=made.churn, args=(per_second, seconds))
        churn.start()
        while churn.is_alive():
            _sample(result, time.monotonic() - began)
            churn.join(SAMPLE_SECONDS)
        page.wait_for_timeout(2 * POLL_MILLISECONDS)
        seen = page.evaluate("() => window.seen")
    result.unseen, result.page = _delays(made.changes, seen["page"])
    _, result.poll = _delays(made.changes, seen["poll"])
    return result


def _delays(changes: dict[str, float], seen: list[tuple[str, int, float]]) -> tuple[int, list[float]]:
    """How many changes were never seen; the milliseconds until the others, or later ones of their pod, were."""
    sightings: dict[str, list[tuple[int, float]]] = {}
    for pod, restarts, at in seen:
        sightings.setdefault(pod, []).append((restarts, at))
    delays = []
    for key, made in changes.items():
        pod, restarts = key.split()
        delays.append(next((at - made for known, at in sightings.get(pod, ()) if known >= int(restarts)), None))
    known = [delay for delay in delays if delay is not None]
    return len(delays) - len(known), known


def _sample(result: Result, at: float) -> None:
    (dashboard,) = [pod for pod in state()["pods"] if pod["app"] == "dashboard" and pod["phase"] == "Running"]
    if dashboard["memory_bytes"] is not None:
        result.memory[at] = dashboard["memory_bytes"]
        result.millicores.append(dashboard["cpu_millicores"])


def _percentiles(samples: list[float]) -> tuple[float, float]:
    ordered = sorted(samples)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
