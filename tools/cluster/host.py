"""Requirements on the host: root, processor, cgroups, inotify, disk, memory, ports, packages, kernel modules.

Checked before anything is started. Imports the standard library only, since nothing is installed yet.
"""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.cluster import cgroups
from tools.cluster.errors import HostError
from tools.cluster.instance import CHECKOUT, cache_directory, exclusively

GIB = 1 << 30
DISK_FOR_BUILD = 10 * GIB
DISK_FOR_RUN = 2 * GIB
DISK_FOR_NODE = 1 * GIB  # each beyond the first: images
MEMORY = 4 * GIB
MEMORY_FOR_NODE = GIB // 2  # each beyond the first
ROOT_USER = 0
INOTIFY_INSTANCES = 32  # used by the programs of a node with its pods: 28
INOTIFY_FOR_NODE = 10  # each beyond the first: 7

# Installed on the host: {command: Debian package}
TOOLS = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "nft": "nftables",
    "conntrack": "conntrack",
    "socat": "socat",
    "iptables": "iptables",
    "ipset": "ipset",
}
# Unpacked, not installed: no service starts, and the containerd of an installed Docker stays as it is.
# {Debian package: directory of its programs}
RUNTIME = {"containerd": "usr/bin", "runc": "usr/sbin", "containernetworking-plugins": "usr/lib/cni"}
LOCK = ("-o", "DPkg::Lock::Timeout=120")  # seconds to wait for another apt, such as unattended upgrades
MODULES = ("br_netfilter", "overlay", "nf_conntrack", "veth", "bridge")


def require_root() -> None:
    """Raise HostError unless run by root."""
    if os.geteuid() != 0:
        raise HostError(
            "The embedded cluster needs root (namespaces, mounts, cgroups): run it as root, or use CLUSTER=minikube."
        )


def require_visible() -> None:
    """Raise HostError if the node's own mounts would hide the checkout."""
    if CHECKOUT.is_relative_to("/run") or CHECKOUT.is_relative_to("/var/log"):
        raise HostError(f"The node cannot see {CHECKOUT} below its own tmpfs: move the checkout elsewhere.")


def require_avx(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Raise HostError if the processor lacks the instructions that MongoDB is built with: it would end by SIGILL."""
    flags = {flag for line in cpuinfo.read_text().splitlines() if line.startswith("flags") for flag in line.split()}
    if "avx" not in flags:
        raise HostError(
            "The processor has no AVX, which MongoDB needs: use a machine that has it (for a virtual machine, "
            "another processor model, such as the host's own)."
        )


def require_cgroups(root: Path = cgroups.ROOT) -> None:
    """Raise HostError if the node could not make groups, as in a container without privileges."""
    if not os.access(root, os.W_OK):
        raise HostError(f"{root} cannot be written: in a container, run it with --privileged.")


def require_inotify(
    setting: Path = Path("/proc/sys/fs/inotify/max_user_instances"), used: int | None = None, nodes: int = 1
) -> None:
    """Raise HostError if root has too few inotify instances left: the kubelet would fail with "too many open files"."""
    most = int(setting.read_text())
    used = inotify_instances() if used is None else used
    needed = INOTIFY_INSTANCES + INOTIFY_FOR_NODE * (nodes - 1)
    if most - used < needed:
        raise HostError(
            f"{used} of {most} inotify instances are in use and {needed} more are needed: "
            f"run `sysctl fs.inotify.max_user_instances={2 * most + needed}`."
        )


def inotify_instances(proc: Path = Path("/proc")) -> int:
    """Return how many inotify instances root's processes have open."""
    count = 0
    for directory in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # the process has just ended
            if directory.stat().st_uid == ROOT_USER:
                count += sum(os.readlink(link) == "anon_inode:inotify" for link in (directory / "fd").iterdir())
    return count


def require_room(directory: Path, building: bool, nodes: int = 1) -> None:
    """Raise HostError unless disk and memory suffice."""
    wanted = (DISK_FOR_BUILD if building else DISK_FOR_RUN) + DISK_FOR_NODE * (nodes - 1)
    for place in (directory, cache_directory()):
        place.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(place).free) < wanted:
            raise HostError(
                f"{place} has {free / GIB:.1f} GB free and {wanted / GIB:.0f} GB are needed: free some, "
                "or put the checkout (for the cache, XDG_CACHE_HOME) on a larger disk."
            )
    needed = MEMORY + MEMORY_FOR_NODE * (nodes - 1)
    if (memory := memory_total()) < needed * 0.95:
        raise HostError(
            f"The machine has {memory / GIB:.1f} GB of memory and {needed / GIB:.3g} GB are needed: use a larger one."
        )


