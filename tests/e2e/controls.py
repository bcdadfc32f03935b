"""The dashboard's proofs as a script asks for them, and deployments in which they must not pass."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import urllib3

from tests.e2e.deployment import Deployment
from tools.cluster.instance import CHECKOUT
from tools.deploy import secrets

ROLLED_OUT = 180.0  # seconds, for pods to be replaced
WRITABLE = 120.0
LONGEST_RUN = 1_200.0
LOOK_SECONDS = 0.5  # between two looks: what is measured here shares its machine with who looks

# The service itself, but for the one word that a driver may say to MongoDB: that nobody waits for an answer.
CARELESS = """
import sys

import pymongo


class Careless(pymongo.MongoClient):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **(options | {"w": 0, "journal": False, "retryWrites": False}))


pymongo.MongoClient = Careless
sys.argv = ["gunicorn", "--config", "python:service.server.settings"]
from gunicorn.app.wsgiapp import run

run()
"""

Json = dict[str, Any]


class Proofs:
    """The runs of a deployment's dashboard, by its HTTP API."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def ask(self, method: str, path: str, body: Any = None) -> urllib3.BaseHTTPResponse:
        deployment = self._deployment
        return deployment.http.request(
            method, f"{deployment.dashboard}/api{path}", json=body, headers=deployment.authorization
        )

    def start(self, demo: str, **options: Any) -> str:
        """The run's id. A run that has just ended may be in the way for a moment."""
        started: list[str] = []

        def try_it() -> bool:
            try:
                answer = self.ask("POST", "/runs", {"demo": demo, "options": options})
            except urllib3.exceptions.HTTPError:  # a dashboard that is just being replaced
                return False
            assert answer.status in (202, 409), answer.data
            started.extend([answer.json()["id"]] if answer.status == 202 else [])
            return bool(started)

        until(try_it, 30)
        return started[0]

    def run(self, run_id: str) -> Json:
        """The run as it stands; empty while the dashboard is away."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            answer = self.ask("GET", f"/runs/{run_id}")
            return answer.json() if answer.status == 200 else {}
        return {}

    def reach(self, run_id: str, step: str, limit: float = LONGEST_RUN) -> None:
        """Waits until a step of the run is under way."""

        def under_way() -> bool:
            run = self.run(run_id)
            assert run.get("verdict", "running") == "running", run
            return any(each["id"] == step and each["state"] == "running" for each in run.get("steps", []))

        until(under_way, limit)

    def end(self, run_id: str, limit: float = LONGEST_RUN) -> Json:
        """The run as it ended, from the first dashboard that says so: it may be gone with the next request."""
        ended: list[Json] = []

        def is_over() -> bool:
            run = self.run(run_id)
            ended.extend([run] if run.get("verdict", "running") != "running" else [])
            return bool(ended)

        until(is_over, limit)
        return ended[0]

    def play(self, demo: str, **options: Any) -> Json:
        return self.end(self.start(demo, **options))

    def prove(self, reports: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The client, as CI runs it."""
        url = ("--url", self._deployment.dashboard, "--reports", str(reports))
        return subprocess.run(
            [sys.executable, "-m", "dashboard.prove", *arguments, *url],
            cwd=CHECKOUT, capture_output=True, text=True,
            env=os.environ | {"PROVE_TOKEN": secrets.operator_token()},
        )  # fmt: skip


@contextlib.contextmanager
def database_without_volume(deployment: Deployment) -> Iterator[None]:
    """MongoDB on an emptyDir: the next pod begins with nothing."""
    found = deployment.get("statefulset", "mongodb")
    kept = {name: found["metadata"].get(name) for name in ("name", "namespace", "labels", "annotations")}
    original = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": kept, "spec": found["spec"]}
    forgetful = json.loads(json.dumps(original))
    del forgetful["spec"]["volumeClaimTemplates"]
    pod = forgetful["spec"]["template"]["spec"]
    pod["volumes"].append({"name": "data", "emptyDir": {}})
    pod["containers"][0]["resources"]["limits"]["ephemeral-storage"] = "4Gi"  # the directory counts, too
    try:
        _remake(deployment, forgetful)
        yield
    finally:
        _remake(deployment, original)


@contextlib.contextmanager
def service_that_waits_for_nobody(deployment: Deployment) -> Iterator[None]:
    """It acknowledges with `w: 0`: once a document is on its way, and not when it is there."""
    container = {"name": "flask", "command": ["python", "-c", CARELESS]}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    deployment.kubectl("patch", "deployment", "flask", "--type=strategic", "--patch", json.dumps(patch))
    try:
        _roll_out(deployment, "flask")
        yield
    finally:
        undo = [{"op": "remove", "path": "/spec/template/spec/containers/0/command"}]
        deployment.kubectl("patch", "deployment", "flask", "--type=json", "--patch", json.dumps(undo))
        _roll_out(deployment, "flask")


@contextlib.contextmanager
def no_service(deployment: Deployment) -> Iterator[None]:
    """Nobody answers the writers."""
    deployment.kubectl("scale", "deployment", "flask", "--replicas=0")
    deployment.kubectl("wait", "--for=delete", "pod", "--selector", "app.kubernetes.io/name=flask", "--timeout=90s")
    try:
        yield
    finally:
        deployment.kubectl("scale", "deployment", "flask", "--replicas=2")
        _roll_out(deployment, "flask")


def until(condition: Callable[[], Any], seconds: float) -> None:
    """Waits until it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(LOOK_SECONDS)


def _remake(deployment: Deployment, statefulset: Json) -> None:
    """Another database altogether. Whoever knew the last one would take this one's election for an old one."""
    deployment.kubectl("delete", "statefulset", "mongodb", "--cascade=foreground", "--timeout=120s")
    deployment.kubectl("wait", "--for=delete", "pod/mongodb-0", "--timeout=120s")
    path = deployment.directory / "statefulset.json"
    path.write_text(json.dumps(statefulset))
    deployment.kubectl("create", "--filename", str(path))
    deployment.kubectl("wait", "--for=create", "pod/mongodb-0", "--timeout=60s")
    deployment.kubectl("wait", "--for=condition=Ready", "pod/mongodb-0", "--timeout=180s")
    deployment.kubectl("rollout", "restart", "deployment/flask", "deployment/dashboard")
    _roll_out(deployment, "flask", "dashboard")
    until(lambda: takes_writes(deployment), WRITABLE)
    until(lambda: _sees_database(deployment), WRITABLE)


def _roll_out(deployment: Deployment, *names: str) -> None:
    for name in names:
        deployment.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={ROLLED_OUT:.0f}s")
    until(lambda: _sees_database(deployment), WRITABLE)


def takes_writes(deployment: Deployment) -> bool:
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        return deployment.http.request("POST", f"{deployment.service}/proofs", json={"test": True}).status == 201
    return False


def _sees_database(deployment: Deployment) -> bool:
    with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
        mongo = deployment.state()["mongo"]
        return mongo is not None and mongo["state"] == "up"
    return False
