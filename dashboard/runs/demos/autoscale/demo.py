"""The autoscale demo: raise the load until the autoscaler must add pods, hold it until they serve and all is steady,
then stop it and wait until the pods are gone.

The run and its load stop at once if more than half of the requests fail for ten seconds.
"""

from typing import NamedTuple

from dashboard.core.hpa.recommendations import SYNC_SECONDS
from dashboard.core.text import span
from dashboard.load.options import MOST_LAG_MS, MOST_SECONDS
from dashboard.runs.context import RunContext, RunStopped
from dashboard.runs.demos.autoscale.account import Account
from dashboard.runs.demos.autoscale.interruption import late_samples, unprovable
from dashboard.runs.demos.autoscale.obligations import READY_SECONDS, ready_seconds
from dashboard.runs.demos.autoscale.observed.moments import NAMES, STEADY_SECONDS
from dashboard.runs.demos.autoscale.observed.observation import Observation
from dashboard.runs.demos.autoscale.observed.settling import Settling
from dashboard.runs.demos.autoscale.rates import FIRST_RATE
from dashboard.runs.demos.autoscale.records import LoadBegan, LoadEnded, LoadSeen, RateChanged, Settled, observed
from dashboard.runs.demos.autoscale.verdict import verdict_of
from dashboard.runs.ports import Load, View
from dashboard.runs.run_load import RunLoad
from dashboard.runs.verdict import Json, Verdict

POLL_SECONDS = 1.0
TEST_RATE = 300.0  # requests a second of the generator's self-test
HINT = " Run `kubectl top pods`: is metrics-server installed, and do the pods request CPU?"
GONE_SECONDS = 3.0  # without an autoscaler: it was deleted
LAG_SECONDS = 240.0  # the load is extended by at most this, so that a short lag weighs less
MOST_START_SECONDS = 900.0  # that the load waits for a pod, whatever its Deployment's deadline is
SETTLE_SYNCS = 6  # of the controller, after its window and its policies' period
CHANGES = 4  # times the limit a step may take in all, if the number of pods keeps changing


class Unmet(RunStopped):
    """An obligation was not met in time. This is a finding, not an interruption."""


class Patience(NamedTuple):
    """The time limit for moments that are no obligation: seconds, plus a number of sample intervals."""

    seconds: float
    samples: float

    def limit(self, resolution: float) -> float:
        return self.seconds + self.samples * resolution

    def more(self, seconds: float) -> "Patience":
        return Patience(self.seconds + seconds, self.samples)


RAISING = Patience(240.0, 12.0)  # until new pods serve
STEADYING = Patience(300.0, 10.0)  # until all is steady
FALLING = Patience(240.0, 6.0)  # from each step down to the next


