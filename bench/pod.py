"""A server as a pod runs it, without Kubernetes: gunicorn on one core, under a pod's limits if that is asked for."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from tools.cluster import cgroups
from tools.cluster.instance import CHECKOUT
from tools.local.mongod import dies_with_parent, free_port

SETTINGS = (  # the service's own, for whom its configuration is not made
    *("--worker-class", "gthread", "--threads", "16", "--keep-alive", "75"),
    *("--worker-tmp-dir", "/dev/shm", "--no-control-socket"),  # noqa: S108
)
CPU_QUOTA_US, CPU_PERIOD_US = 40_000, 100_000  # 400m
MEMORY_BYTES = 256 << 20
READY_SECONDS = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


class Pod:
    """A running gunicorn. `application` is a module of ours, or None for the service itself."""

    def __init__(
        self, directory: Path, core: int, application: str | None, python: Path | None, **environ: str
    ) -> None:
        port, probes = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}/data"
        self.probe = f"http://127.0.0.1:{probes}/readyz" if application is None else f"{self.url}?limit=1"
        self._core = core
        self._log = directory / f"{application or 'service'}-{port}.log"
        self._environ = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(directory),
            "PORT": str(port),
            "PROBE_PORT": str(probes),
            "DRAIN_FILE": str(directory / f"draining-{port}"),
            **environ,
        }
        how: tuple[str, ...] = ("--config", "python:service.server.settings")
        if application is not None:
            how = (*SETTINGS, "--bind", f"127.0.0.1:{port}", application)
        self._command = [*dies_with_parent(), str(python or sys.executable), "-m", "gunicorn", *how]

    def start(self, group: str | None = None) -> float:
        """Seconds until it was ready. What it writes goes into a pipe, as a container's does."""
        began = time.monotonic()
        with self._log.open("wb") as log:
            self._reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)  # noqa: S607
        self._process = subprocess.Popen(  # noqa: S603
            self._command,
            cwd=CHECKOUT,
            env=self._environ,
            stdout=self._reader.stdin,
            stderr=self._reader.stdin,
            preexec_fn=lambda: self._settle(group),
        )
        self._reader.stdin.close()  # type: ignore[union-attr]
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > began + READY_SECONDS:
                raise RuntimeError(f"{self._command} is not ready:\n{self._log.read_text()}")
            time.sleep(0.01)
        return time.monotonic() - began

    def stop(self) -> None:
        """At once: an orderly end takes seconds, and nobody waits for an answer."""
        if self._process.poll() is None:
            for pid in self.family():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._reader.wait()

    def family(self) -> list[int]:
        """gunicorn's main process and its workers."""
        main = self._process.pid
        return [main, *map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split())]

    def cpu_seconds(self) -> float:
        """What its processes took so far, the kernel's work for them included."""
        return sum(_ticks(pid) for pid in self.family()) / TICKS

    def memory_mib(self) -> float:
        """What they would hold if they were alone on the machine: proportional shares of what they share among
        themselves, but Python's own files in full, which others here happen to map as well."""
        rollups = [_rollup(pid) for pid in self.family()]
        own = sum(rollup["Pss_Anon"] for rollup in rollups)
        return (own + max(rollup["Rss"] - rollup["Anonymous"] for rollup in rollups)) / 1024

    def _settle(self, group: str | None) -> None:
        os.sched_setaffinity(0, {self._core})
        if group:
            cgroups.enter(group, os.getpid())

    def _ready(self) -> bool:
        try:
            return urllib3.request("GET", self.probe, retries=False, timeout=5).status == 200
        except urllib3.exceptions.HTTPError:
            return False


@contextmanager
def running(pod: Pod, group: str | None = None) -> Iterator[Pod]:
    try:
        pod.start(group)
        yield pod
    finally:
        pod.stop()


@contextmanager
def limits() -> Iterator[str]:
    """A cgroup with the service's limits, for one pod: 400m of CPU and 256 MiB."""
    name = f"flask-mongodb-bench-{os.getpid()}-{time.monotonic_ns()}"
    cgroups.make(name)
    try:
        root = cgroups.ROOT
        if cgroups.version() == 2:
            (root / name / "cpu.max").write_text(f"{CPU_QUOTA_US} {CPU_PERIOD_US}")
            (root / name / "memory.max").write_text(str(MEMORY_BYTES))
        else:
            (root / "cpu" / name / "cpu.cfs_period_us").write_text(str(CPU_PERIOD_US))
            (root / "cpu" / name / "cpu.cfs_quota_us").write_text(str(CPU_QUOTA_US))
            (root / "memory" / name / "memory.limit_in_bytes").write_text(str(MEMORY_BYTES))
        yield name
    finally:
        cgroups.remove(name)


def limits_missing() -> str:
    """Why no limits can be set here; empty where they can."""
    if os.geteuid() != 0:
        return "a cgroup of our own needs root"
    try:
        with limits():
            return ""
    except OSError as error:
        return f"no limits can be set here ({error})"


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _rollup(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
