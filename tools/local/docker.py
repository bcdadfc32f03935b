"""MongoDB in Docker, for `make local` where an engine answers: the official image, data in a volume of its own."""

from __future__ import annotations

import shutil
import subprocess

from tools.local.mongod import REPLICA_SET, STOP_SECONDS, MongodError, come_up, free_port

IMAGE = "mongo:7.0"
NAME = "flask-mongodb-local"  # of the container and of the volume
ENGINE_SECONDS = 5.0


def answers() -> bool:
    """Whether there is an engine behind the client: having `docker` installed is not enough."""
    if not shutil.which("docker"):
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=ENGINE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


class DockerMongod:
    """One container; the same shape as Mongod."""

    def __init__(self) -> None:
        self.port = free_port()

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet={REPLICA_SET}"

    def start(self) -> None:
        """Pulls the image if need be, starts it and waits until it takes writes."""
        _docker("rm", "--force", NAME)  # what a killed run left
        # The same port inside and outside: the replica set's member has one name, which both sides must reach.
        _docker(
            *("run", "--detach", "--rm", "--name", NAME, "--volume", f"{NAME}:/data/db"),
            *("--publish", f"127.0.0.1:{self.port}:{self.port}", IMAGE),
            *("--replSet", REPLICA_SET, "--port", str(self.port), "--bind_ip_all"),
        )
        try:
            come_up(self.port, self._check)
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
