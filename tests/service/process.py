"""The service as a process, as a pod runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from tools.local.mongod import dies_with_parent, free_ports

READY_SECONDS = 120  # on a busy machine; about one second otherwise
ROOT = Path(__file__).parents[2]


class ServiceProcess:
    """gunicorn with the service's configuration, on free ports; or a program for `python -c`, which starts it with a
    defect."""

    def __init__(self, directory: Path, uri: str, program: str = "", **environment: str) -> None:
        self.port, self.probe_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.probes = f"http://127.0.0.1:{self.probe_port}"
        self.drain_file = directory / "draining"
        self.log = directory / f"gunicorn-{self.port}.log"
        server = ["-c", program] if program else ["-m", "gunicorn", "--config", "python:service.server.settings"]
        self._command = [*dies_with_parent(), sys.executable, *server]
        self._environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(directory),
            "MONGODB_URI": uri,
            "PORT": str(self.port),
            "PROBE_PORT": str(self.probe_port),
            "DRAIN_FILE": str(self.drain_file),
            "REQUEST_DEADLINE_SECONDS": "15",
            **environment,
        }

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            pids = [self.process.pid, *self.workers()]  # an orderly end takes a second
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def wait_ready(self) -> Self:
        wait_until(lambda: self._probe("/readyz") == 200, READY_SECONDS, lambda: self.log.read_text())
        return self

    def wait_alive(self) -> Self:
        wait_until(lambda: self._probe("/healthz") == 200, READY_SECONDS, lambda: self.log.read_text())
        return self

    def workers(self) -> list[int]:
        """Return the pids of gunicorn's workers."""
        main = self.process.pid
        return [int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split()]

    def metric(self, series: str, address: str | None = None) -> float | None:
        """Return a series' value from /metrics of the probe port, or of another address."""
        lines = requests.get(f"{address or self.probes}/metrics", timeout=30).text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} ")), None)

    def _probe(self, path: str) -> int | None:
        try:
            return requests.get(self.probes + path, timeout=2).status_code
        except requests.ConnectionError:
            return None


def wait_until(condition: Callable[[], bool], seconds: float, explain: Callable[[], str] = lambda: "") -> None:
    """Poll until the condition holds. Fail with the explanation after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s. {explain()}"
        time.sleep(0.02)
