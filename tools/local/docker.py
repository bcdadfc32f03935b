"""MongoDB in Docker for `make local`: the official image, with its data in a volume."""

from __future__ import annotations

import shutil
import subprocess

from tools.local.mongod import REPLICA_SET, STOP_SECONDS, MongodError, free_port, wait_until_ready

IMAGE = "mongo:7.0"
NAME = "flask-mongodb-local"  # name of the container and of the volume
ENGINE_SECONDS = 5.0


def answers() -> bool:
    """Return whether a Docker engine runs; an installed client is not enough."""
    if not shutil.which("docker"):
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=ENGINE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


class DockerMongod:
    """A MongoDB container, with the interface of Mongod."""

    def __init__(self) -> None:
        self.port = free_port()

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet={REPLICA_SET}"

    def start(self) -> None:
        """Start the container, pull its image if needed, and wait until it accepts writes. Raise MongodError."""
        _docker("rm", "--force", NAME)  # the container of a killed run
        # The same port inside and outside: the member has one host name, and both sides must reach it.
        _docker(
            *("run", "--detach", "--rm", "--name", NAME, "--volume", f"{NAME}:/data/db"),
            *("--publish", f"127.0.0.1:{self.port}:{self.port}", IMAGE),
            *("--replSet", REPLICA_SET, "--port", str(self.port), "--bind_ip_all"),
        )
        try:
            wait_until_ready(self.port, self._check)
        except BaseException:
            self.terminate()
            raise

    def terminate(self) -> None:
        _docker("stop", "--time", f"{STOP_SECONDS:.0f}", NAME)

    def _check(self) -> None:
        if not _docker("ps", "--quiet", "--filter", f"name=^{NAME}$"):
            raise MongodError(f"The container {NAME} ended before it answered: see `docker run --rm {IMAGE}`.")


def _docker(*arguments: str) -> str:
    ended = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if ended.returncode != 0 and arguments[0] == "run":
        raise MongodError(f"Docker could not start {IMAGE}: {ended.stderr.strip()}")
    return ended.stdout
