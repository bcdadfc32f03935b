"""The instance's subtree of the host's cgroups, version 1 or 2: its only trace outside its namespaces."""

import contextlib
import errno
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MOST_CORES = 100  # cpu.weight ends at 10,000, and each core counts as 100
NODE = "node"  # the leaf of the node's programs: version 2 allows no processes in a group that has child groups
PROCESSES = "processes"  # the leaf of a container's other processes


def version(root: Path = ROOT) -> int:
    """Return 2 on a host with the unified hierarchy only, else 1: a hybrid host's controllers are version 1."""
    return 2 if (root / "cgroup.controllers").exists() else 1


def make(name: str, root: Path = ROOT) -> None:
    """Make the subtree under every controller, with a leaf for the node's programs."""
    if version(root) == 2:
        _delegate(root)
        (root / name / NODE).mkdir(parents=True, exist_ok=True)
        _delegate(root / name)
        _set_weight(root / name / "cpu.weight", 100)
        return
    for hierarchy in _hierarchies(root):
        (hierarchy / name / NODE).mkdir(parents=True, exist_ok=True)
        if hierarchy.name == "cpuset":  # a cpuset without CPUs accepts no process
            for group in (hierarchy / name, hierarchy / name / NODE):
                for setting in ("cpuset.cpus", "cpuset.mems"):
                    (group / setting).write_text((hierarchy / setting).read_text())
        _set_weight(hierarchy / name / "cpu.shares", 1024)


def enter(name: str, pid: int, root: Path = ROOT) -> None:
    """Move a process into the node's leaf. Its later children inherit the group."""
    for hierarchy in _hierarchies(root):
        (hierarchy / name / NODE / "cgroup.procs").write_text(str(pid))


def remove(name: str, patience: float = 10.0, root: Path = ROOT) -> None:
    """Remove the subtree. Retry for `patience` seconds: a group stays busy for a moment after its last process ends."""
    deadline = time.monotonic() + patience
    while True:
        left = [hierarchy / name for hierarchy in _hierarchies(root) if (hierarchy / name).exists()]
        for group in left:
            for directory, _children, _files in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)
        if not left or time.monotonic() > deadline:
            return
        time.sleep(0.05)


def memory_bytes(name: str, root: Path = ROOT) -> int:
    """Return the instance's memory in bytes, without the inactive file cache, which the kernel can reclaim."""
    group = root / name if version(root) == 2 else root / "memory" / name
    usage = int((group / ("memory.current" if version(root) == 2 else "memory.usage_in_bytes")).read_text())
    statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    return usage - int(statistics["inactive_file" if version(root) == 2 else "total_inactive_file"])


def _hierarchies(root: Path) -> list[Path]:
    if version(root) == 2:
        return [root]
    return [
        path for path in root.iterdir() if path.is_dir() and not path.is_symlink() and (path / "cgroup.procs").exists()
    ]


def _set_weight(setting: Path, core: int) -> None:
    """Set the group's CPU weight to `core` per core. With the default, the node would get the share of one process."""
    if setting.exists():
        setting.write_text(str(core * min(os.cpu_count() or 1, MOST_CORES)))


def _delegate(group: Path) -> None:
    """Enable the controllers of pods for the group's children.

    In a container with a cgroup namespace of its own, the root of the tree has the container's processes. Version 2
    enables no controller below a group with processes, so they move into a leaf.
    """
    controllers = (group / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{c}" for c in controllers if c in {"cpu", "cpuset", "io", "memory", "pids", "hugetlb"})
    try:
        _write(group / "cgroup.subtree_control", wanted)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _move_processes(group, group / PROCESSES)
        _write(group / "cgroup.subtree_control", wanted)


def _move_processes(group: Path, leaf: Path) -> None:
    leaf.mkdir(exist_ok=True)
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            _write(leaf / "cgroup.procs", pid)


def _write(setting: Path, value: str) -> None:
    setting.write_text(value)
