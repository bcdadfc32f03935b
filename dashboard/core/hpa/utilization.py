"""The proposed number of pods for a CPU usage, by the rules of the HPA controller (Kubernetes 1.36).

The controller compares the pods' CPU usage, as an integer in percent of their requests or in millicores per pod, with
the target. At first it leaves out pods without a usable sample. If the result is a scaling, it then counts them against
it: as idle when scaling up, as busy when scaling down.

Millicores per pod are treated as percent of a request of 100 millicores; only the value of a busy pod differs.
"""

import math
from collections.abc import Callable, Iterable

from msgspec import Struct

from dashboard.core.hpa.metrics import CPU, PERCENT, PodFacts, UsageSample

# The controller's defaults.
INITIALIZATION_SECONDS = 300.0  # after its start, a pod's sample counts only if it was ready for the sample's window
READINESS_SECONDS = 30.0  # an unready pod whose readiness changed within this time of its start was never ready

MOST_REPLICAS = 2**31 - 1
MOST_TIMES = 10  # times the target: the upper limit of `band`, for any tolerance


class Unmeasurable(Exception):
    """The controller can't compute a number of pods. The message says why."""


class Tolerance(Struct, frozen=True):
    """The distance from 1 that the ratio of usage to target may have without a scaling."""

    down: float = 0.1
    up: float = 0.1

    def holds(self, ratio: float) -> bool:
        return 1 - self.down <= ratio <= 1 + self.up


class Figures(Struct, frozen=True):
    """The pods in groups: `measured`, `missing` (no sample), `unready` and `ignored` (terminating or failed).

    `used` and `requested` are millicores of the measured pods, `missing` and `unready` the request of each such pod.
    `percent` is the mean usage per pod in millicores if the target is in millicores.
    """

    measured: int
    used: int
    requested: int
    missing: tuple[int, ...] = ()
    unready: tuple[int, ...] = ()
    ignored: int = 0

    @property
    def percent(self) -> int:
        return self.used * 100 // self.requested


class Proposal(Struct, frozen=True):
    """A proposal of `wanted` pods, computed from `counted` pods.

    `adjusted` is the percentage with the pods that have no sample, None if they were not counted. `why` is "scale", or
    why nothing changes: "tolerated"; "turned" if the adjusted percentage is on the other side of the target; "crossed"
    if the adjusted number of pods is on the other side of the current one.
    """

    wanted: int
    counted: int
    percent: int
    adjusted: int | None
    why: str


def figures(pods: Iterable[PodFacts], samples: dict[str, UsageSample], at: float, resource: str = CPU) -> Figures:
    """Group the pods, with their samples by pod name, at time `at`. Raise Unmeasurable without a usable sample.

    Of CPU a sample counts only if it measures the pod's work; of memory each one does.
    """
    pods = list(pods)
    if not pods:
        raise Unmeasurable("There are no pods to measure.")
    measured, used, requested, missing, unready, ignored = 0, 0, 0, [], [], 0
    name = "CPU" if resource == CPU else resource
    for pod in pods:
        sample = samples.get(pod.name)
        request = pod.request or 0
        if pod.leaving is not None or pod.phase == "Failed":
            ignored += 1
        elif pod.phase == "Pending" or (sample and resource == CPU and not _is_usable(pod, sample, at)):
            unready.append(request)
        elif sample is None:
            missing.append(request)
        else:
            measured, used, requested = measured + 1, used + sample.used, requested + request
    if measured == 0:
        raise Unmeasurable(f"No pod has a {name} sample yet: a new pod has one about half a minute after it is ready.")
    bare = next((pod.name for pod in pods if pod.request is None), None)
    if bare or not requested:
        raise Unmeasurable(f"A container of {bare or 'the pods'} has no {name} request, so there is no percentage.")
    return Figures(measured, used, requested, tuple(missing), tuple(unready), ignored)


