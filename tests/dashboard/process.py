"""The dashboard as a process, as its container runs it."""

import json
import os
import subprocess
import sys
import time
from typing import IO, Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.dashboard.stubs import OPERATOR, ROOT, SESSION_KEY, VIEWER
from tools.local.mongod import dies_with_parent, free_ports

READY_SECONDS = 120.0  # on a busy machine; two seconds otherwise
STOP_SECONDS = 60.0  # on a busy machine; otherwise up to 12 s, for the requests in flight


class DashboardProcess:
    """gunicorn with the dashboard and its mock source, on free ports. `options` are environment variables."""

    def __init__(self, viewers: int, output: IO[bytes] | None = None, **options: str) -> None:
        self._output = output
        self.port, self.probe_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            "PATH": os.environ["PATH"],
            "DASHBOARD_SOURCE": "mock",
            "OPERATOR_TOKEN": OPERATOR,
            "VIEWER_TOKEN": VIEWER,
            "SESSION_KEY": SESSION_KEY,
            "PORT": str(self.port),
            "PROBE_PORT": str(self.probe_port),
            "MAX_VIEWERS": str(viewers),
            **options,
        }
        self.start()

    def __enter__(self) -> Self:
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *dies_with_parent(),
                sys.executable,
                "-m",
                "gunicorn",
                "--config",
                "dashboard/gunicorn.conf.py",
                "dashboard.app:create_app()",
            ],
            cwd=ROOT,
            env=self._environment,
            stdout=self._output,
            stderr=self._output,
        )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                with urlopen(f"http://127.0.0.1:{self.probe_port}/readyz") as response:
                    assert response.status == 200
                    return
            except URLError:
                time.sleep(0.05)
        self.process.kill()
        self.process.wait()
        raise AssertionError(f"the dashboard is not ready within {READY_SECONDS:g} s")

    def open(self, method: str, path: str, body: object = None, token: str = OPERATOR, **more: str) -> Any:
        """Send a request with a token, and more headers, whose names have underscores. Return the open response."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, headers, method=method)  # noqa: S310 - http
        return urlopen(request, timeout=60)  # noqa: S310 - http

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send a request with the operator's token. Return the JSON of the response."""
        with self.open(method, path, body) as response:
            return json.load(response)

    def stop(self) -> None:
        """Stop it with SIGTERM, like a pod. If it does not exit in time, kill it and fail the test."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
