"""The mock as a process that a test may stop, suspend and start again."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import OPERATOR, VIEWER

TOKENS = {"operator": OPERATOR, "viewer": VIEWER}
VIEWERS = 20
REST_SECONDS = 120.0  # until a killed database is back, on a busy machine


class MockProcess(DashboardProcess):
    """`options` are environment variables such as MOCK_SPEED."""

    def __init__(self, **options: str) -> None:
        super().__init__(VIEWERS, **options)

    def start(self) -> None:
        """Start and wait until the mock is ready: simulating the past hour takes a second, more on a busy machine."""
        super().start()
        self.wait_until_ready()
        self.rest()

    def stop(self) -> None:
        self.resume()
        super().stop()

    def post(self, document: object) -> str:
        """Store a document with the operator's token. Returns its id."""
        return str(self.request("POST", "/api/documents", document)["id"])

    def replace(self, id_: str, document: object) -> None:
        """Replace a document, whatever its version, as another operator may."""
        self.open("PUT", f"/api/documents/{id_}", document, If_Match="*").close()

    def delete(self, id_: str) -> None:
        """Delete a document, whatever its version."""
        self.open("DELETE", f"/api/documents/{id_}", If_Match="*").close()

    def rest(self) -> None:
        """End the active run and load and wait until the mock is idle, so that tests do not affect each other."""
        end = time.monotonic() + REST_SECONDS
        while self._is_busy(self.request("GET", "/api/state")):
            assert time.monotonic() < end, f"not idle within {REST_SECONDS:g} s"
            time.sleep(0.1)

    def _is_busy(self, state: Any) -> bool:
        """Request the end of the active run or load. Returns whether anything is still active."""
        run, load = state["run"], state["load"]
        if run and run["verdict"] == "running":
            self.request("DELETE", f"/api/runs/{run['id']}")
            return True
        if load and load["active"]:
            self.request("DELETE", "/api/load")
            return True
        return bool(state["lease"]) or not any(pod["ready"] for pod in state["pods"] if pod["app"] == "mongodb")

    def suspend(self) -> None:
        """Suspend the process; its connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to gunicorn and its worker."""
        if self.process.poll() is None:
            pid = self.process.pid
            for each in (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())):
                os.kill(each, number)
