"""The autoscale demo: load that asks for more pods, until they serve and all is steady; then none, until they are gone.

It is stopped at once when more than half of the requests fail for ten seconds, and the load with it.
"""

from dashboard.core.load import MOST_RATE, MOST_SECONDS, LoadOptions
from dashboard.core.ports import Load, LoadTotals, View
from dashboard.core.run import Json
from dashboard.core.scaling import (
    CALIBRATION_RATE,
    SETTLED_SECONDS,
    STEADY_SECONDS,
    Calibration,
    Resolution,
    Scaling,
    Sight,
    limits,
    sight,
)
from dashboard.core.verdict import MOMENTS, Scaled, Verdict, autoscale
from dashboard.stage import Ended, Stage

LOOK_SECONDS = 1.0
FAILING_SHARE = 0.5
FAILING_SECONDS = 10.0
SPARE_SECONDS = 60.0  # that a load may last longer than it is needed: if the dashboard hangs, it ends by itself


class Late(Ended):
    """Something did not come within its limit: a finding, and no interruption."""


class Autoscaling:
    def __init__(self, stage: Stage, load: Load, view: View, deployment: str) -> None:
        self._stage = stage
        self._load = load
        self._view = view
        self._deployment = deployment
        self._limits = stage.run.demo.limits
        self._resolution = Resolution()
        self._start: Sight | None = None
        self._scaling: Scaling | None = None
        self._rate: float | None = stage.run.options.get("rate")
        self._loading = False
        self._totals: LoadTotals | None = None  # of the load proper
        self._failing = Failing()
        self._late: str | None = None

    def play(self) -> None:
        try:
            self._check()
            self._settle()
            self._calibrate()
            self._raise()
            self._steady()
            self._fall()
            self._stage.finish()
        except Late as late:
            self._late = str(late)

    def clean(self) -> None:
        self._stop_load()

    def verdict(self, stopped: str | None) -> Verdict:
        scaling, totals = self._scaling, self._totals
        return autoscale(
            Scaled(
                min=self._start.low if self._start else None,
                peak=scaling.peak if scaling else None,
                rate=self._rate,
                offered=totals.offered if totals else 0,
                achieved=totals.achieved if totals else 0,
                errors=totals.errors if totals else 0,
                dropped=totals.dropped if totals else 0,
                lag_p99_ms=totals.lag_p99_ms if totals else None,
                cpu_percent=totals.cpu_percent if totals else None,
                moments=scaling.moments if scaling else dict.fromkeys(MOMENTS),
                resolution=self._resolution.seconds,
                flapped=scaling.flapped if scaling else None,
                inactive=scaling.inactive if scaling else None,
                blind=scaling.blind if scaling else None,
                late=self._late,
                stopped=stopped,
            )
        )

    # The steps

    def _check(self) -> None:
        self._stage.begin("preflight")
        if self._load.running():
            raise Ended("A load is running already: stop it first.")
        seen = self._wait_for_figures()
        if not seen.active:
            raise Ended(f"The autoscaler can't scale: {seen.inactive}.")
        if seen.high <= seen.low:
            raise Ended(f"The autoscaler's min and max are both {seen.low}: there is nothing to scale.")
        if seen.newest is None:
            raise Ended("There are no figures of the pods' CPU: is metrics-server there?")
        self._stage.tell(f"{seen.low} to {seen.high} pods, CPU at {seen.target} %")

    def _wait_for_figures(self) -> Sight:
        """New pods, after a roll-out say, have none for half a minute, and the autoscaler can't act meanwhile."""
        end = self._stage.clock.monotonic() + self._limits["figures"]
        while True:
            self._stage.go_on()
            seen = self._look()
            if (seen.active and seen.newest is not None) or self._stage.clock.monotonic() >= end:
                return seen
            self._stage.show("Waiting for figures of the pods' CPU")
            self._stage.pause(LOOK_SECONDS)

    def _settle(self) -> None:
        self._stage.begin("settle")
        since: list[float] = []  # when it was first seen settled

        def settled() -> bool:
            seen = self._look()
            self._start = seen
            self._stage.show(_standing(seen))
            if not (seen.at_min and seen.content) or seen.away:
                since.clear()
                return False
            since.append(seen.at)
            return seen.at - since[0] >= SETTLED_SECONDS

        limit = self._limits["settle"]
        self._stage.until(settled, LOOK_SECONDS, limit, f"It had not settled at min within {limit:.0f} s.")

    def _calibrate(self) -> None:
        """Finds the rate, unless one was asked for."""
        if self._rate is not None:
            self._stage.skip("calibrate", f"{self._rate:g} requests a second were asked for")
            return
        self._stage.begin("calibrate", f"{CALIBRATION_RATE:g} requests a second")
        calibration = Calibration(self._begin_load(CALIBRATION_RATE, self._limits["calibrate"] + SPARE_SECONDS))

        def measured() -> bool:
            calibration.see(self._watch(), self._load.totals().achieved)
            return calibration.done

        limit = self._limits["calibrate"]
        self._stage.until(measured, LOOK_SECONDS, limit, "No CPU figures came of the calibration's load alone.")
        self._stop_load()
        if (rate := calibration.rate) is None:
            raise Ended("What one request costs could not be told from noise: give a rate.")
        if rate > MOST_RATE:
            raise Ended(f"It would take {rate:.0f} requests a second, more than the {MOST_RATE:.0f} allowed.")
        if not self._look().at_min:
            raise Ended("The calibration's load alone made it scale: give a rate.")
        self._rate = max(1.0, rate)
        self._stage.tell(
            f"A request costs {calibration.cost:.2f} millicores at one a second:"
            f" {self._rate:.0f} a second should take {calibration.aim} pods"
        )

    def _raise(self) -> None:
        rate = self._rate or 0.0
        self._stage.begin("load", f"{rate:g} requests a second")
        self._stage.hold_lease()
        allowed = limits(self._resolution.assumed, 0.0)["t5"]
        start = self._begin_load(rate, min(MOST_SECONDS, allowed + SPARE_SECONDS))
        self._start = start
        self._scaling = Scaling(start, self._view.down_window(), self._resolution)
        self._stage.note("autoscale load", f"started: {rate:g} requests a second", mark=f"load {rate:.0f}/s")
        self._stage.tell(f"Load begins: {rate:g} requests a second")
        self._follow("t4")

    def _steady(self) -> None:
        self._stage.begin("steady")
        self._follow("t5")

    def _fall(self) -> None:
        self._stage.begin("unload")
        self._stop_load()
        self._follow("t8")

    def _follow(self, moment: str) -> None:
        """Looks each second until the moment has come."""
        scaling = self._scaling
        while scaling and not scaling.came(moment):
            self._stage.pause(LOOK_SECONDS)
            seen = self._watch()
            for each in scaling.see(seen):
                self._stage.tell(f"{each}: {MOMENTS[each]}, after {scaling.moments[each]:.1f} s; {_standing(seen)}")
            if scaling.blind:
                raise Ended(scaling.blind)
            if late := scaling.late(seen.at):
                raise Late(late)
            steady = f"; steady for {scaling.steady():.0f} of {STEADY_SECONDS:.0f} s" if scaling.steady() else ""
            self._stage.show(_standing(seen) + steady, self._figures(scaling))

    # The load

    def _begin_load(self, rate: float, duration: float) -> Sight:
        """Gives back how it stood when the load began."""
        self._load.start(LoadOptions(rate=rate, duration=duration), self._stage.run.by)
        self._loading = True
        self._failing = Failing()
        self._stage.go_on()  # an abort may have come while the generator was tested
        return self._look()

    def _stop_load(self) -> None:
        if not self._loading:
            return
        self._loading = False
        at = self._stage.time()
        self._load.stop()
        if self._scaling is not None:
            self._totals = self._load.totals()
            self._scaling.stop(at)
            self._stage.note("autoscale load", "stopped", mark="load off")
            self._stage.tell("Load stopped")

    def _watch(self) -> Sight:
        """A look at everything while the load runs, and after."""
        if self._loading:
            totals = self._load.totals()
            if not self._load.running():
                self._stage.go_on()  # an abort ends it, too
                raise Ended(totals.failed or "The load ended too early.")
            if self._failing.see(totals, self._stage.clock.monotonic()):
                raise Ended(f"Over half of the requests failed for {FAILING_SECONDS:.0f} s: the load was stopped.")
        return self._look()

    def _look(self) -> Sight:
        seen = sight(self._view.view(), self._view.samples(), self._deployment, self._stage.time())
        if seen is None:
            raise Ended("There is no autoscaler with a CPU target.")
        self._resolution.see(seen.samples, seen.at)
        return seen

    def _figures(self, scaling: Scaling) -> Json:
        totals = self._totals or self._load.totals()
        return {
            "min": self._start.low if self._start else None,
            "peak": scaling.peak,
            "rate": self._rate,
            "offered": totals.offered,
            "achieved": totals.achieved,
            "errors": totals.errors,
            "lag_p99_ms": totals.lag_p99_ms,
        } | scaling.moments


class Failing:
    """Whether more than half of the requests have failed for too long."""

    def __init__(self) -> None:
        self._achieved = self._errors = 0
        self._since: float | None = None

    def see(self, totals: LoadTotals, at: float) -> bool:
        errors = totals.errors - self._errors
        answered = max(totals.achieved - self._achieved, errors)  # errors without an answer are none of those
        self._achieved, self._errors = totals.achieved, totals.errors
        if answered > 0:
            if errors <= FAILING_SHARE * answered:
                self._since = None
            elif self._since is None:
                self._since = at
        return self._since is not None and at - self._since >= FAILING_SECONDS


def _standing(seen: Sight) -> str:
    cpu = "CPU unknown" if seen.percent is None else f"CPU {seen.percent:.0f} %"
    return f"{len(seen.ready)} Ready of {seen.desired} asked for, {cpu} of {seen.target} %"
