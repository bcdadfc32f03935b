"""The root file system of a stock Debian and the disk that is made of it, without root's loop devices or mounts."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

# What an installed Debian has and mmdebstrap's "important" leaves out. What the project needs is not among them.
PACKAGES = ("linux-image-amd64", "systemd-sysv", "openssh-server", "ca-certificates", "iproute2", "udev", "dbus",
            "apparmor")  # fmt: skip
SIZE = "40G"  # sparse: it takes what is written
LOCAL_CAS = Path("/usr/local/share/ca-certificates")
FSTAB = "/dev/vda / ext4 defaults 0 1\n"
NETWORK = "[Match]\nName=e*\n\n[Network]\nDHCP=yes\n"
NAMESERVER = "nameserver 10.0.2.3\n"  # QEMU's user network
# How this machine reaches package registries, which the emulated one must do, too.
PASSED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "GOPROXY", "GOSUMDB")


def make_root(suite: str, root: Path) -> None:
    """Install a Debian into the directory `root`, once. Its package lists stay, as after an installation."""
    if root.exists():
        return
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    hooks = [f"--customize-hook={hook}" for hook in _own_cas()]
    include = f"--include={','.join(PACKAGES)}"
    options = ("--format=directory", "--variant=important", "--skip=cleanup/apt/lists")
    command = ("mmdebstrap", "--quiet", *options, include, *hooks)
    subprocess.run((*command, suite, str(partial)), check=True)
    partial.rename(root)


def _own_cas() -> list[str]:
    """Return hooks that bring this machine's own certificate authorities into the other's store."""
    if not any(LOCAL_CAS.glob("*.crt")):
        return []
    return [f'cp {LOCAL_CAS}/*.crt "$1{LOCAL_CAS}/"', 'chroot "$1" update-ca-certificates']


def configure(root: Path, name: str, public_key: str) -> None:
    """Give the machine its name, its network and the key of root's login."""
    files = {
        "etc/hostname": f"{name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {name}\n",
        "etc/fstab": FSTAB,
        "etc/resolv.conf": NAMESERVER,
        "etc/systemd/network/20-wired.network": NETWORK,
        "etc/environment": environment(os.environ),
        "root/.ssh/authorized_keys": public_key,
    }
    for path, text in files.items():
        (root / path).parent.mkdir(mode=0o700 if "ssh" in path else 0o755, parents=True, exist_ok=True)
        (root / path).unlink(missing_ok=True)
        (root / path).write_text(text)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    service = wants / "systemd-networkd.service"
    if not service.is_symlink():
        service.symlink_to("/usr/lib/systemd/system/systemd-networkd.service")


def bring(root: Path, checkout: Path, remote_checkout: str, builds: Iterable[Path], remote_cache: str) -> None:
    """Put a clone of the checkout's last commit, and programs that take long to build, onto the machine."""
    clone, cache = (root / path.lstrip("/") for path in (remote_checkout, remote_cache))
    for former in (clone, cache):
        shutil.rmtree(former, ignore_errors=True)
    subprocess.run(("git", "clone", "--quiet", "--no-hardlinks", str(checkout), str(clone)), check=True)
    for build in builds:
        shutil.copytree(build, cache / build.name)


def make_disk(root: Path, disk: Path) -> None:
    """Write a bootable disk with everything in `root`, and its kernel and initrd beside it."""
    for kind in ("vmlinuz", "initrd.img"):
        shutil.copy(next((root / "boot").glob(f"{kind}-*")), disk.with_name(kind))
    disk.unlink(missing_ok=True)
    subprocess.run(("truncate", "--size", SIZE, str(disk)), check=True)
    subprocess.run(("mkfs.ext4", "-q", "-d", str(root), str(disk)), check=True)


def environment(variables: Mapping[str, str]) -> str:
    """Return the text of /etc/environment: this machine's proxies and package registries. Pure."""
    found = sorted((name, value) for name, value in variables.items() if name.upper() in PASSED_ON and value)
    return "".join(f'{name}="{value}"\n' for name, value in found)
