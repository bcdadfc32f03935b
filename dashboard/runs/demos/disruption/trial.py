"""A trial of the service: its pods are disrupted while an open-loop load, eight writers and two readers use it.

The demos are made of a trial's steps. It is over when the service has been whole after each disruption, and all that
was written has been read back; or at the first disruption after which it was not whole in time.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from dashboard.core.deployment.deployed import Deployed
from dashboard.core.errors import ExternalError
from dashboard.core.hpa.recommendations import SYNC_SECONDS
from dashboard.core.text import span
from dashboard.core.timestamps import seconds
from dashboard.load.options import LoadTotals
from dashboard.runs.context import RunContext, RunStopped
from dashboard.runs.demo import Tools
from dashboard.runs.demos.disruption.observation import (
    ROLLS,
    Disruption,
    Facts,
    Kind,
    LoadPoint,
    Silence,
    Standing,
    TrialObservations,
    observe,
)
from dashboard.runs.demos.disruption.records import Disrupted, Loaded, Stood, records_of
from dashboard.runs.demos.disruption.recovery import Recovery, recovery
from dashboard.runs.demos.disruption.verdict import findings, verdict_of
from dashboard.runs.run_load import RunLoad
from dashboard.runs.verdict import Json, Verdict
from dashboard.runs.words import plural
from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.read_backs import ReadBacks

RATE = 50.0  # requests a second of the load
ACKED_BEFORE, RATE_BEFORE = 300, 50.0  # of the writers, before the first disruption
POLL_SECONDS = 0.2  # the precision of the times
REMOVAL_SECONDS = 60.0  # before which the autoscaler's removal of a pod is waited for; a replacement takes less


class Overdue(RunStopped):
    """The service was not whole in time. This is a finding, not an interruption."""


class Trial:
    """`run` has the disruptions that the trial is made of, and the limits until each must be over."""

    def __init__(self, context: RunContext, tools: Tools, run: TrialObservations) -> None:
        self._context = context
        self._tools = tools
        self._run = run
        self._limits = context.run.demo.limits
        self._writers = tools.writers(context.run.id)
        self._read_backs = ReadBacks(context, tools.reader, self._writers)
        self._run_load = RunLoad(context, tools.load)
        self._standings: list[Standing] = []
        self._disruptions: list[Disruption] = []
        self._load: list[LoadPoint] = []
        self._facts: Facts | None = None
        self._silences: list[Silence] = []
        self._last_write: bool | None = None

    def cleanup(self) -> None:
        self._stop_load()
        self._writers.stop()

    def verdict(self, stopped: str | None) -> Verdict:
        run = replace(
            self._run,
            operations=self._writers.ledger.operations(),
            standings=self._standings,
            disruptions=self._disruptions,
            load=self._load,
            read_backs=self._read_backs.found,
            facts=self._facts,
            silences=self._silences,
            last_write=self._last_write,
            last_error=self._writers.ledger.last_error,
            unread=self._read_backs.unread,
            stopped=stopped,
        )
        for at, record in records_of(run):
            self._context.record(record, at)
        return verdict_of(self._context.run.demo.id, findings(run))

    # The steps

    def check(self) -> Deployed:
        """Wait until the run can begin: a restart or a scaling may have just ended. Return the Deployment."""
        self._context.begin_step("preflight")
        if self._tools.load.running():
            raise RunStopped("A load is running already: stop it first.")
        self._wait_until_even()
        deployed = self._tools.service.read()
        self._facts = Facts(deployed.pre_stop, deployed.readiness, deployed.progress_deadline)
        self._context.log(f"{len(self._standings[-1].ready)} pods are Ready, as many as asked for")
        return deployed

    def warm_up(self) -> None:
        self._context.begin_step("warmup", f"{RATE:g} requests a second")
        self._run_load.start(RATE)
        self._writers.start()

        def enough() -> bool:
            self._look()
            operations = self._writers.ledger.operations()
            acked, each_second = traffic.acknowledged(operations), traffic.rate(operations, self._now())
            self._progress(f"{acked} writes acknowledged, {each_second:.0f} a second")
            return acked >= ACKED_BEFORE and each_second >= RATE_BEFORE

        limit = self._limits["warmup"]
        thin = f"Too thin after {limit:.0f} s: {ACKED_BEFORE} writes and {RATE_BEFORE:.0f} a second are needed."
        self._context.wait_until(enough, POLL_SECONDS, limit, thin)

    def disrupt(self, kind: Kind, act: Callable[[Standing], Json]) -> None:
        """Disrupt the service, and wait until it is whole and its new pods serve. `act` returns fields of the
        disruption. Raise `Overdue` if it is not whole in time."""
        self._context.begin_step(kind)
        self._wait_until_even(lasting=kind not in ROLLS)
        self._context.confirm_lease()
        self._look()
        at = self._now()
        in_flight = self._load[-1].totals.in_flight if self._load else 0
        fields = act(self._standings[-1])
        done = Disruption(kind=kind, at=at, answered=self._now(), in_flight=in_flight, **fields)
        self._disruptions.append(done)
        self._context.record(Disrupted(done))
        self._wait_until_whole(done)
        self._wait_until_served(done)

    def conclude(self) -> None:
        """Go on for a while, write a last document and read all back."""
        self._context.begin_step("after")
        end = self._now() + self._limits["after"]
        while (left := end - self._now()) > 0:
            self._look()
            self._progress(f"{left:.0f} s more")
            self._context.sleep(POLL_SECONDS)
        self._stop_load()
        self._writers.stop()
        self._last_write = self._writers.write()
        self._context.log("The last write was acknowledged" if self._last_write else "The last write failed")
        self._context.begin_step("readback")
        self._read_backs.read(self._limits["readback"])
        self._context.finish()

    # Waiting

    def _wait_until_even(self, lasting: bool = False) -> None:
        """Wait until as many pods are Ready as are asked for, no others start or end, and MongoDB answers. `lasting`:
        until the autoscaler removes no pod soon, too; without that pod, no new one takes a deleted one's place."""
        patient = self._now() + REMOVAL_SECONDS + SYNC_SECONDS

        def even() -> bool:
            missing = self._missing()
            if missing is None and lasting and self._now() < patient and self._removal_is_due():
                missing = "The autoscaler is about to ask for fewer pods"
            self._progress(missing or "All pods are Ready")
            return missing is None

        self._context.wait_until(even, POLL_SECONDS, self._limits["ready"], lambda: f"{self._missing()}.")

    def _missing(self) -> str | None:
        """Return what is missing before a disruption may begin; None if nothing is."""
        if missing := _waits_for(self._look()):
            return missing
        return None if self._database_answers() else "MongoDB does not answer: the writers need it"

    def _wait_until_whole(self, done: Disruption) -> None:
        while (found := self._recovery(done)).whole is None:
            if self._now() - done.at >= found.due:
                self._stand(self._seen(), force=True)
                if overdue := self._recovery(done).overdue:
                    self._context.log(overdue)
                    raise Overdue(overdue)
                if away := self._standings[-1].away:
                    raise RunStopped(f"The source {away} does not answer.")
                continue  # it is whole by now, or its pods have got on
            seen = self._look()
            self._progress(f"{len(seen.ready)} Ready of {seen.desired}, {span(self._now() - done.at)} since it began")
            self._context.sleep(POLL_SECONDS)
        self._context.log(f"At full strength again after {found.whole:.1f} s, with {plural(len(found.new), 'new pod')}")

    def _wait_until_served(self, done: Disruption) -> None:
        """Wait until the old pods are gone and requests have reached the new ones; the verdict says if they did not."""
        end = self._now() + self._limits["serve"]
        while self._now() < end:
            found = self._recovery(done)
            if found.gone is not None and len(found.served) == len(found.new) > 0:
                self._context.log(f"Requests reach each of the {len(found.new)} new pods, and the old ones are gone")
                return
            self._look()
            self._progress(f"Requests reach {len(found.served)} of {len(found.new)} new pods")
            self._context.sleep(POLL_SECONDS)

    def _recovery(self, done: Disruption) -> Recovery:
        return recovery(done, self._standings, float("inf"), self._run.limits[done.kind], self._facts)

    # Observing

    def _look(self) -> Standing:
        """Look at the pods and at MongoDB, and at the load while it runs. Raise `RunStopped` if the load has ended or
        fails."""
        self._stand(seen := self._seen())
        self._listen(self._database_answers())
        if self._run_load.active:
            self._run_load.check(self._look_at_load(), "The load ended too early.")
        return seen

    def _seen(self) -> Standing:
        return observe(self._tools.view.look(self._context.clock.now()).state, self._tools.deployment, self._now())

    def _removal_is_due(self) -> bool:
        """Return whether the autoscaler is expected to ask for fewer pods while a deleted one is replaced."""
        state = self._tools.view.view()
        expected = (state["autoscaler"] or {}).get("evaluation") or {}
        until, pods = expected.get("until"), expected.get("until_replicas")
        if until is None or pods is None or pods >= ((state["deployment"] or {}).get("desired") or 0):
            return False
        return seconds(until) - self._context.time() < REMOVAL_SECONDS

    def _database_answers(self) -> bool:
        return (self._tools.view.view()["mongo"] or {}).get("state") == "up"

    def _stand(self, seen: Standing, force: bool = False) -> None:
        if force or not self._standings or replace(self._standings[-1], at=seen.at) != seen:
            self._standings.append(seen)
            self._context.record(Stood(seen))

    def _listen(self, answers: bool) -> None:
        """Note since when MongoDB does not answer, and until when it did not."""
        silent = bool(self._silences) and self._silences[-1][1] is None
        if silent and answers:
            self._silences[-1] = self._silences[-1][0], self._now()
        elif not silent and not answers:
            self._silences.append((self._now(), None))

    def _look_at_load(self) -> LoadTotals:
        """Note the load's totals if they have changed, and return them."""
        totals = self._tools.load.totals()
        if not self._load or self._load[-1].totals != totals:
            self._load.append(LoadPoint(self._now(), totals))
            self._context.record(Loaded(self._load[-1].at, totals))
        return totals

    def _stop_load(self) -> None:
        if self._run_load.active:
            self._run_load.stop()
            self._look_at_load()

    def _progress(self, text: str) -> None:
        totals = self._load[-1].totals if self._load else None
        evidence = {"offered": totals.offered, "achieved": totals.achieved} if totals else None
        self._context.set_progress(text, evidence)

    def _now(self) -> float:
        return self._context.clock.monotonic()


def audited(context: RunContext, action: str, about: Json, mark: str, act: Callable[[], Any]) -> Any:
    """Do something to an object and audit the outcome. Raise its errors."""
    try:
        done = act()
    except ExternalError as error:
        context.audit(action, f"failed: {error}", about)
        raise
    context.audit(action, "done", about, mark)
    return done


def _waits_for(seen: Standing) -> str | None:
    """Return what of the pods is missing before a disruption may begin; None if nothing is."""
    if seen.away:
        return f"The source {seen.away} does not answer"
    if not seen.desired:
        return "The service's Deployment asks for no pods"
    if not seen.whole:
        failure = f": {seen.failure}" if seen.failure else ""
        return f"{len(seen.ready)} of {seen.desired} pods are Ready{failure}"
    if len(seen.pods) != seen.desired:
        return f"{len(seen.pods)} pods are there, where {seen.desired} are asked for"
    return None
