"""One embedded cluster: its name, its ports on the host's loopback, its directories. Several run side by side."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

NODE_NAME = "embedded"
NODE_ADDRESS = "172.31.0.2"
POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
API_PORT = 6443

# Inside the node's mount namespace every instance has the same short paths: a socket's may have 107 bytes at most.
NODE_STATE = Path("/run/node")


@dataclass(frozen=True)
class Instance:
    """Where one cluster lives. `forwards` maps a port of the host's loopback to a port of the node."""

    name: str
    directory: Path
    api_port: int
    forwards: tuple[tuple[int, int], ...] = ()

    @property
    def state(self) -> Path:
        """What outlives a stop: etcd, certificates, images, volumes. The node sees it as NODE_STATE."""
        return self.directory / "state"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def kubectl(self) -> Path:
        return self.directory / "bin" / "kubectl"

    @property
    def record(self) -> Path:
        """Who runs it: written when the node starts, removed when it has ended."""
        return self.directory / "node.json"

    @property
    def cgroup(self) -> str:
        """A name that no other instance, of this checkout or another, has in the host's cgroup tree."""
        digest = hashlib.sha256(str(self.directory.resolve()).encode()).hexdigest()[:8]
        return f"flask-mongodb-{self.name}-{digest}"

    @property
    def listeners(self) -> tuple[tuple[int, int], ...]:
        """Every (port on the host's loopback, port of the node), the API's first."""
        return ((self.api_port, API_PORT), *self.forwards)


def cache_directory() -> Path:
    """What is expensive to make and the same for every checkout: outside them all."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "flask-mongodb"
