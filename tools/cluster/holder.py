"""The process that holds a node's namespaces: its start and progress, its record, its end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from tools.cluster import cgroups, pki
from tools.cluster.errors import StartError
from tools.cluster.instance import CHECKOUT, Place

NAMESPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")
STOP_LIMIT = 25.0  # seconds; over the node's own STOP_LIMIT for its programs, 12 s
LOG_TAIL = 12  # lines

Say = Callable[[str], None]


def start(
    place: Place, nodes: int, arguments: Sequence[str], descriptors: Sequence[int], record: dict[str, Any]
) -> int:
    """Start a node of a cluster with so many nodes. Return a descriptor of its progress.

    `arguments` are those of its own, and `descriptors` are passed on. The record gets the process.
    """
    cgroups.make(place.cgroup)
    place.logs.mkdir(parents=True, exist_ok=True)
    read_end, write_end = os.pipe()
    command = (
        "unshare", *NAMESPACES, "--fork", "--mount-proc", "--kill-child=SIGKILL",
        sys.executable, "-m", "tools.cluster.node", str(place.node.number), str(nodes),
        str(place.state), str(place.logs), str(write_end), *arguments,
    )  # fmt: skip
    try:
        with (place.logs / "node.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                pass_fds=(write_end, *descriptors), preexec_fn=lambda: cgroups.enter(place.cgroup, os.getpid()),
            )  # fmt: skip
    finally:
        os.close(write_end)
    write_record(place, record | {"pid": process.pid, "started": start_time(process.pid)})
    return read_end


def follow(place: Place, progress: Iterator[str], say: Say, until: str = "ready") -> None:
    """Relay a node's progress until that word. Raise StartError with the end of the failed program's log."""
    for line in progress:
        word, _, rest = line.strip().partition(" ")
        if word == until:
            return
        if word == "failed":
            program, _, _ = rest.partition(":")
            raise StartError(f"{rest}\n{tail(place.logs, program)}")
        say(rest)
    raise StartError(f"The node {place.node.name} ended before it was ready.\n{tail(place.logs, 'node')}")


def tail(logs: Path, program: str) -> str:
    """Return the end of a program's log, or of the node's own."""
    log = logs / f"{program}.log"
    if not log.exists():
        log = logs / "node.log"
    lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL:] if log.exists() else []
    return f"The end of {log}:\n" + "\n".join(f"  {line}" for line in lines)


def write_record(place: Place, record: dict[str, Any]) -> None:
    """Write the record atomically: without it nothing finds the node again."""
    pki.write_private(place.record, json.dumps(record).encode())


def read_record(place: Place) -> dict[str, Any]:
    """Return the record, empty if there is none."""
    try:
        record: dict[str, Any] = json.loads(place.record.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return record


def running_pid(place: Place) -> int | None:
    """Return the host's pid of the process that holds the node's namespaces, or None if it has ended."""
    record = read_record(place)
    # The kernel may have given the pid to another process: its start time identifies it.
    return record["pid"] if record and start_time(record["pid"]) == record["started"] else None


def node_pid(place: Place) -> int | None:
    """Return the host's pid of the node's PID 1, or None if it has ended."""
    if not (pid := running_pid(place)):
        return None
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return None  # the process has just ended
    return int(children[0]) if children else None


def run(place: Place, *command: str, stdin: IO[bytes] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a running node's namespaces."""
    enter = ("nsenter", "--target", str(node_pid(place)), "--mount", "--net", "--pid", "--")
    return subprocess.run((*enter, *command), stdin=stdin, capture_output=True)


def stop(places: Sequence[Place]) -> None:
    """Let nodes end, all at once: their pods and programs get SIGTERM. Kill what is left at STOP_LIMIT."""
    deadline = time.monotonic() + STOP_LIMIT
    while (left := [place for place in places if running_pid(place)]) and time.monotonic() < deadline:
        for place in left:
            # Repeat the signal: a node that has just started may not have its handler yet.
            if node := node_pid(place):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(node, signal.SIGTERM)
            _reap(place)
        time.sleep(0.05)
    for place in left:
        kill(place)


def kill(place: Place) -> None:
    """End a node as a power cut does: the kernel kills everything in its namespaces at once."""
    if holder := running_pid(place):
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder, signal.SIGKILL)
    while running_pid(place):
        _reap(place)
        time.sleep(0.05)


def clear(place: Place) -> None:
    """Remove what a node leaves outside its namespaces: its cgroups and its record."""
    cgroups.remove(place.cgroup)
    place.record.unlink(missing_ok=True)


def _reap(place: Place) -> None:
    """Reap a node that is our child, as it is after a failed start: it stays a zombie until then."""
    if pid := read_record(place).get("pid"):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def start_time(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot, or None if it has ended or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]
