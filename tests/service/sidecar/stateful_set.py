"""A StatefulSet of mongods with sidecars on loopback, and writers that keep a ledger.

It does what Kubernetes does: pods start in their order, each when the one before is Ready, and end in the reverse
order, each after its /leave. The scale is a server that the sidecars ask.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import urllib3
from pymongo import MongoClient
from pymongo.errors import PyMongoError, WriteError

from tools.local.mongod import Mongod, free_ports

ROOT = Path(__file__).parents[3]
SECRET = {f"{name}-password": f"{name}-hush-0123456789" for name in ("admin", "service", "dashboard")}
KEY = "0123456789abcdef" * 4  # the members' own
SECONDS = 180.0  # for anything, on a busy machine
GRACE_SECONDS = 100.0
WRITERS = 3
NOT_PRIMARY = {10107, 13435, 189}
PAUSE = 0.02  # seconds between a writer's writes


class ScaleServer(ThreadingHTTPServer):
    """Answers as the scale subresource does. With `broken` it answers 500."""

    daemon_threads = True

    def __init__(self) -> None:
        self.wanted = self.existing = 1
        self.broken = False
        super().__init__(("127.0.0.1", 0), _ScaleHandler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/scale"


class _ScaleHandler(BaseHTTPRequestHandler):
    server: ScaleServer

    def do_GET(self) -> None:
        scale = {"spec": {"replicas": self.server.wanted}, "status": {"replicas": self.server.existing}}
        self.send_response(500 if self.server.broken else 200)
        self.end_headers()
        self.wfile.write(json.dumps(scale).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Pod:
    """A mongod and its sidecar."""

    def __init__(self, ordinal: int, directory: Path, ports: tuple[int, int], environment: dict[str, str]) -> None:
        self.ordinal = ordinal
        self.probes = ports[1]
        self.log = directory.with_suffix(".log")
        self._environment = environment | {
            "PATH": os.environ["PATH"],
            "MONGOD_PORT": str(ports[0]),
            "PROBE_PORT": str(self.probes),
            "POD_NAME": f"mongodb-{ordinal}",
            "KEY_FILE": str(directory / "key"),
        }
        directory.mkdir()
        key = directory / "key"
        key.write_text(KEY)
        key.chmod(0o400)
        self.mongod = Mongod(directory, ports[0], auth=True)
        self.sidecar: subprocess.Popen[bytes] | None = None

    def start_sidecar(self, **environment: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self.sidecar = subprocess.Popen(
                [sys.executable, "-m", "service.sidecar"], cwd=ROOT, env=self._environment | environment,
                stdout=log, stderr=log,
            )  # fmt: skip
        return self.sidecar

    def kill_sidecar(self) -> None:
        if self.sidecar:
            self.sidecar.send_signal(signal.SIGKILL)
            self.sidecar.wait()
            self.sidecar = None

    def kill(self) -> None:
        self.kill_sidecar()
        self.mongod.kill()

    def probe(self, path: str, timeout: float = 5.0) -> str:
        """Return the probe's word; an empty one if nothing answers."""
        try:
            return str(urllib3.request("GET", f"http://127.0.0.1:{self.probes}{path}", retries=False, timeout=timeout)
                       .json()["status"])  # fmt: skip
        except urllib3.exceptions.HTTPError:
            return ""

    def is_ready(self) -> bool:
        return self.probe("/readyz") in ("PRIMARY", "SECONDARY")

    def events(self) -> list[str]:
        return [line["event"] for line in self._lines()]

    def outcomes(self) -> list[str]:
        """Return what the sidecar answered to each /leave."""
        return [line["outcome"] for line in self._lines() if line["event"] == "leave"]

    def reasons(self) -> list[str]:
        """Return what the sidecar has waited for."""
        return [line["reason"] for line in self._lines() if line["event"] == "waiting"]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


