"""A PostgreSQL on 127.0.0.1 for tests: the machine's own programs, or Debian's, unpacked and not installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pg8000.native

from dashboard.runs.workload.postgres_reader import close
from tools.cluster.instance import cache_directory, exclusively
from tools.local.mongod import dies_with_parent, free_port

INSTALLED = Path("/usr/lib/postgresql")
DOWNLOAD_SECONDS = 120.0
START_SECONDS = 60.0
USER, DATABASE = "postgres", "notes"


class PostgresError(Exception):
    """There is no PostgreSQL, or it did not start. The message is a sentence."""


class Postgres:
    """A server with its data in a directory of its own, which `remove` deletes. It refuses to run as root."""

    def __init__(self) -> None:
        """Make the database. Raise PostgresError if there are no programs for it."""
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self.root = Path(tempfile.mkdtemp(prefix="postgresql-"))  # where another user than root can reach it
        self.data = self.root / "data"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._programs = programs(self.root)
            self._make()
        except BaseException:
            self.remove()
            raise

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Start it and wait until it answers. Raise PostgresError."""
        options = ("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off")
        command = (self._programs / "postgres", "-D", self.data, "-p", str(self.port), *options)
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                (*dies_with_parent(), *command), stdout=log, stderr=log, process_group=0, **self._as()
            )
        give_up = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(pg8000.native.Error, OSError):
                self.run("SELECT 1")
                return
            time.sleep(0.05)
        raise PostgresError(f"PostgreSQL did not start: {(self.root / 'log').read_text()[-500:]}")

    def stop(self) -> None:
        """End it as a pod that is deleted: it closes its files."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill all its processes, as a container that is killed."""
        children = self._children()
        self._end(signal.SIGKILL, *children)
        for pid in children:
            while Path(f"/proc/{pid}/cwd").exists():  # until then, it holds the shared memory
                time.sleep(0.01)

    def pause(self, paused: bool) -> None:
        """Make it silent: it takes connections and answers none; or let it go on."""
        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP if paused else signal.SIGCONT)

    def remove(self) -> None:
        """Kill it and delete its data."""
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, statement: str, database: str = DATABASE, **values: Any) -> Any:
        """Run one statement as the superuser, in a connection of its own. Return its rows."""
        with self.connected(database) as connection:
            return connection.run(statement, **values)

    @contextlib.contextmanager
    def connected(self, database: str = DATABASE) -> Iterator[pg8000.native.Connection]:
        """Yield a connection of the superuser."""
        with socket.create_connection(("127.0.0.1", self.port), START_SECONDS) as link:
            try:
                connection = pg8000.native.Connection(
                    USER, sock=link, database=database, password=self.password, ssl_context=False
                )
                yield connection
                connection.close()
            finally:
                close(link)

    def _make(self) -> None:
        file = self.root / "password"
        file.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.root, file):
                shutil.chown(path, "nobody")
        self._program(
            "initdb", "--pgdata", str(self.data), "--username", USER, "--pwfile", str(file), "--no-sync",
            "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions",
        )  # fmt: skip
        create = f"CREATE DATABASE {DATABASE};"
        self._program("postgres", "--single", "-j", "-D", str(self.data), "postgres", given=create)

    def _program(self, name: str, *arguments: str, given: str = "") -> None:
        done = subprocess.run(
            (self._programs / name, *arguments), input=given.encode(), capture_output=True, **self._as()
        )
        if done.returncode:
            raise PostgresError(f"{name} failed: {done.stderr.decode(errors='replace').strip()[-300:]}")

    def _as(self) -> dict[str, Any]:
        """Return how its programs are run: as nobody if this is root, and with the libraries beside them."""
        libraries = ":".join(map(str, self.root.glob("usr/lib/*-linux-gnu")))
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "LD_LIBRARY_PATH": libraries}
        found: dict[str, Any] = {"cwd": self.root, "env": environment}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            found |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        return found

    def _children(self) -> list[int]:
        if self._process is None:
            return []
        pid = self._process.pid
        with contextlib.suppress(OSError):
            return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def _end(self, number: signal.Signals, *others: int) -> None:
        if self._process is None:
            return
        for pid in (self._process.pid, *others):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        self._process.wait()
        self._process = None


def programs(directory: Path) -> Path:
    """Return the directory of the newest installed programs; without any, unpack Debian's into `directory`. Raise
    PostgresError."""
    if installed := sorted(INSTALLED.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3])):
        return installed[-1].parent
    return unpacked(directory)


def unpacked(directory: Path) -> Path:
    """Unpack Debian's packages, which are downloaded once on a machine. Raise PostgresError."""
    try:
        for package in _packages():
            subprocess.run(("dpkg-deb", "-x", package, directory), check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise PostgresError(f"There is no PostgreSQL, and Debian's can't be downloaded: {error}") from error
    for found in directory.glob("usr/lib/postgresql/*/bin"):
        return found
    raise PostgresError("Debian's packages have no PostgreSQL.")


def _packages() -> list[Path]:
    cache = cache_directory() / "postgresql"
    cache.mkdir(parents=True, exist_ok=True)
    with exclusively(cache / "lock"):
        if not [*cache.glob("postgresql-*.deb")]:
            asked = subprocess.run(("apt-cache", "depends", "postgresql"), check=True, capture_output=True, text=True)
            server = next(word for word in asked.stdout.split() if word.startswith("postgresql-"))
            command = ("apt-get", "download", "libpq5", server)
            subprocess.run(command, cwd=cache, check=True, capture_output=True, timeout=DOWNLOAD_SECONDS)
    return [*cache.glob("*.deb")]
