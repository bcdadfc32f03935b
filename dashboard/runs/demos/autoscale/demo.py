"""The autoscale demo: load that is raised until more pods are owed, held until they serve and all is steady; then none,
until they are gone.

It is stopped at once when more than half of the requests fail for ten seconds, and the load with it.
"""

from typing import NamedTuple

from dashboard.core.timeline.entry import span
from dashboard.load.options import MOST_LAG_MS, MOST_RATE, MOST_SECONDS, GeneratorUnfit, LoadOptions
from dashboard.runs.context import RunContext, RunStopped
from dashboard.runs.demos.autoscale.interruption import FAILING_SECONDS, Failing, Watchdog, unprovable
from dashboard.runs.demos.autoscale.moments import NAMES, STEADY_SECONDS, Moments, Resolution
from dashboard.runs.demos.autoscale.obligations import Obligations
from dashboard.runs.demos.autoscale.observation import Observation, observe
from dashboard.runs.demos.autoscale.rates import FIRST_RATE, LoadRates
from dashboard.runs.demos.autoscale.samples import SampleClock
from dashboard.runs.demos.autoscale.settling import Settling
from dashboard.runs.demos.autoscale.verdict import Findings, autoscale
from dashboard.runs.ports import Load, LoadTotals, View
from dashboard.runs.verdict import Json, Verdict

LOOK_SECONDS = 1.0
TEST_RATE = 300.0  # requests a second that the generator's self-test sends
TEST_AGAIN_SECONDS = 5.0
HINT = " Look at `kubectl top pods`: is metrics-server there, and do the pods request CPU?"
GONE_SECONDS = 3.0  # without an autoscaler, and it was deleted
LAG_SECONDS = 240.0  # that a load is kept up, so that a moment's lag weighs less
CHANGES = 4  # times its patience a step may take in all, when the number of pods goes on changing


class Unmet(RunStopped):
    """Something that was owed did not come: a finding, and no interruption."""


class Patience(NamedTuple):
    """How long what nobody owes may take: so many seconds, and so many samples' time."""

    seconds: float
    samples: float

    def limit(self, resolution: float) -> float:
        return self.seconds + self.samples * resolution


RAISING = Patience(240.0, 12.0)  # until new pods serve
STEADYING = Patience(300.0, 10.0)  # until all is steady
FALLING = Patience(240.0, 6.0)  # and two stabilization windows, from each step down to the next


