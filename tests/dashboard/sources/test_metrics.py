"""scrape.py against pods that answer, fail, hang, trickle and talk nonsense, each at an address of its own."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dashboard.core import events
from dashboard.core.events import Counters
from dashboard.sources import metrics as scrape
from dashboard.sources.metrics import Scraper, counters
from service.metrics import Metrics
from tests.dashboard.stubs import Heard


class Pod(ThreadingHTTPServer):
    """A pod's metrics port on an address of 127.0.0.0/8, as the pod network has one for each pod."""

    daemon_threads = True

    def __init__(self, address: str, port: int = 0) -> None:
        super().__init__((address, port), PodHandler)
        self.address = address
        self.body = exposition(requests=1)
        self.status = 200
        self.asked = 0
        self.connections = 0
        self.answering = threading.Event()
        self.answering.set()
        self.trickles = False
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that gives up is what these tests are about."""

    def stop(self) -> None:
        self.answering.set()
        self.shutdown()
        self.server_close()


class PodHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Pod

    def do_GET(self) -> None:
        self.server.asked += 1
        body = self.server.body.encode()
        self.server.answering.wait(30)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for byte in body if self.server.trickles else ():
            self.wfile.write(bytes([byte]))
            time.sleep(0.1)
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not of interest."""


def exposition(requests: int) -> str:
    """As the service writes it."""
    metrics = Metrics("test", multiprocess=False)
    for route in ("/data", "/metrics", "/healthz"):
        metrics._requests.labels("GET", route, "200").inc(requests)
        metrics._durations.labels("GET", route).observe(0.004)
    metrics._requests.labels("POST", "/data", "503").inc()
    return metrics.exposition().decode()


@pytest.fixture
def pods() -> Iterator[list[Pod]]:
    first = Pod("127.0.0.2")
    started = [first, Pod("127.0.0.3", first.server_address[1])]
    yield started
    for pod in started:
        pod.stop()


