"""An instance of the embedded cluster: its name, ports, nodes and directories; the shared cache; file locks."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.cluster.errors import HostError

CHECKOUT = Path(__file__).resolve().parents[2]

MOST_NODES = 5
SERVICE_NETWORK = "10.96.0.0/16"
API_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
API_PORT = 6443
# The Services that ports of 127.0.0.1 lead to.
FLASK = "flask.flask-mongodb.svc.cluster.local:5000"
DASHBOARD = "dashboard.flask-mongodb.svc.cluster.local:8080"

# The same for every instance, in its mount namespace. Short, because a Unix socket's path has at most 107 bytes.
NODE_STATE = Path("/run/node")


@dataclass(frozen=True)
class NodeSpec:
    """One node of a cluster. Number 1 has the control plane, and the others join it."""

    number: int = 1

    @property
    def name(self) -> str:
        return "embedded" if self.number == 1 else f"embedded-{self.number}"

    @property
    def address(self) -> str:
        return f"172.31.0.{self.number + 1}"

    @property
    def pod_network(self) -> str:
        return f"10.244.{self.number - 1}.0/24"


# The first node's, where the API server, DNS and metrics-server listen.
NODE_NAME = NodeSpec().name
NODE_ADDRESS = NodeSpec().address


@dataclass(frozen=True)
class Place:
    """Where a node of an instance has its files, and its group in the host's cgroup tree."""

    node: NodeSpec
    directory: Path
    cgroup: str

    @property
    def state(self) -> Path:
        """The directory that a stop keeps: etcd, certificates, images, volumes. The node mounts it at NODE_STATE."""
        return self.directory / "state"

    @property
    def volumes(self) -> Path:
        return self.state / "volumes"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def record(self) -> Path:
        """The file with the running node's process. It exists while the node runs."""
        return self.directory / "node.json"


@dataclass(frozen=True)
class Instance:
    """One embedded cluster; several can run side by side. `forwards` has (port of 127.0.0.1, host:port inside)."""

    name: str
    directory: Path
    api_port: int
    forwards: tuple[tuple[int, str], ...] = ()
    nodes: int = 1

    @property
    def state(self) -> Path:
        return self.place().state

    @property
    def logs(self) -> Path:
        return self.place().logs

    def place(self, number: int = 1) -> Place:
        """Return the place of a node, whether there is one of this number or not."""
        node = NodeSpec(number)
        if number == 1:
            return Place(node, self.directory, self.cgroup)
        # Not below the first node's pods and programs, whose kubelet watches all groups there.
        return Place(node, self.directory / "nodes" / str(number), f"{self.cgroup}/{node.name}")

    @property
    def places(self) -> list[Place]:
        return [self.place(number) for number in range(1, self.nodes + 1)]

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def kubectl(self) -> Path:
        return self.directory / "bin" / "kubectl"

    @property
    def cgroup(self) -> str:
        """The name in the host's cgroup tree, unique among all instances of all checkouts."""
        digest = hashlib.sha256(str(self.directory.resolve()).encode()).hexdigest()[:8]
        return f"flask-mongodb-{self.name}-{digest}"

    @property
    def listeners(self) -> tuple[tuple[int, str], ...]:
        """Every (port of 127.0.0.1, host:port inside), the API server's first."""
        return ((self.api_port, f"{NODE_ADDRESS}:{API_PORT}"), *self.forwards)


def wanted_nodes() -> int:
    """Return NODES of the environment, by default 1. Raise HostError if it is no number from 1 to MOST_NODES."""
    text = os.environ.get("NODES") or "1"
    if not text.isdecimal() or not 1 <= int(text) <= MOST_NODES:
        raise HostError(f"NODES={text} is no number of nodes: give one from 1 to {MOST_NODES}.")
    return int(text)


def cache_directory() -> Path:
    """Return the directory for builds that all checkouts share."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "flask-mongodb"


@contextlib.contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` until the block, or the process, ends. Wait while another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
