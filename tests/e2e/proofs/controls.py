"""A client of the dashboard's runs, and changes to a deployment after which no demo may PASS."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import urllib3

from tests.e2e.deployment import Deployment, wait_until
from tools.cluster.instance import CHECKOUT

ROLL_OUT_SECONDS = 180.0  # the limit for replacing pods
WRITABLE_SECONDS = 120.0
RUN_SECONDS = 1_200.0

# Programs for `python -c` in the service's image: the data service with one defect each.
_SERVE = """
import sys

sys.argv = ["gunicorn", "--config", "python:service.server.settings"]
from gunicorn.app.wsgiapp import run

run()
"""

# Its driver waits for no acknowledgement (w: 0).
UNACKNOWLEDGED = (
    """
import pymongo


class UnacknowledgedClient(pymongo.MongoClient):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **(options | {"w": 0, "journal": False, "retryWrites": False}))


pymongo.MongoClient = UnacknowledgedClient
"""
    + _SERVE
)

# Its pages are up to three seconds old.
STALE_PAGES = (
    """
import time

from service.store.collection import Collection

newest, pages = Collection.newest, {}


def cached(self, limit, before, condition=None):
    if condition:
        return newest(self, limit, before, condition)
    at, page = pages.get((limit, before), (0.0, None))
    if page is None or time.monotonic() > at + 3:
        page = newest(self, limit, before)
        pages[limit, before] = time.monotonic(), page
    return page


Collection.newest = cached
"""
    + _SERVE
)

_LATER = """
import contextlib
import itertools
from threading import Timer

from bson import ObjectId
from pymongo.errors import PyMongoError
from service.store.collection import Collection

numbers = itertools.count(1)


def stored(collection, identity):
    with contextlib.suppress(PyMongoError):
        return collection.find_one({"_id": ObjectId(identity)})

"""

# Each fifth document that it deletes is back a second later.
REVIVES_DOCUMENTS = (
    _LATER
    + """
delete = Collection.delete


def revive(self, identity, *more):
    before = stored(self._collection, identity)
    deleted = delete(self, identity, *more)
    if before and next(numbers) % 5 == 0:
        Timer(1, self._collection.insert_one, (before,)).start()
    return deleted


Collection.delete = revive
"""
    + _SERVE
)

# Each fifth replacement is undone a second later.
REVERTS_REPLACEMENTS = (
    _LATER
    + """
replace = Collection.replace


def revert(self, record, *more):
    before = stored(self._collection, record.identity)
    replaced = replace(self, record, *more)
    if before and next(numbers) % 5 == 0:
        Timer(1, self._collection.replace_one, ({"_id": before["_id"]}, before)).start()
    return replaced


Collection.replace = revert
"""
    + _SERVE
)

# It accepts no client once it was told to end, like most servers.
ENDS_AT_ONCE = (
    """
from service.server.settings import ServiceWorker
from webserver.worker import BOUNDS

ServiceWorker.bounds = BOUNDS
"""
    + _SERVE
)

Json = dict[str, Any]


class RunClient:
    """A client of the runs in the dashboard's HTTP API."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def request(self, method: str, path: str, body: Any = None) -> urllib3.BaseHTTPResponse:
        deployment = self._deployment
        return deployment.http.request(
            method, f"{deployment.dashboard}/api{path}", json=body, headers=deployment.authorization
        )

    def start(self, demo: str, **options: Any) -> str:
        """Start a run and return its id. The dashboard may refuse it for a moment after another run's end."""
        started: list[str] = []

        def is_accepted() -> bool:
            try:
                response = self.request("POST", "/runs", {"demo": demo, "options": options})
            except urllib3.exceptions.HTTPError:  # the dashboard is being replaced
                return False
            assert response.status in (202, 409), response.data
            started.extend([response.json()["id"]] if response.status == 202 else [])
            return bool(started)

        wait_until(is_accepted, 30)
        return started[0]

    def get(self, run_id: str) -> Json:
        """Return the run, or {} while the dashboard does not answer."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            response = self.request("GET", f"/runs/{run_id}")
            return response.json() if response.status == 200 else {}
        return {}

    def wait_for_step(self, run_id: str, step: str, limit: float = RUN_SECONDS) -> None:
        """Wait until the step runs. Fail if the run ends before."""

        def is_running() -> bool:
            run = self.get(run_id)
            assert run.get("verdict", "running") == "running", run
            return any(each["id"] == step and each["state"] == "running" for each in run.get("steps", []))

        wait_until(is_running, limit)

    def wait_for_end(self, run_id: str, limit: float = RUN_SECONDS) -> Json:
        """Return the ended run from the first response that has it. A dashboard that is replaced may lose it again."""
        ended: list[Json] = []

        def has_ended() -> bool:
            run = self.get(run_id)
            ended.extend([run] if run.get("verdict", "running") != "running" else [])
            return bool(ended)

        wait_until(has_ended, limit)
        return ended[0]

    def run(self, demo: str, **options: Any) -> Json:
        return self.wait_for_end(self.start(demo, **options))

    def prove(self, reports: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command-line client, as CI does."""
        url = ("--url", self._deployment.dashboard, "--reports", str(reports))
        return subprocess.run(
            [sys.executable, "-m", "dashboard.prove", *arguments, *url],
            cwd=CHECKOUT, capture_output=True, text=True,
            env=os.environ | {"PROVE_TOKEN": self._deployment.operator_token},
        )  # fmt: skip


