"""Background port-forwards, and the record by which a later command finds and ends them.

The record has each process's start time too, since a pid may be another process's by then. Without /proc, as on macOS,
`ps` tells it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools.cluster import lifecycle
from tools.cluster.instance import CHECKOUT

PROC = Path("/proc/self/stat")
STOP_LIMIT = 5.0  # seconds; then SIGKILL


class Forwards:
    """The port-forwards of one cluster."""

    def __init__(self, record: Path) -> None:
        self._record = record

    def start(self, command: tuple[str, ...]) -> None:
        """Run a command of kubectl in the background, again and again: it ends with its pod."""
        process = subprocess.Popen(
            (sys.executable, "-m", "tools.deploy.keep", *command), cwd=CHECKOUT, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        process.returncode = 0  # nobody waits for it: it outlives this command
        self._record.parent.mkdir(exist_ok=True)
        self._record.write_text(json.dumps([*self._remembered(), (process.pid, started(process.pid))]))

    def stop(self) -> None:
        """End them all, and wait until their ports are free."""
        for pid, began in self._remembered():
            deadline = time.monotonic() + STOP_LIMIT
            # A process that `ps` and /proc do not know has ended, and has no start time to compare.
            while began and started(pid) == began:
                os.killpg(pid, signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
                time.sleep(0.05)
        self._record.unlink(missing_ok=True)

    def _remembered(self) -> list[tuple[int, str | None]]:
        return json.loads(self._record.read_text()) if self._record.exists() else []


def started(pid: int) -> str | None:
    """Return when a process started, in this system's own form, or None if it has ended or is a zombie."""
    if PROC.exists():
        return lifecycle.start_time(pid)
    done = subprocess.run(("ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)), capture_output=True, text=True)
    state, _, began = done.stdout.strip().partition(" ")
    return began.strip() if state and not state.startswith("Z") else None
