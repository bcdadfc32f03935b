"""Observations as literals. By default, two idle pods are Ready."""

from typing import Any

from dashboard.runs.demos.autoscale.observed.observation import Observation, ObservedPod

T0 = 1_800_000_000.0


def pod(number: int, **fields: Any) -> ObservedPod:
    defaults: dict[str, Any] = {"phase": "Running", "ready": True, "request": 100, "limit": 400, "requests": 20.0}
    return ObservedPod(uid=f"u{number}", name=f"flask-{number}", **defaults | fields)


def observation(at: float = 0.0, count: int = 2, used: float | None = 5.0, **fields: Any) -> Observation:
    """Return an observation of `count` desired pods, all Ready unless `pods` is given. Each Ready pod has used `used`
    millicores in the 15 s until `at`, or has no sample if that is None."""
    pods = fields.pop("pods", tuple(pod(number) for number in range(count)))
    samples = {} if used is None else {one.uid: (T0 + at, used, 15.0) for one in pods if one.ready}
    defaults: dict[str, Any] = {
        "low": 2, "high": 5, "target": 70, "current": count, "desired": count, "asked": count, "figure": 5,
        "pods": pods, "samples": samples,
    }  # fmt: skip
    defaults["last_scaled"] = f"to {fields.get('desired', count)}"  # another one after each scaling
    return Observation(at=T0 + at, **defaults | fields)


START = observation()
STARTING = {"phase": "Pending", "ready": False, "requests": None}  # fields of a pod
