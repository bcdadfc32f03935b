"""PID 1 of the node's namespaces: mounts and network, start of the programs in order, restarts, shutdown.

`lifecycle.up` starts it with unshare. It writes its progress to a pipe: "step <text>" lines, then "ready" or
"failed <program>: <text>". When it ends, the kernel kills everything in its namespaces.
"""

import base64
import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from string import Template
from types import FrameType
from typing import NamedTuple

from tools.cluster import programs
from tools.cluster.errors import StartError
from tools.cluster.images import pause_image
from tools.cluster.instance import API_PORT, NODE_ADDRESS, NODE_NAME, NODE_STATE
from tools.cluster.patience import patient
from tools.cluster.programs import BIN, PKI, Program

MANIFESTS = Path(__file__).parent / "manifests"
START_LIMIT = 120.0  # seconds for one step; long, because the images are built at the same time
STOP_LIMIT = 12.0  # seconds for pods and programs to end after SIGTERM
START_TRIES = 3  # of one program
RESTART_DELAY = 1.0  # seconds before a program that ended is started again


def main() -> int:
    """Run the node. Arguments: state directory, log directory, progress pipe, <listening descriptor>=<host:port>…"""
    state, logs, progress, *pairs = sys.argv[1:]
    listeners = {int(pair.split("=")[0]): pair.split("=")[1] for pair in pairs}
    node = Node(Path(logs), int(progress), listeners)
    try:
        node.run(Path(state))
    except (StartError, OSError, subprocess.CalledProcessError) as error:
        node.say(f"failed {error}")
        node.shut_down()
        return 1
    node.shut_down()
    return 0


class Node:
    """Supervisor of the node's programs."""

    def __init__(self, logs: Path, progress: int, listeners: dict[int, str]) -> None:
        self.logs = logs
        self.progress = progress
        self.listeners = listeners
        self.running: dict[int, Program] = {}
        self.ends: Counter[str] = Counter()  # of programs, during the start
        self.stopping = False

    def run(self, state: Path) -> None:
        """Start everything, then supervise until SIGTERM. Raise StartError if the start fails."""
        signal.signal(signal.SIGTERM, self._stop_requested)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _mount(state)
        _network()
        for program in programs.control_plane():
            self.start(program)
        self.say("step starting etcd, containerd and the API server")
        self.wait_for("kube-apiserver", _api_is_ready)
        self.say("step applying the cluster's roles and services")
        self.wait_for("kube-apiserver", _apply_manifests)
        for program in programs.workers():
            self.start(program)
        self.start(self._forwarder())
        self.say("step waiting for the node")
        self.wait_for("containerd", _import_pause)
        self.wait_for("kubelet", _node_ready)
        self.say("ready")
        os.close(self.progress)
        self.supervise()

    def start(self, program: Program) -> None:
        log = self.logs / f"{program.name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                program.arguments, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/",
                pass_fds=tuple(self.listeners) if program.name == "forward" else (),
                env={"PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin"},
            )  # fmt: skip
        self.running[process.pid] = program
        # reap() waits for it, as for every orphan. A set returncode keeps Popen from waiting too.
        process.returncode = 0

    def wait_for(self, name: str, condition: Callable[[], bool]) -> None:
        """Wait until `condition()`. Raise StartError at START_LIMIT, on SIGTERM, or if a program keeps ending.

        On a slow machine the API server's own limits end it once or twice, before etcd keeps up.
        """
        limit = patient(START_LIMIT)
        deadline = time.monotonic() + limit
        while not condition():
            for program in self.reap():
                self.ends[program.name] += 1
                if self.ends[program.name] == START_TRIES:
                    raise StartError(f"{program.name}: it ended {START_TRIES} times during the start")
                time.sleep(RESTART_DELAY)
                self.start(program)
            if self.stopping:
                raise StartError(f"{name}: stopped during the start")
            if time.monotonic() > deadline:
                raise StartError(f"{name}: not ready after {limit:.0f} s")
            time.sleep(0.1)

    def supervise(self) -> None:
        """Restart programs that end, and start the one that is built later, until SIGTERM."""
        while not self.stopping:
            if (BIN / "kube-router").exists() and programs.kube_router() not in self.running.values():
                self.start(programs.kube_router())
            for program in self.reap():
                time.sleep(RESTART_DELAY)
                self.start(program)
            time.sleep(0.2)

    def reap(self) -> list[Program]:
        """Reap all ended children, orphans included. Return the programs among them."""
        ended = []
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                if program := self.running.pop(pid, None):
                    ended.append(program)
        return ended

    def shut_down(self) -> None:
        """Terminate the pods while containerd still takes their logs, then the programs.

        What is left after STOP_LIMIT is killed with the namespace.
        """
        deadline = time.monotonic() + STOP_LIMIT
        programs_by_name = {program.name: pid for pid, program in self.running.items()}
        self.running.clear()
        # SIGKILL: the kubelet would restart containers, and the API server would wait for an etcd that has ended.
        for name in ("kubelet", "kube-apiserver"):
            if name in programs_by_name:
                os.kill(programs_by_name[name], signal.SIGKILL)
        for process in _in_containers():
            _terminate(process.pid)
        self._wait_for_end_of(_in_containers, deadline)
        _terminate(-1)
        self._wait_for_end_of(_outside_shims, deadline)

    def _wait_for_end_of(self, processes: Callable[[], list["Process"]], deadline: float) -> None:
        while processes() and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.05)

    def say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # `up` was interrupted and has closed the pipe; the node continues
            os.write(self.progress, f"{line}\n".encode())

    def _forwarder(self) -> Program:
        pairs = (f"{descriptor}={target}" for descriptor, target in self.listeners.items())
        return Program("forward", (str(BIN / "kube"), "forward", f"{NODE_ADDRESS}:53", *pairs))

    def _stop_requested(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True


def _mount(state: Path) -> None:
    """Mount a private /run, /var/log and /var/lib/cni, and the state at NODE_STATE, invisible to the host."""
    # The kubelet needs shared mounts. This comes last, because a mount cannot be moved out of a shared tree.
    _run("mount", "--bind", str(state), "/mnt")  # the tmpfs may hide the state's path
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "node", "/run")
    NODE_STATE.mkdir()
    _run("mount", "--move", "/mnt", str(NODE_STATE))
    for hidden in ("/var/log", "/var/lib/cni"):
        if Path(hidden).is_dir():
            _run("mount", "-t", "tmpfs", "-o", "mode=755", "node", hidden)
    _run("mount", "--make-rshared", "/")


