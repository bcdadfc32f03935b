"""The nodes beyond the first: start, loss, and what becomes of their volumes when there are fewer of them."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from tools.cluster import holder, network
from tools.cluster.errors import ClusterError, StartError
from tools.cluster.instance import MOST_NODES, Instance, NodeSpec, Place

HOSTNAME = "kubernetes.io/hostname"

Say = Callable[[str], None]
Kubectl = Callable[..., subprocess.CompletedProcess[str]]  # of this instance


def possible(instance: Instance) -> list[Place]:
    """Return the places of all nodes that may run, however many are wanted now. The first one's is the last."""
    return [instance.place(number) for number in range(MOST_NODES, 0, -1)]


def running(instance: Instance) -> list[Place]:
    """Return the places of the nodes that run, the first one's first."""
    return [place for place in reversed(possible(instance)) if holder.running_pid(place)]


def stopped(instance: Instance) -> list[Place]:
    """Return the places of the wanted nodes that do not run."""
    return [place for place in instance.places if not holder.running_pid(place)]


def surplus(instance: Instance) -> list[Place]:
    """Return the places of nodes of an earlier start with more nodes."""
    places = [instance.place(number) for number in range(instance.nodes + 1, MOST_NODES + 1)]
    return [place for place in places if place.directory.exists()]


def require_no_lost_volumes(instance: Instance) -> None:
    """Raise ClusterError if a node that is to go has volumes: nothing else has their data."""
    for place in surplus(instance):
        if held := sorted(each.name for each in place.volumes.glob("*")):
            raise ClusterError(
                f"The node {place.node.name} holds volumes ({', '.join(held)}), and NODES={instance.nodes} would lose "
                f"them: give NODES={place.node.number} or more, or first delete their claims while the node runs."
            )


def forget(instance: Instance, kubectl: Kubectl) -> None:
    """Remove the surplus nodes, which hold no volume: their objects, their pods, and their images."""
    for place in surplus(instance):
        name = place.node.name
        on_node = ("--all-namespaces", f"--field-selector=spec.nodeName={name}")
        for what in (("node", name), ("pods", *on_node, "--force", "--grace-period=0")):
            done = kubectl("delete", *what, "--ignore-not-found")
            if done.returncode != 0:
                raise ClusterError(f"The node {name} could not be removed: {done.stderr.strip()}")
        shutil.rmtree(place.directory)


def pin_volumes(kubectl: Kubectl) -> None:
    """Bind the volumes from the time when there was one node to that node, before another one takes pods."""
    listed = kubectl("get", "pv", "--output", "json")
    if listed.returncode != 0:
        raise ClusterError(f"The volumes could not be listed: {listed.stderr.strip()}")
    for name in unpinned(json.loads(listed.stdout)["items"]):
        terms = [{"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [NodeSpec().name]}]}]
        patch = {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}}
        done = kubectl("patch", "pv", name, "--patch", json.dumps(patch))
        if done.returncode != 0:
            raise ClusterError(f"The volume {name} could not be bound to its node: {done.stderr.strip()}")


def unpinned(volumes: Sequence[dict[str, Any]]) -> list[str]:
    """Return the names of the volumes in a directory of a node that any node would take for its own. Pure."""
    return [
        volume["metadata"]["name"]
        for volume in volumes
        if "hostPath" in volume["spec"] and "nodeAffinity" not in volume["spec"]
    ]


def start(instance: Instance, places: Sequence[Place], say: Say) -> None:
    """Start further nodes side by side, and wait until each is Ready. Raise StartError if one fails."""
    first = holder.node_pid(instance.place())
    if first is None:
        raise StartError("The first node does not run: start the cluster with `make up`.")
    say(f"starting {', '.join(place.node.name for place in places)}")
    with contextlib.ExitStack() as stack:
        try:
            progress = {place: stack.enter_context(_started(instance, place, first)) for place in places}
            for place in places:
                holder.follow(place, progress[place], say, until="attach")
                if pid := holder.node_pid(place):
                    network.attach(first, pid, place.node)
            for place in places:
                holder.follow(place, progress[place], say)
        except BaseException:
            holder.stop(places)
            for place in places:
                holder.clear(place)
            raise


def lose(instance: Instance, number: int) -> bool:
    """End a further node as a power cut does. Return whether it ran."""
    place = instance.place(number)
    ran = holder.running_pid(place) is not None
    holder.kill(place)
    holder.clear(place)
    return ran


def _started(instance: Instance, place: Place, first: int) -> TextIO:
    """Start a node that ends with the first one. Return its progress."""
    descriptor = os.pidfd_open(first)
    try:
        return os.fdopen(holder.start(place, instance.nodes, [str(descriptor)], [descriptor], {}))
    finally:
        os.close(descriptor)
