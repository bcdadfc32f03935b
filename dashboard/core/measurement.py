"""What counts of a pod and of its sample for an autoscaler, read once and in plain numbers."""

import math

from msgspec import Struct

from dashboard.core.moment import seconds
from dashboard.core.objects import Pod, PodMetrics
from dashboard.core.quantity import millicores

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


class Member(Struct, frozen=True):
    """What is read of a pod. Moments in seconds since 1970, `request` in millicores, None where a container has none.

    `leaving` is when it was asked to go, and None of one that was not.
    """

    name: str
    phase: str
    created: float
    leaving: float | None
    request: int | None
    started: float | None
    ready: str | None
    ready_since: float


class Reading(Struct, frozen=True):
    """What is read of a sample: millicores used, the moment, and the seconds up to it that they are the mean of."""

    used: int
    at: float
    window: float


def member(pod: Pod, container: str = "") -> Member:
    """For a metric of the whole pod, or of one container."""
    ready = next((one for one in pod.status.conditions or () if one.type == "Ready"), None)
    meta, started = pod.metadata, pod.status.start_time
    grace = meta.deletion_grace_period_seconds or 0  # the API's moment is the one at which the pod is to be gone
    return Member(
        meta.name,
        pod.status.phase,
        seconds(meta.creation_timestamp) if meta.creation_timestamp else -math.inf,
        seconds(meta.deletion_timestamp) - grace if meta.deletion_timestamp else None,
        _request(pod, container),
        seconds(started) if started else None,
        ready.status if ready else None,
        seconds(ready.last_transition_time) if ready and ready.last_transition_time else -math.inf,
    )


def reading(sample: PodMetrics, container: str = "") -> Reading | None:
    """None for a sample that lacks a container's CPU."""
    usages = [(one.usage or {}).get("cpu") for one in sample.containers or () if container in ("", one.name)]
    if not usages or None in usages:
        return None
    used = sum(millicores(usage) for usage in usages if usage)
    return Reading(used, seconds(sample.timestamp), _span(sample.window))


def _request(pod: Pod, container: str) -> int | None:
    """What percentages are of: the pod's own request, else the sum of those of its long-running containers."""
    whole = (pod.spec.resources.requests or {}).get("cpu") if pod.spec.resources else None
    if whole and not container:
        return millicores(whole)
    sidecars = [one for one in pod.spec.init_containers or () if one.restart_policy == "Always"]
    running = [one for one in (*(pod.spec.containers or ()), *sidecars) if container in ("", one.name)]
    requests = [(one.resources.requests or {}).get("cpu") for one in running]
    if None in requests or (container and not requests):
        return None
    return sum(millicores(request) for request in requests if request)


def _span(text: str) -> float:
    """Seconds of a duration as Go writes it: "19.583s", "1m0s"."""
    total, number, unit = 0.0, "", ""
    for letter in [*text, "0"]:
        if letter.isdigit() or letter == ".":
            if unit:
                total, number, unit = total + float(number or 0) * _UNITS.get(unit, 0.0), "", ""
            number += letter
        else:
            unit += letter
    return total
