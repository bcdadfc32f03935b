"""Start and stop of an embedded cluster, and what is done to a running one: image import, kubectl."""

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

from tools.cluster import binary, cgroups, host, images, pki, programs
from tools.cluster.errors import ClusterError, StartError
from tools.cluster.instance import CHECKOUT, Instance, exclusively
from tools.cluster.patience import patient

NAMESPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")
STOP_LIMIT = 25.0  # seconds; over the node's own STOP_LIMIT for its programs, 12 s
POLICY_LIMIT = 60.0  # seconds until the network policies are enforced
LOG_TAIL = 12  # lines

Say = Callable[[str], None]


def up(instance: Instance, say: Say) -> None:
    """Start the cluster and wait until its node is Ready. Install and build what is missing first.

    Do nothing if it runs from the same sources, and replace it if it runs from others. Raise ClusterError.
    """
    host.require_root()
    with exclusively(instance.directory / "lock"):
        if _is_up_to_date(instance):
            say("the cluster is up already")
            return
        if running_pid(instance):
            say("the running cluster is unhealthy or has another configuration: stopping it")
            _stop(instance)
        _clear(instance)
        host.require_room(instance.directory, building=binary.cached(binary.KUBERNETES) is None)
        # Bind first, so that a taken port fails at once and not after the build.
        listeners = _listen(instance)
        try:
            prepare(instance, say)
            _start(instance, listeners, say)
        finally:
            for listener in listeners.values():
                listener.close()


def check(instance: Instance) -> None:
    """Raise HostError if a port is taken that `up` needs."""
    if running_pid(instance) is None:
        for listener in _listen(instance).values():
            listener.close()


def prepare(instance: Instance, say: Say) -> None:
    """Make everything that the node needs: packages, binaries, certificates, configuration."""
    host.install(host.missing_tools(host.TOOLS), say)
    host.load_modules()
    runtime = host.runtime()
    instance.logs.mkdir(parents=True, exist_ok=True)
    built = binary.ensure(binary.KUBERNETES, instance.logs / "build.log", say)
    _lay_out(instance, built, runtime)
    pki.issue(instance.state / "pki", dt.datetime.now(dt.UTC))
    text = pki.kubeconfig(instance.state / "pki", "admin", f"https://127.0.0.1:{instance.api_port}")
    pki.write_private(instance.kubeconfig, text.encode())


def enforce_network_policies(instance: Instance, say: Say) -> None:
    """Start kube-router on a running node, built first if missing, and wait until it enforces the NetworkPolicies.

    This comes last in `make up`, so that the deployment does not wait for the build. Raise ClusterError.
    """
    with exclusively(instance.directory / "lock"):
        if binary.cached(binary.KUBE_ROUTER) is None:
            say("building kube-router, which enforces the network policies (2 minutes, once; the deployment is up)")
        built = binary.ensure(binary.KUBE_ROUTER, instance.logs / "build.log", say)
        _place(built / "kube-router", instance.state / "bin" / "kube-router")  # the node starts it
        deadline = time.monotonic() + patient(POLICY_LIMIT)
        while not _enforces_policies(instance):
            if time.monotonic() > deadline:
                raise StartError(f"The network policies are not enforced.\n{_tail(instance.logs, 'kube-router')}")
            time.sleep(0.2)


def down(instance: Instance) -> bool:
    """Stop the node with everything in it and keep its state. Return whether it ran."""
    host.require_root()
    with exclusively(instance.directory / "lock"):
        ran = running_pid(instance) is not None
        _stop(instance)
        _clear(instance)
        return ran


def load(instance: Instance, archive: Path) -> None:
    """Import an image archive into the node. Raise ClusterError if the node is stopped or refuses the archive."""
    host.require_root()
    if not archive.exists():
        raise ClusterError(f"{archive} is missing: a source may have changed during the build. Retry.")
    with archive.open("rb") as content:
        done = _on_node(instance, "ctr", "--namespace", "k8s.io", "images", "import", "-", stdin=content)
    if done.returncode != 0:
        raise ClusterError(f"{archive} could not be imported: {(done.stderr or done.stdout).decode().strip()}")
    # The layers are unpacked now, and containerd would keep a second copy of each.
    _on_node(instance, "ctr", "--namespace", "k8s.io", "content", "rm", *images.layers(archive))


def loaded(instance: Instance) -> set[str]:
    """Return the names of the node's images, without the prefix that containerd adds."""
    names = _on_node(instance, "ctr", "--namespace", "k8s.io", "images", "list", "--quiet").stdout.decode().split()
    return {name.removeprefix("docker.io/").removeprefix("library/") for name in names}


def running_pid(instance: Instance) -> int | None:
    """Return the host's pid of the process that holds the node's namespaces, or None if it has ended."""
    try:
        record = json.loads(instance.record.read_text())
    except (FileNotFoundError, ValueError):
        return None
    # The kernel may have given the pid to another process: its start time identifies it.
    return record["pid"] if start_time(record["pid"]) == record["started"] else None


