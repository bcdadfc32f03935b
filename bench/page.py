"""Delay from the API server's watch event to the screen, beside a page that polls every 5 s.

Needs a running `make up`. Each round posts a document and deletes a flask pod, whose successor is measured, too. All
times are of this machine's clock.
"""

import json
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import urllib3
from kubernetes import client, config
from playwright.sync_api import Page, sync_playwright

from tests.browser import CHROMIUM, CHROMIUM_FLAGS
from tools.cluster.instance import CHECKOUT
from tools.deploy import secrets, target

NAMESPACE = "flask-mongodb"
ROUNDS = 10
POLL_MILLISECONDS = 5000
LIMIT = 60.0  # seconds for one change to arrive

# Records when a pod or a document appears or disappears: `page` on the page, `poll` in a poller's responses.
OBSERVE = """
() => {
  window.seen = {};
  const follow = (source) => {
    let before = new Set();
    return (names) => {
      const now = Date.now();
      for (const name of names) if (!before.has(name)) window.seen[`${source} + ${name}`] ??= now;
      for (const name of before) if (!names.has(name)) window.seen[`${source} - ${name}`] ??= now;
      before = names;
    };
  };
  const page = follow('page'), poll = follow('poll');
  const shown = () => new Set([...document.querySelectorAll('[data-pod],[data-document]')]
    .map((element) => element.dataset.pod ?? element.dataset.document));
  page(shown());
  new MutationObserver(() => page(shown())).observe(document.body, {childList: true, subtree: true, attributes: true});
  setInterval(async () => {
    const state = await (await fetch('/api/state')).json();
    poll(new Set([...state.pods.map((pod) => pod.name), ...(state.mongo?.newest ?? []).map(({id}) => id)]));
  }, POLL);
}
""".replace("POLL)", f"{POLL_MILLISECONDS})")

Rows = dict[str, dict[str, list[float]]]


def measure(say: Callable[[str], None]) -> Rows:
    """Return {change: {"page" | "poll": delays in milliseconds, one for each round}}."""
    config.load_kube_config(str(CHECKOUT / ".cluster" / "kubeconfig"))  # type: ignore[no-untyped-call]
    api: Any = client.CoreV1Api()
    events = _watch()
    changes = ("pod deleted", "successor created", "document posted")
    rows: Rows = {change: {"page": [], "poll": []} for change in changes}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"http://127.0.0.1:{target.dashboard_port()}/login#{secrets.operator_token()}")
        page.wait_for_selector('[data-connection="live"]')
        page.evaluate(OBSERVE)
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}")
            _measure_document(page, rows["document posted"])
            _measure_pod(page, api, events, rows)
        browser.close()
    return rows


def report(rows: Rows) -> str:
    lines = [
        "| watch event (POST: its answer) to screen | p50 | worst | polling each 5 s, p50 | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    for change, samples in rows.items():
        page, poll = statistics.median(samples["page"]), statistics.median(samples["poll"])
        ratio = f"{poll / max(page, 1):.0f}"
        lines.append(f"| {change} | {page:.0f} ms | {max(samples['page']):.0f} ms | {poll:.0f} ms | {ratio} |")
    return "\n".join(lines)


def _measure_document(page: Page, samples: dict[str, list[float]]) -> None:
    answer = urllib3.request("POST", f"http://127.0.0.1:{target.service_port()}/data", json={"bench": "page"})
    answered = time.time() * 1000
    _collect(page, f"+ {answer.json()['id']}", answered, samples)


def _measure_pod(page: Page, api: Any, events: dict[str, float], rows: Rows) -> None:
    victim = _settled_pods(page, api)[0]
    known = _added(events)
    api.delete_namespaced_pod(victim, NAMESPACE)
    deadline = time.monotonic() + LIMIT
    while f"DELETED {victim}" not in events or not (successors := _added(events) - known):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{victim} was not replaced within {LIMIT:.0f} s")
        page.wait_for_timeout(50)
    (successor,) = successors
    _collect(page, f"+ {successor}", events[f"ADDED {successor}"], rows["successor created"])
    _collect(page, f"- {victim}", events[f"DELETED {victim}"], rows["pod deleted"])


def _settled_pods(page: Page, api: Any) -> list[str]:
    """Wait until all flask pods are Ready and none is terminating. Return their names."""
    while True:
        pods = api.list_namespaced_pod(NAMESPACE, label_selector="app.kubernetes.io/name=flask").items
        if all(pod.metadata.deletion_timestamp is None and _is_ready(pod) for pod in pods):
            return [pod.metadata.name for pod in pods]
        page.wait_for_timeout(200)


def _collect(page: Page, change: str, began: float, samples: dict[str, list[float]]) -> None:
    for source, milliseconds in samples.items():
        deadline = time.monotonic() + LIMIT
        # Not wait_for_function: it needs eval, which the page's Content-Security-Policy forbids.
        while (seen := page.evaluate("(key) => window.seen[key]", f"{source} {change}")) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"'{source} {change}' was not seen within {LIMIT:.0f} s")
            page.wait_for_timeout(20)
        milliseconds.append(seen - began)


def _watch() -> dict[str, float]:
    """Return {"<event type> <pod>": epoch milliseconds}, which a thread fills from a watch."""
    events: dict[str, float] = {}
    api: Any = client.CoreV1Api(client.ApiClient())
    response = api.list_namespaced_pod(NAMESPACE, watch=True, _preload_content=False)

    def read() -> None:
        for line in response:
            event = json.loads(line)
            events.setdefault(f"{event['type']} {event['object']['metadata']['name']}", time.time() * 1000)

    threading.Thread(target=read, daemon=True).start()
    return events


def _added(events: dict[str, float]) -> set[str]:
    return {key.removeprefix("ADDED ") for key in list(events) if key.startswith("ADDED flask-")}


def _is_ready(pod: Any) -> bool:
    return any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions or [])
