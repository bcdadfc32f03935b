"""The way from a deployment whose MongoDB has no TLS to one that requires it, and back, without a failed request.

mongod has four modes, and two that are next to each other understand each other's connections:

    disabled      without TLS
    allowTLS      takes both; members connect to each other without
    preferTLS     takes both; members connect to each other with it
    requireTLS    takes only TLS

So each step rolls all members out in the next mode. Clients use TLS from preferTLS on: all members take it by then,
and those that a roll-out has not replaced yet are still served. A single member needs one step only: its former clients
and the next ones meet at no other one. A step that was interrupted is where the next `make up` goes on from.
"""

import subprocess
from typing import Any

from tools.cluster.errors import ClusterError
from tools.deploy.command import succeeds
from tools.deploy.rollout import Patch, namespace, template_patch

COMPONENT = "components/tls"
MODES = ("disabled", "allowTLS", "preferTLS", "requireTLS")
VARIABLE = "TLS_MODE"  # of the container mongod, whose command has it
CLIENTS = ("flask", "dashboard")
OBJECTS = ("configmap/mongodb-ca", "secret/mongodb-certificate")


def mode(stateful_set: dict[str, Any] | None) -> str:
    """Return the mode that MongoDB's StatefulSet asks for. Pure."""
    pod = stateful_set["spec"]["template"]["spec"] if stateful_set else {"containers": []}
    variables = (each for container in pod["containers"] for each in container.get("env", []))
    return next((str(each["value"]) for each in variables if each["name"] == VARIABLE), MODES[0])


def wanted(components: list[str]) -> str:
    """Return the mode of manifests with these components. Pure."""
    return MODES[-1] if COMPONENT in components else MODES[0]


def steps(now: str, then: str, members: int) -> list[str]:
    """Return the modes between two, in which so many members are rolled out before. Pure."""
    here, there = MODES.index(now), MODES.index(then)
    between = [*(MODES[here + 1 : there] or reversed(MODES[there + 1 : here]))]
    return between if members > 1 else between[-1:] if members else []


def patches(step: str) -> list[Patch]:
    """Return what a step changes of manifests with the component."""
    mongod = {"name": "mongod", "env": [{"name": VARIABLE, "value": step}]}
    if step == "preferTLS":
        return [template_patch("mongodb", {"spec": {"containers": [mongod]}})]
    without = [{"name": "MONGODB_CA_FILE", "value": ""}]
    sidecar = {"name": "sidecar", "env": without}
    return [
        template_patch("mongodb", {"spec": {"containers": [mongod, sidecar]}}),
        *(template_patch(each, {"spec": {"containers": [{"name": each, "env": without}]}}) for each in CLIENTS),
    ]


def delete_objects(kubectl: tuple[str, ...]) -> None:
    """Delete the certificate and its authority from the cluster, where nothing uses TLS any more. Raise ClusterError.

    No apply does that. Backups use TLS wherever they find the authority.
    """
    here = (*kubectl, "--namespace", namespace())
    if not succeeds(*here, "get", OBJECTS[0]):
        return
    done = subprocess.run((*here, "delete", *OBJECTS, "--ignore-not-found"), capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"MongoDB's former certificate could not be deleted: {done.stderr.strip()}")
