"""The mock on ports of its own, which a test may stop, hold and start again."""

import json
import os
import signal
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.dashboard.stubs import OPERATOR, VIEWER, Served

TOKENS = {"operator": OPERATOR, "viewer": VIEWER}
VIEWERS = 20


class Mock(Served):
    """`options` are FAKE_SPEED and its like."""

    def __init__(self, **options: str) -> None:
        super().__init__(VIEWERS, **options)

    def start(self) -> None:
        super().start()
        self.wait_until_ready()

    def stop(self) -> None:
        self.go_on()
        self.process.terminate()
        self.process.wait(15)

    def post(self, document: object) -> str:
        """Stores a document as an operator's script does; its id."""
        return str(self.ask("POST", "/api/documents", document)["id"])

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What the API answers to an operator's script."""
        headers = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, headers, method=method)  # noqa: S310
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

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