def _network() -> None:
    """Set up eth0 with an address and a default route. Both ends of the veth pair are inside the node."""
    socket.sethostname(NODE_NAME)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0-peer")
    _run("ip", "link", "set", "eth0-peer", "up")
    _run("ip", "link", "set", "eth0", "up")
    _run("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", "eth0")
    _run("ip", "route", "add", "default", "dev", "eth0", "src", NODE_ADDRESS)
    for setting in ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"):
        path = Path("/proc/sys") / setting
        if path.exists():
            path.write_text("1")


class Process(NamedTuple):
    """A process of the node's PID namespace; zombies are not listed."""

    pid: int
    parent: int
    name: str


def _in_containers() -> list[Process]:
    """Return the processes in containers, which are those whose parent is not PID 1, without `pause`.

    `pause` is PID 1 of a pod whose containers share a PID namespace: the kernel would kill them all with it.
    """
    return [process for process in _processes() if process.parent != 1 and process.name != "pause"]


def _outside_shims() -> list[Process]:
    """Return all processes except containerd's shims, which outlive their containers and hold no state."""
    return [process for process in _processes() if not process.name.startswith("containerd-shim")]


def _processes() -> list[Process]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # the process has just ended
            pid, _, rest = status.read_text().partition(" (")
            name, _, fields = rest.rpartition(") ")
            state, parent, *_ = fields.split()
            if pid != "1" and state != "Z":
                found.append(Process(int(pid), int(parent), name))
    return found


def _terminate(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def _api_is_ready() -> bool:
    context = ssl.create_default_context(cafile=str(PKI / "ca.crt"))
    context.load_cert_chain(PKI / "admin.crt", PKI / "admin.key")
    connection = http.client.HTTPSConnection(NODE_ADDRESS, API_PORT, timeout=2, context=context)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _apply_manifests() -> bool:
    values = {"NODE_ADDRESS": NODE_ADDRESS, "CA_BUNDLE": _one_line_base64((PKI / "ca.crt").read_bytes())}
    text = "\n---\n".join(Template(path.read_text()).substitute(values) for path in sorted(MANIFESTS.glob("*.yaml")))
    return _kubectl("apply", "--filename", "-", input=text)


def _import_pause() -> bool:
    archive = NODE_STATE / "pause.tar"
    if not archive.exists():
        pause_image(BIN / "pause", archive, programs.PAUSE_IMAGE)
    return _succeeds(str(BIN / "ctr"), "--namespace", "k8s.io", "images", "import", str(archive))


def _node_ready() -> bool:
    return _kubectl("wait", "--for=condition=Ready", f"node/{NODE_NAME}", "--timeout=1s")


def _kubectl(*arguments: str, input: str = "") -> bool:
    options = ("--kubeconfig", str(PKI / "admin.kubeconfig"), "--cache-dir", "/run/kubectl")
    return _succeeds(str(BIN / "kube"), "kubectl", *options, *arguments, input=input)


def _succeeds(*command: str, input: str = "") -> bool:
    """Run a command that may fail during the start. Its output goes to the node's log."""
    return subprocess.run(command, input=input.encode(), stdout=sys.stderr).returncode == 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _one_line_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


if __name__ == "__main__":
    sys.exit(main())