def node_pid(instance: Instance) -> int | None:
    """Return the host's pid of the node's PID 1, or None if it has ended."""
    if not (pid := running_pid(instance)):
        return None
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return None  # the process has just ended
    return int(children[0]) if children else None


def kubectl(instance: Instance, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this instance's kubectl. The caller checks the exit status."""
    command = (str(instance.kubectl), "--kubeconfig", str(instance.kubeconfig), *arguments)
    return subprocess.run(command, capture_output=True, text=True)


def _on_node(
    instance: Instance, program: str, *arguments: str, stdin: IO[bytes] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program of the node in the node's namespaces. Raise ClusterError if the node is stopped."""
    if not (pid := node_pid(instance)):
        raise ClusterError("The cluster is not running: start it with `make up`.")
    enter = ("nsenter", "--target", str(pid), "--mount", "--net", "--pid", "--")
    command = (*enter, str(programs.BIN / program), *arguments)
    return subprocess.run(command, stdin=stdin, capture_output=True)


def _enforces_policies(instance: Instance) -> bool:
    health = f"http://127.0.0.1:{programs.KUBE_ROUTER_HEALTH_PORT}/healthz"
    enter = ("nsenter", "--target", str(node_pid(instance)), "--net", "--")
    return subprocess.run((*enter, sys.executable, "-c", direct_request(health)), capture_output=True).returncode == 0


def direct_request(url: str) -> str:
    """Return a Python script that fails unless a URL is answered. It asks past the environment's proxy. Pure."""
    opener = "urllib.request.build_opener(urllib.request.ProxyHandler({}))"
    return f"import urllib.request; {opener}.open({url!r}, timeout=2)"


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
        record = {"pid": process.pid, "started": start_time(process.pid), "wanted": wanted, "ready": False}
        _write_record(instance, record)
        with os.fdopen(read_end) as progress:
            _follow(instance, progress, say)
    except BaseException:
        _stop(instance)
        _clear(instance)
        raise
    _write_record(instance, record | {"ready": True})


def _write_record(instance: Instance, record: dict[str, Any]) -> None:
    """Write the record atomically: without it nothing finds the node again."""
    pki.write_private(instance.record, json.dumps(record).encode())


def _follow(instance: Instance, progress: Iterator[str], say: Say) -> None:
    """Relay the node's progress until it is ready. Raise StartError with the end of the failed program's log."""
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
        # Repeat the signal: a node that has just started may not have its handler yet.
        if node := node_pid(instance):
            with contextlib.suppress(ProcessLookupError):
                os.kill(node, signal.SIGTERM)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(holder, os.WNOHANG)  # after a failed start it is our child, and stays a zombie until reaped
        time.sleep(0.05)
    if running_pid(instance):
        os.kill(holder, signal.SIGKILL)
        while running_pid(instance):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(holder, os.WNOHANG)
            time.sleep(0.05)


def _clear(instance: Instance) -> None:
    """Remove what a node leaves outside its namespaces: its cgroups and its record."""
    cgroups.remove(instance.cgroup)
    instance.record.unlink(missing_ok=True)


def _is_up_to_date(instance: Instance) -> bool:
    if not running_pid(instance):
        return False
    record = json.loads(instance.record.read_text())
    if not record["ready"] or record["wanted"] != _wanted(instance):
        return False
    return kubectl(instance, "get", "--raw", "/readyz", "--request-timeout=5s").returncode == 0


def _wanted(instance: Instance) -> str:
    """Return a hash of everything that the node is started from. If it differs, `up` replaces the node."""
    parts = [binary.sources_hash(build) for build in (binary.KUBERNETES, binary.KUBE_ROUTER)]
    parts += map(repr, (instance.listeners, programs.control_plane(), programs.workers(), programs.kube_router()))
    here = Path(__file__).parent
    parts += [path.read_text() for path in (here / "node.py", here / "pki.py", *sorted(here.glob("manifests/*.yaml")))]
    parts += programs.configuration(instance.cgroup, Path("cni")).values()
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _listen(instance: Instance) -> dict[str, socket.socket]:
    """Return {host:port inside: socket that listens on 127.0.0.1}."""
    variables = {6443: "API_PORT", 5000: "SERVICE_PORT", 8080: "DASHBOARD_PORT"}
    listeners: dict[str, socket.socket] = {}
    try:
        for outside, inside in instance.listeners:
            port = int(inside.rpartition(":")[2])
            listeners[inside] = host.listen(outside, variables.get(port, "another port"))
    except ClusterError:
        for listener in listeners.values():
            listener.close()
        raise
    return listeners


def _lay_out(instance: Instance, built: Path, runtime: Path) -> None:
    """Put programs and configuration into the node's state directory."""
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
    (state / "bin" / "kube-router").unlink(missing_ok=True)  # perhaps of an earlier version
    if policies := binary.cached(binary.KUBE_ROUTER):
        _place(policies / "kube-router", state / "bin" / "kube-router")
    for name, text in programs.configuration(instance.cgroup, programs.BIN / "cni").items():
        path = state / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _place(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it on another file system: the binary has 150 MB, and each instance needs it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copy2(source, partial)
    partial.replace(target)


def start_time(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot, or None if it has ended or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]
