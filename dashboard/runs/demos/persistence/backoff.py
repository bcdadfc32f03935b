"""Kubelet's back-off: how long it would leave mongod ended after a crash that comes soon. Pure.

After each end of a container it waits twice as long as before: not at all, 10 s, 20 s, … 300 s at most. It forgets that
once a container has run for 600 s. Its count is not in the pod's status, but its last wait is: from the former
container's end to this one's start.
"""

from msgspec import Struct

from dashboard.core.timestamps import seconds
from dashboard.kube.pods.control import PodIdentity

MOST_SECONDS = 300.0
LATE_SECONDS = 60.0  # by which a container may start later; what is longer was no back-off
FORGOTTEN_SECONDS = 600.0


class BackOff(Struct, frozen=True):
    """The next wait, about, and in how many seconds it is forgotten."""

    wait: float
    left: float


def back_off(pod: PodIdentity, at: float) -> BackOff | None:
    """Return the back-off of the pod's mongod at this time, in seconds since 1970; None if there is none to be seen."""
    if pod.ended is None or pod.started is None:
        return None
    last, left = seconds(pod.started) - seconds(pod.ended), seconds(pod.started) + FORGOTTEN_SECONDS - at
    if not 0 <= last <= MOST_SECONDS + LATE_SECONDS or left <= 0:
        return None
    return BackOff(min(2 * last, MOST_SECONDS), min(left, FORGOTTEN_SECONDS))