def figures_from(pods: Iterable[PodFacts], percent: int) -> Figures:
    """Return figures from the controller's value, taken as that of all ready pods, if samples are unreadable."""
    staying = [pod for pod in pods if pod.leaving is None]
    ready = [pod for pod in staying if pod.ready == "True" and pod.request]
    if not ready:
        raise Unmeasurable("No pod is ready, so there is nothing to measure.")
    requested = sum(pod.request or 0 for pod in ready)
    pending = tuple(pod.request or 0 for pod in staying if pod.phase == "Pending")
    return Figures(len(ready), -(-percent * requested // 100), requested, unready=pending)


def propose(
    given: Figures, percent: int, target: int, current: int, tolerance: Tolerance, unit: str = PERCENT
) -> Proposal:
    """Propose a number of pods instead of the `current` one. `percent` is the usage of the measured pods."""
    ratio = percent / target
    fill = _fill(given, ratio, busy(target, unit))
    if not fill:
        if tolerance.holds(ratio):
            return Proposal(current, given.measured, percent, None, "tolerated")
        return Proposal(replicas(ratio * given.measured), given.measured, percent, None, "scale")
    used = given.used if percent == given.percent else percent * given.requested / 100
    requested = given.requested + sum(request for request, _ in fill)
    adjusted = int((used + sum(use for _, use in fill)) * 100 // requested)
    counted = given.measured + len(fill)
    wanted = replicas(adjusted / target * counted)
    why = _why_not(ratio, adjusted / target, current, wanted, tolerance) or "scale"
    return Proposal(wanted if why == "scale" else current, counted, percent, adjusted, why)


def replicas(count: float) -> int:
    """Return the number of pods for a calculated one: rounded up, and an int32 as the controller's."""
    return max(-MOST_REPLICAS, min(math.ceil(count), MOST_REPLICAS))


def busy(target: int, unit: str) -> int:
    """Return the CPU value assumed for a pod without a sample when scaling down: its request, or the target."""
    return max(100, target) if unit == PERCENT else target


def _fill(given: Figures, ratio: float, assumed: int) -> list[tuple[int, int]]:
    """Return (request, assumed usage) of the pods without a usable sample that are counted."""
    if ratio > 1:
        return [(request, 0) for request in (*given.missing, *given.unready)]
    if ratio < 1:
        return [(request, request * assumed // 100) for request in given.missing]
    return []


def _why_not(before: float, ratio: float, current: int, wanted: int, tolerance: Tolerance) -> str | None:
    """Return why nothing changes, or None. Assumed values may prevent a scaling, but never reverse its direction."""
    if tolerance.holds(ratio):
        return "tolerated"
    if (before < 1 < ratio) or (ratio < 1 < before):
        return "turned"
    if (ratio < 1 and wanted > current) or (ratio > 1 and wanted < current):
        return "crossed"
    return None


def _is_usable(pod: PodFacts, sample: UsageSample, at: float) -> bool:
    """Return whether a sample measures the pod's work, not its start."""
    if pod.ready is None or pod.started is None:
        return False
    if pod.started + INITIALIZATION_SECONDS > at:
        return pod.ready != "False" and sample.at >= pod.ready_since + sample.window
    return pod.ready != "False" or pod.started + READINESS_SECONDS <= pod.ready_since


def band(target: int, tolerance: Tolerance) -> tuple[int, int]:
    """Return the lowest and the highest CPU value within the tolerance."""
    under = _last(math.ceil(target * (1 - tolerance.down)) - 1, lambda value: value / target < 1 - tolerance.down)
    high = _last(math.floor(target * (1 + tolerance.up)), lambda value: value / target <= 1 + tolerance.up)
    return max(0, under + 1), min(high, MOST_TIMES * target)


def ceiling(pods: int, most: int, target: int, tolerance: Tolerance) -> int | None:
    """Return the highest CPU value at which `pods` pods are scaled down to `most` or fewer; None if there is none."""
    value = _last(target * most // pods, lambda value: math.ceil(value / target * pods) <= most)
    if tolerance.holds(value / target):
        value = band(target, tolerance)[0] - 1
    return value if value >= 0 else None


def _last(near: int, fits: Callable[[int], bool]) -> int:
    """Return the highest integer that fits. `near`, a product of floats, may be off by one in either direction."""
    return next((number for number in (near + 1, near) if fits(number)), near - 1)
