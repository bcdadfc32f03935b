"""The account of an autoscale run: all that follows from what it looked at and did, without waiting and without I/O.

A run keeps one while it goes on, and its check makes the same one from the run's records.
"""

from typing import NamedTuple

from dashboard.core.state.builder import Look
from dashboard.core.timestamps import seconds
from dashboard.load.options import MOST_RATE, LoadTotals
from dashboard.runs.demos.autoscale.interruption import Watchdog, clock_jump
from dashboard.runs.demos.autoscale.obligations import Obligations
from dashboard.runs.demos.autoscale.observed.moments import NAMES, Moments, Resolution
from dashboard.runs.demos.autoscale.observed.observation import Observation, observe
from dashboard.runs.demos.autoscale.observed.samples import SampleClock
from dashboard.runs.demos.autoscale.rates import LoadRates
from dashboard.runs.demos.autoscale.verdict import AutoscaleFindings
from dashboard.runs.verdict import Json


class Advance(NamedTuple):
    """What an observation brought: the moments that are new, the sentence of an obligation that was not met, or why the
    run can't go on, or the rate to change to."""

    moments: list[str]
    unmet: str | None = None
    interrupted: str | None = None
    rate: float | None = None


class Account:
    """`asked` is the rate that the user chose, or None."""

    def __init__(self, deployment: str, asked: float | None) -> None:
        self.resolution = Resolution()
        self.start: Observation | None = None  # as it was just before the load
        self.moments: Moments | None = None
        self.rates: LoadRates | None = None
        self.totals: LoadTotals | None = None  # once the load has ended
        self.loading = False
        self.jumped = False  # whether the dashboard's clock jumped since the load's beginning
        self.disturbed = False  # whether somebody changed the autoscaler or its Deployment meanwhile
        self._deployment = deployment
        self._asked = asked
        self._sample_clock = SampleClock()
        self._watchdog: Watchdog | None = None
        self._obligations: Obligations | None = None
        self._advanced_at = 0.0
        self._errors_of: dict[str, str] = {}  # uid → name, of pods that answered with errors

    def see(self, look: Look, at: str) -> Observation | None:
        """Return the observation of a look; None without an autoscaler with a CPU target."""
        time = seconds(at)
        samples = self._sample_clock.corrected(look.samples, time, self.resolution.assumed)
        seen = observe(look, samples, self._deployment, time)
        if seen is not None:
            self.resolution.see(seen.samples, seen.at)
            if self.loading:
                self._errors_of |= {pod.uid: pod.name for pod in seen.pods if pod.errors}
        return seen

    def settle(self, seen: Observation) -> None:
        self.start = seen

    def begin_load(self, seen: Observation, rate: float) -> None:
        """Begin the load with the observation at its beginning."""
        self.start = seen
        self.loading = True
        self._advanced_at = seen.at
        self.moments = Moments(seen)
        self.rates = LoadRates(seen, rate, MOST_RATE, fixed=self._asked is not None)
        self._obligations = Obligations(seen)
        self._watchdog = Watchdog(seen)

    def end_load(self, at: str, totals: LoadTotals) -> None:
        self.loading = False
        self.totals = totals
        if self.moments:
            self.moments.stop(seconds(at))

    def advance(self, seen: Observation, in_flight: int) -> Advance:
        """Take an observation, once a second, from the load's beginning on. `in_flight` are the load's requests without
        an answer."""
        moments, rates, obligations, watchdog = self.moments, self.rates, self._obligations, self._watchdog
        if moments is None or rates is None or obligations is None or watchdog is None:
            return Advance([])
        if reason := clock_jump(self._advanced_at, seen.at):
            self.jumped = True
        self._advanced_at = seen.at
        if reason:
            return Advance([], interrupted=reason)
        came = moments.see(seen)
        obligations.see(seen, self.resolution.assumed, loaded=self.loading)
        if obligations.unmet:
            return Advance(came, unmet=self._unmet_text())
        if reason := watchdog.disturbance(seen):
            self.disturbed = True
        if reason := reason or watchdog.see(seen, self.resolution.assumed):
            return Advance(came, interrupted=reason)
        if not self.loading:
            return Advance(came)
        if (rate := rates.next(seen, in_flight)) is not None:
            moments.change_rate()
            return Advance(came, rate=rate)
        if rates.beyond:
            return Advance(came, interrupted=rates.beyond)
        if rates.exhausted and seen.desired <= moments.peak and not moments.came("t2"):
            return Advance(came, interrupted=rates.exhausted)
        return Advance(came)

    def findings(self, stopped: str | None, aborted: bool) -> AutoscaleFindings:
        start, moments, rates, totals = self.start, self.moments, self.rates, self.totals
        return AutoscaleFindings(
            min=start.low if start else None,
            start=start.desired if start else None,
            peak=moments.peak if moments else None,
            target=f"{start.target} {start.unit}" if start else None,
            rate=rates.rate if rates else self._asked,
            rates=self._rates_json(),
            cost=rates.cost if rates else None,
            background=start.used if start else None,
            due=totals.due if totals else 0,
            offered=totals.offered if totals else 0,
            achieved=totals.achieved if totals else 0,
            errors=totals.errors if totals else 0,
            errors_by_kind=totals.by_kind if totals else {},
            errors_of=self._failing_pods(),
            dropped=totals.dropped if totals else 0,
            lag_p99_ms=totals.lag_p99_ms if totals else None,
            cpu_percent=totals.cpu_percent if totals else None,
            moments=moments.seconds if moments else dict.fromkeys(NAMES),
            resolution=self.resolution.seconds,
            owed=tuple(self._obligations.to_json()) if self._obligations else (),
            unmet=self._unmet_text(),
            contradiction=moments.contradiction if moments else None,
            stopped=stopped,
            overloaded=rates is not None and rates.overloaded,
            jumped=self.jumped,
            disturbed=self.disturbed,
            aborted=aborted,
        )

    def _rates_json(self) -> tuple[Json, ...]:
        pieces = self.rates.schedule.pieces if self.rates else ()
        return tuple({"at": round(piece.since, 1), "rate": piece.rate} for piece in pieces)

    def _unmet_text(self) -> str | None:
        """Return the unmet obligation as text, with its times from the load's beginning."""
        unmet, moments = self._obligations.unmet if self._obligations else None, self.moments
        if unmet is None or moments is None:
            return None
        since, by = (at - moments.at("t0") for at in (unmet.since, unmet.by))
        return f"{unmet.text}. It was due from t0 + {since:.0f} s to t0 + {by:.0f} s and did not happen."

    def _failing_pods(self) -> str | None:
        if not self._errors_of or self.start is None:
            return None
        old = {pod.uid for pod in self.start.pods}
        new = [name for uid, name in self._errors_of.items() if uid not in old]
        if len(new) == len(self._errors_of):
            return "only pods that were added during the run answered with errors"
        return "pods from before the run answered with errors, too" if new else "the pods answered with errors"
