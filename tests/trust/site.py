"""The deployment that is measured: how it is made, brought back to normal, and changed for a while."""

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

from tests.e2e.controls import Proofs, takes_writes, until
from tests.e2e.deployment import Deployment, free_ports
from tests.e2e.faults import METRICS_SERVER_PORT, Faults
from tools.deploy import rollout
from tools.deploy.rollout import NAMESPACE

FAULT = "trust-fault"  # the label of everything that a state adds to the cluster
FAULT_KINDS = "resourcequotas,mutatingadmissionpolicies,mutatingadmissionpolicybindings"

SECOND_METRICS_PORT = 10261
READY_SECONDS = 240.0
FREE_SECONDS = 60.0  # until the dashboard has noticed that everything is Ready
ROLLED_OUT_SECONDS = 180.0
REST_SECONDS = 600.0  # a scaled deployment, its remembered recommendations and a late sample
QUIET_SECONDS = 15.0  # that it must be at rest without a break
LOOK_SECONDS = 1.0

Json = dict[str, Any]
Edit = Callable[[Json], object]


class Site:
    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.proofs = Proofs(deployment)
        self.faults = Faults(deployment)
        self._manifests: dict[tuple[str, str], Json] = {}

    @classmethod
    def named(cls, name: str) -> "Site":
        """A deployment that keeps its ports from one command to the next."""
        kept = Deployment(name).directory / "ports.json"
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(free_ports(3)))
        return cls(Deployment(name, json.loads(kept.read_text())))

    def make(self) -> None:
        """Makes the deployment, or makes it as this checkout wants it. Changes nothing where it is so already."""
        done = self.deployment.deploy("up")
        assert done.returncode == 0, done.stdout
        text = self.deployment.kubectl("kustomize", str(self.deployment.directory / "manifests"))
        objects = list(yaml.safe_load_all(text))
        self._manifests = {(each["kind"].lower(), each["metadata"]["name"]): each for each in objects}

    # Normal

    def restore(self) -> None:
        """Brings it back to what the manifests say; makes it anew where that does not help."""
        try:
            self._restore()
        except Exception as error:
            print(f"    restoring failed, making it anew: {error}", flush=True)
            ports = self.deployment.directory / "ports.json"
            kept = ports.read_text() if ports.exists() else ""
            self.deployment.remove()
            if kept:
                ports.parent.mkdir(exist_ok=True)
                ports.write_text(kept)
            self.make()
            self._restore()

    def rest(self) -> None:
        """Waits until the autoscaler has nothing to do: at min, and CPU below half its target, for a while."""
        since: list[float] = []

        def rested() -> bool:
            if not self._is_at_rest():
                since.clear()
            else:
                since.append(time.monotonic())
            return bool(since) and since[-1] - since[0] >= QUIET_SECONDS

        until(rested, REST_SECONDS)

    def wait_until_ready(self) -> None:
        rollout.wait(self._kubectl, lambda _words: None, READY_SECONDS)
        try:
            until(self._is_free, FREE_SECONDS)
        except AssertionError:
            # A driver that knew the database before takes the elections of an empty one for old ones.
            self.roll_out("flask")
            self.roll_out("dashboard")
            until(self._is_free, READY_SECONDS)

    # Changes

    def manifest(self, kind: str, name: str, edit: Edit = lambda _: None) -> Json:
        """An object as the manifests have it, and edited."""
        made = copy.deepcopy(self._manifests[kind, name])
        edit(made)
        return made

    def apply(self, *objects: Json) -> None:
        """As `kubectl apply` does it: what an earlier apply added and this one lacks is removed."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.deployment.kubectl("apply", "--filename", "-", input=json.dumps(listed))

    @contextlib.contextmanager
    def changed(self, kind: str, name: str, edit: Edit) -> Iterator[None]:
        """The object is another for a while; a Deployment or StatefulSet that this rolls out has done so."""
        self.apply(self.manifest(kind, name, edit))
        try:
            self.wait_until_ready()
            yield
        finally:
            self.apply(self.manifest(kind, name))
            self.wait_until_ready()

    @contextlib.contextmanager
    def replaced_later(self, edit: Edit) -> Iterator[None]:
        """MongoDB's next pod has another template; the present one stays until somebody deletes it."""

        def change(statefulset: Json) -> None:
            statefulset["spec"]["updateStrategy"] = {"type": "OnDelete", "rollingUpdate": None}  # its default goes
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
        """Objects that the manifests do not have."""
        for each in objects:
            each["metadata"]["labels"] = {FAULT: "true"}
        self.apply(*objects)
        try:
            yield
        finally:
            self._remove_added()

    @contextlib.contextmanager
    def metrics_server_every(self, seconds: int) -> Iterator[None]:
        """Another metrics-server beside the node's own, which is started with fixed arguments: its Service leads to
        this one for a while."""
        with self.faults.another_metrics_server(SECOND_METRICS_PORT, f"{seconds}s"):
            self._lead_metrics_to(SECOND_METRICS_PORT)
            try:
                self._wait_for_metrics(seconds)
                yield
            finally:
                self._lead_metrics_to(METRICS_SERVER_PORT)

    def roll_out(self, name: str) -> None:
        """Restarts a Deployment's pods, and waits until the new ones are Ready and the old ones gone."""
        self.deployment.kubectl("rollout", "restart", f"deployment/{name}")
        self.deployment.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={ROLLED_OUT_SECONDS:.0f}s")
        until(lambda: not any(self._is_leaving(pod) for pod in self.pods(name)), ROLLED_OUT_SECONDS)

    def in_database(self, python: str) -> str:
        """Runs Python beside mongod, with `db`, the service's database, opened as admin; what it printed."""
        program = (
            "import os, pathlib, pymongo\n"
            "client = pymongo.MongoClient('127.0.0.1', 27017, directConnection=True, username='admin',"
            " password=pathlib.Path('/users/admin-password').read_text())\n"
            "db = client[os.environ['MONGODB_DATABASE']]\n"
        )
        container = ("exec", "mongodb-0", "--container", "sidecar")
        return self.deployment.kubectl(*container, "--", "python", "-c", program + python)

    # What is there

    def pods(self, name: str) -> list[Json]:
        pods: list[Json] = self.deployment.get("pods", "--selector", f"app.kubernetes.io/name={name}")["items"]
        return pods

    def state(self) -> Json:
        """The dashboard's; empty while it does not answer."""
        with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
            found: Json = self.deployment.state()
            return found
        return {}

    def facts(self) -> str:
        """What kubectl shows of whatever a state may have changed."""
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
        """What is not as the manifests have it; of a Deployment's number of pods they have nothing."""
        manifests = str(self.deployment.directory / "manifests")
        return self.deployment.kubectl("diff", "--kustomize", manifests, check=False)

    def save(self, run: Json, directory: Path) -> None:
        """Keeps a run's evidence."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{run['id']}.json").write_text(json.dumps(run, indent=1, ensure_ascii=False))

    def _restore(self) -> None:
        self._remove_added()
        self.deployment.kubectl("apply", "--kustomize", str(self.deployment.directory / "manifests"))
        self._lead_metrics_to(METRICS_SERVER_PORT)
        rollout.raise_to_minimum(self._kubectl)
        self.deployment.kubectl("label", "pods", "--all", f"{FAULT}-")
        self.wait_until_ready()

    def _lead_metrics_to(self, port: int) -> None:
        patch = [{"op": "replace", "path": "/ports/0/port", "value": port}]
        where = ("patch", "endpointslice", "metrics-server", "--namespace", "kube-system")
        self.deployment.kubectl(*where, "--type=json", "--patch", json.dumps(patch))

    def _wait_for_metrics(self, seconds: int) -> None:
        """Until every service pod has a sample: of two scrapes, that is."""

        until(lambda: len(self._samples()) == len(self.pods("flask")), 60 + 3 * seconds)

    def _samples(self) -> list[Json]:
        """What the metrics API has of the service's pods; nothing while it does not answer."""
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
        """Whether the dashboard sees MongoDB and has no run going, and the service stores what it is given."""
        state = self.state()
        seen = bool(state) and (state["mongo"] or {}).get("state") == "up" and state["lease"] is None
        return seen and takes_writes(self.deployment)

    def _is_leaving(self, pod: Json) -> bool:
        return "deletionTimestamp" in pod["metadata"]

    @property
    def _kubectl(self) -> tuple[str, ...]:
        directory = self.deployment.directory
        return (str(directory / "bin" / "kubectl"), "--kubeconfig", str(directory / "kubeconfig"))


def label(name: str) -> Json:
    """The metadata of an object in the deployment's namespace."""
    return {"name": name, "namespace": NAMESPACE}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
