"""Recommended requests and limits: what the samples of the last hour would have needed, with some headroom.

The scheduler keeps a request free for a container, so a request fits what it uses normally. Above a limit, CPU is
throttled and memory ends the container, so a limit fits its peak.
"""

import math
from collections.abc import Sequence

from dashboard.core.hpa.explanation import pods, window
from dashboard.core.objects import Container
from dashboard.core.quantity import millicores, whole_bytes
from dashboard.core.sizing.usage import Usage
from dashboard.core.text import plain
from dashboard.core.wire import AmountView, SizingView

LEAST_SECONDS = 1_800.0  # of history: less is no typical time
LEAST_SAMPLES = 60
QUANTILE = 90  # percent of the samples that a CPU request covers
CPU_HEADROOM, CPU_LIMIT_HEADROOM = 15, 50  # percent
MEMORY_HEADROOM, MEMORY_LIMIT_HEADROOM = 15, 50
CPU_STEP, LEAST_CPU = 5, 10  # millicores
MEBI = 2**20
MEMORY_STEP, LEAST_MEMORY = 4 * MEBI, 16 * MEBI
NEAR_LIMIT = 0.95
IDLE = 0.5  # of the request: a peak under it shows no busy hour
LONGEST_NAME = 253


def recommend(app: str, container: Container, usage: Usage, target: int | None = None) -> SizingView:
    """Return the recommendation for an app's container, without amounts if there is too little history.

    `target` is the autoscaler's CPU target in percent of the request, if it has one.
    """
    requests, limits = container.resources.requests or {}, container.resources.limits or {}
    samples = len(usage.cpu)
    enough = usage.seconds >= LEAST_SECONDS and samples >= LEAST_SAMPLES
    cpu = [millicores(each["cpu"]) if "cpu" in each else None for each in (requests, limits)]
    memory = [whole_bytes(each["memory"]) if "memory" in each else None for each in (requests, limits)]
    return SizingView(
        id=f"{app}/{container.name}",
        app=plain(app, LONGEST_NAME),
        container=plain(container.name, LONGEST_NAME),
        samples=samples,
        pods=usage.pods,
        seconds=round(usage.seconds),
        cpu=_cpu(usage, cpu[0], cpu[1], target) if enough else None,
        memory=_memory(usage, memory[0], memory[1]) if enough else None,
        absent=None if enough else _too_little(usage),
    )


def quantile(values: Sequence[float], percent: int) -> float:
    """Return the smallest of the ascending values that `percent` of them do not exceed."""
    return values[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _cpu(usage: Usage, request: int | None, limit: int | None, target: int | None) -> AmountView:
    typical, peak = quantile(usage.cpu, QUANTILE), usage.cpu[-1]
    fit = _up(typical, CPU_HEADROOM, CPU_STEP, LEAST_CPU)
    most = max(fit, _up(peak, CPU_LIMIT_HEADROOM, CPU_STEP, LEAST_CPU))
    reason = [
        f"{QUANTILE} % of {_samples(usage)} are at or under {typical:g} m: the request is {CPU_HEADROOM} % more.",
        f"The highest is {peak:g} m, a mean of some seconds: the limit is {CPU_LIMIT_HEADROOM} % more.",
    ]
    if limit is not None and peak >= NEAR_LIMIT * limit:
        reason.append("It came up to its limit, so it may have needed more.")
    if request and peak < IDLE * request:
        reason.append("That is under half of the request, so it was a quiet time: look again after a busy one.")
    if target is not None and request:
        before, after = request * target // 100, fit * target // 100
        reason.append(f"The autoscaler's {target} % is of the request: it moves from {before} m to {after} m a pod.")
    return AmountView(request, limit, fit, most, round(typical), round(peak), " ".join(reason))


def _memory(usage: Usage, request: int | None, limit: int | None) -> AmountView:
    peak = usage.memory[-1]
    fit = _up(peak, MEMORY_HEADROOM, MEMORY_STEP, LEAST_MEMORY)
    most = _up(peak, MEMORY_LIMIT_HEADROOM, MEMORY_STEP, LEAST_MEMORY)
    reason = [
        f"The highest of {_samples(usage)} is {peak / MEBI:.0f} Mi.",
        f"Memory is not given back: the request is {MEMORY_HEADROOM} % more, the limit {MEMORY_LIMIT_HEADROOM} % more.",
    ]
    if limit is not None and peak >= NEAR_LIMIT * limit:
        reason.append("It came up to its limit, so it may have needed more.")
    return AmountView(request, limit, fit, most, round(quantile(usage.memory, QUANTILE)), round(peak), " ".join(reason))


def _up(amount: float, headroom: int, step: int, least: int) -> int:
    """Return the amount with the headroom in percent, rounded up to whole steps."""
    return max(least, math.ceil(amount * (100 + headroom) / 100 / step) * step)


def _samples(usage: Usage) -> str:
    return f"{len(usage.cpu)} samples of {pods(usage.pods)} in {window(round(usage.seconds / 60) * 60)}"


def _too_little(usage: Usage) -> str:
    if not usage.cpu:
        return "There is no sample of it in the last hour."
    return f"There are only {_samples(usage)}: it takes {LEAST_SAMPLES} samples and {window(LEAST_SECONDS)} of history."
