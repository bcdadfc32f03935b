"""/healthz, /readyz and /metrics on their own port and threads, so that open pages can't starve a probe."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from dashboard.kube.client import RequestCounter
from dashboard.web.hub import Hub


class HealthServer(ThreadingHTTPServer):
    """Serves the probes. Alive: the hub's loop runs. Ready: alive, started, and not shutting down."""

    daemon_threads = True

    def __init__(self, hub: Hub, host: str, port: int, requests: RequestCounter | None = None) -> None:
        super().__init__((host, port), HealthHandler)
        self.hub = hub
        self.ready = True
        self.registry = CollectorRegistry()
        self.registry.register(HubCollector(hub))
        if requests:
            self.registry.register(RequestsCollector(requests))
        ProcessCollector(registry=self.registry)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="probe", daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class HealthHandler(BaseHTTPRequestHandler):
    server: HealthServer
    timeout = 10  # seconds for a request to arrive

    def do_GET(self) -> None:
        alive = self.server.hub.alive()
        match self.path.partition("?")[0]:
            case "/healthz":
                self._reply(*((200, b"ok\n") if alive else (503, b"the hub's loop is stuck\n")))
            case "/readyz":
                self._reply(*((200, b"ready\n") if alive and self.server.ready else (503, b"not ready\n")))
            case "/metrics":
                self._reply(200, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)
            case _:
                self._reply(404, b"known paths: /healthz, /readyz, /metrics\n")

    def _reply(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log no probes."""


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
        contents = self._hub.contents()
        up = contents is not None and contents["state"] == "up"
        yield GaugeMetricFamily("dashboard_mongodb_up", "1 while the database answers.", up)
        if contents and contents["count"] is not None:
            yield GaugeMetricFamily("dashboard_mongodb_documents", "Documents in the collection.", contents["count"])
            yield GaugeMetricFamily("dashboard_mongodb_size_bytes", "Their size.", contents["size_bytes"])


class RequestsCollector(Collector):
    """Exports the requests to the API server: one watch a kind and a few requests a minute for any number of pages."""

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
