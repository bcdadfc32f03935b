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


def names(text: str) -> list[str]:
    return [each.name for each in firing(text, "flask-mongodb")]


def test_alert_has_what_the_page_shows() -> None:
    (found,) = firing(answer(alert("MongoDown", severity="critical", pod="mongodb-0")), "flask-mongodb")
    assert (found.name, found.severity, found.summary) == ("MongoDown", "critical", "MongoDown.")
    assert found.since == "2026-11-30T05:00:00.123Z"


def test_critical_alerts_come_first_and_then_the_oldest() -> None:
    text = answer(
        alert("New", at="2026-11-30T06:00:00Z"), alert("Old"), alert("Pending", "pending"),
        alert("Bad", at="2026-11-30T07:00:00+01:00", severity="critical"),
    )  # fmt: skip
    assert names(text) == ["Bad", "Old", "New"]


def test_alerts_of_one_rule_are_told_apart_in_whatever_order_they_come() -> None:
    some = [alert("MongoDown", pod=f"mongodb-{number}") for number in range(3)]
    orders = [firing(answer(*order), "flask-mongodb") for order in (some, some[::-1])]
    assert orders[0] == orders[1] and len({each.id for each in orders[0]}) == 3


def test_other_namespaces_and_what_always_fires_are_left_out() -> None:
    text = answer(
        alert("Theirs", namespace="other"), alert("Ours", namespace="flask-mongodb"), alert("Nobodys"),
        alert("Watchdog", severity="none"),
    )  # fmt: skip
    assert sorted(names(text)) == ["Nobodys", "Ours"]


def test_only_so_many_alerts_are_kept() -> None:
    assert len(names(answer(*(alert(f"A{number}") for number in range(MOST_ALERTS + 10))))) == MOST_ALERTS


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"data": {"alerts": [{}]}}', answer(alert("A", at="yesterday")),
        answer(alert("A", at="2026-11-30T05:00:00")), answer(alert("A", at="0001-01-01T00:00:00+14:00")),
        answer(alert("A", at="9999-12-31T23:59:59-14:00")),
    ],
)  # fmt: skip
def test_answer_that_is_not_prometheus_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        firing(text, "flask-mongodb")


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
        source = AlertsSource(server.url, "flask-mongodb", emitted)
        source.start()
        yield server
        source.stop()


def test_what_fires_is_emitted_at_each_poll(prometheus: StubPrometheus, emitted: Emitted) -> None:
    emitted.wait(lambda emitted: len(emitted.of(events.AlertsRead)) > 2)
    assert emitted.of(events.AlertsRead)[-1].alerts == []
    prometheus.body = answer(alert("A"))
    emitted.wait(lambda emitted: [each.name for each in emitted.of(events.AlertsRead)[-1].alerts] == ["A"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"status": 503}, "Prometheus answers with 503"),
        ({"body": "<html>"}, "Prometheus' answer can't be read"),
        ({"body": " " * (2 << 20)}, "Prometheus' answer can't be read"),
        ({"slow": True}, "Prometheus' answer can't be read"),
        ({"body": answer(alert("A", at="0001-01-01T00:00:00+14:00"))}, "Prometheus' answer can't be read"),
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
    source = AlertsSource("http://127.0.0.1:9", "flask-mongodb", emitted)
    source.start()
    status = emitted.wait(lambda emitted: emitted.of(events.SourceStatus))[0]
    assert (status.source, status.state, status.error) == ("alerts", "stale", "Prometheus does not answer")
    source.stop()
