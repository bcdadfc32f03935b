"""Rotation of the running deployment's secrets: its last step, after the new ones are in use everywhere."""

import json
import subprocess
import time
from collections.abc import Callable

from tools.cluster.errors import ClusterError
from tools.cluster.patience import patient
from tools.deploy.rollout import namespace

LIMIT = 150.0  # seconds; the kubelet renews a mounted Secret within about 90
POLL = 0.5  # seconds
PODS = ("pods", "--selector", "app.kubernetes.io/name=mongodb")

Say = Callable[[str], None]


def wait_until_dropped(kubectl: tuple[str, ...], users: set[str], say: Say, limit: float = LIMIT) -> None:
    """Wait until the primary's sidecar has dropped these MongoDB users. Raise ClusterError."""
    say(f"waiting until MongoDB has dropped the previous users {' and '.join(sorted(users))}")
    here = (*kubectl, "--namespace", namespace())
    # A changed pod makes the kubelet renew its mounted Secrets now.
    _run(*here, "annotate", *PODS, "--overwrite", f"secrets-renewed={time.time():.0f}")
    limit = patient(limit)
    deadline = time.monotonic() + limit
    while not users <= dropped(_run(*here, "logs", *PODS[1:], "--container", "sidecar", "--tail=-1")):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"MongoDB still has the previous users after {limit:.0f} s, and all else is done. See why: "
                f"{' '.join(here)} logs mongodb-0 --container sidecar"
            )
        time.sleep(POLL)


def dropped(log: str) -> set[str]:
    """Return the users that a sidecar dropped, from its log of one JSON object a line. Pure."""
    events = (json.loads(line) for line in log.splitlines() if line.startswith("{"))
    return {event["user"] for event in events if event.get("event") == "dropped user"}


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout
