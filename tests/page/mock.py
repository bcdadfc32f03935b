"""The mock as `make mock` runs it, on ports of its own, which a test may stop, hold and start again."""

import json
import os
import signal
import subprocess
import sys
from urllib.request import Request, urlopen

from local.mongod import free_port
from tests.dashboard.stubs import OPERATOR, ROOT, SESSION_KEY, VIEWER, Served

TOKENS = {"operator": OPERATOR, "viewer": VIEWER}


class Mock(Served):
    """`options` are FAKE_SPEED and its like."""

    def __init__(self, **options: str) -> None:
        self.port, self.probe_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = options
        self.start()

    def start(self) -> None:
        tokens = {"OPERATOR_TOKEN": OPERATOR, "VIEWER_TOKEN": VIEWER, "SESSION_KEY": SESSION_KEY}
        ports = {"PORT": str(self.port), "PROBE_PORT": str(self.probe_port)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dashboard"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "DASHBOARD_SOURCE": "fake", **tokens, **ports, **self._options},
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # gunicorn's worker is to be held with it
        )
        self.wait_until_ready()

    def stop(self) -> None:
        self.go_on()
        self.process.terminate()
        self.process.wait(15)

    def post(self, document: object) -> str:
        """Stores a document as an operator's script does; its id."""
        headers = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "application/json"}
        request = Request(f"{self.url}/api/documents", json.dumps(document).encode(), headers)  # noqa: S310
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return str(json.load(answer)["id"])

    def hold(self) -> None:
        """It stands still, and its connections stay."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)
