"""Observations as literals: two Ready pods at rest, and what is different about them."""

from typing import Any

from msgspec.structs import replace

from dashboard.runs.demos.autoscale.observation import Observation, ObservedPod

T0 = 1_800_000_000.0


def pod(number: int, **more: Any) -> ObservedPod:
    given: dict[str, Any] = {"phase": "Running", "ready": True, "request": 100, "limit": 400, "requests": 20.0} | more
    return ObservedPod(uid=f"u{number}", name=f"flask-{number}", **given)


def seen(at: float = 0.0, pods: int = 2, used: float | None = 5.0, **more: Any) -> Observation:
    """`pods` are Ready and asked for; each used so many millicores in the 15 s up to `at`, None for no samples."""
    there = more.pop("there", tuple(pod(number) for number in range(pods)))
    samples = {} if used is None else {one.uid: (T0 + at, used, 15.0) for one in there if one.ready}
    given: dict[str, Any] = {
        "low": 2, "high": 5, "target": 70, "current": pods, "desired": pods, "asked": pods, "figure": 5,
        "pods": there, "samples": samples,
    }  # fmt: skip
    return Observation(at=T0 + at, **given | more)


START = seen()
ON_ITS_WAY = {"phase": "Pending", "ready": False, "requests": None}


def changed(one: Observation, **more: Any) -> Observation:
    return replace(one, **more)
