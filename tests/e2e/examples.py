"""The applications of examples/ on a test's cluster, each in a namespace of its own."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e import example_images
from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.example_images import EXAMPLES
from tools.cluster import lifecycle
from tools.cluster.instance import CHECKOUT, Instance
from tools.local.mongod import free_port, listens

READY_SECONDS = 180.0
FORWARD_SECONDS = 10.0
PASSWORD = "0a1b2c3d4e5f60718293"  # of each example's database


@dataclass(frozen=True)
class Example:
    """An application. Its directory, its namespace, and its Deployment, Service and autoscaler have its name."""

    name: str
    images: tuple[str, ...]  # their names in example_images.py
    database: str = ""  # its StatefulSet, and the Secret with its password

    @property
    def manifest(self) -> Path:
        return EXAMPLES / self.name / f"{self.name}.yaml"

    @property
    def target(self) -> Path:
        return EXAMPLES / self.name / "target.yaml"


NOTES = Example("notes", ("notes", "postgres"), "notes-db")
GUESTBOOK = Example("guestbook", ("guestbook", "guestbook-early", "redis"), "guestbook-redis")
STATELESS = Example("stateless", ("python",))


class Application:
    """An example on a cluster."""

    def __init__(self, deployment: Deployment, example: Example) -> None:
        self.deployment = deployment
        self.example = example

    def apply(self) -> None:
        """Create it in a new namespace, by the commands at the head of its manifest, and wait until it is Ready."""
        self._load_images()
        name, database = self.example.name, self.example.database
        self.deployment.kubectl("create", "namespace", name)
        if database:
            self.kubectl("create", "secret", "generic", database, f"--from-literal=password={PASSWORD}")
        self.kubectl("apply", "--filename", str(self.example.manifest))
        for each in (f"statefulset/{database}", f"deployment/{name}") if database else (f"deployment/{name}",):
            self.wait_ready(each)

    def delete(self) -> None:
        self.deployment.kubectl("delete", "namespace", self.example.name)

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.deployment.kubectl("--namespace", self.example.name, *arguments, **options)

    def get(self, *arguments: str) -> Any:
        """Return the object from `kubectl get`."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def wait_ready(self, name: str) -> None:
        wait_until(lambda: self._is_ready(name), READY_SECONDS)

    def wait_rolled_out(self, name: str) -> None:
        self.kubectl("rollout", "status", name, f"--timeout={READY_SECONDS:.0f}s")

    @contextlib.contextmanager
    def changed(self, name: str, *command: str) -> Iterator[None]:
        """A workload after `kubectl set …`, and as the manifest has it afterwards."""
        try:
            verb, what, *values = command
            self.kubectl(verb, what, name, *values)
            self.wait_rolled_out(name)
            yield
        finally:
            self.kubectl("apply", "--filename", str(self.example.manifest))
            self.wait_rolled_out(name)

    def dashboard_may(self, verb: str, what: str, name: str = "dashboard") -> bool:
        """Return whether the account of the installed dashboard of this name may do this."""
        account = f"system:serviceaccount:{self.example.name}:{name}"
        answer = self.kubectl("auth", "can-i", verb, what, "--as", account, check=False).strip()
        assert answer.endswith(("yes", "no")), answer
        return answer.endswith("yes")

    @contextlib.contextmanager
    def forwarded(self, name: str, port: int) -> Iterator[str]:
        """Forward a port of this machine to a Service's pod. Yield the address."""
        local = free_port()
        # It prints a line for each connection: nobody reads them, so a pipe would be full after two thousand.
        with subprocess.Popen(self._port_forward(name, local, port), stdout=subprocess.DEVNULL) as process:
            try:
                wait_until(lambda: listens(local), FORWARD_SECONDS)
                yield f"http://127.0.0.1:{local}"
            finally:
                process.terminate()

    @contextlib.contextmanager
    def forwarded_again(self, name: str, port: int) -> Iterator[str]:
        """Forward a port to a Service's pod, and to the next one when that is gone. Yield host and port."""
        local, ended, null = free_port(), threading.Event(), subprocess.DEVNULL

        def forward() -> None:
            while not ended.wait(0.2):
                with subprocess.Popen(self._port_forward(name, local, port), stdout=null, stderr=null) as process:
                    while process.poll() is None and not ended.wait(0.1):
                        pass
                    process.terminate()

        thread = threading.Thread(target=forward)
        thread.start()
        try:
            yield f"127.0.0.1:{local}"
        finally:
            ended.set()
            thread.join()

    @contextlib.contextmanager
    def dashboard(self, name: str = "dashboard") -> Iterator["InstalledDashboard"]:
        """A dashboard in its namespace, by docs/your-app.md's commands; with another name, one beside the first."""
        image = self.deployment.get("deployment", "dashboard")["spec"]["template"]["spec"]["containers"][0]["image"]
        where = ("--namespace", self.example.name, "--name", name)
        secret = program("dashboard.manifests", "--secret", *where).stdout
        self.kubectl("create", "--filename", "-", input=secret)
        made = program("dashboard.manifests", "--for", str(self.example.target), *where, "--image", image).stdout
        self.kubectl("apply", "--filename", "-", input=made)
        self.wait_ready(f"deployment/{name}")
        token = self.get("secret", f"{name}-auth")["data"]["operator-token"]
        with self.forwarded(name, 8080) as url:
            yield InstalledDashboard(url, base64.b64decode(token).decode())

    def _port_forward(self, name: str, local: int, port: int) -> tuple[str, ...]:
        directory = self.deployment.directory
        return (
            str(directory / "bin" / "kubectl"), "--kubeconfig", str(directory / "kubeconfig"),
            "--namespace", self.example.name, "port-forward", f"service/{name}", f"{local}:{port}",
        )  # fmt: skip

    def _load_images(self) -> None:
        deployment, images = self.deployment, example_images.ensure()
        instance = Instance(deployment.name, deployment.directory, deployment.api_port)
        for name in self.example.images:
            lifecycle.load(instance, images[name].archive)

    def _is_ready(self, name: str) -> bool:
        status = self.get(name)["status"]
        return bool(status.get("readyReplicas")) and status["readyReplicas"] == status["replicas"]


@dataclass(frozen=True)
class InstalledDashboard:
    url: str
    token: str

    def prove(self, demo: str, reports: Path) -> subprocess.CompletedProcess[str]:
        done = program("dashboard.prove", demo, "--url", self.url, "--reports", str(reports), PROVE_TOKEN=self.token)
        print(done.stdout)
        return done


def program(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", module, *arguments), cwd=CHECKOUT, env=os.environ | environment, text=True,
        capture_output=True,
    )  # fmt: skip


def evidence(reports: Path) -> Any:
    """Return the evidence in the only run's report."""
    return _report(reports)["evidence"]


def timeline(reports: Path) -> str:
    """Return the texts of the only run's timeline, a line each."""
    return "\n".join(entry["text"] for entry in _report(reports)["timeline"])


def _report(reports: Path) -> Any:
    (report,) = reports.glob("*.json")
    return json.loads(report.read_text())
