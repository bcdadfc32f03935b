"""The answers of the dashboard's health server: /healthz, /readyz and /metrics."""

import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from dashboard.core.timestamps import seconds
from dashboard.kube.client import RequestCounter
from dashboard.runs.verdict import RUNNING, VERDICTS
from dashboard.web.hub import Hub
from webserver.health_server import Answer, Answers

TEXT = "text/plain; charset=utf-8"


class Probes:
    """The probes' answers. Alive: the hub's loop runs. Ready: alive, started, not shutting down.

    `demos` are ids. `proof_seconds` is the promised time from verdict to verdict, 0 for none.
    """

    def __init__(
        self, hub: Hub, requests: RequestCounter | None = None, demos: Iterable[str] = (), proof_seconds: int = 0
    ) -> None:
        self.ready = True
        self._hub = hub
        self._registry = CollectorRegistry()
        self._registry.register(HubCollector(hub))
        self._registry.register(AutoscalerCollector(hub))
        self._registry.register(VerdictCollector(hub, demos, proof_seconds))
        if requests:
            self._registry.register(RequestsCollector(requests))
        ProcessCollector(registry=self._registry)

    def answers(self) -> Answers:
        """Return the answers by path."""
        return {"/healthz": self._live, "/readyz": self._readiness, "/metrics": self._metrics}

    def _live(self) -> Answer:
        return (200, TEXT, b"ok\n") if self._hub.alive() else (503, TEXT, b"the hub's loop is stuck\n")

    def _readiness(self) -> Answer:
        is_ready = self._hub.alive() and self.ready
        return (200, TEXT, b"ready\n") if is_ready else (503, TEXT, b"not ready\n")

    def _metrics(self) -> Answer:
        return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)


class HubCollector(Collector):
    """Exports the hub's counters."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        counts = self._hub.counts
        yield GaugeMetricFamily("dashboard_viewers", "Open pages.", self._hub.viewers())
        yield CounterMetricFamily("dashboard_patches", "Patches published.", counts.patches)
        yield CounterMetricFamily("dashboard_patch_bytes", "Bytes of patches, each counted once.", counts.patch_bytes)
        yield CounterMetricFamily("dashboard_snapshots", "Snapshots sent.", counts.snapshots)
        yield CounterMetricFamily("dashboard_slow_clients", "Pages that fell behind.", counts.slow_clients)
        yield CounterMetricFamily("dashboard_evictions", "Pages that were disconnected.", counts.evicted)
        yield from self._sources()
        yield from self._contents()

    def _sources(self) -> Iterator[Metric]:
        counts, at = self._hub.counts, time.monotonic()
        events = CounterMetricFamily("dashboard_source_events", "Events received.", labels=["source"])
        age = GaugeMetricFamily("dashboard_source_last_event_age_seconds", "Last event's age.", labels=["source"])
        live = GaugeMetricFamily("dashboard_source_live", "1 while a source is live.", labels=["source"])
        for name, source in self._hub.sources().items():
            events.add_metric([name], counts.events[name])
            live.add_metric([name], source["state"] == "live")
            if name in counts.event_at:
                age.add_metric([name], at - counts.event_at[name])
        yield from (events, age, live)

    def _contents(self) -> Iterator[Metric]:
        if "mongo" not in self._hub.sources():  # another application's database is not asked
            return
        contents = self._hub.contents()
        up = contents is not None and contents["state"] == "up"
        yield GaugeMetricFamily("dashboard_mongodb_up", "1 while the database answers.", up)
        if contents and contents["count"] is not None:
            yield GaugeMetricFamily("dashboard_mongodb_documents", "Documents in the collection.", contents["count"])
            yield GaugeMetricFamily("dashboard_mongodb_size_bytes", "Their size.", contents["size_bytes"])


class AutoscalerCollector(Collector):
    """Exports the service's autoscaler as Kubernetes reports it; nothing where there is none, or only an old report."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        state = self._hub.view()
        scaler, source = state["autoscaler"], state["sources"].get("horizontalpodautoscalers", {})
        if scaler is None or source.get("state") != "live":
            return
        replicas = GaugeMetricFamily(
            "dashboard_autoscaler_replicas", "Replicas: the bounds, what it asks for, what there are.", labels=["of"]
        )
        for of in ("min", "max", "desired", "current"):
            replicas.add_metric([of], scaler[of])
        yield replicas
        if scaler["cpu_percent"] is not None:
            cpu = scaler["cpu_percent"] / 100
            yield GaugeMetricFamily("dashboard_autoscaler_cpu_ratio", "CPU in use, of what the pods request.", cpu)
        conditions = GaugeMetricFamily(
            "dashboard_autoscaler_condition", "1 while a condition is True, else 0.", labels=["condition"]
        )
        for condition in scaler["conditions"]:
            conditions.add_metric([condition["type"]], condition["status"] == "True")
        yield conditions


class VerdictCollector(Collector):
    """Exports each demo's last verdict, from the runs that are kept: so it outlives a restart.

    The verdict is a set of states, one series each: the one that holds is 1. All are 0 before a demo's first verdict.
    """

    def __init__(self, hub: Hub, demos: Iterable[str], proof_seconds: int) -> None:
        self._hub = hub
        self._demos = tuple(demos)
        self._proof_seconds = proof_seconds

    def collect(self) -> Iterator[Metric]:
        verdict = GaugeMetricFamily(
            "dashboard_verdict", "1 for the last verdict of a demo.", labels=["demo", "verdict"]
        )
        at = GaugeMetricFamily(
            "dashboard_verdict_timestamp_seconds", "When the last verdict came, since 1970.", labels=["demo"]
        )
        last = {run["demo"]: run for run in reversed(self._hub.view()["runs"]) if run["verdict"] != RUNNING}
        for demo in self._demos:
            run = last.get(demo)
            for each in VERDICTS:
                verdict.add_metric([demo, each], run is not None and run["verdict"] == each)
            if run:
                at.add_metric([demo], seconds(run["ended"] or run["started"]))
        yield from (verdict, at)
        if self._proof_seconds:
            yield GaugeMetricFamily(
                "dashboard_verdict_within_seconds", "The promised time from verdict to verdict.", self._proof_seconds
            )


class RequestsCollector(Collector):
    """Exports the counts of requests to the API server, which do not depend on the number of open pages."""

    def __init__(self, requests: RequestCounter) -> None:
        self._requests = requests

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "dashboard_api_requests", "Requests to the Kubernetes API.", labels=["kind", "outcome"]
        )
        for labels, count in list(self._requests.outcomes.items()):
            requests.add_metric(labels, count)
        watches = GaugeMetricFamily("dashboard_api_watches", "Watches that are open.", labels=["kind"])
        for kind, count in list(self._requests.watches.items()):
            watches.add_metric([kind], count)
        yield from (requests, watches)
