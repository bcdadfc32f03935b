"""A server as a pod runs it, without Kubernetes: on one core, and optionally under the pod's limits."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import urllib3

from tools.cluster import cgroups
from tools.cluster.instance import CHECKOUT
from tools.local.mongod import dies_with_parent, free_ports

MILLICPUS = 400
CPU_PERIOD_US = 100_000
MEMORY_BYTES = 256 << 20
READY_SECONDS = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A server's process and its children, ready once `probe` answers 200. `url` is that of its documents."""

    def __init__(
        self, directory: Path, core: int, port: int, command: Sequence[str], probe: str, environ: dict[str, str]
    ) -> None:
        self.url = f"http://127.0.0.1:{port}/data"
        self.probe = probe
        self._core = core
        self._log = directory / f"server-{port}.log"
        self._environ = {"PATH": os.environ["PATH"], "TMPDIR": str(directory), "PORT": str(port), **environ}
        self._command = [*dies_with_parent(), *command]

    def start(self, group: str | None = None) -> float:
        """Start it, in a cgroup if given, and return the seconds until it is ready. It logs to a pipe, as in a pod."""
        began = time.monotonic()
        with self._log.open("wb") as log:
            self._reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)  # noqa: S607
        self._process = subprocess.Popen(  # noqa: S603
            self._command,
            cwd=CHECKOUT,
            env=self._environ,
            stdout=self._reader.stdin,
            stderr=self._reader.stdin,
            preexec_fn=lambda: self._confine(group),
        )
        self._reader.stdin.close()  # type: ignore[union-attr]
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > began + READY_SECONDS:
                raise RuntimeError(f"{self._command} is not ready:\n{self._log.read_text()}")
            time.sleep(0.01)
        return time.monotonic() - began

    def stop(self) -> None:
        """Kill it: a graceful stop takes seconds, and no request is open."""
        if self._process.poll() is None:
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._reader.wait()

    def processes(self) -> list[int]:
        """Return the pids of the main process and its children, which are gunicorn's workers."""
        main = self._process.pid
        return [main, *map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split())]

    def cpu_seconds(self) -> float:
        """Return the CPU time of its processes so far, user and system."""
        return sum(_ticks(pid) for pid in self.processes()) / TICKS

    def memory_mib(self) -> float:
        """Return the memory that its processes would use alone on the machine.

        That is its proportional share of anonymous pages, plus mapped files in full: other processes map them too.
        """
        rollups = [_rollup(pid) for pid in self.processes()]
        anonymous = sum(rollup["Pss_Anon"] for rollup in rollups)
        return (anonymous + max(rollup["Rss"] - rollup["Anonymous"] for rollup in rollups)) / 1024

    def _confine(self, group: str | None) -> None:
        os.sched_setaffinity(0, {self._core})
        if group:
            cgroups.enter(group, os.getpid())

    def _ready(self) -> bool:
        try:
            return urllib3.request("GET", self.probe, retries=False, timeout=5).status == 200
        except urllib3.exceptions.HTTPError:
            return False


def service(directory: Path, core: int, uri: str, database: str) -> Server:
    """Return the data service, as its container starts it."""
    port, probes = free_ports(2)
    environ = {
        "MONGODB_URI": uri,
        "MONGODB_DATABASE": database,
        "PROBE_PORT": str(probes),
        "DRAIN_FILE": str(directory / f"draining-{port}"),
    }
    command = (sys.executable, "-m", "gunicorn", "--config", "python:service.server.settings")
    return Server(directory, core, port, command, f"http://127.0.0.1:{probes}/readyz", environ)


@contextmanager
def running(server: Server, group: str | None = None) -> Iterator[Server]:
    try:
        server.start(group)
        yield server
    finally:
        server.stop()


@contextmanager
def limits(millicpus: int = MILLICPUS) -> Iterator[str]:
    """Make a cgroup with a service pod's limits, 400m CPU and 256 MiB, and yield its name."""
    quota = millicpus * CPU_PERIOD_US // 1000
    name = f"flask-mongodb-bench-{os.getpid()}-{time.monotonic_ns()}"
    cgroups.make(name)
    try:
        root = cgroups.ROOT
        if cgroups.version() == 2:
            (root / name / "cpu.max").write_text(f"{quota} {CPU_PERIOD_US}")
            (root / name / "memory.max").write_text(str(MEMORY_BYTES))
        else:
            (root / "cpu" / name / "cpu.cfs_period_us").write_text(str(CPU_PERIOD_US))
            (root / "cpu" / name / "cpu.cfs_quota_us").write_text(str(quota))
            (root / "memory" / name / "memory.limit_in_bytes").write_text(str(MEMORY_BYTES))
        yield name
    finally:
        cgroups.remove(name)


def limits_missing() -> str:
    """Return why limits cannot be set, or an empty string."""
    if os.geteuid() != 0:
        return "a cgroup needs root"
    try:
        with limits():
            return ""
    except OSError as error:
        return f"the cgroup refuses limits ({error})"


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _rollup(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
