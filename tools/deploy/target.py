"""Target clusters: how each is checked, started, given images, reached and stopped. The rest of a deployment is common.

Only the named cluster is ever changed.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tools.cluster import host, lifecycle
from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT, DASHBOARD, FLASK, Instance, wanted_nodes
from tools.deploy import images, preflight, rollout
from tools.deploy.command import succeeds
from tools.deploy.forwards import Forwards
from tools.deploy.images import Image
from tools.deploy.secrets import MANIFESTS

EXTERNAL = ("minikube", "kind", "current")
MONITORING = "components/monitoring"  # its image comes from this machine, where no registry answers

Say = Callable[[str], None]


class Target(Protocol):
    """A cluster to deploy to."""

    name: str
    overlay: str  # its kustomization, below k8s/
    directory: Path  # for generated files

    def check(self) -> None:
        """Raise ClusterError if something is missing that `install` cannot install."""

    def install(self, packages: list[str], say: Say) -> None:
        """Install these Debian packages, and those that the cluster needs."""

    def images(self) -> list[Image]:
        """Return the images that the cluster does not pull itself."""

    def up(self, say: Say) -> None:
        """Make sure that the cluster runs and has metrics-server."""

    def load(self, archives: list[Image], say: Say) -> dict[str, str]:
        """Bring the images to the nodes. Return {name in the manifests: reference on the nodes}."""

    def kubectl(self) -> tuple[str, ...]:
        """Return the kubectl command for this cluster."""

    def enforce_network_policies(self, say: Say) -> None:
        """Make sure that NetworkPolicies have an effect, where that is ours to do."""

    def reach(self, say: Say) -> None:
        """Make both services reachable on 127.0.0.1."""

    def down(self) -> None:
        """Stop what `up` and `reach` started."""


def named(name: str, instance_name: str = "main") -> Target:
    """Return the target called `name`, with SERVICE_PORT, DASHBOARD_PORT and API_PORT. Raise ClusterError."""
    if name == "embedded":
        return Embedded(instance_name)
    if name in EXTERNAL:
        return External(name)
    raise ClusterError(f"CLUSTER={name} is not known: use embedded, minikube, kind or current.")


def port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ClusterError(f"{variable}={text} is not a port: give a number from 1 to 65535.")
    return int(text)


def service_port() -> int:
    return port("SERVICE_PORT", 5000)


def dashboard_port() -> int:
    return port("DASHBOARD_PORT", 8080)


def components() -> list[str]:
    """Return the kustomize components that COMPONENTS names, as paths below k8s/. Raise ClusterError."""
    names = os.environ.get("COMPONENTS", "").replace(",", " ").split()
    known = sorted(each.name for each in (MANIFESTS / "components").iterdir())
    for name in names:
        if name not in known:
            raise ClusterError(f"COMPONENTS={name} is not known: use some of {', '.join(known)}.")
    return [f"components/{name}" for name in names]


class Embedded:
    """The embedded cluster of tools.cluster, on this machine."""

    name = "embedded"
    overlay = "overlays/embedded"

    def __init__(self, instance_name: str) -> None:
        directory = CHECKOUT / (".cluster" if instance_name == "main" else f".cluster-{instance_name}")
        forwards = ((service_port(), FLASK), (dashboard_port(), DASHBOARD))
        self.directory = directory
        self.instance = Instance(instance_name, directory, port("API_PORT", 6443), forwards, wanted_nodes())

    def check(self) -> None:
        if rollout.namespace() != rollout.NAMESPACE:
            raise ClusterError(f"The embedded cluster has the namespace {rollout.NAMESPACE} only: unset NAMESPACE.")
        running = lifecycle.running_pid(self.instance) is not None
        preflight.check(self.directory, self.instance.nodes, running)
        lifecycle.check(self.instance)

    def install(self, packages: list[str], say: Say) -> None:
        host.install([*packages, *host.missing_tools(host.TOOLS)], say)

    def images(self) -> list[Image]:
        more = [images.PROMETHEUS.wanted()] if MONITORING in components() else []
        return [*images.own(), images.MONGOD.wanted(), *more]

    def up(self, say: Say) -> None:
        lifecycle.up(self.instance, say)

    def load(self, archives: list[Image], say: Say) -> dict[str, str]:
        for place in self.instance.places:
            loaded = lifecycle.loaded(self.instance, place.node.number)
            where = f" into {place.node.name}" if self.instance.nodes > 1 else ""
            for image in archives:
                if image.reference not in loaded:
                    say(f"loading {image.reference}{where}")
                    lifecycle.load(self.instance, image.archive, place.node.number)
        return {image.name: image.reference for image in archives}

    def kubectl(self) -> tuple[str, ...]:
        return (str(self.instance.kubectl), "--kubeconfig", str(self.instance.kubeconfig))

    def enforce_network_policies(self, say: Say) -> None:
        lifecycle.enforce_network_policies(self.instance, say)

    def reach(self, say: Say) -> None:
        """Do nothing: the node's forwarder listens already."""

    def down(self) -> None:
        lifecycle.down(self.instance)


