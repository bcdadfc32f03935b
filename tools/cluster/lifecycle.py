"""From nothing to a Ready node, and back to nothing."""

import contextlib
import datetime as dt
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from tools.cluster import binary, cgroups, host, pki, programs
from tools.cluster.errors import ClusterError, HostError, StartError
from tools.cluster.instance import CHECKOUT, NODE_ADDRESS, Instance
from tools.cluster.lock import exclusively

NAMESPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")
STOP_LIMIT = 25.0  # seconds; the node itself gives its programs half of that
LOG_TAIL = 12  # lines

Say = Callable[[str], None]


def up(instance: Instance, say: Say) -> None:
    """Brings the node to Ready; changes nothing where it already is. Prerequisites are installed, built and made."""
    host.require_root()
    with exclusively(instance.directory / "lock"):
        if _runs_as_wanted(instance):
            say("the cluster is up already")
            return
        if running_pid(instance):
            say("the cluster that runs is not the one wanted, or not well: stopping it")
            _stop(instance)
        _clear(instance)
        host.require_room(instance.directory, building=binary.cached() is None)
        # Bound before anything long begins, so that a taken port is known at once.
        listeners = _listen(instance)
        try:
            prepare(instance, say)
            _start(instance, listeners, say)
        finally:
            for listener in listeners.values():
                listener.close()


def check(instance: Instance) -> None:
    """Raises at once for what no waiting mends: too little room, a port that is taken."""
    if CHECKOUT.is_relative_to("/run") or CHECKOUT.is_relative_to("/var/log"):
        raise HostError(f"The node hides {CHECKOUT} behind a directory of its own: move the checkout elsewhere.")
    host.require_room(instance.directory, building=binary.cached() is None)
    if running_pid(instance) is None:
        for listener in _listen(instance).values():
            listener.close()


def prepare(instance: Instance, say: Say) -> None:
    """Everything that can be made before the node starts: packages, the binary, certificates, configuration."""
    host.install(host.missing_tools(host.TOOLS), say)
    host.load_modules()
    runtime = host.runtime()
    instance.logs.mkdir(parents=True, exist_ok=True)
    built = binary.build(instance.logs / "build.log", say)
    _lay_out(instance, built, runtime)
    pki.issue(instance.state / "pki", dt.datetime.now(dt.UTC))
    text = pki.kubeconfig(instance.state / "pki", "admin", f"https://127.0.0.1:{instance.api_port}")
    pki.write_private(instance.kubeconfig, text.encode())


def down(instance: Instance) -> bool:
    """Stops the node and everything in it; keeps its state. False where nothing ran."""
    host.require_root()
    with exclusively(instance.directory / "lock"):
        ran = running_pid(instance) is not None
        _stop(instance)
        _clear(instance)
        return ran


def load(instance: Instance, archive: Path) -> None:
    """Imports an image archive into the node."""
    host.require_root()
    if not archive.exists():
        raise ClusterError(f"{archive} is not there: was a source changed during the build? Run it again.")
    with archive.open("rb") as content:
        done = _on_node(instance, "ctr", "--namespace", "k8s.io", "images", "import", "-", stdin=content)
    if done.returncode != 0:
        raise ClusterError(f"{archive} could not be imported: {(done.stderr or done.stdout).decode().strip()}")


def loaded(instance: Instance) -> set[str]:
    """The names of the images that the node holds, as they were loaded."""
    names = _on_node(instance, "ctr", "--namespace", "k8s.io", "images", "list", "--quiet").stdout.decode().split()
    return {name.removeprefix("docker.io/library/") for name in names}


def running_pid(instance: Instance) -> int | None:
    """The process that holds the node's namespaces open, as the host sees it; None where it is gone."""
    try:
        record = json.loads(instance.record.read_text())
    except (FileNotFoundError, ValueError):
        return None
    # A process id alone may be another's by now: with the moment it started, it is ours or nobody's.
    return record["pid"] if started(record["pid"]) == record["started"] else None


def node_pid(instance: Instance) -> int | None:
    """The node's PID 1, as the host sees it."""
    if not (pid := running_pid(instance)):
        return None
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return None  # it ended meanwhile
    return int(children[0]) if children else None


