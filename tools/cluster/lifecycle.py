"""Start and stop of an embedded cluster, and what is done to a running one: image import, kubectl, loss of a node."""

import datetime as dt
import functools
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tools.cluster import binary, holder, host, images, nodes, pki, programs
from tools.cluster.errors import ClusterError, StartError
from tools.cluster.holder import start_time as start_time
from tools.cluster.instance import Instance, Place, exclusively
from tools.cluster.patience import patient

POLICY_LIMIT = 60.0  # seconds until the network policies are enforced

Say = Callable[[str], None]


def up(instance: Instance, say: Say) -> None:
    """Start the cluster and wait until its nodes are Ready. Install and build what is missing first.

    Start only the nodes that were stopped if it runs from the same sources, and replace it if it runs from others.
    Raise ClusterError.
    """
    host.require_root()
    with exclusively(instance.directory / "lock"):
        nodes.require_no_lost_volumes(instance)
        if _is_up_to_date(instance):
            if missing := nodes.stopped(instance):
                nodes.start(instance, missing, say)
            else:
                say("the cluster is up already")
            return
        if running_pid(instance):
            say("the running cluster is unhealthy or has another configuration: stopping it")
        _stop(instance)
        building = binary.cached(binary.KUBERNETES) is None
        host.require_room(instance.directory, building, instance.nodes)
        # Bind first, so that a taken port fails at once and not after the build.
        listeners = _listen(instance)
        try:
            prepare(instance, say)
            _start(instance, listeners, say)
        finally:
            for listener in listeners.values():
                listener.close()


def check(instance: Instance) -> None:
    """Raise ClusterError if a port is taken that `up` needs, or if a node with volumes would go."""
    nodes.require_no_lost_volumes(instance)
    if running_pid(instance) is None:
        for listener in _listen(instance).values():
            listener.close()


def prepare(instance: Instance, say: Say) -> None:
    """Make everything that the nodes need: packages, binaries, certificates, configuration."""
    host.install(host.missing_tools(host.TOOLS), say)
    host.load_modules()
    runtime = host.runtime()
    instance.logs.mkdir(parents=True, exist_ok=True)
    built = binary.ensure(binary.KUBERNETES, instance.logs / "build.log", say)
    for place in instance.places:
        _lay_out(place, built, runtime)
    _place(built / "kube", instance.kubectl)
    now = dt.datetime.now(dt.UTC)
    pki.issue(instance.state / "pki", now)
    for place in instance.places[1:]:
        pki.issue_node(place.state / "pki", instance.state / "pki", place.node, now)
    text = pki.kubeconfig(instance.state / "pki", "admin", f"https://127.0.0.1:{instance.api_port}")
    pki.write_private(instance.kubeconfig, text.encode())


def enforce_network_policies(instance: Instance, say: Say) -> None:
    """Start kube-router on each running node, built first if missing, and wait until it enforces the NetworkPolicies.

    This comes last in `make up`, so that the deployment does not wait for the build. Raise ClusterError.
    """
    with exclusively(instance.directory / "lock"):
        if binary.cached(binary.KUBE_ROUTER) is None:
            say("building kube-router, which enforces the network policies (2 minutes, once; the deployment is up)")
        built = binary.ensure(binary.KUBE_ROUTER, instance.logs / "build.log", say)
        running = nodes.running(instance)
        for place in running:
            _place(built / "kube-router", place.state / "bin" / "kube-router")  # the node starts it
        deadline = time.monotonic() + patient(POLICY_LIMIT)
        for place in running:
            while not _enforces_policies(place):
                if time.monotonic() > deadline:
                    log = holder.tail(place.logs, "kube-router")
                    raise StartError(f"{place.node.name}: the network policies are not enforced.\n{log}")
                time.sleep(0.2)


def down(instance: Instance) -> bool:
    """Stop the nodes with everything in them and keep their state. Return whether any ran."""
    host.require_root()
    with exclusively(instance.directory / "lock"):
        ran = bool(nodes.running(instance))
        _stop(instance)
        return ran


def stop_node(instance: Instance, number: int) -> bool:
    """End a further node as a power cut does. Return whether it ran. Raise ClusterError if there is no such node."""
    host.require_root()
    with exclusively(instance.directory / "lock"):
        return nodes.lose(_as_it_runs(instance, number), number)


def start_node(instance: Instance, number: int, say: Say) -> bool:
    """Start a further node that was stopped. Return whether it did not run. Raise ClusterError."""
    host.require_root()
    with exclusively(instance.directory / "lock"):
        instance = _as_it_runs(instance, number)
        if holder.running_pid(place := instance.place(number)):
            return False
        nodes.start(instance, [place], say)
        return True


def load(instance: Instance, archive: Path, number: int = 1) -> None:
    """Import an image archive into a node. Raise ClusterError if the node is stopped or refuses the archive."""
    host.require_root()
    if not archive.exists():
        raise ClusterError(f"{archive} is missing: a source may have changed during the build. Retry.")
    place = instance.place(number)
    _require_running(place)
    ctr = (str(programs.BIN / "ctr"), "--namespace", "k8s.io")
    with archive.open("rb") as content:
        done = holder.run(place, *ctr, "images", "import", "-", stdin=content)
    if done.returncode != 0:
        raise ClusterError(f"{archive} could not be imported: {(done.stderr or done.stdout).decode().strip()}")
    # The layers are unpacked now, and containerd would keep a second copy of each.
    holder.run(place, *ctr, "content", "rm", *images.layers(archive))


