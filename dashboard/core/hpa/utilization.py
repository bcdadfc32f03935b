"""How many pods their CPU asks for, by the rules of the HorizontalPodAutoscaler's controller (Kubernetes 1.36).

The controller compares whole figures with a target: what the pods use, in percent of what they request or in millicores
a pod. Pods without a figure that can be trusted are left out at first. Where that would make it scale, they are then
counted so that they speak against it: as idle on the way up, as busy on the way down.

Millicores a pod are percent of 100 millicores: the same arithmetic, where every pod requests 100. Only what counts as
busy differs.
"""

import math
from collections.abc import Callable, Iterable

from msgspec import Struct

from dashboard.core.hpa.metrics import PERCENT, CpuReading, Member

# What the controller is started with, unless told otherwise.
INITIALIZATION_SECONDS = 300.0  # a pod's first minutes, in which only a sample of its time as a ready pod counts
MOST_TIMES = 10  # the target: so far the band is told, whatever tolerance is given
READINESS_SECONDS = 30.0  # a pod that has been unready since within this time of its start was never ready


class Unmeasurable(Exception):
    """The controller could not tell a number of pods either; says why."""


class Tolerance(Struct, frozen=True):
    """How far the ratio of use to target may be from 1 before anything changes."""

    down: float = 0.1
    up: float = 0.1

    def holds(self, ratio: float) -> bool:
        return 1 - self.down <= ratio <= 1 + self.up


class Figures(Struct, frozen=True):
    """The pods in their groups; millicores, those of missing and unready pods what each requests.

    `percent` is the mean millicores of a pod where the target is such a value: every pod "requests" 100 then.
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
    """`wanted` pods. `counted` of them went into the figure, `adjusted` percent with those that have none of their own.

    `why`: "scale", or why all stays as it is: "tolerated", "turned" where the adjusted figure points the other way,
    "crossed" where its number of pods does.
    """

    wanted: int
    counted: int
    percent: int
    adjusted: int | None
    why: str


def figures(members: Iterable[Member], readings: dict[str, CpuReading], at: float) -> Figures:
    """The pods in their groups as they are at `at`."""
    members = list(members)
    if not members:
        raise Unmeasurable("There are no pods to measure.")
    measured, used, requested, missing, unready, ignored = 0, 0, 0, [], [], 0
    for one in members:
        found = readings.get(one.name)
        request = one.request or 0
        if one.leaving is not None or one.phase == "Failed":
            ignored += 1
        elif one.phase == "Pending" or (found and not _counts(one, found, at)):
            unready.append(request)
        elif found is None:
            missing.append(request)
        else:
            measured, used, requested = measured + 1, used + found.used, requested + request
    if measured == 0:
        raise Unmeasurable("No pod has a CPU figure yet: a new one has it about half a minute after it is ready.")
    bare = next((one.name for one in members if one.request is None), None)
    if bare or not requested:
        raise Unmeasurable(f"A container of {bare or 'the pods'} requests no CPU, which the percentage would be of.")
    return Figures(measured, used, requested, tuple(missing), tuple(unready), ignored)


def propose(
    given: Figures, percent: int, target: int, current: int, tolerance: Tolerance, unit: str = PERCENT
) -> Proposal:
    """How many pods are wanted in the place of the `current` ones. `percent` is that of the measured pods."""
    ratio = percent / target
    fill = _fill(given, ratio, busy(target, unit))
    if not fill:
        if tolerance.holds(ratio):
            return Proposal(current, given.measured, percent, None, "tolerated")
        return Proposal(math.ceil(ratio * given.measured), given.measured, percent, None, "scale")
    used = given.used if percent == given.percent else percent * given.requested / 100
    requested = given.requested + sum(request for request, _ in fill)
    adjusted = int((used + sum(use for _, use in fill)) * 100 // requested)
    counted = given.measured + len(fill)
    wanted = math.ceil(adjusted / target * counted)
    why = _why_not(ratio, adjusted / target, current, wanted, tolerance) or "scale"
    return Proposal(wanted if why == "scale" else current, counted, percent, adjusted, why)


def busy(target: int, unit: str) -> int:
    """What a pod without a sample is supposed to use on the way down: all that it requests, or the target."""
    return max(100, target) if unit == PERCENT else target


def _fill(given: Figures, ratio: float, supposed: int) -> list[tuple[int, int]]:
    """(request, supposed use) of the pods that have no figure and are counted nevertheless."""
    if ratio > 1:
        return [(request, 0) for request in (*given.missing, *given.unready)]
    if ratio < 1:
        return [(request, request * supposed // 100) for request in given.missing]
    return []


def _why_not(before: float, ratio: float, current: int, wanted: int, tolerance: Tolerance) -> str | None:
    """Pods that were only supposed may keep the number as it is, but never turn it round."""
    if tolerance.holds(ratio):
        return "tolerated"
    if (before < 1 < ratio) or (ratio < 1 < before):
        return "turned"
    if (ratio < 1 and wanted > current) or (ratio > 1 and wanted < current):
        return "crossed"
    return None


def _counts(one: Member, found: CpuReading, at: float) -> bool:
    """Whether a sample tells of the pod's work, and not of its start."""
    if one.ready is None or one.started is None:
        return False
    if one.started + INITIALIZATION_SECONDS > at:
        return one.ready != "False" and found.at >= one.ready_since + found.window
    return one.ready != "False" or one.started + READINESS_SECONDS <= one.ready_since


def band(target: int, tolerance: Tolerance) -> tuple[int, int]:
    """The lowest and the highest figure at which nothing changes."""
    under = _last(math.ceil(target * (1 - tolerance.down)) - 1, lambda figure: figure / target < 1 - tolerance.down)
    high = _last(math.floor(target * (1 + tolerance.up)), lambda figure: figure / target <= 1 + tolerance.up)
    return max(0, under + 1), min(high, MOST_TIMES * target)


def ceiling(pods: int, most: int, target: int, tolerance: Tolerance) -> int | None:
    """The highest figure at which no more than `most` of so many pods are wanted, None where there is none."""
    figure = _last(target * most // pods, lambda figure: math.ceil(figure / target * pods) <= most)
    if tolerance.holds(figure / target):
        figure = band(target, tolerance)[0] - 1
    return figure if figure >= 0 else None


def _last(near: int, fits: Callable[[int], bool]) -> int:
    """The last whole number that fits. A product of floats, as `near` is, may be one off in either direction."""
    return next((number for number in (near + 1, near) if fits(number)), near - 1)