def kubectl(instance: Instance, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the built kubectl against this instance."""
    command = (str(instance.kubectl), "--kubeconfig", str(instance.kubeconfig), *arguments)
    return subprocess.run(command, capture_output=True, text=True)


def _on_node(
    instance: Instance, program: str, *arguments: str, stdin: IO[bytes] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs one of the node's own programs inside it."""
    if not (pid := node_pid(instance)):
        raise ClusterError("The cluster is not running: start it with `make up`.")
    enter = ("nsenter", "--target", str(pid), "--mount", "--net", "--pid", "--")
    command = (*enter, str(programs.BIN / program), *arguments)
    return subprocess.run(command, stdin=stdin, capture_output=True)


def _start(instance: Instance, listeners: dict[str, socket.socket], say: Say) -> None:
    wanted = _wanted(instance)
    cgroups.make(instance.cgroup)
    read_end, write_end = os.pipe()
    pairs = [f"{listener.fileno()}={target}" for target, listener in listeners.items()]
    command = (
        "unshare", *NAMESPACES, "--fork", "--mount-proc", "--kill-child=SIGKILL",
        sys.executable, "-m", "tools.cluster.node", str(instance.state), str(instance.logs), str(write_end), *pairs,
    )  # fmt: skip
    with (instance.logs / "node.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            pass_fds=(write_end, *(listener.fileno() for listener in listeners.values())),
            preexec_fn=lambda: cgroups.enter(instance.cgroup, os.getpid()),
        )  # fmt: skip
    try:
        os.close(write_end)
        record = {"pid": process.pid, "started": started(process.pid), "wanted": wanted, "ready": False}
        _write_record(instance, record)
        with os.fdopen(read_end) as progress:
            _follow(instance, progress, say)
    except BaseException:
        _stop(instance)
        _clear(instance)
        raise
    _write_record(instance, record | {"ready": True})


def _write_record(instance: Instance, record: dict[str, Any]) -> None:
    """Whole or not at all: without its record a node cannot be found again."""
    pki.write_private(instance.record, json.dumps(record).encode())


def _follow(instance: Instance, progress: Iterator[str], say: Say) -> None:
    """Reads the node's progress until it is ready; raises with the end of the right log where it fails."""
    for line in progress:
        word, _, rest = line.strip().partition(" ")
        if word == "ready":
            return
        if word == "failed":
            program, _, _ = rest.partition(":")
            raise StartError(f"{rest}\n{_tail(instance.logs, program)}")
        say(rest)
    raise StartError(f"The node ended before it was ready.\n{_tail(instance.logs, 'node')}")


def _tail(logs: Path, program: str) -> str:
    log = logs / f"{program}.log"
    if not log.exists():
        log = logs / "node.log"
    lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL:] if log.exists() else []
    return f"The end of {log}:\n" + "\n".join(f"  {line}" for line in lines)


def _stop(instance: Instance) -> None:
    holder = running_pid(instance)
    if not holder:
        return
    deadline = time.monotonic() + STOP_LIMIT
    while running_pid(instance) and time.monotonic() < deadline:
        # Again and again: a node that is only just starting does not listen yet.
        if node := node_pid(instance):
            with contextlib.suppress(ProcessLookupError):
                os.kill(node, signal.SIGTERM)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(holder, os.WNOHANG)  # it is our own child where a start failed
        time.sleep(0.05)
    if running_pid(instance):
        os.kill(holder, signal.SIGKILL)
        while running_pid(instance):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(holder, os.WNOHANG)
            time.sleep(0.05)


def _clear(instance: Instance) -> None:
    """Removes what a node leaves outside its namespaces."""
    cgroups.remove(instance.cgroup)
    instance.record.unlink(missing_ok=True)


def _runs_as_wanted(instance: Instance) -> bool:
    if not running_pid(instance):
        return False
    record = json.loads(instance.record.read_text())
    if not record["ready"] or record["wanted"] != _wanted(instance):
        return False
    return kubectl(instance, "get", "--raw", "/readyz", "--request-timeout=5s").returncode == 0


def _wanted(instance: Instance) -> str:
    """One hash of what the node is started from: another value means another node."""
    parts = [binary.sources_hash(), repr(instance.listeners), repr(programs.control_plane()), repr(programs.workers())]
    here = Path(__file__).parent
    parts += [path.read_text() for path in (here / "node.py", here / "pki.py", *sorted(here.glob("manifests/*.yaml")))]
    parts += programs.configuration(instance.cgroup, Path("cni")).values()
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _listen(instance: Instance) -> dict[str, socket.socket]:
    """A listening socket on the host's loopback for each target on the node."""
    variables = {6443: "API_PORT", 30500: "SERVICE_PORT", 30800: "DASHBOARD_PORT"}
    listeners: dict[str, socket.socket] = {}
    try:
        for outside, inside in instance.listeners:
            listeners[f"{NODE_ADDRESS}:{inside}"] = host.listen(outside, variables.get(inside, "another port"))
    except ClusterError:
        for listener in listeners.values():
            listener.close()
        raise
    return listeners


def _lay_out(instance: Instance, built: Path, runtime: Path) -> None:
    """Puts programs and configuration where the node finds them."""
    state = instance.state
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / "volumes").mkdir(mode=0o711, exist_ok=True)
    for directory, names in (
        (built, ("kube", "pause")),
        (runtime / "usr/bin", ("containerd", "containerd-shim-runc-v2", "ctr")),
        (runtime / "usr/sbin", ("runc",)),
    ):
        for name in names:
            _place(directory / name, state / "bin" / name)
    for plugin in ("bridge", "host-local", "loopback"):
        _place(runtime / "usr/lib/cni" / plugin, state / "bin" / "cni" / plugin)
    _place(built / "kube", instance.kubectl)
    for name, text in programs.configuration(instance.cgroup, programs.BIN / "cni").items():
        path = state / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _place(source: Path, target: Path) -> None:
    """A hard link where the file system allows it, else a copy: 150 MB are not to be copied for each instance."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copy2(source, partial)
    partial.replace(target)


def started(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None for one that is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]
