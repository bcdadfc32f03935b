"""The scraper, against pods that respond, fail, hang, or send slow or invalid responses."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.core import events
from dashboard.core.events import Counters
from dashboard.sources import metrics
from dashboard.sources.metrics import Scraper, parse_counters
from service.metrics import Metrics
from tests.dashboard.stubs import Emitted, StubHandler, StubServer


class StubPod(StubServer):
    """A pod's metrics server, with an address of its own in 127.0.0.0/8."""

    def __init__(self, address: str, port: int = 0) -> None:
        super().__init__(StubPodHandler, port, address)
        self.address = address
        self.body = exposition(requests=1)
        self.refusal: str | None = None  # the body of the answer to /readyz
        self.status = 200
        self.requests = 0
        self.connections = 0
        self.answering = threading.Event()
        self.answering.set()
        self.slow = False
        self.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def stop(self) -> None:
        self.answering.set()
        super().stop()


class StubPodHandler(StubHandler):
    server: StubPod

    def do_GET(self) -> None:
        self.server.requests += 1
        refusal = self.server.refusal if self.path == "/readyz" else None
        body = (refusal or self.server.body).encode()
        self.server.answering.wait(30)
        self.send_response(503 if refusal else self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for byte in body if self.server.slow else ():
            self.wfile.write(bytes([byte]))
            time.sleep(0.1)
        self.wfile.write(body)


def exposition(requests: int) -> str:
    """Return the service's metrics after `requests` requests of each route."""
    service = Metrics("test", multiprocess=False)
    for route in ("/data", "/metrics", "/healthz"):
        service._requests.labels("GET", route, "200").inc(requests)
        service._durations.labels("GET", route).observe(0.004)
    service._requests.labels("POST", "/data", "503").inc()
    return service.exposition().decode()


@pytest.fixture
def pods() -> Iterator[list[StubPod]]:
    first = StubPod("127.0.0.2")
    pods = [first, StubPod("127.0.0.3", first.port)]
    yield pods
    for pod in pods:
        pod.stop()


@pytest.fixture
def scraped_pods(
    pods: list[StubPod], emitted: Emitted, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[dict[str, Any]]]:
    """The state's pods, which a running scraper scrapes. A test may change them."""
    monkeypatch.setattr(metrics, "SCRAPE_SECONDS", 0.2)
    views = [view(f"flask-{number}", pod.address) for number, pod in enumerate(pods)]
    scraper = Scraper(lambda: views, "flask", pods[0].port, emitted)
    scraper.start()
    yield views
    scraper.stop()


def view(name: str, ip: str | None, app: str = "flask", phase: str = "Running", ready: bool = True) -> dict[str, Any]:
    return {"name": name, "ip": ip, "app": app, "phase": phase, "ready": ready}


def last_counters(emitted: Emitted) -> dict[str, Counters]:
    """Return the counters of the last scrape, or {} if it failed."""
    results = [event for event in emitted if not isinstance(event, events.CountersScraped) or event.pods]
    return results[-1].pods if results and isinstance(results[-1], events.CountersScraped) else {}


@pytest.mark.slow
def test_each_pod_is_scraped_repeatedly_on_one_connection(
    scraped_pods: list[dict[str, Any]], pods: list[StubPod], emitted: Emitted
) -> None:
    whole = emitted.wait(
        lambda emitted: [each for each in emitted.of(events.CountersScraped) if len(each.pods) == 2][9:]
    )
    counters = whole[-1].pods
    assert set(counters) == {"flask-0", "flask-1"}
    assert (counters["flask-0"].requests, counters["flask-0"].errors) == (2, 1)
    assert counters["flask-0"].buckets[-1] == (float("inf"), 1)
    # A pod that stalls for longer than SOCKET_SECONDS gets another connection.
    assert all(pod.connections < pod.requests / 2 for pod in pods)


@pytest.mark.slow
def test_failing_pod_is_left_out_until_it_recovers(
    scraped_pods: list[dict[str, Any]], pods: list[StubPod], emitted: Emitted
) -> None:
    emitted.wait(lambda emitted: set(last_counters(emitted)) == {"flask-0", "flask-1"})
    pods[0].status = 500
    emitted.wait(lambda emitted: set(last_counters(emitted)) == {"flask-1"})
    pods[0].status = 200
    emitted.wait(lambda emitted: set(last_counters(emitted)) == {"flask-0", "flask-1"})


@pytest.mark.slow
def test_hanging_pod_has_one_pending_request_and_does_not_delay_others(
    scraped_pods: list[dict[str, Any]], pods: list[StubPod], emitted: Emitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "ANSWER_SECONDS", 0.1)
    emitted.wait(lambda emitted: set(last_counters(emitted)) == {"flask-0", "flask-1"})
    pods[0].answering.clear()
    requests_before = pods[0].requests
    emitted.wait(lambda emitted: set(last_counters(emitted)) == {"flask-1"})
    scrapes = len(emitted)
    emitted.wait(lambda emitted: len(emitted) >= scrapes + 6)
    requests = [pod.requests - requests_before for pod in pods]
    assert requests[0] < requests[1], "no second request while one is pending"
    pods[0].answering.set()
    emitted.wait(lambda emitted: set(last_counters(emitted)) == {"flask-0", "flask-1"})


@pytest.mark.parametrize(
    "body",
    ["", "<html>", "# TYPE x counter\n" + "x 1\n" * 300_000, '# TYPE x counter\nhttp_requests_total{route="/"} nan\n'],
    ids=["empty", "HTML", "too large", "NaN"],
)
def test_pod_with_an_invalid_response_is_left_out(
    body: str, scraped_pods: list[dict[str, Any]], pods: list[StubPod], emitted: Emitted
) -> None:
    pods[0].body = body
    emitted.wait(lambda emitted: set(last_counters(emitted)) == {"flask-1"})


@pytest.mark.slow
def test_pod_with_a_slow_response_is_left_out(
    scraped_pods: list[dict[str, Any]], pods: list[StubPod], emitted: Emitted
) -> None:
    pods[0].slow = True
    emitted.wait(lambda emitted: set(last_counters(emitted)) == {"flask-1"})
    pods[0].slow = False
    emitted.wait(lambda emitted: set(last_counters(emitted)) == {"flask-0", "flask-1"})


@pytest.mark.slow
def test_source_is_stale_only_if_no_ready_pod_answers(
    scraped_pods: list[dict[str, Any]], pods: list[StubPod], emitted: Emitted
) -> None:
    emitted.wait(lambda emitted: last_counters(emitted))
    for pod in pods:
        pod.status = 500
    emitted.wait(lambda emitted: emitted and isinstance(emitted[-1], events.SourceStatus))
    status = emitted[-1]
    assert (status.source, status.state) == ("traffic", "stale") and status.error
    for pod in scraped_pods:
        pod["ready"] = False
    emitted.wait(lambda emitted: emitted[-1] == events.CountersScraped(at=emitted[-1].at, pods={}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "unready"),
    [
        ('{"title": "Service Unavailable", "detail": "MongoDB refuses."}', {"flask-0": "MongoDB refuses."}),
        ('{"title": "Service Unavailable"}', {}),
        ("<html>", {}),
        ('{"detail": 7}', {}),
    ],
)
def test_running_pod_that_is_not_ready_is_asked_for_the_reason(
    answer: str, unready: dict[str, str], scraped_pods: list[dict[str, Any]], pods: list[StubPod], emitted: Emitted
) -> None:
    pods[0].refusal = pods[1].refusal = answer
    scraped_pods[0]["ready"] = False
    emitted.wait(
        lambda emitted: [
            each
            for each in emitted.of(events.CountersScraped)
            if (each.unready, set(each.pods)) == (unready, {"flask-0", "flask-1"})
        ][2:]
    )
    # Scrapes before the change have no reason, nor have those that a stalled pod did not answer.
    assert all(each.unready in (unready, {}) for each in emitted.of(events.CountersScraped))


def test_only_running_and_terminating_pods_of_the_service_are_scraped(
    scraped_pods: list[dict[str, Any]], pods: list[StubPod], emitted: Emitted
) -> None:
    scraped_pods[:] = [
        view("pending", pods[0].address, phase="Pending"),
        view("no address yet", None),
        view("another app", pods[0].address, app="mongodb"),
        view("terminating", pods[1].address, phase="Terminating", ready=False),
    ]
    emitted.wait(lambda emitted: set(last_counters(emitted)) == {"terminating"})


def test_source_is_stale_after_a_bug_and_recovers(
    scraped_pods: list[dict[str, Any]], emitted: Emitted, caplog: pytest.LogCaptureFixture
) -> None:
    broken = view("flask-0", None)
    del broken["app"]
    scraped_pods.append(broken)
    emitted.wait(lambda emitted: emitted and isinstance(emitted[-1], events.SourceStatus))
    assert "KeyError" in emitted[-1].error
    assert "could not scrape" in caplog.text
    scraped_pods.pop()
    emitted.wait(lambda emitted: emitted and isinstance(emitted[-1], events.CountersScraped))


def test_quoted_label_values_are_parsed() -> None:
    text = (
        "# TYPE http_requests_total counter\n"
        'http_requests_total{method="GET",route="/a\\"} 7",status="200"} 3.0\n'
        'http_requests_total{method="GET",route="/healthz",status="200"} 99.0\n'
        'http_request_duration_seconds_bucket{le="0.1",method="GET",route="/a"} 2.0\n'
        'http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/a"} 3.0\n'
    )
    assert parse_counters(text) == Counters(3, 0, ((0.1, 2), (float("inf"), 3)))


@pytest.mark.parametrize("line", ['http_requests_total{route="/"} -1', 'http_request_duration_seconds_bucket{a="b"} 1'])
def test_invalid_counter_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        parse_counters(f"# TYPE x counter\n{line}\n")
