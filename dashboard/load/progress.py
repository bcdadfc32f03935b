"""What becomes of one load: the samples that its generator tells, checked as they come, and what they add up to."""

import math
from collections import deque
from typing import Any

from dashboard.load.options import MOST_IN_FLIGHT, LoadOptions, LoadSample, LoadTotals
from dashboard.load.schedule import Schedule

CPU_SECONDS = 5.0  # over which the generator's own work is looked at
DELIVERY_SECONDS = 8.0  # within which a change of the rate takes effect; a generator silent for so long is ended anyway

Json = dict[str, Any]


class LoadProgress:
    """The samples of one load, checked as they come, and what they add up to."""

    def __init__(self, options: LoadOptions, by: str) -> None:
        self.options = options
        self.by = by
        self._schedule = options.schedule()
        self._stopped = math.inf  # seconds after the start
        self._last: LoadSample | None = None
        self._before: LoadSample | None = None
        self._recent: deque[LoadSample] = deque()  # of the last seconds, for the CPU
        self._worst: float | None = None  # percent of a core, over 5 s

    @property
    def begun(self) -> bool:
        return self._last is not None

    @property
    def final(self) -> bool:
        return self._last is not None and self._last.final

    @property
    def span(self) -> float:
        """Seconds that the newest sample is about."""
        return self._last.elapsed - self._before.elapsed if self._last and self._before else 0.0

    def change_rate(self, elapsed: float, rate: float) -> None:
        """The generator is told to change its rate, so many seconds after the start."""
        self._schedule = self._schedule.changed(elapsed, rate)

    def stop(self, elapsed: float) -> None:
        """The generator is told to stop: nothing is due any more."""
        self._stopped = min(self._stopped, elapsed)

    def take(self, sample: LoadSample) -> str | None:
        """Adds a sample; or says in a few words why it can't be true, and leaves it out."""
        if (lie := _lie(self._last, sample, self._schedule)) is not None:
            return lie
        self._before, self._last = self._last, sample
        self._recent.append(sample)
        while len(self._recent) > 2 and sample.elapsed - self._recent[1].elapsed >= CPU_SECONDS:
            self._recent.popleft()
        if sample.elapsed - self._recent[0].elapsed >= CPU_SECONDS:
            self._worst = max(self._worst or 0.0, _cpu_percent(self._recent[0], sample) or 0.0)
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
            cpu_percent=_cpu_percent(self._recent[0], last) if self._worst is None else self._worst,
            failed=failed,
        )

    def to_json(self, started: str, ends: str, *, active: bool, error: str | None = None) -> Json:
        """As it stands in the state: the figures are of the last second while it runs, and none after."""
        last, before = self._last, self._before
        shown = last if active else None
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
            "p50_ms": shown and shown.p50_ms,
            "p99_ms": shown and shown.p99_ms,
            "lag_p99_ms": shown and shown.lag_p99_ms,
            "cpu_percent": _cpu_percent(before, shown) if before and shown else None,
            "connections": shown.connections if shown else 0,
            "error": error,
        }

    def _rates(self) -> tuple[float, float, float]:
        """Offered, answered and failed requests a second, since the sample before."""
        last, before, span = self._last, self._before, self.span
        if last is None or before is None or span <= 0:
            return 0.0, 0.0, 0.0
        counts = (last.offered - before.offered, last.answered - before.answered, last.errors.all - before.errors.all)
        offered, achieved, errors = (round(count / span, 1) for count in counts)
        return offered, achieved, errors


def _lie(before: LoadSample | None, sample: LoadSample, schedule: Schedule) -> str | None:
    """What of a sample can't be true."""
    if before is not None and before.final:
        return "it went on after its end"
    counts = [_counts(sample)] if before is None else [_counts(sample), _counts(before)]
    if sample.in_flight < 0 or any(count < 0 for count in counts[0]) or not 0 <= sample.elapsed < math.inf:
        return "it counted below zero"
    if before is not None and (sample.elapsed < before.elapsed or any(a < b for a, b in zip(*counts, strict=True))):
        return "what it had counted became less"
    if sample.sent + sample.dropped != sample.offered:
        return "what it sent and dropped is not what was due"
    if sample.answered + sample.errors.unanswered + sample.in_flight != sample.sent:
        return "what became of its requests is not what it sent"
    if sample.errors.failing + sample.errors.other > sample.answered:
        return "more answers were errors than there were answers"
    if sample.offered > schedule.most(sample.elapsed, DELIVERY_SECONDS) + 1 or sample.in_flight > MOST_IN_FLIGHT:
        return "it sent more than it was told to"
    return None


def _counts(sample: LoadSample) -> tuple[float, ...]:
    errors = sample.errors
    kinds = (errors.connect, errors.timeout, errors.broken, errors.failing, errors.other)
    return (sample.offered, sample.sent, sample.dropped, sample.answered, sample.cpu_seconds, *kinds)


def _cpu_percent(before: LoadSample, sample: LoadSample) -> float | None:
    span = sample.elapsed - before.elapsed
    return round(100 * (sample.cpu_seconds - before.cpu_seconds) / span, 1) if span > 0 else None
