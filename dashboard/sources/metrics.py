"""Scrapes the service pods' request counters each second, at each pod's own address: the Service would pick one pod.

A pod that does not answer is left out, and is not asked again while its request is pending. The source is stale only if
there are ready pods and none answers. Terminating pods are scraped too: they serve until they have ended.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import urllib3

from dashboard.clock import now
from dashboard.core import events
from dashboard.core.events import Counters, Emit
from dashboard.core.quantity import LARGEST_SAFE_INTEGER

SCRAPE_SECONDS = 1.0
SOCKET_SECONDS = 0.4  # to connect, and for each read
ANSWER_SECONDS = 0.8  # for a whole response
MOST_PODS = 20
THREADS = 8
LARGEST_ANSWER = 1 << 20  # bytes
READ_BYTES = 1 << 16
PROBE_ROUTES = ("/metrics", "/healthz", "/readyz")  # scrapes and probes are not traffic

# A line of the two metrics that are read, and a label in it. prometheus_client's parser takes 25 ms for each response,
# these expressions a tenth of that.
_LINE = re.compile(r"^http_request(s_total|_duration_seconds_bucket)\{(.*)\} (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(route|status|le)="((?:[^"\\]|\\.)*)"')

Pods = Callable[[], list[dict[str, Any]]]

log = logging.getLogger(__name__)


class Scraper:
    """Emits the counters of the pods of `app`, a Deployment. `pods` returns the state's pods."""

    sources = ("traffic",)

    def __init__(self, pods: Pods, app: str, port: int, emit: Emit) -> None:
        self._pods = pods
        self._app = app
        self._port = port
        self._emit = emit
        self._stopped = threading.Event()
        timeout = urllib3.Timeout(connect=SOCKET_SECONDS, read=SOCKET_SECONDS)
        self._http = urllib3.PoolManager(num_pools=MOST_PODS, maxsize=1, retries=False, timeout=timeout)
        self._pool = ThreadPoolExecutor(THREADS, "scrape")
        self._pending: dict[str, Future[Counters | None]] = {}  # by pod address
        self._thread = threading.Thread(target=self._run, name="scrape", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(ANSWER_SECONDS + 1)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        """Scrape at whole seconds, so that a slow scrape does not delay the following ones."""
        while not self._stopped.wait(SCRAPE_SECONDS - time.monotonic() % SCRAPE_SECONDS):
            try:
                self._emit(self._scrape())
            except Exception as error:  # a bug must not end the thread
                log.exception("could not scrape")
                message = f"the dashboard failed to scrape: {type(error).__name__}"
                self._emit(events.SourceStatus(at=now(), source="traffic", state="stale", error=message))

    def _scrape(self) -> events.Event:
        members = [pod for pod in self._pods() if pod["app"] == self._app and pod["ip"]]
        serving = [pod for pod in members if pod["phase"] in ("Running", "Terminating")][:MOST_PODS]
        requests = {pod["name"]: self._request_once(pod["ip"]) for pod in serving}
        wait(requests.values(), ANSWER_SECONDS)
        found = {name: counters for name, request in requests.items() if (counters := _result(request))}
        if not found and any(pod["ready"] for pod in serving):
            return events.SourceStatus(at=now(), source="traffic", state="stale", error="no pod of the service answers")
        return events.CountersScraped(at=now(), pods=found)

    def _request_once(self, address: str) -> "Future[Counters | None]":
        """Return the pending request to the pod, or start one: single-flight, so that requests never pile up."""
        self._pending = {address: request for address, request in self._pending.items() if not request.done()}
        if address not in self._pending:
            self._pending[address] = self._pool.submit(self._request, address)
        return self._pending[address]

    def _request(self, address: str) -> Counters | None:
        host = f"[{address}]" if ":" in address else address
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            response = self._http.request("GET", f"http://{host}:{self._port}/metrics", preload_content=False)
            with response:
                return parse_counters(_body(response, deadline)) if response.status == 200 else None
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return None


def parse_counters(text: str) -> Counters:
    """Parse the service's metrics in the Prometheus text format. Raise ValueError if they are malformed."""
    if "# TYPE " not in text:
        raise ValueError("not in the Prometheus text format")
    requests = errors = 0.0
    buckets: dict[float, float] = {}
    for metric, label_text, number in _LINE.findall(text):
        labels = dict(_LABEL.findall(label_text))
        if labels.get("route") in PROBE_ROUTES:
            continue
        value = _count(number)
        if metric == "s_total":
            requests += value
            errors += value if labels.get("status", "").startswith("5") else 0
        else:
            bound = float(labels.get("le", "nan"))
            if not bound > 0:  # also of a bucket without one
                raise ValueError(f"a bucket up to {bound}")
            buckets[bound] = buckets.get(bound, 0) + value
    return Counters(requests, errors, tuple(sorted(buckets.items())))


def _count(number: str) -> float:
    value = float(number)
    if not 0 <= value <= LARGEST_SAFE_INTEGER:  # larger ones do not count by ones
        raise ValueError(f"a counter of {number[:40]}")
    return value


def _body(response: urllib3.BaseHTTPResponse, deadline: float) -> str:
    """Read the whole body, so that the connection can be reused. Raise ValueError if it is too large or too slow."""
    body = bytearray()
    while data := response.read1(READ_BYTES):
        body += data
        if len(body) > LARGEST_ANSWER or time.monotonic() > deadline:
            raise ValueError("the response is too large or too slow")
    return body.decode("utf-8", "replace")


def _result(request: "Future[Counters | None]") -> Counters | None:
    return request.result() if request.done() and not request.cancelled() else None
