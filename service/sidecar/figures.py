"""mongod's figures for Prometheus, as the member itself sees them: `/metrics` on the sidecar's port.

A scrape asks mongod for serverStatus, replSetGetStatus and dbStats. What it does not answer is left out, and
`mongodb_member_up` says whether it answered at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PRIMARY, SECONDARY = "PRIMARY", "SECONDARY"
MIB = 1 << 20

Answer = dict[str, Any]
Ask = Callable[[str], Answer | None]  # the answer to a command; None if there is none


def exposition(ask: Ask) -> bytes:
    """Return the figures in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(MemberCollector(ask))
    return generate_latest(registry)


class MemberCollector(Collector):
    """The metrics, from mongod's answers."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        server = self._ask("serverStatus")
        yield GaugeMetricFamily("mongodb_member_up", "1 while mongod answers its sidecar.", server is not None)
        if server is None:
            return  # the others would wait, too
        yield from _server(server)
        if (status := self._ask("replSetGetStatus")) is not None:
            yield from _replication(status)
        if (stats := self._ask("dbStats")) is not None:
            yield from _volume(stats)


def _server(status: Answer) -> Iterator[Metric]:
    connections = GaugeMetricFamily("mongodb_connections", "Connections, by their state.", labels=["state"])
    for state in ("current", "available"):
        connections.add_metric([state], status["connections"][state])
    operations = CounterMetricFamily(
        "mongodb_operations", "Operations since mongod started; copied ones are not among them.", labels=["type"]
    )
    for kind in ("insert", "query", "update", "delete", "getmore", "command"):
        operations.add_metric([kind], status["opcounters"][kind])
    yield from (connections, operations)
    yield GaugeMetricFamily("mongodb_uptime_seconds", "Since mongod started.", status["uptimeMillis"] / 1000)
    yield GaugeMetricFamily("mongodb_resident_bytes", "mongod's memory.", status["mem"]["resident"] * MIB)
    if ends := status.get("security", {}).get("SSLServerCertificateExpirationDate"):  # with TLS
        stamp = ends.replace(tzinfo=UTC).timestamp()
        yield GaugeMetricFamily("mongodb_certificate_expiry_timestamp_seconds", "When its certificate ends.", stamp)


def _replication(status: Answer) -> Iterator[Metric]:
    members = status["members"]
    own = next((member for member in members if member.get("self")), None)
    primary = next((member for member in members if member["stateStr"] == PRIMARY), None)
    yield GaugeMetricFamily("mongodb_member_state", "MongoDB's number: 1 PRIMARY, 2 SECONDARY.", status["myState"])
    yield GaugeMetricFamily("mongodb_member_sees_primary", "1 while it knows a primary.", primary is not None)
    yield GaugeMetricFamily("mongodb_set_members", "Members of the set, as this one knows it.", len(members))
    if own and primary and own["stateStr"] in (PRIMARY, SECONDARY):
        lag = max((primary["optimeDate"] - own["optimeDate"]).total_seconds(), 0)
        yield GaugeMetricFamily("mongodb_member_lag_seconds", "From the primary's last write to its own.", lag)


def _volume(stats: Answer) -> Iterator[Metric]:
    yield GaugeMetricFamily("mongodb_volume_size_bytes", "The volume's file system.", stats["fsTotalSize"])
    yield GaugeMetricFamily("mongodb_volume_used_bytes", "What is used of it, by anything.", stats["fsUsedSize"])