class StatefulSet:
    """Three pods at most, of which `scale` starts and ends some."""

    def __init__(self, directory: Path) -> None:
        secret = directory / "users"
        secret.mkdir()
        for name, value in SECRET.items():
            (secret / name).write_text(value)
        ports = free_ports(6)
        self.hosts = [f"localhost:{port}" for port in ports[:3]]
        self.api = ScaleServer()
        environment = {"MEMBERS": ",".join(self.hosts), "USERS": str(secret), "SCALE_URL": self.api.url}
        self.pods = [
            Pod(ordinal, directory / f"mongodb-{ordinal}", (ports[ordinal], ports[3 + ordinal]), environment)
            for ordinal in range(3)
        ]
        self.running = 0
        self.tls: dict[str, Any] = {}  # the clients' options

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pod in self.pods:
            pod.kill()
        self.api.shutdown()
        self.api.server_close()

    @staticmethod
    @contextlib.contextmanager
    def numbers(wanted: int) -> Iterator[ScaleServer]:
        """Another API server, which says this number."""
        server = ScaleServer()
        server.wanted = wanted
        yield server
        server.shutdown()
        server.server_close()

    def scale(self, wanted: int) -> None:
        """Do what the controller does, and wait until it is done."""
        self.api.wanted = wanted
        while self.running < wanted:
            self.start(self.pods[self.running])
            wait_until(self.pods[self.running - 1].is_ready)
        while self.running > wanted:
            self.end(self.pods[self.running - 1])

    def start(self, pod: Pod) -> None:
        self.running = self.api.existing = pod.ordinal + 1
        pod.mongod.start()
        pod.start_sidecar()

    def end(self, pod: Pod) -> None:
        """Ask the pod to leave, as its preStop hooks do, and end it."""
        pod.probe("/leave", GRACE_SECONDS)
        pod.kill_sidecar()
        pod.mongod.terminate()
        self.running = self.api.existing = pod.ordinal

    def client(self, user: str = "admin", **options: Any) -> MongoClient[dict[str, Any]]:
        """Return a client as the service has it: all members as seeds, majority, retries."""
        return MongoClient(
            [host.replace("localhost", "127.0.0.1") for host in self.hosts], replicaSet="rs0", username=user,
            password=SECRET[f"{user}-password"], w="majority", readConcernLevel="majority", retryWrites=True,
            connectTimeoutMS=2000, heartbeatFrequencyMS=3000, serverSelectionTimeoutMS=60_000, **self.tls, **options,
        )  # fmt: skip

    def at(self, pod: Pod) -> MongoClient[dict[str, Any]]:
        """Return a client of this member alone."""
        return MongoClient(
            "127.0.0.1", pod.mongod.port, directConnection=True, username="admin",
            password=SECRET["admin-password"], serverSelectionTimeoutMS=3000, **self.tls,
        )  # fmt: skip

    def config(self) -> dict[str, tuple[int, float]]:
        """Return {host: (votes, priority)}, as the primary has it."""
        with self.client() as client:
            members = client.admin.command("replSetGetConfig")["config"]["members"]
        return {each["host"]: (each["votes"], each["priority"]) for each in members}

    def votes(self) -> list[int]:
        return [votes for votes, _ in self.config().values()]

    def states(self) -> list[str]:
        with self.client() as client:
            return sorted(each["stateStr"] for each in client.admin.command("replSetGetStatus")["members"])

    def primary(self) -> Pod:
        with self.client() as client:
            client.admin.command("ping")
            port = (client.primary or ("", 0))[1]
        return next(pod for pod in self.pods if pod.mongod.port == port)


class Ledger:
    """Writers, and what MongoDB acknowledged to them. Of several at once each needs a name."""

    def __init__(self, stateful_set: StatefulSet, name: str = "") -> None:
        self._name = name
        self.acknowledged: list[str] = []
        self.failures: list[str] = []
        self.longest = 0.0  # seconds
        self._client = stateful_set.client("service")
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=[number]) for number in range(WRITERS)]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        self.wait_for(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()
        self._client.close()

    def wait_for(self, count: int) -> None:
        """Wait for so many more writes: the set takes them now."""
        expected = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= expected)

    def _write(self, number: int) -> None:
        collection = self._client.flask_db.data
        count = 0
        while not self._stop.wait(PAUSE):
            name, began = f"{self._name}{number}-{count}", time.monotonic()
            while True:
                try:
                    collection.insert_one({"_id": name})
                    self.acknowledged.append(name)
                except WriteError as error:
                    if error.code in NOT_PRIMARY:  # not applied, and not repeated by the driver: the service does that
                        continue
                    self.failures.append(f"{name}: {error}")
                except PyMongoError as error:
                    self.failures.append(f"{name}: {error}")
                break
            self.longest = max(self.longest, time.monotonic() - began)
            count += 1


def lost(ledger: Ledger, stateful_set: StatefulSet) -> set[str]:
    """Return what was acknowledged and is not there."""
    with stateful_set.client() as client:
        return set(ledger.acknowledged) - {each["_id"] for each in client.flask_db.data.find({}, {"_id": True})}


@contextlib.contextmanager
def scaled(directory: Path, count: int) -> Iterator[StatefulSet]:
    """A running set of so many members, all with the votes that they should have."""
    directory.mkdir(exist_ok=True)
    with StatefulSet(directory) as made:
        made.scale(count)
        wait_until(lambda: "settled" in made.pods[0].events())  # it has made the users
        wait_until(lambda: made.votes() == [1] * count)
        yield made


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(PyMongoError):
            if condition():
                return
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
