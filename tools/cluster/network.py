"""A node's network: eth0, routes to the other nodes' pods, and the switch that joins several nodes.

The switch is a bridge in a network namespace of its own, which the first node's mount namespace holds: no node's packet
filter sees what passes between two others, and nothing of it is on the host.
"""

import contextlib
import socket
import subprocess
from pathlib import Path

from tools.cluster.instance import NodeSpec

SWITCH = "switch"  # the namespace
BRIDGE = "nodes"
SETTINGS = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables")
ON_SWITCH = ("ip", "-netns", SWITCH, "link")


def plug(node: NodeSpec, nodes: int) -> None:
    """Make the first node's eth0. The other end of the veth pair is in the node too, or on the switch of several."""
    if nodes == 1:
        _run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0-peer")
        _run("ip", "link", "set", "eth0-peer", "up")
        return
    _run("ip", "netns", "add", SWITCH)
    _run(*ON_SWITCH, "add", BRIDGE, "up", "type", "bridge")
    _run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", node.name, "netns", SWITCH)
    _run(*ON_SWITCH, "set", node.name, "master", BRIDGE, "up")


def attach(first: int, pid: int, node: NodeSpec) -> None:
    """Give a further node its eth0, from the host. `first` and `pid` are the host's pids of both nodes' PID 1."""
    enter = ("nsenter", "--target", str(first), "--mount", "--net", "--", *ON_SWITCH)
    # A lost node's namespace, and with it this end, may not have ended yet.
    subprocess.run((*enter, "delete", node.name), capture_output=True)
    _run(*enter, "add", node.name, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    _run(*enter, "set", node.name, "master", BRIDGE, "up")


def is_attached(devices: Path = Path("/proc/net/dev")) -> bool:
    """Return whether this node has its eth0."""
    return any(line.lstrip().startswith("eth0:") for line in devices.read_text().splitlines())


def configure(node: NodeSpec, nodes: int) -> None:
    """Give eth0 the node's address, a default route, and a route to each other node's pods."""
    socket.sethostname(node.name)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "set", "eth0", "up")
    _run("ip", "address", "add", f"{node.address}/24", "dev", "eth0")
    _run("ip", "route", "add", "default", "dev", "eth0", "src", node.address)
    for network, gateway in routes(node, nodes):
        _run("ip", "route", "add", network, "via", gateway)
    for setting in SETTINGS:
        with contextlib.suppress(FileNotFoundError):
            (Path("/proc/sys") / setting).write_text("1")


def routes(node: NodeSpec, nodes: int) -> list[tuple[str, str]]:
    """Return (pod network, address of its node) of each other node. Pure."""
    others = [NodeSpec(number) for number in range(1, nodes + 1) if number != node.number]
    return [(other.pod_network, other.address) for other in others]


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
