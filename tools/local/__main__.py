"""Command `make local`: runs the service on 127.0.0.1:5000 with a MongoDB, without Kubernetes.

MongoDB is the one of MONGODB_URI, or else one in Docker if an engine runs, or else the embedded mongod with its data in
.local/mongo. LOCAL_STATE replaces the directory .local. Ctrl-C stops the service, then MongoDB.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tools.local import docker
from tools.local.mongod import Mongod, MongodError, dies_with_parent, holder, listens

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_PORT = 5000
READY_SECONDS = 30.0
STOP_SECONDS = 25.0  # over gunicorn's graceful timeout
PREDECESSOR_SECONDS = 5.0  # for the mongod of a killed run to close its files


class LocalError(Exception):
    """The service cannot run. The message is a sentence that says what to do."""


class Mongo(Protocol):
    """A MongoDB that this command starts and stops."""

    @property
    def uri(self) -> str: ...

    def start(self) -> None: ...

    def terminate(self) -> None: ...


def main() -> int:
    """Run until Ctrl-C or SIGTERM. Return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {text}", flush=True)

    mongo: Mongo | None = None
    service: subprocess.Popen[bytes] | None = None
    try:
        port = service_port(os.environ)
        state = Path(os.environ.get("LOCAL_STATE") or ROOT / ".local").absolute()
        state.mkdir(parents=True, exist_ok=True)
        log = state / "service.log"
        uri = os.environ.get("MONGODB_URI", "")
        if uri:
            say("MongoDB: the one of MONGODB_URI")
        else:
            mongo, what = _choose(state / "mongo")
            say(f"MongoDB: {what}")
            mongo.start()
            uri = mongo.uri
            say("MongoDB accepts writes")
        service = _start_service(uri, port, state / "draining", log)
        _wait_ready(service, port, log)
        say(f"the service is ready; its log is {log}; Ctrl-C stops it")
        print(f"service http://127.0.0.1:{port}", flush=True)
        service.wait()
        raise LocalError(f"The service ended: see {log}.")
    except (LocalError, MongodError) as error:
        print(f"local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the cleanup
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if service:
            _stop(service)
        if mongo:
            mongo.terminate()


def service_port(environ: Mapping[str, str]) -> int:
    """Return SERVICE_PORT, or 5000. Raise LocalError if it is not a port or is taken."""
    text = environ.get("SERVICE_PORT") or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise LocalError(f"SERVICE_PORT={text} is not a port: give a number from 1 to 65535.")
    port = int(text)
    if listens(port):
        raise LocalError(
            f"Port {port} is taken: stop the program on it, or choose another port: SERVICE_PORT={port + 1} make local."
        )
    return port


def _choose(directory: Path) -> tuple[Mongo, str]:
    """Return the MongoDB to start, and its description for the user."""
    if docker.answers():
        return docker.DockerMongod(), f"{docker.IMAGE} in Docker, data in the volume {docker.NAME}"
    give_up = time.monotonic() + PREDECESSOR_SECONDS
    while holder(directory) and time.monotonic() < give_up:
        time.sleep(0.1)
    return Mongod(directory), f"the embedded mongod, data in {directory}"


def _start_service(uri: str, port: int, drain_file: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "MONGODB_URI": uri,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "PROBE_PORT": "0",  # there is no kubelet, and a local Prometheus may use 9090
        "DRAIN_FILE": str(drain_file),
    }
    command = [*dies_with_parent(), sys.executable, "-m", "gunicorn", "--config", "python:service.server.settings"]
    with log.open("wb") as output:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output, process_group=0)


def _wait_ready(service: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up:
        if service.poll() is not None:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise LocalError(f"The service did not start. The end of its log:\n{last}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass  # not listening yet, or MongoDB not reached
        time.sleep(0.05)
    raise LocalError(f"The service did not reach MongoDB within {READY_SECONDS:.0f} s: see {log}.")


def _stop(service: subprocess.Popen[bytes]) -> None:
    service.terminate()
    try:
        service.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        service.kill()
        service.wait()


if __name__ == "__main__":
    sys.exit(main())
