"""gunicorn's configuration. Run it where service/ is a directory of the working directory:

    gunicorn --config python:service.server.settings

The lower-case names below are gunicorn's settings and hooks. Each worker also starts the thread that reaches MongoDB
and the health server. The processes write only to the temporary directory and to /dev/shm.

Shutdown of a pod: preStop creates the marker file (`touch /tmp/draining; sleep 5`). Readiness fails, and responses say
Connection: close while the endpoints are withdrawn. Then SIGTERM: clients that still come are served until none has
come for a second, and requests in flight have graceful_timeout to finish.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from service.config import HEADER_SIZE_LIMIT, HEADERS_LIMIT, REQUEST_LINE_LIMIT, ServiceConfig
from webserver.environment import ConfigError
from webserver.worker import BOUNDS, Worker, end_with_worker

MMAP_THRESHOLD = 256 * 1024  # bytes; larger allocations get a mapping of their own
ARENAS = 2

try:
    _config = ServiceConfig.from_environment()
except ConfigError as error:
    raise SystemExit(f"service: {error}") from None

_drain_file = str(_config.drain_file)
_metrics_directory = tempfile.mkdtemp(prefix="metrics-") if _config.workers > 1 else None
_shared_memory = Path("/dev/shm")  # noqa: S108 - the worker's heartbeat file must not wait for a disk


class ServiceWorker(Worker):
    bounds = replace(BOUNDS, late_seconds=10.0)  # half of graceful_timeout


wsgi_app = "service.app:create_app()"
bind = f"{_config.host}:{_config.port}"
worker_class = ServiceWorker
workers = _config.workers
threads = _config.threads
keepalive = 75  # seconds; longer than clients keep idle connections, so that the client closes first
limit_request_line = REQUEST_LINE_LIMIT
limit_request_fields = HEADERS_LIMIT
limit_request_field_size = HEADER_SIZE_LIMIT
forwarded_allow_ips = ""  # gunicorn would believe a proxy's headers from 127.0.0.1; webserver.forwarded reads them
graceful_timeout = 20  # seconds; with preStop's 5 below the pod's 30
worker_tmp_dir = str(_shared_memory) if _shared_memory.is_dir() else None
control_socket_disable = True
# prometheus_client reads this once, when a worker imports it.
raw_env = [f"PROMETHEUS_MULTIPROC_DIR={_metrics_directory}"] if _metrics_directory else []
sendfile = False  # answers go through the worker's channels
logger_class = "webserver.worker.Log"
logconfig_dict = {
    "formatters": {"generic": {"()": "service.logs.JsonFormatter"}},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": False}},
}


def post_fork(server: Any, worker: Any) -> None:
    """Make glibc return the memory of large bodies and pages to the system, instead of keeping it in per-thread arenas.

    Without this, one client that reads a page of 5 MB permanently grows the process from 40 to 200 MB.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(-3, MMAP_THRESHOLD)  # M_MMAP_THRESHOLD
        mallopt(-8, ARENAS)  # M_ARENA_MAX


def on_starting(server: Any) -> None:
    """Remove the marker of an earlier drain: /tmp outlives a container restart within the pod."""
    _config.drain_file.unlink(missing_ok=True)


def post_worker_init(worker: Any) -> None:
    """Start the worker's background threads."""
    from service.server.probes import answers  # in the worker only, after the fork
    from webserver.health_server import HealthServer

    parts = worker.wsgi.extensions["service"]
    parts.health.stop_when(lambda: worker.is_ending)
    threading.Thread(target=_follow_mongodb, args=[parts], name="mongodb", daemon=True).start()
    if _config.probe_port:
        paths = answers(parts.health, parts.metrics.exposition)
        HealthServer(_config.host, _config.probe_port, paths, shared=True).start()


def _follow_mongodb(parts: Any) -> None:
    parts.health.reach(parts.store)
    parts.health.watch(parts.store)


def pre_request(worker: Any, request: Any) -> None:
    """While the pod drains, close connections after the response: the client's next one goes to another pod."""
    if os.access(_drain_file, os.F_OK):  # Path.exists raises and catches an error where there is none
        request.force_close()


def child_exit(server: Any, worker: Any) -> None:
    """Remove a dead worker's gauges, and end with it."""
    if _metrics_directory:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid, _metrics_directory)  # type: ignore[no-untyped-call]
    end_with_worker(server)


def on_exit(server: Any) -> None:
    if _metrics_directory:
        shutil.rmtree(_metrics_directory, ignore_errors=True)