class Autoscaling:
    def __init__(self, context: RunContext, load: Load, view: View, deployment: str) -> None:
        self._context = context
        self._load = load
        self._view = view
        self._deployment = deployment
        self._limits = context.run.demo.limits
        self._asked: float | None = context.run.options.get("rate")
        self._account = Account(deployment, self._asked)
        self._run_load = RunLoad(context, load)
        self._in_flight = 0  # the load's requests without an answer

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
        return verdict_of(self._account.findings(stopped, aborted=self._context.cancelled.is_set()))

    # The steps

    def _check(self) -> None:
        """Stop if a person has to correct the set-up first. The next step waits for everything else."""
        self._context.begin_step("preflight")
        if self._load.running():
            raise RunStopped("A load is running already: stop it first.")
        seen = self._wait_for_autoscaler()
        if reason := unprovable(seen, self._deployment):
            raise RunStopped(reason)
        self._context.log(f"{seen.low} to {seen.high} pods, a target of {seen.target} {seen.unit}")

    def _wait_for_autoscaler(self) -> Observation:
        """Return the first complete observation: a dashboard that has just started may not know the autoscaler yet."""
        end = self._context.clock.monotonic() + self._limits["sources"]
        while (seen := self._observe()) is None or seen.away:
            if self._context.clock.monotonic() >= end:
                break
            self._context.set_progress(
                "Waiting for the autoscaler" + (f": {seen.away} does not answer" if seen else "")
            )
            self._context.sleep(POLL_SECONDS)
        if seen is None:
            raise RunStopped("There is no autoscaler with a CPU target: apply one, such as k8s/base/flask-hpa.yaml.")
        return seen

    def _settle(self) -> None:
        self._context.begin_step("settle")
        settling = Settling(self._context.time())
        began = self._context.clock.monotonic()
        able = began  # when it was able to scale last
        while True:
            self._context.raise_if_cancelled()
            seen = self._observation()
            why = settling.waits_for(seen, self._account.resolution.assumed)
            if why is None:
                break
            now = self._context.clock.monotonic()
            unmeasured = ", ".join(seen.unmeasured)
            if seen.active and seen.newest is not None and not unmeasured:
                able = now
            slow = seen.down_window + seen.period + SETTLE_SYNCS * SYNC_SECONDS
            if now - able >= self._limits["figures"] or now - began >= max(self._limits["settle"], slow):
                of = f" There are no CPU samples of {unmeasured}." if unmeasured else ""
                hint = f" Samples that can't be used: {seen.unreadable}." if seen.unreadable else HINT
                hint = f"{of}{hint if able < now else ''}"
                raise RunStopped(f"It did not settle within {span(now - began)}. {why}.{hint}")
            self._context.set_progress(why)
            self._context.sleep(POLL_SECONDS)
        if late := late_samples(seen, self._account.resolution.assumed):
            raise RunStopped(late)
        if seen.desired >= seen.high:
            other = seen.held_by(seen.high)
            holder = f"Existing traffic, or its metric {other}," if other else "Existing traffic"
            remedy = "lower that" if other else "stop that traffic"
            raise RunStopped(f"{holder} keeps the autoscaler at max, {seen.high} pods: {remedy}, or raise max.")
        self._account.settle(seen)
        self._context.record(Settled(at=self._context.clock.now()))
        holder = f"its metric {other}" if (other := seen.held_by(seen.desired)) else "existing traffic"
        above = f", over min {seen.low} because of {holder}" if seen.desired > seen.low else ""
        self._context.log(f"Settled with {len(seen.own_ready)} pods{above}: {seen.cpu}")

    def _raise(self) -> None:
        first = self._asked or FIRST_RATE
        self._context.begin_step("load", f"{first:g} requests a second")
        self._run_load.start(first, TEST_RATE)
        self._account.begin_load(self._observation(), first)
        self._context.record(LoadBegan(at=self._context.clock.now(), rate=first, fixed=self._asked is not None))
        self._context.audit("autoscale load", f"started: {first:g} requests a second", mark="load")
        self._context.log(f"Load begins: {first:g} requests a second")
        self._follow("t4", RAISING.more(self._delay_up()))

    def _steady(self) -> None:
        self._context.begin_step("steady")
        self._follow("t5", STEADYING.more(self._delay_up()))
        self._outlast_lag()

    def _outlast_lag(self) -> None:
        """Keep the load up while the generator's lag, over all requests so far, is beyond its limit: a moment in which
        the machine was busy weighs less the longer the load lasts."""
        end = self._context.clock.monotonic() + LAG_SECONDS
        while (lag := self._load.totals().lag_p99_ms or 0.0) > MOST_LAG_MS:
            left = end - self._context.clock.monotonic()
            if left <= 0:
                return  # the verdict says so
            self._context.sleep(POLL_SECONDS)
            self._advance()
            late = f"The load generator was late: {lag:.0f} ms (p99), where {MOST_LAG_MS:.0f} are allowed"
            self._context.set_progress(f"{late}; loading on, for {left:.0f} s at most", self._figures())

    def _fall(self) -> None:
        self._context.begin_step("unload")
        self._stop_load()
        start = self._account.start
        self._follow("t8", FALLING.more(2 * start.down_window + start.period if start else 0.0))

    def _delay_up(self) -> float:
        """Return for how many seconds the autoscaler's own rules, and pods that start slowly, may delay new pods."""
        start = self._account.start
        if start is None:
            return 0.0
        slow = min(ready_seconds(start), MOST_START_SECONDS) - READY_SECONDS
        return start.up_window + start.period + slow

    def _follow(self, moment: str, patience: Patience) -> None:
        """Observe each second until the moment has come. Raise `RunStopped` or `Unmet`."""
        moments = self._account.moments
        if moments is None:
            return
        began = since = self._context.time()
        desired, changes = -1, -1
        while not moments.came(moment):
            self._context.sleep(POLL_SECONDS)
            seen = self._advance()
            if seen.desired != desired:
                since, desired, changes = seen.at, seen.desired, changes + 1
            elif seen.held:  # by its own window or policy, of which it may know more than its object says
                since = seen.at
            limit = patience.limit(self._account.resolution.assumed)
            if seen.at - since > limit or seen.at - began > CHANGES * limit:
                raise RunStopped(_overdue(moments.first_missing(moment), seen, seen.at - began, changes))
            self._context.set_progress(self._progress(seen), self._figures())

    def _advance(self) -> Observation:
        """Observe once: log the moments that came, check obligations and the watchdog, steer the rate."""
        seen = self._watch()
        moments, rates = self._account.moments, self._account.rates
        if moments is None or rates is None:
            return seen
        before = rates.rate
        advance = self._account.advance(seen, self._in_flight)
        for each in advance.moments:
            self._context.log(f"{each}: {NAMES[each]}, after {moments.seconds[each]:.1f} s; {_pods_text(seen)}")
        if advance.unmet:
            self._context.log(advance.unmet)
            raise Unmet(advance.unmet)
        if advance.interrupted:
            raise RunStopped(advance.interrupted)
        if advance.rate is not None:
            self._change_rate(seen, before, advance.rate)
        return seen

    def _change_rate(self, seen: Observation, before: float, rate: float) -> None:
        self._load.change_rate(rate)
        self._context.record(RateChanged(at=self._context.clock.now(), rate=rate))
        word = "raised" if rate > before else "lowered"
        self._context.log(f"Load {word} from {before:g} to {rate:g} requests a second; {_pods_text(seen)}")

    # The load

    def _stop_load(self) -> None:
        if not self._run_load.active:
            return
        at = self._context.clock.now()
        self._run_load.stop()
        totals = self._load.totals()
        self._context.record(LoadEnded(at=at, totals=totals))
        self._account.end_load(at, totals)
        if self._account.moments:
            self._context.audit("autoscale load", "stopped", mark="load off")
            self._context.log("Load stopped")

    def _watch(self) -> Observation:
        """Observe, and check the load while it runs."""
        if self._run_load.active:
            totals = self._load.totals()
            self._in_flight = totals.in_flight
            self._context.record(LoadSeen(at=self._context.clock.now(), totals=totals))
            ended = f"The load ended after the longest time that it may last, {span(MOST_SECONDS)}."
            self._run_load.check(totals, ended)
        return self._observation()

    def _observation(self) -> Observation:
        """Observe. Raise `RunStopped` if the autoscaler has been gone for GONE_SECONDS."""
        for _ in range(int(GONE_SECONDS / POLL_SECONDS)):
            if seen := self._observe():
                return seen
            self._context.sleep(POLL_SECONDS)
        raise RunStopped("The autoscaler was deleted during the run, or its CPU target was removed.")

    def _observe(self) -> Observation | None:
        at = self._context.clock.now()
        seen = self._account.see(self._view.look(at), at)
        if seen is not None:
            self._context.record(observed(seen, at))
        return seen

    # Progress and evidence

    def _progress(self, seen: Observation) -> str:
        moments, rates = self._account.moments, self._account.rates
        steady = moments.steady() if moments else 0.0
        parts = [_pods_text(seen)]
        if self._run_load.active and rates:
            parts.insert(0, f"{rates.rate:g} requests a second")
        if steady:
            parts.append(f"steady for {steady:.0f} of {STEADY_SECONDS:.0f} s")
        if not self._run_load.active and seen.next_change:
            left = max(0.0, seen.next_change[0] - seen.at)
            parts.append(f"{seen.next_change[1]} expected in {span(left)}")
        return "; ".join(parts)

    def _figures(self) -> Json:
        account = self._account
        totals = account.totals or self._load.totals()
        moments, start, rates = account.moments, account.start, account.rates
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