class External:
    """minikube, kind, or the current context of the user's own kubeconfig."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.overlay = f"overlays/{name}" if (MANIFESTS / "overlays" / name).is_dir() else "base"
        self.directory = CHECKOUT / f".cluster-{name}"
        self.forwards = Forwards(self.directory / "forwards.json")

    def check(self) -> None:
        if wanted_nodes() > 1:
            raise ClusterError(
                f"NODES is for the embedded cluster, and CLUSTER={self.name} has its own nodes: unset it."
            )
        for command in ("kubectl", *({"minikube": ("minikube",), "kind": ("kind",)}.get(self.name, ()))):
            if not shutil.which(command):
                raise ClusterError(
                    f"CLUSTER={self.name} needs the command {command}: install it, or leave CLUSTER unset (embedded)."
                )
        if self.name == "current" and not os.environ.get("REGISTRY"):
            raise ClusterError(
                "CLUSTER=current needs a registry that its nodes can pull from: give REGISTRY=host/path."
            )

    def install(self, packages: list[str], say: Say) -> None:
        host.install(packages, say)

    def images(self) -> list[Image]:
        return images.own()  # the cluster pulls MongoDB itself

    def up(self, say: Say) -> None:
        if self.name == "minikube":
            say("starting minikube")
            _call("minikube", "start")
            _call("minikube", "addons", "enable", "metrics-server")
        elif self.name == "kind" and "flask-mongodb" not in _call("kind", "get", "clusters").split():
            say("creating the kind cluster flask-mongodb")
            _call("kind", "create", "cluster", "--name", "flask-mongodb")
        # Not the APIService, which only an administrator may read.
        if self.name != "minikube" and not succeeds(*self.kubectl(), "get", "--raw", "/apis/metrics.k8s.io/v1beta1"):
            raise ClusterError("The cluster has no metrics-server, which autoscaling needs: install it and retry.")

    def load(self, archives: list[Image], say: Say) -> dict[str, str]:
        references = {}
        for image in archives:
            references[image.name] = image.reference
            if self.name == "current":
                references[image.name] = f"{os.environ['REGISTRY'].rstrip('/')}/{image.reference}"
                say(f"{references[image.name]} must be in the registry: `make images REGISTRY=… PUSH=1` puts it there")
                continue
            say(f"loading {image.reference}")
            if self.name == "minikube":
                _call("minikube", "image", "load", str(image.archive))
                # It may fail with status 0, and the pods would wait for an image that no registry has.
                if image.reference not in _call("minikube", "image", "ls"):
                    raise ClusterError(
                        f"minikube did not load {image.reference}: see why with `minikube image load {image.archive}`."
                    )
            else:
                _call("kind", "load", "image-archive", str(image.archive), "--name", "flask-mongodb")
        return references

    def kubectl(self) -> tuple[str, ...]:
        contexts = {"minikube": ("--context", "minikube"), "kind": ("--context", "kind-flask-mongodb")}
        return ("kubectl", *contexts.get(self.name, ()))

    def enforce_network_policies(self, say: Say) -> None:
        """Do nothing: that is up to the cluster's network plugin."""

    def reach(self, say: Say) -> None:
        """Start a background port-forward for each service, which `down` ends."""
        self.down()
        for name, variable, outside, inside in (
            ("flask", "SERVICE_PORT", service_port(), 5000), ("dashboard", "DASHBOARD_PORT", dashboard_port(), 8080)
        ):  # fmt: skip
            host.listen(outside, variable).close()
            what = ("port-forward", f"service/{name}", f"{outside}:{inside}")
            self.forwards.start((*self.kubectl(), "--namespace", rollout.namespace(), *what))
        say("port-forwards are kept until `make down`")

    def down(self) -> None:
        self.forwards.stop()


def _call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"`{' '.join(command)}` failed: {reason(done.stderr)}")
    return done.stdout


def reason(errors: str) -> str:
    """Return the line of a program's messages that says why it failed: minikube's is not the last. Pure."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    causes = [line for line in lines if "Exiting due to" in line or line.startswith("ERROR:")]
    return (causes or lines[-1:] or ["no error message"])[0]
