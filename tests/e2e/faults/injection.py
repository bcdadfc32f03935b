"""Faults in a deployment on the embedded cluster. Each is a context manager that undoes it.

Packets are dropped in the node's network namespace, the node's programs are stopped or killed by signals, roles and
replicas are changed through the API. None outlives the node.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.deployment import DASHBOARD, Deployment, wait_until
from tools.cluster import lifecycle, programs
from tools.cluster.instance import NODE_ADDRESS, Instance

PAGE_PORT, PROBE_PORT = 8080, 9090
METRICS_SERVER_PORT = 10251
TABLE = "faults"  # the nftables table in the node's network namespace
POLL_SECONDS = 0.05  # short, because recoveries are measured

# Starts children of 80 % of the largest process's memory, until the kernel kills that process and the container ends.
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
    def network_cut(self, *open_ports: int) -> Iterator[None]:
        """The dashboard's pod has no network, except connections to its ports `open_ports`."""
        address = self._dashboard()["status"]["podIP"]
        ports = ", ".join(map(str, open_ports))
        with self._rules(f"""
            table inet {TABLE} {{
              chain leaving {{
                type filter hook prerouting priority -310; policy accept;
                ip saddr {address} tcp sport {{ {ports} }} accept
                ip saddr {address} drop
              }}
              chain arriving {{
                type filter hook postrouting priority 310; policy accept;
                ip daddr {address} tcp dport {{ {ports} }} accept
                ip daddr {address} drop
              }}
            }}
        """):
            yield

    @contextlib.contextmanager
    def api_server_killed(self) -> Iterator[None]:
        """The API server is killed. Ends once the one that the node starts instead is ready."""
        with self.program_restarted("kube-apiserver"):
            yield
        wait_until(lambda: self._deployment.kubectl("get", "--raw", "/readyz", check=False) == "ok", 60)

    @contextlib.contextmanager
    def paused(self, program: str) -> Iterator[None]:
        """The program is stopped by SIGSTOP: the kernel still accepts connections for it, but nothing responds."""
        process = self._program(program)
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    @contextlib.contextmanager
    def metrics_server_unreachable(self) -> Iterator[None]:
        """metrics-server's port is closed, so that the API server responds with 503 for it."""
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
        """A second metrics-server beside the node's own, with another port and sampling interval."""
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
    def database_scaled_to_zero(self) -> Iterator[None]:
        """The StatefulSet has no replica, then one again. Ends once that is Ready."""
        kubectl = self._deployment.kubectl
        kubectl("scale", "statefulset", "mongodb", "--replicas=0")
        kubectl("wait", "--for=delete", "pod/mongodb-0", "--timeout=60s")  # else its files are copied while it writes
        try:
            yield
        finally:
            kubectl("scale", "statefulset", "mongodb", "--replicas=1")
        kubectl("wait", "--for=create", "pod/mongodb-0", "--timeout=60s")
        kubectl("wait", "--for=condition=Ready", "pod/mongodb-0", "--timeout=120s")

    @contextlib.contextmanager
    def program_restarted(self, name: str) -> Iterator[None]:
        """A program of the node is killed. Ends once the node has started it again."""
        old = self._program(name)
        os.kill(old, signal.SIGKILL)
        yield
        wait_until(lambda: self._program(name, missing_ok=True) not in (0, old), 60)

    @contextlib.contextmanager
    def dns_unreachable(self) -> Iterator[None]:
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
        """MongoDB's volume is a file system with `spare` free bytes. MongoDB restarts at the begin and at the end."""
        volume = self._deployment.get("pvc", "data-mongodb-0")["spec"]["volumeName"]
        path = self._deployment.get("pv", volume)["spec"]["hostPath"]["path"]
        copy = f"{path}.copy"
        with self.database_scaled_to_zero():
            self._in_node("--mount", "cp", "--archive", path, copy)
            used = int(self._in_node("--mount", "du", "--summarize", "--block-size=1", path).split()[0])
            self._in_node("--mount", "mount", "-t", "tmpfs", "-o", f"size={used + spare}", "volume", path)
            self._in_node("--mount", "cp", "--archive", f"{copy}/.", path)
        try:
            yield SmallVolume(self, path)
        finally:
            with self.database_scaled_to_zero():
                self._in_node("--mount", "rm", "--recursive", copy)
                self._in_node("--mount", "cp", "--archive", path, copy)
                self._in_node("--mount", "umount", path)
                self._in_node("--mount", "rm", "--recursive", path)
                self._in_node("--mount", "mv", copy, path)

    @contextlib.contextmanager
    def out_of_memory(self, pod: str, container: str) -> Iterator[None]:
        """Smaller processes fill the container's memory, so that the kernel kills its program, the largest."""
        command = ("exec", pod, "--container", container, "--", "python", "-c", FILL_MEMORY)
        self._deployment.kubectl(*command, check=False)
        yield

    @contextlib.contextmanager
    def role_without(self, resource: str) -> Iterator[None]:
        """The dashboard's Role lacks a resource. The API server does not recheck running watches; they end in time."""
        role = self._deployment.get("role", "dashboard")
        reduced = json.loads(json.dumps(role))
        for rule in reduced["rules"]:
            rule["resources"] = [name for name in rule["resources"] if name != resource]
        reduced["rules"] = [rule for rule in reduced["rules"] if rule["resources"]]
        self._replace(reduced)
        try:
            yield
        finally:
            self._replace({**role, "metadata": {"name": "dashboard", "namespace": role["metadata"]["namespace"]}})

    def requests(self) -> dict[str, float]:
        """Return the dashboard's count of its requests to the API server, by kind, from its /metrics."""
        address = self._dashboard()["status"]["podIP"]
        text = self._in_node("--net", "curl", "-s", "--max-time", "10", f"http://{address}:{PROBE_PORT}/metrics")
        counts: dict[str, float] = {}
        for line in text.splitlines():
            if line.startswith("dashboard_api_requests_total{"):
                kind = line.split('kind="')[1].split('"')[0]
                counts[kind] = counts.get(kind, 0) + float(line.split()[-1])
        assert counts, text
        return counts

    def _dashboard(self) -> Any:
        (pod,) = self._deployment.get("pods", "--selector", DASHBOARD)["items"]
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
        """Return the pid of a program of this node: a child of its PID 1. Return 0 if it is missing and may be."""
        node = self._node()
        for child in Path(f"/proc/{node}/task/{node}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError):  # it has ended in the meantime
                if name.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[:2]:
                    return int(child)
        assert missing_ok, f"no {name} runs"
        return 0

    def _node(self) -> int:
        node = lifecycle.node_pid(self._instance)
        assert node, "the node does not run"
        return node


class SmallVolume:
    """MongoDB's volume, while it is small enough to be filled."""

    def __init__(self, faults: Faults, path: str) -> None:
        self._faults = faults
        self._filler = f"{path}/filler"

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """A file takes all free space of the volume."""
        self._faults._in_node("--mount", "sh", "-c", f"cat /dev/zero > {self._filler} || true")
        try:
            yield
        finally:
            self._faults._in_node("--mount", "rm", self._filler)
