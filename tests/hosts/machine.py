"""A machine that QEMU emulates, and the commands that are run on it over ssh."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

CORES = 2
MEMORY_MB = 8192
BOOT_SECONDS = 900.0
HALT_SECONDS = 120.0


class MachineError(Exception):
    """The machine did not start, or does not answer."""


@dataclass(frozen=True)
class Done:
    """A command that has ended, or was ended at its limit (status 124). `output` has both of its streams."""

    status: int
    output: str
    seconds: float


class Machine:
    """A machine whose files are in `directory`: disk, kernel, initrd, ssh key, console.log."""

    def __init__(self, directory: Path, processor: str, acceleration: str, port: int) -> None:
        self.directory = directory
        self.disk = directory / "disk.img"
        self._key = directory / "key"
        self._pid = directory / "qemu.pid"
        self._processor = processor
        self.acceleration = acceleration
        self._port = port

    @property
    def public_key(self) -> str:
        """The public key of root's login, made once."""
        if not self._key.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)), check=True)
        return self._key.with_suffix(".pub").read_text()

    @property
    def login(self) -> str:
        """The command that leads to a shell on it."""
        return shlex.join(self._ssh())

    def runs(self) -> bool:
        """Return whether its QEMU runs."""
        return self._running_pid() is not None

    def boot(self) -> float:
        """Start it, and wait until root can log in. Return the seconds. Raise MachineError."""
        began = time.monotonic()
        if not self.runs():
            _require_free(self._port)
            subprocess.run(self._qemu(), check=True, capture_output=True, text=True)
        while self.run("true", 60).status != 0:
            if not self.runs() or time.monotonic() - began > BOOT_SECONDS:
                raise MachineError(f"It did not boot: see {self.directory / 'console.log'}.")
            time.sleep(1)
        return time.monotonic() - began

    def run(self, script: str, limit: float, log: Path | None = None) -> Done:
        """Run a shell script as root. Its output goes to `log` meanwhile."""
        began = time.monotonic()
        path = log or self.directory / "last.log"
        with path.open("wb") as output:
            command = (*self._ssh(), shlex.join(("bash", "-c", script)))
            try:
                status = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=limit
                ).returncode
            except subprocess.TimeoutExpired:
                status = 124
        return Done(status, path.read_text(errors="replace"), time.monotonic() - began)

    def halt(self) -> None:
        """Shut it down, and end its QEMU if it has not by HALT_SECONDS."""
        if not self.runs():
            return
        self.run("systemctl poweroff", 30)
        deadline = time.monotonic() + HALT_SECONDS
        while (pid := self._running_pid()) is not None:
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)

    def _running_pid(self) -> int | None:
        try:
            pid = int(self._pid.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except (OSError, ValueError):
            return None
        return pid if str(self._pid) in command else None

    def _ssh(self) -> tuple[str, ...]:
        return ("ssh", "-p", str(self._port), *self._options(), "root@127.0.0.1")

    def _options(self) -> tuple[str, ...]:
        settings = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes",
                    "ConnectTimeout=30", "ServerAliveInterval=30", "ServerAliveCountMax=10")  # fmt: skip
        return ("-i", str(self._key), *(part for setting in settings for part in ("-o", setting)))

    def _qemu(self) -> tuple[str, ...]:
        thread = ",thread=multi" if self.acceleration == "tcg" else ""
        return (
            *("qemu-system-x86_64", "-accel", f"{self.acceleration}{thread}", "-cpu", self._processor),
            *("-smp", str(CORES), "-m", str(MEMORY_MB)),
            *("-kernel", str(self.directory / "vmlinuz"), "-initrd", str(self.directory / "initrd.img")),
            *("-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0"),
            *("-drive", f"file={self.disk},if=virtio,format=raw,cache=unsafe"),
            *("-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self._port}-:22"),
            *("-display", "none", "-serial", f"file:{self.directory / 'console.log'}", "-monitor", "none"),
            *("-daemonize", "-pidfile", str(self._pid)),
        )


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise MachineError(f"Port {port} of 127.0.0.1 is taken: give another one with --port.")
