"""A whole deployment for tests, on an embedded cluster of its own: other ports and directories than any demo's."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import urllib3

from tools.cluster.instance import CHECKOUT
from tools.deploy import secrets


class Deployment:
    """What `make up` makes, under another name."""

    def __init__(self, name: str = "test", ports: Sequence[int] = ()) -> None:
        """`ports`: the service's, the dashboard's and the API server's; free ones where none are given."""
        self.name = name
        self.directory = CHECKOUT / f".cluster-{name}"
        self.service_port, self.dashboard_port, self.api_port = ports or free_ports(3)
        self.http = urllib3.PoolManager(timeout=30, retries=False)

    @property
    def service(self) -> str:
        return f"http://127.0.0.1:{self.service_port}"

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{self.dashboard_port}"

    @property
    def login_link(self) -> str:
        return f"{self.dashboard}/login#{secrets.operator_token()}"

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {secrets.operator_token()}"}

    def deploy(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of deploy/ for this deployment."""
        ports = {"SERVICE_PORT": self.service_port, "DASHBOARD_PORT": self.dashboard_port, "API_PORT": self.api_port}
        return subprocess.run(
            (sys.executable, "-m", "tools.deploy", "--name", self.name, command), cwd=CHECKOUT, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {name: str(port) for name, port in ports.items()} | environment,
        )  # fmt: skip

    def kubectl(self, *arguments: str, check: bool = True, input: str = "") -> str:
        command = (
            str(self.directory / "bin" / "kubectl"),
            "--kubeconfig",
            str(self.directory / "kubeconfig"),
            *arguments,
        )
        done = subprocess.run(command, input=input, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def get(self, *what: str) -> Any:
        """An object or a list, as the API has it."""
        return json.loads(self.kubectl("get", *what, "--output", "json"))

    def state(self) -> Any:
        """The dashboard's state. A dashboard that is being replaced closes its connections: it is asked again."""
        url = f"{self.dashboard}/api/state"
        return self.http.request("GET", url, headers=self.authorization, retries=3).json()

    def remove(self) -> None:
        self.deploy("down")
        shutil.rmtree(self.directory, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports
