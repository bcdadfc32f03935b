"""The deployment that is measured: it is made, restored and temporarily changed here."""

import contextlib
import copy
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.e2e.deployment import Deployment, free_ports, wait_until
from tests.e2e.faults.injection import METRICS_SERVER_PORT, Faults
from tests.e2e.proofs.controls import RunClient, accepts_writes
from tools.deploy import rollout
from tools.deploy.rollout import NAMESPACE

FAULT = "trust-fault"  # the label of the objects that states add
FAULT_KINDS = "resourcequotas,mutatingadmissionpolicies,mutatingadmissionpolicybindings"

SECOND_METRICS_PORT = 10261
READY_SECONDS = 240.0
FREE_SECONDS = 60.0  # from all pods being Ready until the dashboard shows it
ROLL_OUT_SECONDS = 180.0
REST_SECONDS = 600.0  # scaling down, the stabilization window and a late sample
QUIET_SECONDS = 15.0  # without interruption at rest

Json = dict[str, Any]
Edit = Callable[[Json], object]


class Site:
    """A deployment that can be changed for a while, and restored."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.runs = RunClient(deployment)
        self.faults = Faults(deployment)
        self._manifests: dict[tuple[str, str], Json] = {}

    @classmethod
    def named(cls, name: str) -> "Site":
        """Return the site of a deployment whose ports stay the same in later commands."""
        kept = Deployment(name).directory / "ports.json"
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(free_ports(3)))
        return cls(Deployment(name, json.loads(kept.read_text())))

    def make(self) -> None:
        """Make or update the deployment. Changes nothing that is up to date."""
        done = self.deployment.deploy("up")
        assert done.returncode == 0, done.stdout
        text = self.deployment.kubectl("kustomize", str(self.deployment.directory / "manifests"))
        objects = list(yaml.safe_load_all(text))
        self._manifests = {(each["kind"].lower(), each["metadata"]["name"]): each for each in objects}

    def restore(self) -> None:
        """Apply the manifests again. If that fails, remove the deployment and make a new one."""
        try:
            self._restore()
        except Exception as error:
            print(f"    restoring failed, making a new deployment: {error}", flush=True)
            ports = self.deployment.directory / "ports.json"
            kept = ports.read_text() if ports.exists() else ""
            self.deployment.remove()
            if kept:
                ports.parent.mkdir(exist_ok=True)
                ports.write_text(kept)
            self.make()
            self._restore()

    def wait_until_at_rest(self) -> None:
        """Wait until the autoscaler is at min with CPU below half its target, for QUIET_SECONDS."""
        since: list[float] = []

        def is_quiet() -> bool:
            if not self._is_at_rest():
                since.clear()
            else:
                since.append(time.monotonic())
            return bool(since) and since[-1] - since[0] >= QUIET_SECONDS

        wait_until(is_quiet, REST_SECONDS)

    def wait_until_ready(self) -> None:
        rollout.wait(self._kubectl, lambda _: None, READY_SECONDS)
        try:
            wait_until(self._is_free, FREE_SECONDS)
        except AssertionError:
            # A driver that knows the former replica set takes the elections of a new one for outdated ones.
            self.roll_out("flask")
            self.roll_out("dashboard")
            wait_until(self._is_free, READY_SECONDS)

    def manifest(self, kind: str, name: str, edit: Edit = lambda _: None) -> Json:
        """Return an edited copy of an object in the manifests."""
        made = copy.deepcopy(self._manifests[kind, name])
        edit(made)
        return made

    def apply(self, *objects: Json) -> None:
        """Apply objects as `kubectl apply` does: it removes fields that only an earlier apply had."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.deployment.kubectl("apply", "--filename", "-", input=json.dumps(listed))

    @contextlib.contextmanager
    def changed(self, kind: str, name: str, edit: Edit) -> Iterator[None]:
        """Change an object for a while, and wait for the roll-outs that this causes."""
        self.apply(self.manifest(kind, name, edit))
        try:
            self.wait_until_ready()
            self._wait_until_ended("dashboard")  # else a run may begin in the one that ends
            yield
        finally:
            self.apply(self.manifest(kind, name))
            self.wait_until_ready()

    @contextlib.contextmanager
    def changed_for_the_next_pod(self, edit: Edit) -> Iterator[None]:
        """Change the template of MongoDB's next pod. The present pod stays until it is deleted."""

        def change(statefulset: Json) -> None:
            # None removes the default's rollingUpdate.
            statefulset["spec"]["updateStrategy"] = {"type": "OnDelete", "rollingUpdate": None}
            edit(statefulset["spec"]["template"]["spec"])

        self.apply(self.manifest("statefulset", "mongodb", change))
        try:
            yield
        finally:
            self.apply(self.manifest("statefulset", "mongodb"))
            self.deployment.kubectl("delete", "pod", "mongodb-0", "--wait=true", "--timeout=90s", check=False)
            self.wait_until_ready()

    @contextlib.contextmanager
    def added(self, *objects: Json) -> Iterator[None]:
        """Add objects for a while."""
        for each in objects:
            each["metadata"]["labels"] = {FAULT: "true"}
        self.apply(*objects)
        try:
            yield
        finally:
            self._remove_added()

    @contextlib.contextmanager
    def metrics_server_with_interval(self, seconds: int) -> Iterator[None]:
        """Route the Service of metrics-server to a second one for a while, since the node's own has fixed arguments."""
        with self.faults.another_metrics_server(SECOND_METRICS_PORT, f"{seconds}s"):
            self._route_metrics_to(SECOND_METRICS_PORT)
            try:
                self._wait_for_metrics(seconds)
                yield
            finally:
                self._route_metrics_to(METRICS_SERVER_PORT)

    def roll_out(self, name: str) -> None:
        """Restart a Deployment's pods. Wait until the new ones are Ready and the old ones are gone."""
        self.deployment.kubectl("rollout", "restart", f"deployment/{name}")
        self.deployment.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={ROLL_OUT_SECONDS:.0f}s")
        self._wait_until_ended(name)

    def _wait_until_ended(self, name: str) -> None:
        """Wait until none of the Deployment's pods is terminating."""
        wait_until(lambda: not any(self._is_terminating(pod) for pod in self.pods(name)), ROLL_OUT_SECONDS)

    def in_database(self, python: str) -> str:
        """Run Python code in MongoDB's sidecar, with `db`, the service's database, as admin. Return its output."""
        program = (
            "import os, pathlib, pymongo\n"
            "client = pymongo.MongoClient('127.0.0.1', 27017, directConnection=True, username='admin',"
            " password=pathlib.Path('/users/admin-password').read_text())\n"
            "db = client[os.environ['MONGODB_DATABASE']]\n"
        )
        container = ("exec", "mongodb-0", "--container", "sidecar")
        return self.deployment.kubectl(*container, "--", "python", "-c", program + python)

    def pods(self, name: str) -> list[Json]:
        pods: list[Json] = self.deployment.get("pods", "--selector", f"app.kubernetes.io/name={name}")["items"]
        return pods

    def state(self) -> Json:
        """Return the dashboard's state, or {} while it does not answer."""
        with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
            found: Json = self.deployment.state()
            return found
        return {}

    def facts(self) -> str:
        """Return kubectl's output for everything that a state may change."""
        kubectl = self.deployment.kubectl
        scaler = self.deployment.get("hpa")["items"]
        conditions = [each["status"].get("conditions") for each in scaler]
        warnings = ("events", "--sort-by=.lastTimestamp", "--field-selector", "type=Warning", "--no-headers")
        addresses = "custom-columns=:.metadata.name,:.endpoints[*].addresses[0],:.endpoints[*].conditions.ready"
        return "\n".join([
            kubectl("get", "hpa,pods,quota", "--output", "wide"),
            kubectl("get", "endpointslices", "--selector", "kubernetes.io/service-name=flask", "--output", addresses),
            json.dumps([[each["spec"] for each in scaler], conditions]),
            *(f"{each['metadata']['name']} {each['timestamp']} {each['window']}" for each in self._samples()),
            *kubectl("get", *warnings).splitlines()[-4:],
        ])  # fmt: skip

    def differences(self) -> str:
        """Return the differences from the manifests, which do not have the Deployment's replicas."""
        manifests = str(self.deployment.directory / "manifests")
        return self.deployment.kubectl("diff", "--kustomize", manifests, check=False)

    def save(self, run: Json, directory: Path) -> None:
        """Write a run as the API has it into a file."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{run['id']}.json").write_text(json.dumps(run, indent=1, ensure_ascii=False))

    def save_evidence(self, run: Json, directory: Path) -> Path | None:
        """Write a run's evidence file, and return its path. Return None if the dashboard has not kept it."""
        response = self.runs.request("GET", f"/runs/{run['id']}/evidence")
        if response.status != 200:
            return None
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{run['id']}.evidence.jsonl.gz"
        path.write_bytes(response.data)
        return path

    def _restore(self) -> None:
        self._remove_added()
        self.deployment.kubectl("apply", "--kustomize", str(self.deployment.directory / "manifests"))
        self._route_metrics_to(METRICS_SERVER_PORT)
        rollout.raise_to_minimum(self._kubectl)
        self.deployment.kubectl("label", "pods", "--all", f"{FAULT}-")
        self.wait_until_ready()

    def _route_metrics_to(self, port: int) -> None:
        patch = [{"op": "replace", "path": "/ports/0/port", "value": port}]
        command = ("patch", "endpointslice", "metrics-server", "--namespace", "kube-system")
        self.deployment.kubectl(*command, "--type=json", "--patch", json.dumps(patch))

    def _wait_for_metrics(self, seconds: int) -> None:
        """Wait until every service pod has a sample, which takes two scrapes."""

        wait_until(lambda: len(self._samples()) == len(self.pods("flask")), 60 + 3 * seconds)

    def _samples(self) -> list[Json]:
        """Return the metrics API's samples of the service's pods; none while it does not answer."""
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io/name=flask"
        text = self.deployment.kubectl("get", "--raw", path, check=False)
        samples: list[Json] = json.loads(text)["items"] if text.startswith("{") else []
        return samples

    def _remove_added(self) -> None:
        self.deployment.kubectl("delete", FAULT_KINDS, "--selector", FAULT, "--all-namespaces")

    def _is_at_rest(self) -> bool:
        scaler = self.deployment.get("hpa", "flask")
        least, status = scaler["spec"]["minReplicas"], scaler.get("status", {})
        (metric,) = scaler["spec"]["metrics"]
        at_min = status.get("currentReplicas") == status.get("desiredReplicas") == least
        if not at_min or not rollout.has_figure(scaler):
            return False
        percent: int = status["currentMetrics"][0]["resource"]["current"]["averageUtilization"]
        return percent <= metric["resource"]["target"]["averageUtilization"] / 2

    def _is_free(self) -> bool:
        """Return whether the dashboard is connected to MongoDB and has no run, and the service accepts writes."""
        state = self.state()
        connected = bool(state) and (state["mongo"] or {}).get("state") == "up" and state["lease"] is None
        return connected and accepts_writes(self.deployment)

    def _is_terminating(self, pod: Json) -> bool:
        return "deletionTimestamp" in pod["metadata"]

    @property
    def _kubectl(self) -> tuple[str, ...]:
        directory = self.deployment.directory
        return (str(directory / "bin" / "kubectl"), "--kubeconfig", str(directory / "kubeconfig"))


def label(name: str) -> Json:
    """Return the metadata of an object in the deployment's namespace."""
    return {"name": name, "namespace": NAMESPACE}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