class Autoscaling:
    def __init__(self, context: RunContext, load: Load, view: View, deployment: str) -> None:
        self._context = context
        self._load = load
        self._view = view
        self._deployment = deployment
        self._limits = context.run.demo.limits
        self._asked: float | None = context.run.options.get("rate")
        self._resolution = Resolution()
        self._sample_clock = SampleClock()
        self._watchdog: Watchdog | None = None
        self._start: Observation | None = None  # as it was just before the load
        self._moments: Moments | None = None
        self._obligations: Obligations | None = None
        self._rates: LoadRates | None = None
        self._totals: LoadTotals | None = None  # once the load has ended
        self._loading = False
        self._failing = Failing()
        self._errors_of: dict[str, str] = {}  # uid → name, of pods that answered with errors

    def run(self) -> None:
        try:
            self._check()
            self._settle()
            self._raise()
            self._steady()
            self._fall()
            self._context.finish()
        except Unmet:
            return

    def cleanup(self) -> None:
        self._stop_load()

    def verdict(self, stopped: str | None) -> Verdict:
        start, moments, rates, totals = self._start, self._moments, self._rates, self._totals
        return autoscale(
            Findings(
                min=start.low if start else None,
                start=start.desired if start else None,
                peak=moments.peak if moments else None,
                target=f"{start.target} {start.unit}" if start else None,
                rate=rates.rate if rates else self._asked,
                rates=self._told_rates(),
                cost=rates.cost if rates else None,
                background=start.used if start else None,
                due=totals.due if totals else 0,
                offered=totals.offered if totals else 0,
                achieved=totals.achieved if totals else 0,
                errors=totals.errors if totals else 0,
                errors_by_kind=totals.by_kind if totals else {},
                errors_of=self._who_failed(),
                dropped=totals.dropped if totals else 0,
                lag_p99_ms=totals.lag_p99_ms if totals else None,
                cpu_percent=totals.cpu_percent if totals else None,
                moments=moments.seconds if moments else dict.fromkeys(NAMES),
                resolution=self._resolution.seconds,
                owed=tuple(self._obligations.to_json()) if self._obligations else (),
                unmet=self._told_unmet(),
                contradiction=moments.contradiction if moments else None,
                stopped=stopped,
                overloaded=rates is not None and rates.overloaded,
                aborted=self._context.cancelled.is_set(),
            )
        )

    # The steps

    def _check(self) -> None:
        """What only a person can mend ends the run here; what time mends is waited for in the next step."""
        self._context.begin_step("preflight")
        if self._load.running():
            raise RunStopped("A load is running already: stop it first.")
        seen = self._first_look()
        if reason := unprovable(seen, self._deployment):
            raise RunStopped(reason)
        self._context.log(f"{seen.low} to {seen.high} pods, a target of {seen.target} {seen.unit}")

    def _first_look(self) -> Observation:
        """A dashboard that has just started may not have been told of the autoscaler yet."""
        end = self._context.clock.monotonic() + self._limits["sources"]
        while (seen := self._look()) is None or seen.away:
            if self._context.clock.monotonic() >= end:
                break
            self._context.set_progress(
                "Waiting for the autoscaler" + (f": {seen.away} does not answer" if seen else "")
            )
            self._context.sleep(LOOK_SECONDS)
        if seen is None:
            raise RunStopped(
                "There is no autoscaler with a CPU target here: apply one, such as k8s/base/flask-hpa.yaml."
            )
        return seen

    def _settle(self) -> None:
        self._context.begin_step("settle")
        settling = Settling(self._context.time())
        began = self._context.clock.monotonic()
        while True:
            self._context.raise_if_cancelled()
            seen = self._seen()
            why = settling.waits_for(seen, self._resolution.assumed)
            if why is None:
                break
            passed = self._context.clock.monotonic() - began
            unable = not seen.active or seen.newest is None
            if passed >= self._limits["figures" if unable else "settle"]:
                raise RunStopped(f"It did not settle within {span(passed)}. {why}.{HINT if unable else ''}")
            self._context.set_progress(why)
            self._context.sleep(LOOK_SECONDS)
        if seen.desired >= seen.high:
            raise RunStopped(
                f"The traffic that is there already keeps it at max, {seen.high} pods: stop that traffic, or raise max."
            )
        self._start = seen
        above = f", over min {seen.low} by traffic that is there already" if seen.desired > seen.low else ""
        self._context.log(f"Settled with {len(seen.ready)} pods{above}: {seen.cpu}")

    def _raise(self) -> None:
        first = self._asked or FIRST_RATE
        self._context.begin_step("load", f"{first:g} requests a second")
        self._start = start = self._begin_load(first)
        self._moments = Moments(start)
        self._obligations = Obligations(start)
        self._watchdog = Watchdog(start)
        self._rates = LoadRates(start, first, MOST_RATE, fixed=self._asked is not None)
        self._context.audit("autoscale load", f"started: {first:g} requests a second", mark="load")
        self._context.log(f"Load begins: {first:g} requests a second")
        self._follow("t4", RAISING)

    def _steady(self) -> None:
        self._context.begin_step("steady")
        self._follow("t5", STEADYING)
        self._outlast_lag()

    def _outlast_lag(self) -> None:
        """Keep the load up while the generator's lag, over all requests so far, is beyond its limit: a moment in which
        the machine was busy weighs less the longer the load lasts."""
        end = self._context.clock.monotonic() + LAG_SECONDS
        while (lag := self._load.totals().lag_p99_ms or 0.0) > MOST_LAG_MS:
            left = end - self._context.clock.monotonic()
            if left <= 0:
                return  # the verdict says so
            self._context.sleep(LOOK_SECONDS)
            self._advance()
            late = f"The load generator was late: {lag:.0f} ms (p99), where {MOST_LAG_MS:.0f} are allowed"
            self._context.set_progress(f"{late}; loading on, for {left:.0f} s at most", self._figures())

    def _fall(self) -> None:
        self._context.begin_step("unload")
        self._stop_load()
        window = 2 * self._start.down_window if self._start else 0.0
        self._follow("t8", Patience(FALLING.seconds + window, FALLING.samples))

    def _follow(self, moment: str, patience: Patience) -> None:
        """Looks each second until the moment has come."""
        moments = self._moments
        if moments is None:
            return
        began = since = self._context.time()
        desired, changes = -1, -1
        while not moments.came(moment):
            self._context.sleep(LOOK_SECONDS)
            seen = self._advance()
            if seen.desired != desired:
                since, desired, changes = seen.at, seen.desired, changes + 1
            limit = patience.limit(self._resolution.assumed)
            if seen.at - since > limit or seen.at - began > CHANGES * limit:
                raise RunStopped(_overdue(moment, seen, seen.at - began, changes))
            self._context.set_progress(self._progress(seen), self._figures())

    def _advance(self) -> Observation:
        """One look: what came, what is owed, whether the run can go on, and the rate."""
        seen = self._watch()
        if moments := self._moments:
            for each in moments.see(seen):
                self._context.log(f"{each}: {NAMES[each]}, after {moments.seconds[each]:.1f} s; {_standing(seen)}")
        self._hold_to_what_is_owed(seen)
        if self._watchdog and (reason := self._watchdog.see(seen, self._resolution.assumed)):
            raise RunStopped(reason)
        self._steer(seen)
        return seen

    def _steer(self, seen: Observation) -> None:
        """Changes the rate where the samples ask for it."""
        rates, moments = self._rates, self._moments
        if not self._loading or rates is None or moments is None:
            return
        before = rates.rate
        if (rate := rates.next(seen, self._load.totals().in_flight)) is not None:
            self._load.change_rate(rate)
            moments.change_rate()
            word = "raised" if rate > before else "lowered"
            self._context.log(f"Load {word} from {before:g} to {rate:g} requests a second; {_standing(seen)}")
        elif rates.exhausted and seen.desired <= moments.peak and not moments.came("t2"):
            raise RunStopped(rates.exhausted)

    def _hold_to_what_is_owed(self, seen: Observation) -> None:
        obligations = self._obligations
        if obligations is None:
            return
        obligations.see(seen, self._resolution.assumed, loaded=self._loading)
        if obligations.unmet:
            reason = self._told_unmet() or ""
            self._context.log(reason)
            raise Unmet(reason)

    # The load

    def _begin_load(self, rate: float) -> Observation:
        """Gives back how it stood when the load began."""
        end = self._context.clock.monotonic() + self._limits["self-test"]
        while True:
            self._context.confirm_lease()
            try:
                self._load.start(LoadOptions(rate=rate, duration=MOST_SECONDS), self._context.run.by, TEST_RATE)
                break
            except GeneratorUnfit as error:  # a machine that is busy at the moment is not for ever
                if self._context.clock.monotonic() >= end:
                    raise
                self._context.set_progress(f"Trying the load generator again: {error}")
                self._context.sleep(TEST_AGAIN_SECONDS)
        self._loading = True
        self._failing = Failing()
        self._context.raise_if_cancelled()  # an abort may have come while the generator was tested
        return self._seen()

    def _stop_load(self) -> None:
        if not self._loading:
            return
        self._loading = False
        at = self._context.time()
        self._load.stop()
        self._totals = self._load.totals()
        if self._moments is not None:
            self._moments.stop(at)
            self._context.audit("autoscale load", "stopped", mark="load off")
            self._context.log("Load stopped")

    def _watch(self) -> Observation:
        """A look at everything while the load runs, and after."""
        if self._loading:
            totals = self._load.totals()
            if not self._load.running():
                self._context.raise_if_cancelled()  # an abort ends it, too
                raise RunStopped(totals.failed or "The load ended too early.")
            if self._failing.see(totals, self._context.clock.monotonic()):
                raise RunStopped(f"Over half of the requests failed for {FAILING_SECONDS:.0f} s: the load was stopped.")
        seen = self._seen()
        if self._loading:
            self._errors_of |= {pod.uid: pod.name for pod in seen.pods if pod.errors}
        return seen

    def _seen(self) -> Observation:
        """`RunStopped` where the autoscaler has been gone for a while."""
        for _ in range(int(GONE_SECONDS / LOOK_SECONDS)):
            if seen := self._look():
                return seen
            self._context.sleep(LOOK_SECONDS)
        raise RunStopped("The autoscaler was deleted during the run, or its CPU target was taken away.")

    def _look(self) -> Observation | None:
        at, window = self._context.time(), self._view.down_window()
        samples = self._sample_clock.corrected(self._view.samples(), at, self._resolution.assumed)
        seen = observe(self._view.view(), samples, self._deployment, window, at)
        if seen is not None:
            self._resolution.see(seen.samples, seen.at)
        return seen

    # What is told

    def _progress(self, seen: Observation) -> str:
        moments = self._moments
        steady = moments.steady() if moments else 0.0
        parts = [_standing(seen)]
        if self._loading and self._rates:
            parts.insert(0, f"{self._rates.rate:g} requests a second")
        if steady:
            parts.append(f"steady for {steady:.0f} of {STEADY_SECONDS:.0f} s")
        if not self._loading and seen.next_change:
            left = max(0.0, seen.next_change[0] - seen.at)
            parts.append(f"{seen.next_change[1]} expected in {span(left)}")
        return "; ".join(parts)

    def _figures(self) -> Json:
        totals = self._totals or self._load.totals()
        moments, start, rates = self._moments, self._start, self._rates
        return {
            "min": start.low if start else None,
            "start": start.desired if start else None,
            "peak": moments.peak if moments else None,
            "rate": rates.rate if rates else None,
            "offered": totals.offered,
            "achieved": totals.achieved,
            "errors": totals.errors,
            "lag_p99_ms": totals.lag_p99_ms,
        } | (moments.seconds if moments else {})

    def _told_rates(self) -> tuple[Json, ...]:
        pieces = self._rates.schedule.pieces if self._rates else ()
        return tuple({"at": round(piece.since, 1), "rate": piece.rate} for piece in pieces)

    def _told_unmet(self) -> str | None:
        """What did not come, with its moments from the load's beginning."""
        unmet, moments = self._obligations.unmet if self._obligations else None, self._moments
        if unmet is None or moments is None:
            return None
        since, by = (at - moments.at("t0") for at in (unmet.since, unmet.by))
        return f"{unmet.text}. It was owed since t0 + {since:.0f} s, by t0 + {by:.0f} s, and did not come."

    def _who_failed(self) -> str | None:
        if not self._errors_of or self._start is None:
            return None
        old = {pod.uid for pod in self._start.pods}
        new = [name for uid, name in self._errors_of.items() if uid not in old]
        if len(new) == len(self._errors_of):
            return "only pods that came during the run answered with errors"
        return "pods from before the run answered with errors, too" if new else "the pods answered with errors"


def _standing(seen: Observation) -> str:
    return f"{len(seen.ready)} Ready of {seen.desired} asked for, {seen.cpu}"


def _overdue(moment: str, seen: Observation, passed: float, changes: int) -> str:
    figure = "unknown" if seen.figure is None else f"{seen.figure} {seen.unit}"
    return (
        f"Nothing was owed, and after {span(passed)} and {changes} changes of the number of pods this had not come:"
        f" {NAMES[moment]} ({moment}). {_standing(seen)}, by its own figure {figure}."
    )
