"""Things that go wrong in a deployment on the embedded cluster, each for as long as a test wants.

They are made where they happen in earnest: packets are dropped in the node's network, programs of the node are stopped
or killed by their process, roles and replicas are changed through the API. All of it ends with the node.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.e2e.deployment import Deployment
from tools.cluster import lifecycle, programs
from tools.cluster.instance import NODE_ADDRESS, Instance

PAGE_PORT, PROBE_PORT = 8080, 9090
METRICS_SERVER_PORT = 10251
TABLE = "faults"  # of nftables, in the node's network namespace

# Children of four fifths of the largest process's size, until the kernel kills that process and the container ends.
FILL_MEMORY = """
import os, pathlib, time
sizes = [0]
for status in pathlib.Path("/proc").glob("[0-9]*/status"):
    sizes += [int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmRSS")]
for _ in range(60):
    if os.fork() == 0:
        memory = bytearray(b"x") * (max(sizes) * 4 // 5)
        time.sleep(20)
        os._exit(0)
    time.sleep(0.2)
"""


class Faults:
    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._instance = Instance(deployment.name, deployment.directory, deployment.api_port)

    @contextlib.contextmanager
    def network_cut(self, *but: int) -> Iterator[None]:
        """Nothing reaches the dashboard's pod nor leaves it, but what its own ports `but` answer."""
        address = self._dashboard()["status"]["podIP"]
        spared = ", ".join(map(str, but))
        with self._rules(f"""
            table inet {TABLE} {{
              chain leaving {{
                type filter hook prerouting priority -310; policy accept;
                ip saddr {address} tcp sport {{ {spared} }} accept
                ip saddr {address} drop
              }}
              chain arriving {{
                type filter hook postrouting priority 310; policy accept;
                ip daddr {address} tcp dport {{ {spared} }} accept
                ip daddr {address} drop
              }}
            }}
        """):
            yield

    @contextlib.contextmanager
    def api_server_killed(self) -> Iterator[None]:
        """Until the one that the node starts in its place is ready."""
        old = self._program("kube-apiserver")
        os.kill(old, signal.SIGKILL)
        yield
        until(lambda: self._program("kube-apiserver", missing_ok=True) not in (0, old), 60)
        until(lambda: self._deployment.kubectl("get", "--raw", "/readyz", check=False) == "ok", 60)

    @contextlib.contextmanager
    def standing_still(self, program: str) -> Iterator[None]:
        """The program is stopped: its kernel takes connections and acknowledges, and it answers nothing."""
        process = self._program(program)
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    @contextlib.contextmanager
    def metrics_server_gone(self) -> Iterator[None]:
        """Its port is closed, and the API server says 503 in its name."""
        with self._rules(f"""
            table inet {TABLE} {{
              chain arriving {{
                type filter hook input priority 0; policy accept;
                ip daddr {NODE_ADDRESS} tcp dport {METRICS_SERVER_PORT} reject with tcp reset
              }}
            }}
        """):
            yield

    @contextlib.contextmanager
    def another_metrics_server(self, port: int, resolution: str) -> Iterator[None]:
        """A metrics-server beside the node's own: at another port, with another time between its samples."""
        (arguments,) = (each.arguments for each in programs.workers() if each.name == "metrics-server")
        changed = {"--secure-port": str(port), "--metric-resolution": resolution}
        flags = (each.partition("=") for each in arguments[2:])
        process = subprocess.Popen(
            ("setpriv", "--pdeathsig", "KILL", "nsenter", "--target", str(self._node()), "--mount", "--net", "--",
             *arguments[:2], *(f"{name}={changed.get(name, value)}" for name, _, value in flags)),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield
        finally:
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def database_gone(self) -> Iterator[None]:
        """The StatefulSet has no replica, then its one again; over when that is Ready."""
        kubectl = self._deployment.kubectl
        kubectl("scale", "statefulset", "mongodb", "--replicas=0")
        try:
            yield
        finally:
            kubectl("scale", "statefulset", "mongodb", "--replicas=1")
        kubectl("wait", "--for=create", "pod/mongodb-0", "--timeout=60s")
        kubectl("wait", "--for=condition=Ready", "pod/mongodb-0", "--timeout=120s")

    @contextlib.contextmanager
    def program_restarted(self, name: str) -> Iterator[None]:
        """A program of the node is killed. The node starts it again."""
        old = self._program(name)
        os.kill(old, signal.SIGKILL)
        yield
        until(lambda: self._program(name, missing_ok=True) not in (0, old), 60)

    @contextlib.contextmanager
    def dns_gone(self) -> Iterator[None]:
        """Queries to the cluster's DNS server are dropped."""
        with self._rules(f"""
            table inet {TABLE} {{
              chain arriving {{
                type filter hook input priority 0; policy accept;
                ip daddr {NODE_ADDRESS} udp dport 53 drop
                ip daddr {NODE_ADDRESS} tcp dport 53 drop
              }}
            }}
        """):
            yield

    @contextlib.contextmanager
    def small_volume(self, spare: int) -> Iterator["SmallVolume"]:
        """MongoDB's volume is a file system of its own with so many spare bytes. MongoDB restarts before and after."""
        volume = self._deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"]
        path = self._deployment.get("pv", volume)["spec"]["hostPath"]["path"]
        copy = f"{path}.copy"
        with self.database_gone():
            self._in_node("--mount", "cp", "--archive", path, copy)
            used = int(self._in_node("--mount", "du", "--summarize", "--block-size=1", path).split()[0])
            self._in_node("--mount", "mount", "-t", "tmpfs", "-o", f"size={used + spare}", "volume", path)
            self._in_node("--mount", "cp", "--archive", f"{copy}/.", path)
        try:
            yield SmallVolume(self, path)
        finally:
            with self.database_gone():
                self._in_node("--mount", "rm", "--recursive", copy)
                self._in_node("--mount", "cp", "--archive", path, copy)
                self._in_node("--mount", "umount", path)
                self._in_node("--mount", "rm", "--recursive", path)
                self._in_node("--mount", "mv", copy, path)

    @contextlib.contextmanager
    def out_of_memory(self, pod: str, container: str) -> Iterator[None]:
        """Processes smaller than the program fill the container's memory, so that the kernel kills the program."""
        command = ("exec", pod, "--container", container, "--", "python", "-c", FILL_MEMORY)
        self._deployment.kubectl(*command, check=False)
        yield

    @contextlib.contextmanager
    def role_without(self, resource: str) -> Iterator[None]:
        """The dashboard's Role lacks a resource. Watches that run are not looked at again: they end by themselves."""
        role = self._deployment.get("role", "dashboard")
        less = json.loads(json.dumps(role))
        for rule in less["rules"]:
            rule["resources"] = [name for name in rule["resources"] if name != resource]
        less["rules"] = [rule for rule in less["rules"] if rule["resources"]]
        self._replace(less)
        try:
            yield
        finally:
            self._replace({**role, "metadata": {"name": "dashboard", "namespace": role["metadata"]["namespace"]}})

    def requests(self) -> dict[str, float]:
        """How many requests the dashboard has made to the API server, by kind, as its /metrics says."""
        address = self._dashboard()["status"]["podIP"]
        text = self._in_node("--net", "curl", "-s", "--max-time", "10", f"http://{address}:{PROBE_PORT}/metrics")
        counted: dict[str, float] = {}
        for line in text.splitlines():
            if line.startswith("dashboard_api_requests_total{"):
                kind = line.split('kind="')[1].split('"')[0]
                counted[kind] = counted.get(kind, 0) + float(line.split()[-1])
        assert counted, text
        return counted

    def _dashboard(self) -> Any:
        (pod,) = self._deployment.get("pods", "--selector", "app.kubernetes.io/name=dashboard")["items"]
        return pod

    def _replace(self, role: Any) -> None:
        role["metadata"].pop("resourceVersion", None)
        path = self._deployment.directory / "role.json"
        path.write_text(json.dumps(role))
        self._deployment.kubectl("replace", "--filename", str(path))

    @contextlib.contextmanager
    def _rules(self, rules: str) -> Iterator[None]:
        self._in_node("--net", "nft", "--file", "-", input=rules)
        try:
            yield
        finally:
            self._in_node("--net", "nft", "delete", "table", "inet", TABLE)

    def _in_node(self, namespace: str, *command: str, input: str = "") -> str:
        done = subprocess.run(
            ("nsenter", "--target", str(self._node()), namespace, "--", *command),
            input=input, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _program(self, name: str, missing_ok: bool = False) -> int:
        """The process of one of the node's programs: a child of its PID 1, and of nobody else's."""
        node = self._node()
        for child in Path(f"/proc/{node}/task/{node}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
                if name.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[:2]:
                    return int(child)
        assert missing_ok, f"no {name} runs"
        return 0

    def _node(self) -> int:
        node = lifecycle.node_pid(self._instance)
        assert node, "the node does not run"
        return node


class SmallVolume:
    """A volume that can be filled."""

    def __init__(self, faults: Faults, path: str) -> None:
        self._faults = faults
        self._filler = f"{path}/filler"

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Nothing is left of the volume, until this ends."""
        self._faults._in_node("--mount", "sh", "-c", f"cat /dev/zero > {self._filler} || true")
        try:
            yield
        finally:
            self._faults._in_node("--mount", "rm", self._filler)


def until(condition: Callable[[], Any], seconds: float) -> float:
    """Waits until it is so; how long that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began