def _pods_text(seen: Observation) -> str:
    return f"{len(seen.own_ready)} Ready of {seen.desired} asked for, {seen.cpu}"


def _overdue(moment: str, seen: Observation, passed: float, changes: int) -> str:
    figure = "unknown" if seen.figure is None else f"{seen.figure} {seen.unit}"
    reason = (
        f"Not reached after {span(passed)} and {changes} changes of the number of pods: {NAMES[moment]} ({moment})."
        f" No obligation was open. {_pods_text(seen)}; the autoscaler reports {figure}."
    )
    if seen.held:
        reason += f" Its condition is {seen.held}: a window or a policy of its own holds it."
    if other := seen.held_by(seen.desired):
        reason += f" Its metric {other} may ask for so many."
    if seen.unmeasured:
        reason += f" There are no CPU samples of {', '.join(seen.unmeasured)}."
    if moment in ("t4", "t5") and seen.uncounted:
        return f"{reason} The pods' request counters can't be read, so nobody knows whether they serve."
    if moment == "t4" and seen.endpoints is not None and seen.endpoints >= len(seen.ready) > len(seen.serving):
        reason += (
            " All Ready pods are endpoints of the Service: does its sessionAffinity, internalTrafficPolicy or"
            " trafficDistribution keep one client from the new ones?"
        )
    return reason
