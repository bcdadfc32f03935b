"""Asks the service's pods what they counted, each second, by their own addresses: the Service would choose one for us.

A pod that does not answer is left out, and is not asked again while it may still do so; the source is stale only when
none answers of those that are ready. A pod on its way out is asked as well: it serves until it has ended.
"""

import logging
import math
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

SCRAPE_SECONDS = 1.0
STEP_SECONDS = 0.4  # to connect, and for each part of an answer to come
ANSWER_SECONDS = 0.8  # for a whole answer
PODS = 20  # asked at most
THREADS = 8
LARGEST_ANSWER = 1 << 20  # bytes
READ_BYTES = 1 << 16
OWN_ROUTES = ("/metrics", "/healthz", "/readyz")  # asked by machines that look after it: no traffic

# A line of the two metrics that are read, and a label in it. Prometheus' own parser takes 25 ms for a pod's exposition,
# each second and for each pod; this takes a tenth of that.
_LINE = re.compile(r"^http_request(s_total|_duration_seconds_bucket)\{(.*)\} (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(route|status|le)="((?:[^"\\]|\\.)*)"')

Pods = Callable[[], list[dict[str, Any]]]

log = logging.getLogger(__name__)


class Scraper:
    """Tells the counters of the Deployment's pods. `start` and `stop` are the mock's, too."""

    sources = ("traffic",)

    def __init__(self, pods: Pods, app: str, port: int, emit: Emit) -> None:
        self._pods = pods
        self._app = app
        self._port = port
        self._emit = emit
        self._stopped = threading.Event()
        timeout = urllib3.Timeout(connect=STEP_SECONDS, read=STEP_SECONDS)
        self._http = urllib3.PoolManager(num_pools=PODS, maxsize=1, retries=False, timeout=timeout)
        self._pool = ThreadPoolExecutor(THREADS, "scrape")
        self._asked: dict[str, Future[Counters | None]] = {}  # address → the request that is on its way
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
            try:
                self._emit(self._round())
            except Exception as error:  # the thread goes on, and the page is told
                log.exception("could not scrape")
                words = f"the dashboard failed to ask: {type(error).__name__}"
                self._emit(events.SourceStatus(at=now(), source="traffic", state="stale", error=words))

    def _round(self) -> events.Event:
        members = [pod for pod in self._pods() if pod["app"] == self._app and pod["ip"]]
        serving = [pod for pod in members if pod["phase"] in ("Running", "Terminating")][:PODS]
        asked = {pod["name"]: self._ask_once(pod["ip"]) for pod in serving}
        wait(asked.values(), ANSWER_SECONDS)
        counted = {name: counters for name, answer in asked.items() if (counters := _result(answer))}
        if not counted and any(pod["ready"] for pod in serving):
            return events.SourceStatus(at=now(), source="traffic", state="stale", error="no pod of the service answers")
        return events.CountersScraped(at=now(), pods=counted)

    def _ask_once(self, address: str) -> "Future[Counters | None]":
        """A request to the pod: the one that waits already, if there is one, so that they never pile up."""
        self._asked = {address: answer for address, answer in self._asked.items() if not answer.done()}
        if address not in self._asked:
            self._asked[address] = self._pool.submit(self._ask, address)
        return self._asked[address]

    def _ask(self, address: str) -> Counters | None:
        host = f"[{address}]" if ":" in address else address
        until = time.monotonic() + ANSWER_SECONDS
        try:
            answer = self._http.request("GET", f"http://{host}:{self._port}/metrics", preload_content=False)
            with answer:
                return counters(_body(answer, until)) if answer.status == 200 else None
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return None  # who does not answer has no figures, whatever the reason


def counters(text: str) -> Counters:
    """What counts of an exposition. ValueError for what is none."""
    if "# TYPE " not in text:
        raise ValueError("not an exposition of metrics")
    requests = errors = 0.0
    buckets: dict[float, float] = {}
    for metric, labelled, written in _LINE.findall(text):
        labels = dict(_LABEL.findall(labelled))
        if labels.get("route") in OWN_ROUTES:
            continue
        value = _count(written)
        if metric == "s_total":
            requests += value
            errors += value if labels.get("status", "").startswith("5") else 0
        else:
            bound = float(labels.get("le", "nan"))
            if math.isnan(bound):
                raise ValueError("a bucket without a bound")
            buckets[bound] = buckets.get(bound, 0) + value
    return Counters(requests, errors, tuple(sorted(buckets.items())))


def _count(written: str) -> float:
    value = float(written)
    if not 0 <= value < math.inf:
        raise ValueError(f"a counter of {written}")
    return value


def _body(answer: urllib3.BaseHTTPResponse, until: float) -> str:
    """The whole answer, read to its end so that the connection can be used again. ValueError if it is too much."""
    body = bytearray()
    while data := answer.read1(READ_BYTES):
        body += data
        if len(body) > LARGEST_ANSWER or time.monotonic() > until:
            raise ValueError("too long an answer")
    return body.decode("utf-8", "replace")


def _result(answer: "Future[Counters | None]") -> Counters | None:
    return answer.result() if answer.done() and not answer.cancelled() else None
