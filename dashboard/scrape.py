"""Asks the service's pods what they counted, each second, by their own addresses: the Service would choose one for us.

A pod that does not answer is left out; the source is stale only when none answers of those that are ready.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from dashboard.clock import now
from dashboard.core import event
from dashboard.core.event import Counters, Emit

SCRAPE_SECONDS = 1.0
ANSWER_SECONDS = 0.8  # for one pod
PODS = 20  # asked at most
THREADS = 5
LARGEST_ANSWER = 1 << 20  # bytes
OWN_ROUTES = ("/metrics", "/healthz", "/readyz")  # asked by machines that look after it: no traffic
WANTED = ("http_requests_total", "http_request_duration_seconds_bucket")

Pods = Callable[[], list[dict[str, Any]]]


class Scrape:
    """Tells the counters of the Deployment's pods. `start` and `stop` are the fake's, too."""

    sources = ("traffic",)

    def __init__(self, pods: Pods, app: str, port: int, emit: Emit) -> None:
        self._pods = pods
        self._app = app
        self._port = port
        self._emit = emit
        self._stopped = threading.Event()
        self._http = urllib3.PoolManager(num_pools=PODS, maxsize=1, retries=False, timeout=ANSWER_SECONDS)
        self._pool = ThreadPoolExecutor(THREADS, "scrape")
        self._thread = threading.Thread(target=self._run, name="scrape", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(ANSWER_SECONDS + 1)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        """On a beat of whole seconds, so that a slow answer does not shift those that follow."""
        while not self._stopped.wait(SCRAPE_SECONDS - time.monotonic() % SCRAPE_SECONDS):
            self._emit(self._round())

    def _round(self) -> event.Told:
        asked = [pod for pod in self._pods() if pod["app"] == self._app and pod["ip"] and pod["phase"] == "Running"]
        answers = {pod["name"]: self._pool.submit(self._ask, pod["ip"]) for pod in asked[:PODS]}
        wait(answers.values(), ANSWER_SECONDS + 0.1)
        counted = {name: counters for name, answer in answers.items() if (counters := _result(answer))}
        if not counted and any(pod["ready"] for pod in asked):
            return event.Heard(at=now(), source="traffic", state="stale", error="no pod of the service answers")
        return event.Scraped(at=now(), pods=counted)

    def _ask(self, address: str) -> Counters | None:
        try:
            host = f"[{address}]" if ":" in address else address
            answer = self._http.request("GET", f"http://{host}:{self._port}/metrics", preload_content=False)
            with answer:
                text = answer.read(LARGEST_ANSWER).decode("utf-8", "replace")
                answer.release_conn()
            return counters(text) if answer.status == 200 else None
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return None


def counters(text: str) -> Counters:
    """What counts of an exposition. Lines of other metrics are not parsed. ValueError for what is no exposition."""
    wanted = "\n".join(line for line in text.splitlines() if line.startswith(WANTED)) + "\n"
    requests = errors = 0.0
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(wanted):
        for sample in family.samples:
            if sample.labels.get("route") in OWN_ROUTES:
                continue
            if sample.name == WANTED[0]:
                requests += sample.value
                errors += sample.value if sample.labels.get("status", "").startswith("5") else 0
            elif sample.name == WANTED[1]:
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0) + sample.value
    return Counters(requests, errors, tuple(sorted(buckets.items())))


def _result(answer: "Future[Counters | None]") -> Counters | None:
    return answer.result() if answer.done() and not answer.cancelled() else None
