"""Scrapes the service pods' request counters each second, at each pod's own address: the Service would pick one pod.
Asks those that run and are not Ready for the reason: Kubernetes knows no more than that the probe failed.

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

import msgspec
import urllib3

from dashboard.clock import now
from dashboard.core import events
from dashboard.core.events import Counters, Emit
from dashboard.core.quantity import LARGEST_SAFE_INTEGER
from dashboard.sources.body import read_text

SCRAPE_SECONDS = 1.0
SOCKET_SECONDS = 0.4  # to connect, and for each read
ANSWER_SECONDS = 0.8  # for a whole response
MOST_PODS = 20
THREADS = 8
PROBE_ROUTES = ("/metrics", "/healthz", "/readyz")  # scrapes and probes are not traffic

# A line of the two metrics that are read, and a label in it. prometheus_client's parser takes 25 ms for each response,
# these expressions a tenth of that.
_LINE = re.compile(r"^http_request(s_total|_duration_seconds_bucket)\{(.*)\} (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(route|status|le)="((?:[^"\\]|\\.)*)"')

Pods = Callable[[], list[dict[str, Any]]]


class ReadinessProblem(msgspec.Struct):
    """The member of problem+json that is read."""

    detail: str = ""


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
        self._http = urllib3.PoolManager(num_pools=MOST_PODS, maxsize=2, retries=False, timeout=timeout)
        self._pool = ThreadPoolExecutor(THREADS, "scrape")
        self._pending: dict[tuple[str, str], Future[Any]] = {}  # by pod address and path
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
        unready = [pod for pod in serving if pod["phase"] == "Running" and not pod["ready"]]
        counters = {pod["name"]: self._request_once(pod["ip"], "/metrics") for pod in serving}
        reasons = {pod["name"]: self._request_once(pod["ip"], "/readyz") for pod in unready}
        wait([*counters.values(), *reasons.values()], ANSWER_SECONDS)
        found = _results(counters)
        if not found and any(pod["ready"] for pod in serving):
            return events.SourceStatus(at=now(), source="traffic", state="stale", error="no pod of the service answers")
        return events.CountersScraped(at=now(), pods=found, unready=_results(reasons))

    def _request_once(self, address: str, path: str) -> "Future[Any]":
        """Return the pending request to the pod, or start one: single-flight, so that requests never pile up."""
        self._pending = {asked: request for asked, request in self._pending.items() if not request.done()}
        if (address, path) not in self._pending:
            self._pending[address, path] = self._pool.submit(self._request, address, path)
        return self._pending[address, path]

    def _request(self, address: str, path: str) -> Any:
        status, parse = _ANSWERS[path]
        host = f"[{address}]" if ":" in address else address
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            response = self._http.request("GET", f"http://{host}:{self._port}{path}", preload_content=False)
            with response:
                return parse(read_text(response, deadline)) if response.status == status else None
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return None


def parse_problem(text: str) -> str | None:
    """Return why a pod is not Ready, from problem+json; None if it gives no reason."""
    try:
        return msgspec.json.decode(text, type=ReadinessProblem).detail or None
    except msgspec.MsgspecError:
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


# What is read of a pod: by path, the status of the answer that is read, and how.
_ANSWERS: dict[str, tuple[int, Callable[[str], Any]]] = {
    "/metrics": (200, parse_counters),
    "/readyz": (503, parse_problem),
}


def _results(requests: "dict[str, Future[Any]]") -> dict[str, Any]:
    """Return the results of the requests that have one, by pod name."""
    done = {name: request for name, request in requests.items() if request.done() and not request.cancelled()}
    return {name: result for name, request in done.items() if (result := request.result()) is not None}
