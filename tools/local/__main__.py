"""`make local`: the service on 127.0.0.1:5000 with a MongoDB, on this machine and without Kubernetes.

MongoDB is the one of MONGODB_URI; else one in Docker, where an engine answers; else the embedded mongod, with its data
in .local/mongo (LOCAL_STATE names another directory than .local). Ctrl-C ends the service first and MongoDB after it.
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
STOP_SECONDS = 25.0  # over gunicorn's own graceful timeout
PREDECESSOR_SECONDS = 5.0


class LocalError(Exception):
    """It can't be run; the message is one sentence that says what to do."""


class Mongo(Protocol):
    """What the embedded mongod and Docker's have in common."""

    @property
    def uri(self) -> str: ...

    def start(self) -> None: ...

    def terminate(self) -> None: ...


def main() -> int:
    """Runs until Ctrl-C or SIGTERM; the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()

    def tell(text: str) -> None:
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
            tell("MongoDB: the one of MONGODB_URI")
        else:
            mongo, what = _choose(state / "mongo")
            tell(f"MongoDB: {what}")
            mongo.start()
            uri = mongo.uri
            tell("MongoDB takes writes")
        service = _start_service(uri, port, state / "draining", log)
        _wait_ready(service, port, log)
        tell(f"the service is ready; its log is {log}, Ctrl-C ends it")
        print(f"service http://127.0.0.1:{port}", flush=True)
        service.wait()
        raise LocalError(f"The service ended by itself: see {log}.")
    except (LocalError, MongodError) as error:
        print(f"local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave one of them behind
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if service:
            _stop(service)
        if mongo:
            mongo.terminate()


def service_port(environ: Mapping[str, str]) -> int:
    """SERVICE_PORT, or 5000; refused if something listens there already."""
    text = environ.get("SERVICE_PORT") or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise LocalError(f"SERVICE_PORT is {text!r}, and must be a port from 1 to 65535.")
    port = int(text)
    if listens(port):
        raise LocalError(
            f"Port {port} is taken: stop what listens there, or choose another with SERVICE_PORT={port + 1} make local."
        )
    return port


def _choose(directory: Path) -> tuple[Mongo, str]:
    """The MongoDB to start, and its name for the user."""
    if docker.answers():
        return docker.DockerMongod(), f"{docker.IMAGE} in Docker, data in the volume {docker.NAME}"
    give_up = time.monotonic() + PREDECESSOR_SECONDS
    while holder(directory) and time.monotonic() < give_up:
        time.sleep(0.1)  # a killed run's mongod is still closing its files
    return Mongod(directory), f"the embedded mongod, data in {directory}"


def _start_service(uri: str, port: int, drain_file: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "MONGODB_URI": uri,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "PROBE_PORT": "0",  # no kubelet asks, and a local Prometheus may have 9090
        "DRAIN_FILE": str(drain_file),
    }
    command = [*dies_with_parent(), sys.executable, "-m", "gunicorn", "--config", "python:service.server.settings"]
    with log.open("wb") as output:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, process_group=0
        )


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
            pass  # not listening, or MongoDB not reached yet
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
