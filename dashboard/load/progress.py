"""The progress of one load: the generator's samples, checked on receipt, and the figures computed from them."""

import math
from collections import deque
from typing import Any

from dashboard.load.options import MOST_IN_FLIGHT, LoadOptions, LoadSample, LoadTotals
from dashboard.load.schedule import Schedule

CPU_SECONDS = 5.0  # the window of the generator's CPU
DELIVERY_SECONDS = 8.0  # until a new rate takes effect, at most; a generator silent for that long is killed anyway

Json = dict[str, Any]


class LoadProgress:
    """A load's samples and figures. Times are in seconds after the load's start."""

    def __init__(self, options: LoadOptions, by: str) -> None:
        self.options = options
        self.by = by
        self._schedule = options.schedule()
        self._stopped = math.inf
        self._last: LoadSample | None = None
        self._before: LoadSample | None = None
        self._recent: deque[LoadSample] = deque()  # of the last CPU_SECONDS
        self._worst_cpu: float | None = None  # percent of a core

    @property
    def begun(self) -> bool:
        return self._last is not None

    @property
    def final(self) -> bool:
        return self._last is not None and self._last.final

    @property
    def span(self) -> float:
        """Seconds between the last two samples."""
        return self._last.elapsed - self._before.elapsed if self._last and self._before else 0.0

    def change_rate(self, elapsed: float, rate: float) -> None:
        """Note that the generator is told a new rate now."""
        self._schedule = self._schedule.changed(elapsed, rate)

    def stop(self, elapsed: float) -> None:
        """Note that the generator is told to stop now: nothing is due any more."""
        self._stopped = min(self._stopped, elapsed)

    def take(self, sample: LoadSample) -> str | None:
        """Add a sample. If it contradicts the schedule, earlier samples or itself, ignore it and return the problem."""
        if (problem := _problem(self._last, sample, self._schedule)) is not None:
            return problem
        self._before, self._last = self._last, sample
        self._recent.append(sample)
        while len(self._recent) > 2 and sample.elapsed - self._recent[1].elapsed >= CPU_SECONDS:
            self._recent.popleft()
        if sample.elapsed - self._recent[0].elapsed >= CPU_SECONDS:
            self._worst_cpu = max(self._worst_cpu or 0.0, _cpu_percent(self._recent[0], sample) or 0.0)
        return None

    def totals(self, failed: str | None = None) -> LoadTotals:
        last = self._last
        if last is None:
            return LoadTotals(failed=failed)
        return LoadTotals(
            seconds=last.elapsed,
            due=self._schedule.offered(min(last.elapsed, self._stopped)),
            offered=last.offered,
            sent=last.sent,
            achieved=last.answered,
            dropped=last.dropped,
            errors=last.errors.all,
            by_kind=last.errors.by_kind(),
            in_flight=last.in_flight,
            p50_ms=last.whole_p50_ms,
            p99_ms=last.whole_p99_ms,
            lag_p99_ms=last.whole_lag_p99_ms,
            cpu_percent=_cpu_percent(self._recent[0], last) if self._worst_cpu is None else self._worst_cpu,
            failed=failed,
        )

    def to_json(self, started: str, ends: str, *, active: bool, error: str | None = None) -> Json:
        """Return the state's `load`. Its figures are of the last second; a load that has ended has none."""
        last, before = self._last, self._before
        current = last if active else None
        offered, achieved, errors = self._rates() if active else (0.0, 0.0, 0.0)
        return {
            "active": active,
            "rate": self._schedule.rate,
            "duration": self.options.duration,
            "by": self.by,
            "started": started,
            "ends": ends,
            "offered": offered,
            "achieved": achieved,
            "dropped": last.dropped if last else 0,
            "errors_per_second": errors,
            "p50_ms": current and current.p50_ms,
            "p99_ms": current and current.p99_ms,
            "lag_p99_ms": current and current.lag_p99_ms,
            "cpu_percent": _cpu_percent(before, current) if before and current else None,
            "connections": current.connections if current else 0,
            "error": error,
        }

    def _rates(self) -> tuple[float, float, float]:
        """Return the offered, answered and failed requests a second, between the last two samples."""
        last, before, span = self._last, self._before, self.span
        if last is None or before is None or span <= 0:
            return 0.0, 0.0, 0.0
        counts = (last.offered - before.offered, last.answered - before.answered, last.errors.all - before.errors.all)
        offered, achieved, errors = (round(count / span, 1) for count in counts)
        return offered, achieved, errors


def _problem(before: LoadSample | None, sample: LoadSample, schedule: Schedule) -> str | None:
    """Return why a sample can't be true, or None."""
    if before is not None and before.final:
        return "it follows the final one"
    counts = [_counts(sample)] if before is None else [_counts(sample), _counts(before)]
    if sample.in_flight < 0 or any(count < 0 for count in counts[0]) or not 0 <= sample.elapsed < math.inf:
        return "a number is negative or not finite"
    if before is not None and (sample.elapsed < before.elapsed or any(a < b for a, b in zip(*counts, strict=True))):
        return "a counter decreased"
    if sample.sent + sample.dropped != sample.offered:
        return "sent and dropped requests do not add up to those offered"
    if sample.answered + sample.errors.unanswered + sample.in_flight != sample.sent:
        return "answered, failed and pending requests do not add up to those sent"
    if sample.errors.failing + sample.errors.other > sample.answered:
        return "more errors than responses"
    if sample.offered > schedule.most(sample.elapsed, DELIVERY_SECONDS) + 1 or sample.in_flight > MOST_IN_FLIGHT:
        return "more requests than the schedule or the limit allows"
    return None


def _counts(sample: LoadSample) -> tuple[float, ...]:
    errors = sample.errors
    kinds = (errors.connect, errors.timeout, errors.broken, errors.failing, errors.other)
    return (sample.offered, sample.sent, sample.dropped, sample.answered, sample.cpu_seconds, *kinds)


def _cpu_percent(before: LoadSample, sample: LoadSample) -> float | None:
    span = sample.elapsed - before.elapsed
    return round(100 * (sample.cpu_seconds - before.cpu_seconds) / span, 1) if span > 0 else None
