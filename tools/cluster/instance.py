"""An instance of the embedded cluster: its name, ports and directories; the cache that instances share; file locks."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
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
# The Services that ports of 127.0.0.1 lead to.
FLASK = "flask.flask-mongodb.svc.cluster.local:5000"
DASHBOARD = "dashboard.flask-mongodb.svc.cluster.local:8080"

# The same for every instance, in its mount namespace. Short, because a Unix socket's path has at most 107 bytes.
NODE_STATE = Path("/run/node")


@dataclass(frozen=True)
class Instance:
    """One embedded cluster; several can run side by side. `forwards` has (port of 127.0.0.1, host:port inside)."""

    name: str
    directory: Path
    api_port: int
    forwards: tuple[tuple[int, str], ...] = ()

    @property
    def state(self) -> Path:
        """The directory that a stop keeps: etcd, certificates, images, volumes. The node mounts it at NODE_STATE."""
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
        """The file with the running node's process. It exists while the node runs."""
        return self.directory / "node.json"

    @property
    def cgroup(self) -> str:
        """The name in the host's cgroup tree, unique among all instances of all checkouts."""
        digest = hashlib.sha256(str(self.directory.resolve()).encode()).hexdigest()[:8]
        return f"flask-mongodb-{self.name}-{digest}"

    @property
    def listeners(self) -> tuple[tuple[int, str], ...]:
        """Every (port of 127.0.0.1, host:port inside), the API server's first."""
        return ((self.api_port, f"{NODE_ADDRESS}:{API_PORT}"), *self.forwards)


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
