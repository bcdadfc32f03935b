"""An embedded cluster that serves as somebody else's: without our deployment, its kubeconfig is the current one.

`make up` does not run it. The images are put onto its node under the names that a registry would give them, since the
node's network has no way out to one.
"""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from tools.cluster import lifecycle
from tools.cluster.instance import CHECKOUT, Instance
from tools.deploy import images
from tools.local.mongod import free_ports

NAME = "hosts"
REGISTRY = "registry.example/you"
OFFICIAL_MONGO = "docker.io/library/mongo:7.0"
NAMESPACE = "flask-mongodb"

Json = dict[str, Any]


class ForeignCluster:
    """The cluster, the ports of our port-forwards, and the environment of somebody who has its kubeconfig."""

    def __init__(self) -> None:
        api, self.service_port, self.dashboard_port = free_ports(3)
        self.instance = Instance(NAME, CHECKOUT / f".cluster-{NAME}", api)
        self.environment = os.environ | {
            "KUBECONFIG": str(self.instance.kubeconfig),
            "PATH": f"{self.instance.kubectl.parent}:{os.environ['PATH']}",
            "REGISTRY": REGISTRY,
            "CLUSTER": "current",
            "SERVICE_PORT": str(self.service_port),
            "DASHBOARD_PORT": str(self.dashboard_port),
        }

    @property
    def state_url(self) -> str:
        return f"http://127.0.0.1:{self.dashboard_port}/api/state"

    def start(self) -> None:
        command = ("-m", "tools.cluster", "--name", NAME, "--api-port", str(self.instance.api_port), "up")
        subprocess.run((sys.executable, *command), cwd=CHECKOUT, check=True)
        images.build([*images.own(), images.MONGOD.wanted()], print)
        for image in images.own():
            lifecycle.load(self.instance, image.archive)
            for name in (f"{REGISTRY}/{image.reference}", f"docker.io/library/{image.name}:{images.VERSION}"):
                self._tag(f"docker.io/library/{image.reference}", name)
        mongo = images.MONGOD.wanted()
        lifecycle.load(self.instance, mongo.archive)
        self._tag(mongo.reference, OFFICIAL_MONGO)

    def stop(self) -> None:
        """Stop it and delete its state: what the tests change in the cluster itself is not for the next session."""
        lifecycle.down(self.instance)
        shutil.rmtree(self.instance.directory, ignore_errors=True)

    def _tag(self, source: str, target: str) -> None:
        command = ("ctr", "--namespace", "k8s.io", "images", "tag", "--force", source, target)
        done = lifecycle._on_node(self.instance, *command)
        assert done.returncode == 0, done.stderr

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:
        done = subprocess.run(
            ("kubectl", "--namespace", NAMESPACE, *arguments), env=self.environment, input=input,
            capture_output=True, text=True,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{shlex.join(arguments)}: {done.stderr}"
        return done.stdout + done.stderr

    def get(self, *arguments: str) -> Json:
        found: Json = json.loads(self.kubectl("get", *arguments, "--output", "json"))
        return found

    def deploy(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "-m", "tools.deploy", command), cwd=CHECKOUT, env=self.environment | environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def until_said(self, command: str, text: str, limit: float) -> tuple[float, list[str]]:
        """Run a command until it says a text; interrupt it then. Return the seconds since it last said anything else
        than waiting, and all lines. Fail if it ends or takes longer than the limit before.
        """
        process = subprocess.Popen(
            (sys.executable, "-u", "-m", "tools.deploy", command), cwd=CHECKOUT, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        lines: list[str] = []
        applied = began = time.monotonic()
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                if "applying the manifests" in line:
                    applied = time.monotonic()
                if text in line:
                    return time.monotonic() - applied, lines
                assert time.monotonic() < began + limit, "\n".join(lines)
            raise AssertionError("it ended before: " + "\n".join(lines))
        finally:
            process.terminate()
            for line in process.stdout or ():
                lines.append(line.rstrip())
            process.wait(30)

    def clear(self) -> None:
        """Delete what was deployed, data included."""
        self.deploy("down")
        self.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout=120s")

    @contextlib.contextmanager
    def without(self, kind: str, name: str) -> Iterator[None]:
        """Delete an object of the cluster, and make it again afterwards."""
        before = self.get(kind, name)
        kept = {key: value for key, value in before["metadata"].items() if key in ("name", "labels", "annotations")}
        self.kubectl("delete", kind, name)
        try:
            yield
        finally:
            again = {key: value for key, value in before.items() if key != "status"} | {"metadata": kept}
            self.kubectl("create", "--filename", "-", input=json.dumps(again))