def loaded(instance: Instance, number: int = 1) -> set[str]:
    """Return the names of a node's images, without the prefix that containerd adds."""
    names = _on_node(instance, "ctr", "--namespace", "k8s.io", "images", "list", "--quiet", number=number)
    return {name.removeprefix("docker.io/").removeprefix("library/") for name in names.stdout.decode().split()}


def running_pid(instance: Instance) -> int | None:
    """Return the host's pid of the process that holds the first node's namespaces, or None if it has ended."""
    return holder.running_pid(instance.place())


def node_pid(instance: Instance) -> int | None:
    """Return the host's pid of the first node's PID 1, or None if it has ended."""
    return holder.node_pid(instance.place())


def kubectl(instance: Instance, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this instance's kubectl. The caller checks the exit status."""
    command = (str(instance.kubectl), "--kubeconfig", str(instance.kubeconfig), *arguments)
    return subprocess.run(command, capture_output=True, text=True)


def _on_node(instance: Instance, program: str, *arguments: str, number: int = 1) -> subprocess.CompletedProcess[bytes]:
    """Run a program of a node in its namespaces. Raise ClusterError if the node is stopped."""
    _require_running(instance.place(number))
    return holder.run(instance.place(number), str(programs.BIN / program), *arguments)


def _require_running(place: Place) -> None:
    if not holder.node_pid(place):
        what = "The cluster" if place.node.number == 1 else f"The node {place.node.name}"
        raise ClusterError(f"{what} is not running: start it with `make up`.")


def _as_it_runs(instance: Instance, number: int) -> Instance:
    """Return the instance with as many nodes as it runs with. Raise ClusterError unless `number` is a further one's."""
    _require_running(instance.place())
    count = holder.read_record(instance.place()).get("nodes", 1)
    if not 2 <= number <= count:
        have = f"2 to {count}" if count > 1 else "none: start the cluster with NODES=2 or more"
        raise ClusterError(
            f"Node {number} can't be stopped or started: the first has the control plane, others are {have}."
        )
    return replace(instance, nodes=count)


def _enforces_policies(place: Place) -> bool:
    health = f"http://127.0.0.1:{programs.KUBE_ROUTER_HEALTH_PORT}/healthz"
    enter = ("nsenter", "--target", str(holder.node_pid(place)), "--net", "--")
    return subprocess.run((*enter, sys.executable, "-c", direct_request(health)), capture_output=True).returncode == 0


def direct_request(url: str) -> str:
    """Return a Python script that fails unless a URL is answered. It asks past the environment's proxy. Pure."""
    opener = "urllib.request.build_opener(urllib.request.ProxyHandler({}))"
    return f"import urllib.request; {opener}.open({url!r}, timeout=2)"


def _start(instance: Instance, listeners: dict[str, socket.socket], say: Say) -> None:
    place = instance.place()
    record = {"wanted": _wanted(instance), "nodes": instance.nodes, "ready": False}
    pairs = [f"{listener.fileno()}={target}" for target, listener in listeners.items()]
    try:
        descriptors = [listener.fileno() for listener in listeners.values()]
        with os.fdopen(holder.start(place, instance.nodes, pairs, descriptors, record)) as progress:
            holder.follow(place, progress, say)
        ask = functools.partial(kubectl, instance)
        nodes.forget(instance, ask)
        if instance.nodes > 1:
            nodes.pin_volumes(ask)
            nodes.start(instance, instance.places[1:], say)
    except BaseException:
        _stop(instance)
        raise
    holder.write_record(place, holder.read_record(place) | {"ready": True})


def _stop(instance: Instance) -> None:
    places = nodes.possible(instance)
    holder.stop(places)
    for place in places:
        holder.clear(place)


def _is_up_to_date(instance: Instance) -> bool:
    if not running_pid(instance):
        return False
    record = holder.read_record(instance.place())
    if not record["ready"] or record["wanted"] != _wanted(instance):
        return False
    return kubectl(instance, "get", "--raw", "/readyz", "--request-timeout=5s").returncode == 0


def _wanted(instance: Instance) -> str:
    """Return a hash of everything that the node is started from. If it differs, `up` replaces the node."""
    parts = [binary.sources_hash(build) for build in (binary.KUBERNETES, binary.KUBE_ROUTER)]
    parts += map(repr, (instance.listeners, programs.control_plane(), programs.workers(instance.nodes)))
    here = Path(__file__).parent
    sources = (*(here / name for name in ("node.py", "network.py", "pki.py")), *sorted(here.glob("manifests/*.yaml")))
    parts += [path.read_text() for path in sources]
    for place in instance.places:
        parts += map(repr, (programs.agents(place.node), programs.kube_router(place.node)))
        parts += programs.configuration(place.cgroup, Path("cni"), place.node).values()
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


def _lay_out(place: Place, built: Path, runtime: Path) -> None:
    """Put programs and configuration into a node's state directory."""
    state = place.state
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.volumes.mkdir(mode=0o711, exist_ok=True)
    for directory, names in (
        (built, ("kube", "pause")),
        (runtime / "usr/bin", ("containerd", "containerd-shim-runc-v2", "ctr")),
        (runtime / "usr/sbin", ("runc",)),
    ):
        for name in names:
            _place(directory / name, state / "bin" / name)
    for plugin in ("bridge", "host-local", "loopback"):
        _place(runtime / "usr/lib/cni" / plugin, state / "bin" / "cni" / plugin)
    (state / "bin" / "kube-router").unlink(missing_ok=True)  # perhaps of an earlier version
    if policies := binary.cached(binary.KUBE_ROUTER):
        _place(policies / "kube-router", state / "bin" / "kube-router")
    for name, text in programs.configuration(place.cgroup, programs.BIN / "cni", place.node).items():
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
