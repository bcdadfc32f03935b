"""PID 1 of a node's namespaces: mounts and network, start of the programs in order, restarts, shutdown.

`holder.start` starts it with unshare. It writes its progress to a pipe: "step <text>" lines, "attach" when a further
node waits for its network, then "ready" or "failed <program>: <text>". When it ends, the kernel kills everything in its
namespaces. A further node ends with the first one.
"""

import base64
import contextlib
import http.client
import os
import select
import signal
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

from tools.cluster import network, programs
from tools.cluster.errors import StartError
from tools.cluster.images import pause_image
from tools.cluster.instance import API_PORT, NODE_ADDRESS, NODE_STATE, NodeSpec
from tools.cluster.patience import patient
from tools.cluster.programs import BIN, PKI, Program

MANIFESTS = Path(__file__).parent / "manifests"
START_LIMIT = 120.0  # seconds for one step; long, because the images are built at the same time
STOP_LIMIT = 12.0  # seconds for pods and programs to end after SIGTERM
START_TRIES = 3  # of one program
RESTART_DELAY = 1.0  # seconds before a program that ended is started again


def main() -> int:
    """Run the node. Arguments: its number, how many there are, state directory, log directory, progress pipe; then the
    first node's <listening descriptor>=<host:port>…, and a further node's <descriptor of the first node's process>.
    """
    number, nodes, state, logs, progress, *rest = sys.argv[1:]
    listeners = {int(pair.split("=")[0]): pair.split("=")[1] for pair in rest if "=" in pair}
    first = next((int(text) for text in rest if "=" not in text), None)
    node = Node(Path(logs), int(progress), listeners, NodeSpec(int(number)), int(nodes), first)
    try:
        node.run(Path(state))
    except (StartError, OSError, subprocess.CalledProcessError) as error:
        node.say(f"failed {error}")
        node.shut_down()
        return 1
    node.shut_down()
    return 0


class Node:
    """Supervisor of the node's programs. A further node has `first`, a descriptor of the first node's process."""

    def __init__(
        self,
        logs: Path,
        progress: int,
        listeners: dict[int, str],
        spec: NodeSpec = programs.FIRST,
        nodes: int = 1,
        first: int | None = None,
    ) -> None:
        self.logs = logs
        self.progress = progress
        self.listeners = listeners
        self.spec = spec
        self.nodes = nodes
        self.first = first
        self.running: dict[int, Program] = {}
        self.ends: Counter[str] = Counter()  # of programs, during the start
        self.stopping = False

    def run(self, state: Path) -> None:
        """Start everything, then supervise until SIGTERM. Raise StartError if the start fails."""
        signal.signal(signal.SIGTERM, self._stop_requested)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _mount(state)
        if self.first is None:
            self._start_cluster()
        else:
            self._join()
        self.say("ready")
        os.close(self.progress)
        self.supervise()

    def _start_cluster(self) -> None:
        network.plug(self.spec, self.nodes)
        network.configure(self.spec, self.nodes)
        for program in programs.control_plane():
            self.start(program)
        self.say("step starting etcd, containerd and the API server")
        self.wait_for("kube-apiserver", _api_is_ready)
        self.say("step applying the cluster's roles and services")
        self.wait_for("kube-apiserver", lambda: _apply_manifests(self.nodes))
        for program in programs.workers(self.nodes):
            self.start(program)
        self.start(self._forwarder())
        self.say("step waiting for the node")
        self.wait_for("containerd", _import_pause)
        self.wait_for("kubelet", lambda: _node_ready(self.spec, "admin"))

    def _join(self) -> None:
        self.say("attach")
        self.wait_for("network", network.is_attached)
        network.configure(self.spec, self.nodes)
        self.start(programs.containerd())
        self.wait_for("containerd", _import_pause)
        for program in programs.agents(self.spec):
            self.start(program)
        # The Node object may be Ready from before.
        self.wait_for("kubelet", lambda: _kubelet_answers() and _node_ready(self.spec, "kubelet"))

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
            if self.stopping or self._is_orphaned():
                raise StartError(f"{name}: stopped during the start")
            if time.monotonic() > deadline:
                raise StartError(f"{name}: not ready after {limit:.0f} s")
            time.sleep(0.1)

    def supervise(self) -> None:
        """Restart programs that end, and start the one that is built later, until SIGTERM or the first node's end."""
        policies = programs.kube_router(self.spec)
        while not self.stopping and not self._is_orphaned():
            if (BIN / "kube-router").exists() and policies not in self.running.values():
                self.start(policies)
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

    def _is_orphaned(self) -> bool:
        """Return whether this is a further node and the first one has ended."""
        return self.first is not None and bool(select.select([self.first], [], [], 0)[0])

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
    return _is_well(http.client.HTTPSConnection(NODE_ADDRESS, API_PORT, timeout=2, context=context), "/readyz")


def _apply_manifests(nodes: int) -> bool:
    values = {
        "NODE_ADDRESS": NODE_ADDRESS,
        "CA_BUNDLE": _one_line_base64((PKI / "ca.crt").read_bytes()),
        "BINDING_MODE": programs.binding_mode(nodes),
    }
    text = "\n---\n".join(Template(path.read_text()).substitute(values) for path in sorted(MANIFESTS.glob("*.yaml")))
    if _kubectl("apply", "--filename", "-", input=text):
        return True
    # A class can't change its binding mode, and no volume needs its class. The next attempt makes it anew.
    _kubectl("delete", "storageclass", "standard", "--ignore-not-found")
    return False


def _import_pause() -> bool:
    archive = NODE_STATE / "pause.tar"
    if not archive.exists():
        pause_image(BIN / "pause", archive, programs.PAUSE_IMAGE)
    return _succeeds(str(BIN / "ctr"), "--namespace", "k8s.io", "images", "import", str(archive))


def _kubelet_answers() -> bool:
    return _is_well(http.client.HTTPConnection("127.0.0.1", programs.KUBELET_HEALTH_PORT, timeout=2), "/healthz")


def _is_well(connection: http.client.HTTPConnection, path: str) -> bool:
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _node_ready(node: NodeSpec, user: str) -> bool:
    return _kubectl("wait", "--for=condition=Ready", f"node/{node.name}", "--timeout=1s", user=user)


def _kubectl(*arguments: str, input: str = "", user: str = "admin") -> bool:
    options = ("--kubeconfig", str(PKI / f"{user}.kubeconfig"), "--cache-dir", "/run/kubectl")
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
