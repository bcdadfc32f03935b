"""The source of the alerts, on an HTTP server that answers like Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.core import events
from dashboard.sources import alerts
from dashboard.sources.alerts import MOST_ALERTS, AlertsSource, firing
from tests.dashboard.stubs import Emitted, StubHandler, StubServer

NANOSECONDS = "2026-11-30T05:00:00.123456789Z"  # as Prometheus gives times


def alert(name: str, state: str = "firing", at: str = NANOSECONDS, **labels: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": name, **labels}, "annotations": {"summary": f"{name}.", "description": "d"},
        "state": state, "activeAt": at, "value": "1e+00",
    }  # fmt: skip


def answer(*alerts: dict[str, Any]) -> str:
    return json.dumps({"status": "success", "data": {"alerts": [*alerts]}})


def test_alerts_that_fire_are_read_the_oldest_first() -> None:
    text = answer(
        alert("New", at="2026-11-30T06:00:00Z"), alert("Old", severity="critical"), alert("Pending", "pending")
    )
    assert firing(text) == [
        events.FiringAlert("Old", "critical", "Old.", "2026-11-30T05:00:00.123Z"),
        events.FiringAlert("New", "", "New.", "2026-11-30T06:00:00.000Z"),
    ]


def test_only_so_many_alerts_are_kept() -> None:
    assert len(firing(answer(*(alert(f"A{number}") for number in range(MOST_ALERTS + 10))))) == MOST_ALERTS


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"data": {"alerts": [{}]}}', answer(alert("A", at="yesterday"))])
def test_answer_that_is_not_prometheus_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        firing(text)


class StubPrometheus(StubServer):
    def __init__(self) -> None:
        super().__init__(StubPrometheusHandler)
        self.status, self.body, self.slow = 200, answer(), False


class StubPrometheusHandler(StubHandler):
    server: StubPrometheus

    def do_GET(self) -> None:
        assert self.path == "/api/v1/alerts"
        if not self.server.slow:
            self.respond(self.server.status, self.server.body.encode())
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(b" ")
            time.sleep(0.05)


@pytest.fixture
def prometheus(emitted: Emitted, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubPrometheus]:
    """A server whose alerts a running source reads."""
    monkeypatch.setattr(alerts, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(alerts, "ANSWER_SECONDS", 0.4)
    with StubPrometheus() as server:
        source = AlertsSource(server.url, emitted)
        source.start()
        yield server
        source.stop()


def test_what_fires_is_emitted_at_each_poll(prometheus: StubPrometheus, emitted: Emitted) -> None:
    emitted.wait(lambda emitted: len(emitted.of(events.AlertsRead)) > 2)
    assert emitted.of(events.AlertsRead)[-1].alerts == []
    prometheus.body = answer(alert("A"))
    emitted.wait(lambda emitted: [each.name for each in emitted.of(events.AlertsRead)[-1].alerts] == ["A"])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"status": 503}, "Prometheus answers with 503"),
        ({"body": "<html>"}, "Prometheus' answer can't be read"),
        ({"body": " " * (2 << 20)}, "Prometheus' answer can't be read"),
        ({"slow": True}, "Prometheus' answer can't be read"),
    ],
)
def test_fault_is_said_and_ends_with_the_next_answer(
    prometheus: StubPrometheus, emitted: Emitted, change: dict[str, Any], error: str
) -> None:
    was = {name: getattr(prometheus, name) for name in change}
    vars(prometheus).update(change)
    emitted.wait(lambda emitted: [each for each in emitted.of(events.SourceStatus) if each.error == error])
    vars(prometheus).update(was)
    emitted.wait(lambda emitted: isinstance(emitted[-1], events.AlertsRead))


def test_prometheus_that_is_gone_is_stale(emitted: Emitted, monkeypatch: pytest.MonkeyPatch) -> None:
    source = AlertsSource("http://127.0.0.1:9", emitted)
    source.start()
    status = emitted.wait(lambda emitted: emitted.of(events.SourceStatus))[0]
    assert (status.source, status.state, status.error) == ("alerts", "stale", "Prometheus does not answer")
    source.stop()
