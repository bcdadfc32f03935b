"""A deployment for tests, on an embedded cluster with ports and a directory of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import urllib3

from tools.cluster.instance import CHECKOUT
from tools.deploy import secrets
from tools.local.mongod import free_ports

DASHBOARD = "app.kubernetes.io/name=dashboard"  # the label of its pods
AGAIN = urllib3.Retry(6, backoff_factor=0.2)  # 12 s in all
CONTAINERS = (  # whose logs tell of a failure
    ("mongodb-0", "sidecar"),
    ("mongodb-0", "mongod"),
    ("deployment/flask", "flask"),
    ("deployment/dashboard", "dashboard"),
)
ROUTINE = re.compile(r'"s":"I"|"event":"request".*"status":2')  # lines of mongod and of the service


class Deployment:
    """The deployment that `make up` makes, under another name, from a copy of the manifests with secrets of its own."""

    def __init__(self, name: str = "test", ports: Sequence[int] = ()) -> None:
        """`ports` are those of the service, the dashboard and the API server; by default, free ones."""
        self.name = name
        self.directory = CHECKOUT / f".cluster-{name}"
        self.manifests = self.directory / "k8s"
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
        return f"{self.dashboard}/login#{self.operator_token}"

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.operator_token}"}

    @property
    def operator_token(self) -> str:
        return secrets.operator_token(self.manifests)

    def deploy(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of tools.deploy for this deployment. "up" takes the checkout's manifests, as they are now."""
        if command == "up":
            ignored = shutil.ignore_patterns("secrets")
            shutil.copytree(CHECKOUT / "k8s", self.manifests, ignore=ignored, dirs_exist_ok=True)
        ports = {"SERVICE_PORT": self.service_port, "DASHBOARD_PORT": self.dashboard_port, "API_PORT": self.api_port}
        settings = {"MANIFESTS": str(self.manifests)} | {name: str(port) for name, port in ports.items()}
        return subprocess.run(
            (sys.executable, "-m", "tools.deploy", "--name", self.name, command), cwd=CHECKOUT, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | settings | environment,
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

    def get(self, *arguments: str) -> Any:
        """Return the object or list from `kubectl get`."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def state(self) -> Any:
        """Return the dashboard's state. Retries, since a dashboard that is being replaced closes its connections."""
        url = f"{self.dashboard}/api/state"
        return self.http.request("GET", url, headers=self.authorization, retries=AGAIN).json()

    def describe(self) -> str:
        """Return its pods, late events, the ends of the logs without what is routine, and the sources not live."""
        if not (self.directory / "kubeconfig").exists():
            return "It is gone."
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False).splitlines()
        parts = [self.kubectl("get", "pods,endpointslices", "--output", "wide", check=False), *events[-15:]]
        for pod, container in CONTAINERS:
            log = self.kubectl("logs", pod, "--container", container, "--tail=2000", check=False).splitlines()
            parts += [f"{pod} {container}:", *[line for line in log if not ROUTINE.search(line)][-15:]]
        for path in sorted((self.directory / "logs").glob("*.log")):
            errors = [line for line in path.read_text(errors="replace").splitlines() if line.startswith("E")]
            parts += [f"{path.name}:", *errors[-5:]]
        try:
            parts.append(str({name: each for name, each in self.state()["sources"].items() if each["state"] != "live"}))
        except (urllib3.exceptions.HTTPError, ValueError, KeyError) as error:
            parts.append(f"no state: {error}")
        return "\n".join(parts)

    def remove(self) -> None:
        self.deploy("down")
        shutil.rmtree(self.directory, ignore_errors=True)


def wait_until(condition: Callable[[], Any], seconds: float, interval: float = 0.5) -> None:
    """Wait until the condition holds; fail after `seconds`. A short interval takes CPU from the cluster it measures."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(interval)