@contextlib.contextmanager
def database_without_volume(deployment: Deployment) -> Iterator[None]:
    """MongoDB on an emptyDir, so that each new pod starts without data."""
    found = deployment.get("statefulset", "mongodb")
    kept = {name: found["metadata"].get(name) for name in ("name", "namespace", "labels", "annotations")}
    original = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": kept, "spec": found["spec"]}
    changed = json.loads(json.dumps(original))
    del changed["spec"]["volumeClaimTemplates"]
    pod = changed["spec"]["template"]["spec"]
    pod["volumes"].append({"name": "data", "emptyDir": {}})
    pod["containers"][0]["resources"]["limits"]["ephemeral-storage"] = "4Gi"  # the directory counts, too
    try:
        _recreate(deployment, changed)
        yield
    finally:
        _recreate(deployment, original)


@contextlib.contextmanager
def service_program(deployment: Deployment, program: str) -> Iterator[None]:
    """The service's pods run a program with a defect."""
    container = {"name": "flask", "command": ["python", "-c", program]}
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
def service_without(deployment: Deployment, *fields: str, program: str | None = None) -> Iterator[None]:
    """The service's pods lack fields of their container: a hook, or probes. They may run a program with a defect."""
    path = "/spec/template/spec/containers/0"
    before = deployment.get("deployment", "flask")["spec"]["template"]["spec"]["containers"][0]
    changed = {name: value for name, value in before.items() if name not in fields}
    if program:
        changed["command"] = ["python", "-c", program]

    def replace(container: Json) -> None:
        patch = [{"op": "replace", "path": path, "value": container}]
        deployment.kubectl("patch", "deployment", "flask", "--type=json", "--patch", json.dumps(patch))
        _roll_out(deployment, "flask")

    try:
        replace(changed)
        yield
    finally:
        replace(before)


@contextlib.contextmanager
def one_replica(deployment: Deployment) -> Iterator[None]:
    """The autoscaler keeps the service at one pod."""
    before = deployment.get("hpa", "flask")["spec"]

    def bound(least: int, most: int, pods: int) -> None:
        spec = json.dumps({"spec": {"minReplicas": least, "maxReplicas": most}})
        deployment.kubectl("patch", "hpa", "flask", "--type=merge", "--patch", spec)
        deployment.kubectl("scale", "deployment", "flask", f"--replicas={pods}")
        _roll_out(deployment, "flask")

    try:
        bound(1, 1, 1)
        yield
    finally:
        bound(before["minReplicas"], before["maxReplicas"], before["minReplicas"])


@contextlib.contextmanager
def no_service(deployment: Deployment) -> Iterator[None]:
    """The service has no pods."""
    deployment.kubectl("scale", "deployment", "flask", "--replicas=0")
    deployment.kubectl("wait", "--for=delete", "pod", "--selector", "app.kubernetes.io/name=flask", "--timeout=90s")
    try:
        yield
    finally:
        deployment.kubectl("scale", "deployment", "flask", "--replicas=2")
        _roll_out(deployment, "flask")


def _recreate(deployment: Deployment, statefulset: Json) -> None:
    """Replace the database by a new one, and restart its clients. A driver that knows the old replica set takes the new
    one's elections for outdated ones, and ignores its primary.
    """
    deployment.kubectl("delete", "statefulset", "mongodb", "--cascade=foreground", "--timeout=120s")
    deployment.kubectl("wait", "--for=delete", "pod/mongodb-0", "--timeout=120s")
    path = deployment.directory / "statefulset.json"
    path.write_text(json.dumps(statefulset))
    deployment.kubectl("create", "--filename", str(path))
    deployment.kubectl("wait", "--for=create", "pod/mongodb-0", "--timeout=60s")
    deployment.kubectl("wait", "--for=condition=Ready", "pod/mongodb-0", "--timeout=180s")
    deployment.kubectl("rollout", "restart", "deployment/flask", "deployment/dashboard")
    _roll_out(deployment, "flask", "dashboard")
    wait_until(lambda: accepts_writes(deployment), WRITABLE_SECONDS)
    wait_until(lambda: _shows_database(deployment), WRITABLE_SECONDS)


def _roll_out(deployment: Deployment, *names: str) -> None:
    for name in names:
        deployment.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={ROLL_OUT_SECONDS:.0f}s")
    wait_until(lambda: _shows_database(deployment), WRITABLE_SECONDS)


def accepts_writes(deployment: Deployment) -> bool:
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        return deployment.http.request("POST", f"{deployment.service}/proofs", json={"test": True}).status == 201
    return False


def _shows_database(deployment: Deployment) -> bool:
    with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
        mongo = deployment.state()["mongo"]
        return mongo is not None and mongo["state"] == "up"
    return False