def memory_total(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the machine's memory in bytes."""
    fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    return int(fields["MemTotal"].split()[0]) * 1024


def listen(port: int, variable: str) -> socket.socket:
    """Return a socket that listens on 127.0.0.1. Raise HostError, with the variable to change, if the port is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise HostError(
            f"Port {port} of 127.0.0.1 is taken ({error.strerror}): "
            f"stop the program that listens there, or choose another port with {variable}=."
        ) from None
    listener.listen(1024)
    return listener


def install(packages: Iterable[str], say: Callable[[str], None]) -> None:
    """Install Debian packages without removing any. Raise HostError without apt-get or root, or if apt-get fails."""
    packages = sorted(set(packages))
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise HostError(f"Missing Debian packages: {', '.join(packages)}. Install their equivalents for this system.")
    if os.geteuid() != 0:
        raise HostError(f"Installing {', '.join(packages)} needs root: run it as root, or install them first.")
    say(f"installing {' '.join(packages)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # An interrupted install leaves packages unconfigured, and apt-get then refuses to work.
    subprocess.run(("dpkg", "--configure", "-a"), env=environment, capture_output=True)
    command = ("apt-get", "install", "--yes", "--no-install-recommends", "--no-remove", *LOCK, *packages)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        apt_update()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise HostError(f"apt-get could not install {' '.join(packages)}: {_last_line(done.stderr)}")


def apt_update() -> None:
    subprocess.run(("apt-get", "update", "--quiet"), capture_output=True)


def missing_tools(tools: dict[str, str]) -> list[str]:
    """Return the packages of the commands that are not installed. `tools` is {command, or path of a file: package}."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return [
        package
        for tool, package in tools.items()
        if not (Path(tool).exists() if tool.startswith("/") else shutil.which(tool, path=path))
    ]


def runtime() -> Path:
    """Return a cached directory with containerd, runc and the CNI plugins, unpacked from Debian packages."""
    directory = cache_directory() / "runtime"
    with exclusively(cache_directory() / "runtime.lock"):
        if not (directory / "complete").exists():
            _unpack_runtime(directory)
    return directory


def _unpack_runtime(directory: Path) -> None:
    partial = cache_directory() / "runtime.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    # Download as root: apt's sandbox user cannot write into a private directory.
    command = ("apt-get", "-o", "APT::Sandbox::User=root", "download", *RUNTIME)
    done = subprocess.run(command, cwd=partial, capture_output=True, text=True)
    if done.returncode != 0:
        apt_update()
        done = subprocess.run(command, cwd=partial, capture_output=True, text=True)
    if done.returncode != 0:
        raise HostError(f"apt-get could not download {' '.join(RUNTIME)}: {_last_line(done.stderr)}")
    for package in partial.glob("*.deb"):
        subprocess.run(("dpkg", "-x", str(package), str(partial)), check=True)
        package.unlink()
    (partial / "complete").touch()
    shutil.rmtree(directory, ignore_errors=True)
    partial.rename(directory)


def adopt_defaults() -> None:
    """Give this process and its children what they rely on, whatever the shell's umask and HOME are."""
    os.umask(0o022)  # container users read what is made here; secrets get their own mode
    os.environ.setdefault("HOME", str(Path.home()))  # kubectl's and buildah's


def load_modules() -> None:
    """Load the kernel modules that the node uses. Failures are ignored: the features may be built into the kernel."""
    if modprobe := shutil.which("modprobe"):
        with contextlib.suppress(OSError):
            subprocess.run((modprobe, "--all", "--quiet", *MODULES), capture_output=True)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no error message"])[-1]