@pytest.fixture
def scraping(pods: list[Pod], heard: Heard, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What the state says of the pods: a test may change it."""
    monkeypatch.setattr(scrape, "SCRAPE_SECONDS", 0.2)
    views = [view(f"flask-{number}", pod.address) for number, pod in enumerate(pods)]
    started = Scraper(lambda: views, "flask", pods[0].server_address[1], heard)
    started.start()
    yield views
    started.stop()


def view(name: str, ip: str | None, app: str = "flask", phase: str = "Running", ready: bool = True) -> dict[str, Any]:
    return {"name": name, "ip": ip, "app": app, "phase": phase, "ready": ready}


def last(heard: Heard) -> dict[str, Counters]:
    """What was scraped last, nothing where it failed."""
    found = [told for told in heard if not isinstance(told, events.CountersScraped) or told.pods]
    return found[-1].pods if found and isinstance(found[-1], events.CountersScraped) else {}


def test_each_pod_is_asked_over_and_over_on_one_connection(
    scraping: list[dict[str, Any]], pods: list[Pod], heard: Heard
) -> None:
    heard.wait(lambda heard: len(heard.of(events.CountersScraped)) >= 5)
    found = heard.of(events.CountersScraped)[-1].pods
    assert set(found) == {"flask-0", "flask-1"}
    assert (found["flask-0"].requests, found["flask-0"].errors) == (2, 1)
    assert found["flask-0"].buckets[-1] == (float("inf"), 1)
    assert [pod.connections for pod in pods] == [1, 1]


def test_a_pod_that_fails_is_left_out_and_comes_back(
    scraping: list[dict[str, Any]], pods: list[Pod], heard: Heard
) -> None:
    heard.wait(lambda heard: set(last(heard)) == {"flask-0", "flask-1"})
    pods[0].status = 500
    heard.wait(lambda heard: set(last(heard)) == {"flask-1"})
    pods[0].status = 200
    heard.wait(lambda heard: set(last(heard)) == {"flask-0", "flask-1"})


def test_a_pod_that_hangs_holds_nobody_up_and_is_asked_once(
    scraping: list[dict[str, Any]], pods: list[Pod], heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "ANSWER_SECONDS", 0.1)
    heard.wait(lambda heard: set(last(heard)) == {"flask-0", "flask-1"})
    pods[0].answering.clear()
    before = pods[0].asked
    heard.wait(lambda heard: set(last(heard)) == {"flask-1"})
    rounds = len(heard)
    heard.wait(lambda heard: len(heard) >= rounds + 6)
    assert pods[0].asked - before < pods[1].asked - before, "no second request while one waits"
    pods[0].answering.set()
    heard.wait(lambda heard: set(last(heard)) == {"flask-0", "flask-1"})


@pytest.mark.parametrize(
    "body",
    ["", "<html>", "# TYPE x counter\n" + "x 1\n" * 300_000, '# TYPE x counter\nhttp_requests_total{route="/"} nan\n'],
    ids=["empty", "another page", "endless", "not a number"],
)
def test_a_pod_that_talks_nonsense_has_no_figures(
    body: str, scraping: list[dict[str, Any]], pods: list[Pod], heard: Heard
) -> None:
    pods[0].body = body
    heard.wait(lambda heard: set(last(heard)) == {"flask-1"})


def test_a_pod_that_trickles_is_given_up(scraping: list[dict[str, Any]], pods: list[Pod], heard: Heard) -> None:
    pods[0].trickles = True
    heard.wait(lambda heard: set(last(heard)) == {"flask-1"})
    pods[0].trickles = False
    heard.wait(lambda heard: set(last(heard)) == {"flask-0", "flask-1"})


def test_only_when_no_ready_pod_answers_it_is_stale(
    scraping: list[dict[str, Any]], pods: list[Pod], heard: Heard
) -> None:
    heard.wait(lambda heard: last(heard))
    for pod in pods:
        pod.status = 500
    heard.wait(lambda heard: heard and isinstance(heard[-1], events.SourceStatus))
    assert (heard[-1].source, heard[-1].state, heard[-1].error) == ("traffic", "stale", "no pod of the service answers")
    for pod in scraping:
        pod["ready"] = False
    heard.wait(lambda heard: heard[-1] == events.CountersScraped(at=heard[-1].at, pods={}))


def test_only_pods_of_the_service_that_run_are_asked(
    scraping: list[dict[str, Any]], pods: list[Pod], heard: Heard
) -> None:
    scraping[:] = [
        view("pending", pods[0].address, phase="Pending"),
        view("no address yet", None),
        view("another", pods[0].address, app="mongodb"),
        view("leaving", pods[1].address, phase="Terminating", ready=False),
    ]
    heard.wait(lambda heard: set(last(heard)) == {"leaving"})


def test_a_fault_of_our_own_is_told_and_outlived(
    scraping: list[dict[str, Any]], heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    broken = view("flask-0", None)
    del broken["app"]
    scraping.append(broken)
    heard.wait(lambda heard: heard and isinstance(heard[-1], events.SourceStatus))
    assert heard[-1].error == "the dashboard failed to ask: KeyError"
    assert "could not scrape" in caplog.text
    scraping.pop()
    heard.wait(lambda heard: heard and isinstance(heard[-1], events.CountersScraped))


def test_labels_may_hold_what_looks_like_the_end_of_them() -> None:
    text = (
        "# TYPE http_requests_total counter\n"
        'http_requests_total{method="GET",route="/a\\"} 7",status="200"} 3.0\n'
        'http_requests_total{method="GET",route="/healthz",status="200"} 99.0\n'
        'http_request_duration_seconds_bucket{le="0.1",method="GET",route="/a"} 2.0\n'
        'http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/a"} 3.0\n'
    )
    assert counters(text) == Counters(3, 0, ((0.1, 2), (float("inf"), 3)))


@pytest.mark.parametrize("line", ['http_requests_total{route="/"} -1', 'http_request_duration_seconds_bucket{a="b"} 1'])
def test_what_no_counter_can_be_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        counters(f"# TYPE x counter\n{line}\n")
