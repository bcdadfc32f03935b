"""The mock on ports of its own, which a test may stop, hold and start again."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.dashboard.stubs import OPERATOR, VIEWER, Served

TOKENS = {"operator": OPERATOR, "viewer": VIEWER}
VIEWERS = 20
REST_SECONDS = 120.0  # a database that was killed is back by then, on a machine that is busy


class Mock(Served):
    """`options` are MOCK_SPEED and its like."""

    def __init__(self, **options: str) -> None:
        super().__init__(VIEWERS, **options)

    def start(self) -> None:
        """It has something to show from then on: the hour before takes it a second, and many on a busy machine."""
        super().start()
        self.wait_until_ready()
        self.rest()

    def stop(self) -> None:
        self.go_on()
        super().stop()

    def post(self, document: object) -> str:
        """Stores a document as an operator's script does; its id."""
        return str(self.ask("POST", "/api/documents", document)["id"])

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What the API answers to an operator's script."""
        headers = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, headers, method=method)  # noqa: S310
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def rest(self) -> None:
        """Ends what goes on, and waits until nothing does, so that no test meets the run or load of another."""
        end = time.monotonic() + REST_SECONDS
        while self._goes_on(self.ask("GET", "/api/state")):
            assert time.monotonic() < end, f"not at rest within {REST_SECONDS:g} s"
            time.sleep(0.1)

    def _goes_on(self, state: Any) -> bool:
        """Whether anything does, after it was told to end."""
        run, load = state["run"], state["load"]
        if run and run["verdict"] == "running":
            self.ask("DELETE", f"/api/runs/{run['id']}")
            return True
        if load and load["active"]:
            self.ask("DELETE", "/api/load")
            return True
        return bool(state["lease"]) or not any(pod["ready"] for pod in state["pods"] if pod["app"] == "mongodb")

    def hold(self) -> None:
        """It stands still, and its connections stay."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """To gunicorn and to its worker."""
        if self.process.poll() is None:
            pid = self.process.pid
            for each in (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())):
                os.kill(each, number)
